"""Training loop, batches and inference. Internal."""
