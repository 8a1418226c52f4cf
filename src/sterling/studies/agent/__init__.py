"""Studies of agents."""
