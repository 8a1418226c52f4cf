"""Studies of machine-written text and watermarks."""
