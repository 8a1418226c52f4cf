"""Identity and pose in orthogonal subspaces, with a pose-adaptive margin."""
