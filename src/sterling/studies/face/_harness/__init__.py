"""The harness of face studies: name systems, claims and sizes, and `face_study` makes the rest.

Every repetition draws its own captures and its own initial weights, which the systems of one
repetition share, so that their differences are paired.
"""
