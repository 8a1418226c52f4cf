"""The heartbeat of simulated clips."""

import numpy as np

from sterling.face.capture.studio import pulse
from sterling.face.capture.sway import STILL, Clip


def test_a_heart_beats_between_48_and_132_times_a_minute() -> None:
    clip = Clip(frames=500, rate=25.0)
    found = []
    for seed in range(30):
        beats = np.array(pulse(clip, np.random.default_rng(seed)))
        assert np.abs(beats).max() <= 1
        power = np.abs(np.fft.rfft(beats * np.hanning(len(beats)))) ** 2
        found.append(60 * np.fft.rfftfreq(len(beats), 1 / clip.rate)[power.argmax()])
    assert min(found) >= 48 - 3
    assert max(found) <= 132 + 3
    assert np.ptp(found) > 30  # people differ


def test_the_same_numbers_give_the_same_heart() -> None:
    clip = Clip(frames=10, rate=5.0)
    first, again, other = (pulse(clip, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_still_shows_no_pulse_and_draws_as_a_clip_does() -> None:
    still, clip = (np.random.default_rng(5) for _ in range(2))
    assert pulse(STILL, still) == [0.0]
    assert len(set(pulse(Clip(frames=4), clip))) == 4
    assert still.random() == clip.random()
