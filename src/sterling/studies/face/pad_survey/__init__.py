"""Families of face presentation attack detection."""
