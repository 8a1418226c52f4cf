"""HMLLM: how groups of viewers respond to an advertisement."""
