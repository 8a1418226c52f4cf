"""Names for the units of a vision network, with evidence, and checks of these names."""
