"""Repetitions of the simulation, as cells: every system on the same videos."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from sterling.runs import Cell, Row
from sterling.studies.gaze.hmllm._audience import LABELS, Audience, simulate, with_labels
from sterling.studies.gaze.hmllm._network import CLASSES, train
from sterling.studies.gaze.hmllm._records import Records, records_of, video_means
from sterling.study import Config, row

MAJORITY, BY_PROFILE = "majority class", "majority class of the profile"
LOGISTIC, MLP, MEANS = "logistic regression", "MLP", "MLP with the video's mean"
CLIQUES, HYPERGRAPH, INDUCTIVE = "clique expansion", "hypergraph", "hypergraph, inductive"
ACCURACY, MACRO_F1 = "accuracy", "macro F1"
AUDIENCE, PROFILE, COPIED, GAIN = "P1", "P2", "P1 copied to profiles", "gain over P1 copied"
TESTED = 72 / 498  # of Video-SME

Setting = tuple[float, float]
Probabilities = NDArray[np.float64]


class HmllmConfig(Config):
    """Configuration of the study.

    Attributes:
        data: JSON files of Video-SME's questions, one or a folder of them; or an EEG recording
            (.set, .edf, .bdf, .vhdr, .fif). They are checked beside the simulation.
        seeds: Number of repetitions, each with other videos, tastes and weights.
        videos: Simulated videos.
        scenes: Scenes of a video.
        interaction: Strengths of the profiles' tastes; 1 is always run.
        width: Width of the networks.
        steps: Training steps.
        language_model: "smollm2", a folder of a local model, "small" (a tiny one trained here), or
            "" for none.
        answers: Test records that the language model answers.
        answer_steps: Training steps of the soft tokens, of 16 records each.
    """

    seeds: int = Field(default=10, ge=2)
    videos: int = Field(default=40, ge=14)
    scenes: int = Field(default=3, ge=1)
    interaction: tuple[float, ...] = (0.0, 2.0)
    width: int = Field(default=64, ge=4)
    steps: int = Field(default=60, ge=10)
    language_model: str = ""
    answers: int = Field(default=64, ge=1)
    answer_steps: int = Field(default=100, ge=1)


def settings_of(config: HmllmConfig) -> list[Setting]:
    """Strengths of interaction and mood: the main setting, without mood, and the sweep."""
    sweep = [(one, 1.0) for one in config.interaction if one != 1]
    return [(1.0, 1.0), (1.0, 0.0), *sweep]


def split(config: HmllmConfig, video: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Return the mask of training scenes: those of all videos but 72 in 498, drawn at random."""
    names = np.random.default_rng([seed, 1]).permutation(config.videos)
    training: NDArray[np.bool_] = ~np.isin(video, names[: round(TESTED * config.videos)])
    return training


def draw(
    config: HmllmConfig, seed: int, setting: Setting
) -> tuple[Audience, NDArray[np.bool_], Records]:
    """Simulate an audience, split it by video, and build its records.

    Args:
        config: Configuration.
        seed: Seed of audience and split.
        setting: Strengths of interaction and mood.
    """
    audience = simulate(
        videos=config.videos,
        scenes=config.scenes,
        interaction=setting[0],
        mood=setting[1],
        seed=seed,
    )
    training = split(config, audience.video, seed)
    audience = with_labels(audience, training)
    return audience, training, records_of(audience, training)


