"""Few-shot face anti-spoofing with a learned inner update."""
