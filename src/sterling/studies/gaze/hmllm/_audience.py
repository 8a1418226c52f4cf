"""Simulated viewers of advertisements: scenes, profiles, and EEG that carries their responses.

::

    audience = simulate(videos=12, scenes=3, interaction=1.0, mood=1.0, seed=0)
    audience.embedding.shape, audience.values.shape  # (36, 32), (36, 14, 3)
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from sterling.gaze import Recording, Segment, eye_movement_ratio, indicators
from sterling.gaze.eeg import BANDS, LEFT, RIGHT

GENDERS = ("female", "male")
AGES = ("under 20", "21-25", "26-30", "31-35", "36-40", "41-45", "46-50")
PROFILES = tuple(product(GENDERS, AGES))
LABELS = {
    "engagement": ("non-cognitive", "cognitive"),
    "valence": ("presumably negative", "neutral", "positive"),
    "eye movement": ("partially attended", "fully attended"),
}
"""Classes of each indicator, from low to high, named as in Video-SME."""

ATTRIBUTES, EMBEDDED, EMBEDDING_NOISE = 4, 32, 2.0
RESPONSE_NOISE = 0.7
CHANNELS = (LEFT, RIGHT, "Cz", "Pz")
RATE, CALM, SCENE_SECONDS = 128, 20, 6
GAZE_RATE, GAZE_LEVEL = 60, 1.5
EFFECT = 0.4  # change of a log band power with one unit of a response
VOLTS = 1e-5


@dataclass(frozen=True, eq=False)
class Audience:
    """Scenes of videos and the responses of profiles to them.

    Attributes:
        video: Video of each scene, (scenes,).
        embedding: Input of networks for each scene, (scenes, 32).
        values: Measured indicators, (scenes, profiles, indicators).
        labels: Classes of the indicators, cut by `with_labels`, (scenes, profiles, indicators).
    """

    video: NDArray[np.int64]
    embedding: NDArray[np.float64]
    values: NDArray[np.float64]
    labels: NDArray[np.int64]


def simulate(
    *, videos: int, scenes: int, interaction: float, mood: float, seed: int, eeg: bool = True
) -> Audience:
    """Draw videos and the responses of 14 profiles.

    A response is the scene's appeal, plus `interaction` times the profile's taste for the scene's
    attributes, plus `mood` times the video's mood, plus noise, for each of three indicators. The
    embedding holds attributes and mood under noise, so that scenes of one video, and scenes alike,
    tell about each other. Engagement and valence are then measured from raw EEG by
    `sterling.gaze.indicators`, with a calm baseline of 20 s for each video and profile, and the eye
    movement ratio from gaze samples. One simulated viewer stands for a profile.

    Args:
        videos: Number of videos.
        scenes: Scenes of a video.
        interaction: Strength of the profiles' tastes; 0 makes all profiles respond alike.
        mood: Strength of the videos' moods.
        seed: Seed of everything.
        eeg: Whether engagement and valence come from raw EEG; otherwise they are the responses.

    Source: our choice throughout; SIMULATED.
    """
    rng = np.random.default_rng(seed)
    count = len(LABELS)
    video = np.repeat(np.arange(videos), scenes)
    shared = rng.normal(size=(videos, ATTRIBUTES))[video]
    attributes = (shared + rng.normal(size=(len(video), ATTRIBUTES))) / np.sqrt(2)
    moods = rng.normal(size=(videos, count))[video]
    seen = np.hstack([attributes, moods])
    embedding = seen @ rng.normal(size=(seen.shape[1], EMBEDDED))
    embedding += EMBEDDING_NOISE * rng.normal(size=embedding.shape)
    appeal = attributes @ rng.normal(size=(ATTRIBUTES, count)) / np.sqrt(ATTRIBUTES)
    by_gender = rng.normal(size=(len(GENDERS), 1, ATTRIBUTES, count))
    by_age = rng.normal(size=(1, len(AGES), ATTRIBUTES, count))
    taste = ((by_gender + by_age) / np.sqrt(2)).reshape(len(PROFILES), ATTRIBUTES, count)
    personal = np.einsum("sa,pam->spm", attributes, taste) / np.sqrt(ATTRIBUTES)
    latent = (appeal + mood * moods)[:, None] + interaction * personal
    latent += RESPONSE_NOISE * rng.normal(size=latent.shape)
    values = measure_responses(latent, video, rng) if eeg else latent
    return Audience(video, embedding, values, np.zeros(values.shape, dtype=np.int64))


def with_labels(audience: Audience, training: NDArray[np.bool_]) -> Audience:
    """Cut indicators into classes of equal size among training scenes.

    Args:
        audience: Audience.
        training: Mask of the training scenes, bool (scenes,).
    """
    labels = np.empty(audience.values.shape, dtype=np.int64)
    for index, names in enumerate(LABELS.values()):
        shares = np.arange(1, len(names)) / len(names)
        cuts = np.quantile(audience.values[training, :, index], shares)
        labels[..., index] = np.searchsorted(cuts, audience.values[..., index])
    return Audience(audience.video, audience.embedding, audience.values, labels)


def measure_responses(
    latent: NDArray[np.float64], video: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Indicators from EEG and gaze that carry responses.

    Args:
        latent: Responses, (scenes, profiles, 3).
        video: Video of each scene, (scenes,); its scenes are of one recording.
        rng: Generator of the signals.
    """
    values = np.empty_like(latent)
    for name in np.unique(video):
        here = np.flatnonzero(video == name)
        segments = [Segment("calm", 0, CALM)] + [
            Segment(f"scene {index}", CALM + SCENE_SECONDS * index, SCENE_SECONDS)
            for index in range(len(here))
        ]
        for profile in range(latent.shape[1]):
            recording = record(latent[here, profile, :2], rng)
            found = indicators(recording, segments, baseline="calm")
            values[here, profile, :2] = found.select("engagement", "valence").to_numpy()
    chance = 1 / (1 + np.exp(-GAZE_LEVEL - latent[..., 2]))
    valid = rng.random((*chance.shape, GAZE_RATE * SCENE_SECONDS)) < chance[..., None]
    flat = valid.reshape(-1, valid.shape[-1])
    values[..., 2] = np.array([eye_movement_ratio(one) for one in flat]).reshape(chance.shape)
    return values


