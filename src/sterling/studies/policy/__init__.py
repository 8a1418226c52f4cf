"""Studies of reinforcement learning from rewards."""
