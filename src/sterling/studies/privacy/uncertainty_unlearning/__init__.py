"""Deletion requests that attack the confidence of a classifier."""
