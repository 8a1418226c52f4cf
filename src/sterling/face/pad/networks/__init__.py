"""Architectures, one file each; `models` is their registry."""
