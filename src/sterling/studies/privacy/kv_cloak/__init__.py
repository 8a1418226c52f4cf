"""Attacks on key-value caches, and an obfuscation against them."""
