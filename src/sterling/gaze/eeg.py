"""Indicators of attention and emotion from EEG and gaze, relative to a calm baseline.

::

    recording = read_recording(Path("viewer01.edf"))
    scenes = read_segments(Path("events.csv"))
    indicators(recording, scenes, baseline="calm")  # one row a scene

MNE reads the recording and estimates power by Welch's method (``pip install 'sterling[gaze]'``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sterling.checks import check_numbers
from sterling.errors import InputError, NothingMeasuredError, quoted, unknown_name
from sterling.extras import needs
from sterling.tables import read_table

BANDS: Mapping[str, tuple[float, float]] = {"theta": (4, 8), "alpha": (8, 13), "beta": (13, 30)}
"""Frequency bands in hertz."""

LEFT, RIGHT = "F3", "F4"
"""Frontal electrodes whose difference is the valence."""

INDICATORS = ("engagement", "valence", "asymmetry")


@dataclass(frozen=True, eq=False)
class Recording:
    """An EEG recording.

    Attributes:
        signals: Volts, float64 (channels, samples).
        rate: Samples a second.
        channels: Names of the channels.
    """

    signals: NDArray[np.float64]
    rate: float
    channels: tuple[str, ...]

    def __post_init__(self) -> None:
        check_numbers(above=0, rate=self.rate)
        if self.signals.ndim != 2 or len(self.signals) != len(self.channels):
            raise InputError(
                f"signals have shape {self.signals.shape} for {len(self.channels)} channels; give "
                "(channels, samples)"
            )

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return float(self.signals.shape[1] / self.rate)

    def pick(self, names: Sequence[str]) -> "Recording":
        """Keep the named channels.

        Raises:
            InputError: A channel does not exist.
        """
        for name in names:
            if name not in self.channels:
                raise unknown_name("channel", name, self.channels)
        rows = [self.channels.index(name) for name in names]
        return Recording(self.signals[rows], self.rate, tuple(names))


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording, such as a scene of a video.

    Attributes:
        name: Its name; several segments may share one.
        onset: Start in seconds from the recording's.
        duration: Length in seconds.
    """

    name: str
    onset: float
    duration: float


def read_recording(path: Path) -> Recording:
    """Read the EEG channels of any file that MNE reads: EDF, BDF, EEGLAB, BrainVision, FIF.

    Channels that the file marks as others than EEG, or whose name begins with EOG, are left out.

    Raises:
        InputError: MNE is not installed, or it cannot read the file.

    Examples:
        >>> read_recording(Path("viewer01.edf")).channels
    """
    with needs("gaze", "an EEG recording"):
        import mne
    try:
        raw = mne.io.read_raw(path, preload=True, verbose="error")
    except Exception as error:  # one reader per format, each with errors of its own
        line = str(error).split("\n", 1)[0]
        raise InputError(f"{path}: MNE cannot read it ({line})") from error
    kinds = zip(raw.ch_names, raw.get_channel_types(), strict=True)
    names = [name for name, kind in kinds if kind == "eeg" and not name.upper().startswith("EOG")]
    if not names:
        raise InputError(f"{path} has no EEG channel; it has {', '.join(raw.ch_names[:12])}")
    signals = np.asarray(raw.get_data(picks=names), dtype=np.float64)
    return Recording(signals, float(raw.info["sfreq"]), tuple(names))


def read_segments(path: Path) -> list[Segment]:
    """Read a table with the columns segment, onset and duration (seconds).

    Raises:
        InputError: A column is missing, a number is none, or a duration is not positive.
    """
    table = read_table(path)
    table.require("segment", "onset", "duration")
    rows = zip(
        table.texts("segment").tolist(),
        table.numbers("onset").tolist(),
        table.numbers("duration").tolist(),
        strict=True,
    )
    segments = [Segment(*row) for row in rows]
    for index, one in enumerate(segments):
        if one.duration <= 0 or one.onset < 0:
            raise InputError(
                f"{table.place(index)}: onset {one.onset:g}, duration {one.duration:g} s; give an "
                "onset of 0 or more and a duration above 0"
            )
    return segments


def band_powers(
    signals: Any, rate: float, *, window: float = 1.0, bands: Mapping[str, Any] = BANDS
) -> dict[str, NDArray[np.float64]]:
    """Mean power density of each band in windows that follow each other, by Welch's method.

    Args:
        signals: Volts, (channels, samples).
        rate: Samples a second; at least twice the highest frequency.
        window: Length of a window in seconds; the rest of the signals is left out. A
            window is one segment of Welch's method, so frequencies are 1/`window` apart.
        bands: Lowest and highest frequency in hertz of each band; the highest is not included.

    Returns:
        Power density in V²/Hz by band, each (windows, channels).

    Raises:
        InputError: MNE is not installed, signals are too short or too slow, or not finite.

    Source: Welch, IEEE Transactions on Audio and Electroacoustics 15 (1967).

    Examples:
        >>> band_powers(np.random.randn(2, 512), 128)["alpha"].shape
        (4, 2)
    """
    with needs("gaze", "power by frequency band"):
        from mne.time_frequency import psd_array_welch
    volts = np.asarray(signals, dtype=np.float64)
    check_numbers(above=0, rate=rate, window=window)
    highest = max(high for _, high in bands.values())
    if rate < 2 * highest:
        raise InputError(f"rate is {rate:g} Hz: bands up to {highest:g} Hz need {2 * highest:g}")
    length = round(window * rate)
    windows = volts.shape[-1] // length
    if volts.ndim != 2 or not windows:
        raise InputError(f"signals have shape {volts.shape}; give {length} samples or more")
    if not np.isfinite(volts).all():
        raise InputError("signals: a sample is not finite; cut the stretch out")
    cut = volts[:, : windows * length].reshape(len(volts), windows, length).swapaxes(0, 1)
    density, frequency = psd_array_welch(cut, rate, fmin=0, n_fft=length, verbose="error")
    return {
        name: density[..., (frequency >= low) & (frequency < high)].mean(-1)
        for name, (low, high) in bands.items()
    }


