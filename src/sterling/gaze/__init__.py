"""Gaze and response of people: fixations, saliency and scanpath metrics, EEG, hypergraphs.

::

    fixations = Fixations.read("fixations.csv", screen=(800, 600))
    evaluate_maps(read_maps(Path("maps"), fixations.stimuli), fixations).summary()["NSS"]
"""

from lazy_loader import attach_stub

# Names are in __init__.pyi; each is imported on first use, as metrics need no torch.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
