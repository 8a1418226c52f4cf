"""Presentation attack detection: the CDCN network, its training and the detector it becomes."""