def indicators(
    recording: Recording,
    segments: Sequence[Segment],
    *,
    baseline: str | None = None,
    window: float = 1.0,
    frontal: tuple[str, str] = (LEFT, RIGHT),
) -> pl.DataFrame:
    """Average indicators over segments, as z-scores of a baseline where one is named.

    In each window: engagement ``β / (α + θ)``, averaged over channels; valence
    ``α/β`` right less left; asymmetry ``ln α`` right less left, of the two frontal electrodes. A
    z-score is less the mean of the baseline's windows, over their standard deviation.

    Args:
        recording: EEG.
        segments: Stretches of it; windows begin at each onset.
        baseline: Name of the segments of a calm viewer.
        window: Length of a window in seconds.
        frontal: Left and right electrode.

    Returns:
        Columns segment, onset, duration, windows, engagement, valence, asymmetry; a row for each
        segment but the baseline's.

    Raises:
        InputError: A segment ends after the recording or is shorter than a window, a channel or the
            baseline does not exist, or the baseline has fewer than two windows.
        NothingMeasuredError: No segment beside the baseline.

    Source: engagement: Pope, Bogart and Bartolome, Biological Psychology 40 (1995); asymmetry:
    Davidson, Brain and Cognition 20 (1992); windows and z-scores are our choice.

    Examples:
        >>> scenes = [Segment("calm", 0, 30), Segment("scene 1", 30, 8)]
        >>> indicators(recording, scenes, baseline="calm")
    """
    recording.pick(frontal)
    found = {one: _windows(recording, one, window, frontal) for one in dict.fromkeys(segments)}
    scaled = dict.fromkeys(INDICATORS, (0.0, 1.0))
    if baseline is not None:
        calm = [found[one] for one in found if one.name == baseline]
        if not calm:
            raise unknown_name("segment", baseline, {one.name for one in segments})
        for index, name in enumerate(INDICATORS):
            values = np.concatenate([one[index] for one in calm])
            spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
            if not spread:
                raise InputError(
                    f"segment {quoted(baseline)}: {len(values)} windows of {window:g} s whose "
                    f"{name} does not vary; give a longer baseline"
                )
            scaled[name] = (float(values.mean()), spread)
    rows = [
        {
            "segment": one.name,
            "onset": one.onset,
            "duration": one.duration,
            "windows": values.shape[1],
            **{
                name: float((values[index].mean() - scaled[name][0]) / scaled[name][1])
                for index, name in enumerate(INDICATORS)
            },
        }
        for one, values in found.items()
        if one.name != baseline
    ]
    if not rows:
        raise NothingMeasuredError("no segment beside the baseline; name the scenes to measure")
    return pl.DataFrame(rows)


def eye_movement_ratio(valid: Any, in_region: Any | None = None) -> float:
    """Share of gaze samples that are valid, and within the screen or region where that is given.

    Args:
        valid: Whether the tracker saw the eye, bool (S,).
        in_region: Whether the gaze lay within, bool (S,).

    Raises:
        NothingMeasuredError: Without a sample.
        InputError: Lengths differ.

    Examples:
        >>> eye_movement_ratio([True, True, False, True], [True, False, False, True])
        0.5
    """
    seen = np.asarray(valid, dtype=bool)
    inside = np.ones_like(seen) if in_region is None else np.asarray(in_region, dtype=bool)
    if seen.shape != inside.shape or seen.ndim != 1:
        raise InputError(
            f"gaze samples: {seen.shape} valid, {inside.shape} in region; give as many"
        )
    if not len(seen):
        raise NothingMeasuredError("0 gaze samples: a share needs one or more")
    return float((seen & inside).mean())


def _windows(
    recording: Recording, segment: Segment, window: float, frontal: tuple[str, str]
) -> NDArray[np.float64]:
    """Indicators in each window of a segment, (3, windows)."""
    start = round(segment.onset * recording.rate)
    end = round((segment.onset + segment.duration) * recording.rate)
    if end > recording.signals.shape[1]:
        raise InputError(
            f"segment {quoted(segment.name)} ends at {segment.onset + segment.duration:g} s, the "
            f"recording at {recording.seconds:g} s"
        )
    if end - start < round(window * recording.rate):
        raise InputError(
            f"segment {quoted(segment.name)} lasts {segment.duration:g} s, less than a window of "
            f"{window:g} s"
        )
    power = band_powers(recording.signals[:, start:end], recording.rate, window=window)
    left, right = (recording.channels.index(name) for name in frontal)
    alpha, beta = power["alpha"], power["beta"]
    return np.stack(
        [
            (beta / (alpha + power["theta"])).mean(1),
            alpha[:, right] / beta[:, right] - alpha[:, left] / beta[:, left],
            np.log(alpha[:, right]) - np.log(alpha[:, left]),
        ]
    )
