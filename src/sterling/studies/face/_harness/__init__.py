"""The harness of face studies: name systems, claims and sizes, and `face_study` makes the rest.

Every repetition has its own captures, which all studies of a seed share, and its own initial
weights. The systems of one repetition share both, so that their differences are paired.
"""
