"""Contracts of detectors of faces and texts, and of networks."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from sterling.measure import Scores, auc


def check_detector(
    score: Callable[[Any], ArrayLike], bona_fide: Any, attacks: Any, *, tolerance: float = 1e-5
) -> None:
    """Check a presentation attack detector's scores: form, independence of the batch, direction.

    Args:
        score: From a batch of presentations to scores (N,), higher for bona fide.
        bona_fide: A batch of two bona fide presentations or more: an array or a tensor that is
            indexed by its first axis.
        attacks: The same of attacks.
        tolerance: Largest difference, relative to the spread of the scores, of one presentation's
            score alone and in a batch.

    Raises:
        AssertionError: Scores are not finite, of the wrong shape, change with the batch or from
            call to call, or do not separate the classes in the right direction.
    """
    values = []
    for name, batch in (("bona fide", bona_fide), ("attack", attacks)):
        together = np.asarray(score(batch), dtype=np.float64)
        if together.shape != (len(batch),):
            raise AssertionError(f"{name}: scores of shape {together.shape} for {len(batch)} items")
        if not np.isfinite(together).all():
            raise AssertionError(f"{name}: scores hold {together[~np.isfinite(together)][0]}")
        values.append(together)
    spread = float(np.ptp(np.concatenate(values)))
    if spread == 0:
        raise AssertionError("every presentation has the same score")
    for name, batch, together in (
        ("bona fide", bona_fide, values[0]),
        ("attack", attacks, values[1]),
    ):
        alone = [float(np.asarray(score(batch[i : i + 1]))[0]) for i in range(len(batch))]
        if np.abs(np.asarray(alone) - together).max() > tolerance * spread:
            raise AssertionError(f"{name}: a presentation's score depends on its batch")
        if not np.array_equal(np.asarray(score(batch), dtype=np.float64), together):
            raise AssertionError(f"{name}: the same batch gets other scores the second time")
    label = np.repeat([True, False], [len(values[0]), len(values[1])])
    area = auc(Scores(np.concatenate(values), label)).value
    if area <= 0.5:
        raise AssertionError(f"AUC {area:.3f}: higher scores must mean bona fide")


class _Scored(Protocol):
    @property
    def values(self) -> NDArray[np.float64]: ...

    @property
    def reasons(self) -> Sequence[str]: ...


class _TextDetector(Protocol):
    def score(self, texts: Sequence[str]) -> _Scored: ...

    def settings(self) -> dict[str, Any]: ...


HOSTILE_TEXTS = (
    "",
    " \n",
    "a",
    "\ud800 half of a pair",
    "\u200b" * 40,
    "word " * 20_000,
    "🙂" * 60,
)


def check_text_detector(
    detector: _TextDetector,
    human: Sequence[str],
    machine: Sequence[str],
    *,
    tolerance: float = 1e-4,
) -> None:
    """Check a detector of machine-written text: form, hostile texts, batch and direction.

    Args:
        detector: Detector, trained if it has to be.
        human: Texts of people, two or more.
        machine: Texts of machines, two or more.
        tolerance: Largest difference, relative to the spread of the scores, of a text's score alone
            and among others.

    Raises:
        AssertionError: A text raises, has neither a score nor a reason, or both; scores change with
            the other texts or from call to call, or do not rise towards machines; settings are no
            JSON.
    """
    texts = [*human, *machine]

    def scores(asked: Sequence[str]) -> NDArray[np.float64]:
        try:
            found = detector.score(list(asked))
        except Exception as error:
            raise AssertionError(f"a text raises {type(error).__name__}: {error}") from error
        values = np.asarray(found.values, dtype=np.float64)
        if values.shape != (len(asked),) or len(found.reasons) != len(asked):
            raise AssertionError(f"scores of shape {values.shape} for {len(asked)} texts")
        if [not np.isfinite(value) for value in values] != [bool(why) for why in found.reasons]:
            raise AssertionError("a text has neither a score nor a reason, or both")
        return values

    together = scores(texts)
    if not np.isfinite(together).all():
        raise AssertionError("a text of the two classes has no score")
    scores(HOSTILE_TEXTS)
    scores([])
    spread = float(np.ptp(together))
    if spread == 0:
        raise AssertionError("every text has the same score")
    alone = np.concatenate([scores([text]) for text in texts])
    if np.abs(alone - together).max() > tolerance * spread:
        raise AssertionError("a text's score depends on the others")
    if not np.array_equal(scores(texts), together):
        raise AssertionError("the same texts get other scores the second time")
    area = auc(Scores(together, np.arange(len(texts)) >= len(human))).value
    if area <= 0.5:
        raise AssertionError(f"AUC {area:.3f}: higher scores must mean a machine")
    json.dumps(detector.settings())


class _Network(Protocol):
    """A network of `sterling.face.pad`, and what this module asks of it."""

    def __call__(self, images: Tensor, present: Tensor | None = None) -> Any: ...

    def liveness(self, output: Any) -> Tensor: ...

    def state_dict(self) -> Mapping[str, Tensor]: ...

    def named_parameters(self) -> Iterable[tuple[str, nn.Parameter]]: ...

    def train(self, mode: bool = True) -> Any: ...


def check_network(
    build: Callable[[int], _Network], images: Tensor, present: Tensor | None = None
) -> None:
    """Check a network of faces: seeds, independence of the batch, and gradients.

    Args:
        build: From the seed of the weights to a new network.
        images: Pictures or clips that the network takes, four or more.
        present: Modalities that are there, bool (N, M); None where the network does not ask.

    Raises:
        AssertionError: Building draws from torch's own random numbers, a seed gives other weights
            the second time or all seeds the same, a presentation's liveness depends on its batch or
            is not a finite number, or a trained weight gets no gradient.
    """
    before = torch.get_rng_state()
    network, again, other = build(3), build(3), build(4)
    if not torch.equal(torch.get_rng_state(), before):
        raise AssertionError("building the network draws from torch's global random numbers")
    state = network.state_dict()
    if any(not torch.equal(value, again.state_dict()[key]) for key, value in state.items()):
        raise AssertionError("the same seed gives other weights the second time")
    if all(torch.equal(value, other.state_dict()[key]) for key, value in state.items()):
        raise AssertionError("every seed gives the same weights")
    network.train(False)
    with torch.no_grad():
        together = network.liveness(network(images, present))
        there: Sequence[Tensor | None] = [None] * len(images)
        if present is not None:
            there = list(present[:, None])
        alone = [
            network.liveness(network(image, one))
            for image, one in zip(images[:, None], there, strict=True)
        ]
    if together.shape != (len(images),):
        raise AssertionError(f"liveness of shape {tuple(together.shape)} for {len(images)} items")
    if not bool(torch.isfinite(together).all()):
        raise AssertionError("liveness is not a finite number")
    if not torch.allclose(together, torch.cat(alone), atol=1e-5, rtol=1e-4):
        raise AssertionError("a presentation's liveness depends on its batch")
    network.train()
    output = network(images, present)
    parts = [part for part in (output.maps, output.logits, *output.features) if part is not None]
    torch.autograd.backward(torch.stack([part.pow(2).sum() for part in parts]).sum())
    left = [
        name
        for name, value in network.named_parameters()
        if value.requires_grad and value.grad is None
    ]
    if left:
        raise AssertionError(f"no gradient reaches {', '.join(left)}")