def record(responses: NDArray[np.float64], rng: np.random.Generator) -> Recording:
    """Raw EEG of a calm stretch and then scenes, as noise limited to bands.

    Engagement raises the power of beta in all channels; valence raises alpha in the right frontal
    channel and lowers it in the left one.

    Args:
        responses: Engagement and valence in each scene, (scenes, 2).
        rng: Generator of the noise.
    """
    parts = [_noise(np.zeros(2), CALM, rng)]
    parts += [_noise(one, SCENE_SECONDS, rng) for one in responses]
    return Recording(VOLTS * np.concatenate(parts, axis=1), RATE, CHANNELS)


def _noise(
    response: NDArray[np.float64], seconds: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    samples = seconds * RATE
    frequency = np.fft.rfftfreq(samples, 1 / RATE)
    power = np.full((len(CHANNELS), len(frequency)), 0.1)
    for name, (low, high) in BANDS.items():
        change = np.zeros(len(CHANNELS))
        if name == "beta":
            change += EFFECT * response[0]
        if name == "alpha":
            change[:2] += EFFECT * response[1] * np.array([-1, 1])
        inside = (frequency >= low) & (frequency < high)
        power[:, inside] = np.exp(change)[:, None]
    drawn = rng.normal(size=(2, *power.shape))
    spectrum = np.sqrt(power) * (drawn[0] + 1j * drawn[1])
    noise: NDArray[np.float64] = np.fft.irfft(spectrum, samples, axis=1) * np.sqrt(samples / 2)
    return noise
