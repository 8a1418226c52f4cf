"""Simulated captures with known truth: faces and presentation attacks before many cameras.

No data set of presentation attacks may be passed on, so the embedded one is simulated: heads from
a linear model of CC0 shapes are projected once and shaded many times, under several lights and
through several sensors, bona fide and behind twelve kinds of attack instruments. The wing
`recaptured` makes captures of real photographs instead.
"""

from sterling.face.capture.protocols import KINDS, PROTOCOLS, SPECIES, Protocol, Scale, SplitRule
from sterling.face.capture.sensor import SENSORS, Sensor
from sterling.face.capture.shading import ILLUMINATIONS, Illumination
from sterling.face.capture.simulate import Captures, simulate

__all__ = [
    "ILLUMINATIONS",
    "KINDS",
    "PROTOCOLS",
    "SENSORS",
    "SPECIES",
    "Captures",
    "Illumination",
    "Protocol",
    "Scale",
    "Sensor",
    "SplitRule",
    "simulate",
]
