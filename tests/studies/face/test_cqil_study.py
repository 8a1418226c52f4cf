"""The study of quality: its captures."""

import numpy as np

from sterling.face.capture.protocols import find_protocol
from sterling.studies.face import cqil


def test_only_the_test_is_of_low_quality() -> None:
    protocol = find_protocol("low_quality")
    assert protocol.test.sensors == ("surveillance",)
    assert "surveillance" not in (*protocol.train.sensors, *protocol.dev.sensors)
    assert protocol.train.species == protocol.test.species


def test_the_probe_reads_what_is_there() -> None:
    rng = np.random.default_rng(0)
    amounts = rng.random(200)
    noise = rng.normal(size=(200, 6))
    told = np.column_stack([noise, amounts])
    assert cqil._explained(told, amounts) > 0.95
    assert cqil._explained(noise, amounts) < 0.1
