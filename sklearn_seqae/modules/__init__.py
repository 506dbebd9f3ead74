"""Networks, losses and objectives. Internal."""
