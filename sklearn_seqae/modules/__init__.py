"""The networks: encoders, decoders, the linear start and the losses."""
