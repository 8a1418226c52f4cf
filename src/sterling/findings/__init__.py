"""Typed values of domains as claims, metrics and tables, for every surface that leaves evidence."""
