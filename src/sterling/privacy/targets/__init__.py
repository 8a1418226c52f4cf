"""Models under audit and their training."""
