"""Unlearning methods against attacks on what they leave."""
