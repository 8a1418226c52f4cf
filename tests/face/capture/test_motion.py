"""Motion in clips: by the second, around their middle frame, heads and hands alike."""

import numpy as np
import pytest

from sterling.face.capture.flat import hold
from sterling.face.capture.studio import motion, pulse, sample_view
from sterling.face.capture.sway import AT_REST, STILL, TURNING, Clip, Sway, sway


def test_motion_is_by_the_second_whatever_the_frame_rate() -> None:
    fine, fine_drift = sway(Clip(13, 25.0), np.random.default_rng(4))
    coarse, coarse_drift = sway(Clip(5, 25 / 3), np.random.default_rng(4))
    assert np.allclose(fine[::3], coarse, atol=1e-12)
    assert np.allclose(fine_drift[::3], coarse_drift, atol=1e-12)


def test_the_middle_frame_is_where_motion_starts_from() -> None:
    turns, drifts = sway(Clip(6), np.random.default_rng(0))
    assert not turns[3].any()
    assert not drifts[3].any()
    assert turns[[0, -1]].all()


def test_a_single_frame_draws_nothing() -> None:
    rng = np.random.default_rng(0)
    turns, drifts = sway(STILL, rng)
    assert not turns.any()
    assert not drifts.any()
    assert rng.random() == np.random.default_rng(0).random()


@pytest.mark.parametrize(("how", "stated"), [(AT_REST, 6.0), (TURNING, 30.0)])
def test_the_stated_speeds_are_those_of_the_oscillation(how: Sway, stated: float) -> None:
    # The root mean square speed of a sin(2 pi f t) is sqrt(2) pi a f; f² has mean 0.116.
    closed = 2**0.5 * np.pi * how.turn[0] * (((0.5**3 - 0.15**3) / 3) / 0.35) ** 0.5
    assert closed == pytest.approx(stated, rel=0.06)
    rng = np.random.default_rng(1)
    speeds = [np.diff(sway(Clip(3, 100.0, how), rng)[0][:, 0]) * 100.0 for _ in range(4000)]
    # 4000 phases: the standard error of the mean square is below 2 %.
    assert np.sqrt(np.mean(np.square(speeds))) == pytest.approx(closed, rel=0.05)


def test_heads_and_instruments_move_as_much() -> None:
    clip, rng = Clip(5, 25 / 3), np.random.default_rng(2)
    view = sample_view(rng, "near")
    heads, hands = [], []
    for _ in range(1500):
        seen = motion(view, clip, True, rng)
        heads.append((seen[-1].yaw - seen[0].yaw, seen[-1].shift[0] - seen[0].shift[0]))
        held = hold("print", 4.0, rng, clip)
        drift = (held.cameras[-1].x - held.cameras[0].x) / held.cameras[0].half
        hands.append((held.poses[-1].yaw - held.poses[0].yaw, drift))
    ratio = np.std(heads, axis=0) / np.std(hands, axis=0)
    assert ratio == pytest.approx([1, 1], abs=0.1)


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
