"""How a network is fitted and applied: batches, the loop, inference."""
