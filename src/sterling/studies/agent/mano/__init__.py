"""Mano: a GUI agent trained in three stages, with a verifier, on MiniWoB++ pages."""
