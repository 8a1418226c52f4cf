"""Logos of brands never seen, by subject and by border."""
