"""Membership inference with a bounded false discovery rate."""
