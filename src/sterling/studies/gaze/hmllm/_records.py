"""Records of an audience as nodes of a hypergraph: a scene, a profile and an indicator each."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.gaze import Hypergraph, check_labels_unused, combine
from sterling.studies.gaze.hmllm._audience import AGES, GENDERS, Audience

KINDS = ("video", "scene", "gender", "age", ("gender", "age"), "indicator")
NEIGHBOURS = 8


@dataclass(frozen=True, eq=False)
class Records:
    """Records as a network sees them, numbered by scene, then profile, then indicator.

    Attributes:
        features: Scene embedding, gender, age and indicator, (N, D).
        graph: Hypergraph over the N records.
        scene: Scene of each record, (N,).
        profile: Profile of each record, (N,).
        indicator: Indicator of each record, (N,).
        labels: Class of each record, (N,).
        values: Indicator's value, standardised over training scenes, (N,).
    """

    features: Tensor
    graph: Hypergraph
    scene: NDArray[np.int64]
    profile: NDArray[np.int64]
    indicator: Tensor
    labels: Tensor
    values: Tensor

    def among(self, chosen: NDArray[np.bool_]) -> "Records":
        """Keep some records, bool (N,), and the edges among them."""
        kept = torch.from_numpy(chosen)
        return Records(
            self.features[kept],
            self.graph.among(chosen),
            self.scene[chosen],
            self.profile[chosen],
            self.indicator[kept],
            self.labels[kept],
            self.values[kept],
        )


def records_of(audience: Audience, training: NDArray[np.bool_]) -> Records:
    """Build features and hypergraph, and check that no label of a test scene enters them.

    Edges join records of one video, scene, gender, age, gender and age, indicator; and, for each
    profile and indicator, a scene with the eight nearest scenes of other videos.

    Args:
        audience: Audience with labels.
        training: Mask of the training scenes, bool (scenes,).

    Raises:
        InputError: Features or edges depend on labels of test scenes.
    """
    shape = audience.labels.shape
    scene, profile, indicator = (one.ravel() for one in np.indices(shape, dtype=np.int64))
    features, graph = _build(audience)
    check_labels_unused(
        lambda labels: _build(replace(audience, labels=labels.reshape(shape))),
        audience.labels.ravel(),
        ~training[scene],
    )
    known = audience.values[training]
    values = (audience.values - known.mean((0, 1))) / known.std((0, 1))
    return Records(
        torch.from_numpy(features).float(),
        graph,
        scene,
        profile,
        torch.from_numpy(indicator),
        torch.from_numpy(audience.labels.ravel()),
        torch.from_numpy(values.ravel()).float(),
    )


def video_means(audience: Audience) -> NDArray[np.float64]:
    """Mean embedding of each scene's video, (scenes, D)."""
    sums = np.zeros((int(audience.video.max()) + 1, audience.embedding.shape[1]))
    np.add.at(sums, audience.video, audience.embedding)
    means: NDArray[np.float64] = (sums / np.bincount(audience.video)[:, None])[audience.video]
    return means


def _build(audience: Audience) -> tuple[NDArray[np.float64], Hypergraph]:
    shape = audience.labels.shape
    scene, profile, indicator = (one.ravel() for one in np.indices(shape, dtype=np.int64))
    gender, age = profile // len(AGES), profile % len(AGES)
    columns = {
        "video": audience.video[scene],
        "scene": scene,
        "gender": gender,
        "age": age,
        "indicator": indicator,
    }
    content = audience.embedding / audience.embedding.std()
    one_hot = [np.eye(len(GENDERS))[gender], np.eye(len(AGES))[age], np.eye(shape[2])[indicator]]
    near = _near_scenes(content, audience.video, shape[1] * shape[2])
    graph = combine(Hypergraph.from_columns(columns, KINDS), near)
    return np.hstack([content[scene], *one_hot]), graph


def _near_scenes(
    content: NDArray[np.float64], video: NDArray[np.int64], records: int
) -> Hypergraph:
    """Join each scene with the nearest of other videos, for each of its records."""
    distance = np.linalg.norm(content[:, None] - content[None], axis=2)
    distance[video[:, None] == video[None]] = np.inf
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :NEIGHBOURS]
    scenes = np.hstack([np.arange(len(video))[:, None], nearest])
    edges = (records * scenes[:, None, :] + np.arange(records)[None, :, None]).reshape(
        -1, scenes.shape[1]
    )
    return Hypergraph.from_edges(len(video) * records, edges.tolist(), "content")