def compare(config: HmllmConfig, cell: Cell) -> list[Row]:
    """Train every system on one simulated audience; baselines of graphs in the main setting."""
    setting = float(str(cell.point["interaction"])), float(str(cell.point["mood"]))
    audience, training, records = draw(config, cell.seed, setting)
    known = training[records.scene]
    video = audience.video[records.scene]
    means = torch.from_numpy(video_means(audience)[records.scene]).float()
    wider = replace(records, features=torch.hstack([records.features, means]))
    sizes = {"width": config.width, "steps": config.steps, "seed": cell.seed}
    predicted: dict[str, Probabilities] = {
        MAJORITY: _majority(records, known, records.profile * 0),
        BY_PROFILE: _majority(records, known, records.profile),
        LOGISTIC: _logistic(records, known),
        MLP: train(records, known, video, "none", **sizes).probabilities(records),
        MEANS: train(wider, known, video, "none", **sizes).probabilities(wider),
        HYPERGRAPH: train(records, known, video, "hypergraph", **sizes).probabilities(records),
    }
    if setting == (1.0, 1.0):
        alone = records.among(known)
        inductive = train(alone, known[known], video[known], "hypergraph", **sizes)
        predicted |= {
            CLIQUES: train(records, known, video, "cliques", **sizes).probabilities(records),
            INDUCTIVE: inductive.probabilities(records),
        }
    means_of_profiles = audience.values.mean(1, keepdims=True)
    average = with_labels(
        replace(audience, values=np.concatenate([audience.values, means_of_profiles], 1)), training
    )
    return scored(predicted, records, average.labels[:, -1], ~training)


def scored(
    predicted: Mapping[str, Probabilities],
    records: Records,
    average: NDArray[np.int64],
    tested: NDArray[np.bool_],
) -> list[Row]:
    """Accuracy and macro F1 of each system and indicator, for profiles and the whole audience.

    P2 asks for the class of each profile, P1 for the class of the profiles' mean. The prediction
    for P1 is the likeliest class of the mean probabilities over profiles; copied to all profiles,
    it is what P2 has to beat.

    Args:
        predicted: Class probabilities of the records, by system.
        records: Records.
        average: Class of the profiles' mean, (scenes, indicators).
        tested: Mask of the tested scenes, bool (scenes,).
    """
    shape = (len(tested), int(records.profile.max()) + 1, len(LABELS))
    truth = records.labels.numpy().reshape(shape)[tested]
    rows = []
    for system, found in predicted.items():
        probabilities = found.reshape(*shape, CLASSES)[tested]
        own = probabilities.argmax(-1)
        whole = probabilities.mean(1).argmax(-1)
        copied = np.broadcast_to(whole[:, None], own.shape)
        for index, indicator in enumerate(LABELS):
            pairs = {
                AUDIENCE: (average[tested][:, index], whole[:, index]),
                PROFILE: (truth[..., index].ravel(), own[..., index].ravel()),
                COPIED: (truth[..., index].ravel(), copied[..., index].ravel()),
            }
            at = {"system": system, "indicator": indicator}
            right = {name: float((one == other).mean()) for name, (one, other) in pairs.items()}
            for name, (one, other) in pairs.items():
                f1 = float(f1_score(one, other, average="macro", zero_division=0))
                rows.append(row(ACCURACY, right[name], protocol=name, **at))
                rows.append(row(MACRO_F1, f1, protocol=name, **at))
            rows.append(row(GAIN, right[PROFILE] - right[COPIED], **at))
    return rows


def _majority(
    records: Records, known: NDArray[np.bool_], group: NDArray[np.int64]
) -> Probabilities:
    """Class frequencies of each group and indicator among training records."""
    counts = np.zeros((int(group.max()) + 1, len(LABELS), CLASSES))
    indicator, labels = records.indicator.numpy(), records.labels.numpy()
    np.add.at(counts, (group[known], indicator[known], labels[known]), 1)
    found: Probabilities = (counts / counts.sum(-1, keepdims=True))[group, indicator]
    return found


def _logistic(records: Records, known: NDArray[np.bool_]) -> Probabilities:
    """Logistic regression on the features, one for each indicator."""
    found = np.zeros((len(known), CLASSES))
    features, labels = records.features.numpy(), records.labels.numpy()
    for index in range(len(LABELS)):
        here = records.indicator.numpy() == index
        fitted = LogisticRegression(C=0.1, max_iter=500).fit(
            features[here & known], labels[here & known]
        )
        found[np.ix_(here, fitted.classes_)] = fitted.predict_proba(features[here])
    return found
