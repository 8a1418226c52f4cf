"""Studies of distributed training."""
