"""Studies of membership inference, unlearning and caches."""
