"""Search for the alignment template."""
