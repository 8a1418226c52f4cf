"""Training that drops stragglers."""
