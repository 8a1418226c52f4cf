"""Studies of reasoning."""
