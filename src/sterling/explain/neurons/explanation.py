"""Names for the units of a network, from the pictures that excite them, and none without evidence.

The steps are those of arXiv 2310.10708: patches that excite a unit most, a vocabulary, and the
similarity of both by an image-text encoder. Scores, tests and clusters are our choice: a name must
fit the unit's patches better than patches drawn at random, by a permutation test over all phrases
and a false discovery procedure over all units.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from torch import Tensor, nn

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.explain.neurons.activations import Activations, record_activations
from sterling.explain.neurons.encoders import ImageTextEncoder, crops
from sterling.explain.neurons.scores import diverse, mean_difference
from sterling.guarantee import benjamini_hochberg

NAMES = 3  # at most, for a unit
CONSIDERED = 20  # fitting phrases among which different ones are chosen
CLUSTERS = 4  # at most
SEPARATED = 0.25  # silhouette from which patches count as of several kinds


@dataclass(frozen=True)
class NeuronExplanation:
    """The name of one unit, or that it has none.

    Attributes:
        unit: Number of the unit in its layer.
        names: Phrases that fit its patches significantly, the best first and the others different
            from it; empty where no phrase does.
        score: Score of the best phrase, standard deviations above random patches; NaN of a dead
            unit.
        margin: Its lead over the next phrase.
        p_value: Probability that random patches fit any phrase as well.
        dead: Whether the unit responds to every picture alike.
        best: Best phrases with their scores, significant or not, descending.
        clusters: Best phrase of each kind of patch, where there are several kinds.
        pictures: Numbers of the pictures that excite it most.
        boxes: Place of that response in each: left, top, right, bottom in pixels.
    """

    unit: int
    names: tuple[str, ...]
    score: float
    margin: float
    p_value: float
    dead: bool
    best: tuple[tuple[str, float], ...]
    clusters: tuple[str, ...]
    pictures: tuple[int, ...]
    boxes: tuple[tuple[int, ...], ...]

    @property
    def name(self) -> str | None:
        """Best significant phrase, or None."""
        return self.names[0] if self.names else None


def explain_units(
    network: nn.Module,
    layer: str,
    pictures: Tensor,
    phrases: Sequence[str],
    encoder: ImageTextEncoder,
    *,
    units: NDArray[np.intp] | None = None,
    prepare: Callable[[Tensor], Tensor] | None = None,
    top: int = 20,
    alpha: float = 0.05,
    draws: int = 2000,
    background: int = 500,
    seed: int = 0,
) -> list[NeuronExplanation]:
    """Name the units of a layer.

    Args:
        network: Any network of pictures.
        layer: Name of one of its modules.
        pictures: Pictures (N, 3, H, W) in [0, 1].
        phrases: Vocabulary, two phrases or more.
        encoder: Embeds patches and phrases.
        units: Numbers of units; all by default.
        prepare: From pictures to the network's inputs.
        top: Patches of each unit.
        alpha: Share of wrong discoveries allowed among the units that get a name.
        draws: Random sets of patches of the permutation test.
        background: Patches from which they are drawn.
        seed: Seed of the background.

    Returns:
        One explanation for each unit, in their order.

    Raises:
        InputError: As `record_activations`; fewer than two phrases; an encoder whose pictures and
            texts have other widths; too few draws for any unit to get a name.

    Examples:
        >>> found = explain_units(network, "layer4", pictures, ["fur", "wheel"], encoder)
        >>> [(one.unit, one.name) for one in found]
    """
    if len(phrases) < 2:
        raise InputError(f"phrases {list(phrases)}: give two or more")
    seen = record_activations(network, layer, pictures, units=units, prepare=prepare, top=top)
    return explain_activations(
        seen,
        pictures,
        phrases,
        encoder,
        alpha=alpha,
        draws=draws,
        background=background,
        seed=seed,
    )


@torch.no_grad()
def explain_activations(
    seen: Activations,
    pictures: Tensor,
    phrases: Sequence[str],
    encoder: ImageTextEncoder,
    *,
    alpha: float = 0.05,
    draws: int = 2000,
    background: int = 500,
    seed: int = 0,
) -> list[NeuronExplanation]:
    """Name units whose activations were recorded; arguments as in `explain_units`."""
    alive = [int(unit) for unit in np.flatnonzero(~seen.dead)]
    check_numbers(above=0, below=1, alpha=alpha)
    if alive and draws + 1 < len(alive) / alpha:
        raise InputError(
            f"draws {draws}: among {len(alive)} units a name needs a p-value of {alpha:g} / "
            f"{len(alive)}; give at least {int(len(alive) / alpha)} draws"
        )
    text = encoder.texts(phrases)
    rng = np.random.default_rng(seed)
    ground = _background(seen, pictures, background, encoder, rng)
    if text.shape[1] != ground.shape[1]:
        raise InputError(
            f"encoder: pictures have {ground.shape[1]} numbers and texts {text.shape[1]}; both "
            "must lie in one space"
        )
    found = [_dead(seen, unit) for unit in range(len(seen.units))]
    if not alive:
        return found
    patches = [_patches(seen, unit, pictures, encoder) for unit in alive]
    scores = mean_difference(torch.stack(patches), ground, text)
    null = null_maxima(ground, text, seen.top.shape[1], draws, rng)
    p_values = max_p_values(scores, null)
    fits = scores > float(np.quantile(null, 1 - alpha))
    for place, named in enumerate(benjamini_hochberg(p_values, alpha)):
        order = scores[place].argsort(descending=True, stable=True).tolist()
        best = tuple((phrases[one], float(scores[place, one])) for one in order[:5])
        unit = alive[place]
        found[unit] = NeuronExplanation(
            unit=int(seen.units[unit]),
            names=_names(scores[place], fits[place], text, phrases) if named else (),
            score=best[0][1],
            margin=best[0][1] - best[1][1],
            p_value=float(p_values[place]),
            dead=False,
            best=best,
            clusters=_kinds(patches[place], ground, text, phrases),
            pictures=tuple(seen.top[unit].tolist()),
            boxes=tuple(tuple(box) for box in seen.boxes[unit].tolist()),
        )
    return found


def max_p_values(scores: Tensor, null: NDArray[np.float64]) -> NDArray[np.float64]:
    """P-value of each unit's best phrase by the largest score of random patches, (U,).

    Under the null hypothesis the unit's patches are drawn from the background: its best score over
    all phrases is compared with that of random sets (Westfall and Young 1993), so that many phrases
    make no name more likely.

    Args:
        scores: Scores of `mean_difference`, (U, M).
        null: Largest scores of random sets, by `null_maxima`.
    """
    best = scores.amax(1).double().numpy()
    exceeded = len(null) - np.searchsorted(np.sort(null), best, side="left")
    return np.asarray((1 + exceeded) / (1 + len(null)), dtype=np.float64)


def null_maxima(
    background: Tensor, phrases: Tensor, patches: int, draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Largest score over phrases of random sets of background patches, (draws,).

    Args:
        background: Embeddings of background patches (B, D).
        phrases: Embeddings of phrases (M, D).
        patches: Patches of a set, as many as a unit has.
        draws: Number of sets.
        rng: Source of the sets.
    """
    if patches > len(background):
        raise InputError(
            f"background {len(background)}: give at least the {patches} patches of a unit"
        )
    order = rng.random((draws, len(background))).argpartition(patches - 1, axis=1)[:, :patches]
    share = torch.zeros(draws, len(background), dtype=background.dtype)
    share.scatter_(1, torch.from_numpy(order), 1 / patches)
    means = (share @ background)[:, None]
    maxima: NDArray[np.float64] = (
        mean_difference(means, background, phrases).amax(1).double().numpy()
    )
    return maxima


def _names(scores: Tensor, fits: Tensor, text: Tensor, phrases: Sequence[str]) -> tuple[str, ...]:
    """The best phrase, and fitting ones that differ from it."""
    order = scores.argsort(descending=True, stable=True)
    fitting = order[: max(1, int(fits.sum()))][:CONSIDERED]
    chosen = diverse(scores[fitting], text[fitting], NAMES)
    return tuple(phrases[int(fitting[place])] for place in chosen)


def _dead(seen: Activations, unit: int) -> NeuronExplanation:
    nan = float("nan")
    return NeuronExplanation(
        int(seen.units[unit]),
        (),
        nan,
        nan,
        nan,
        dead=True,
        best=(),
        clusters=(),
        pictures=(),
        boxes=(),
    )


def _patches(seen: Activations, unit: int, pictures: Tensor, encoder: ImageTextEncoder) -> Tensor:
    """Embeddings of a unit's patches, (k, D)."""
    return encoder.images(crops(pictures, seen.top[unit].tolist(), seen.boxes[unit].tolist()))


def _background(
    seen: Activations,
    pictures: Tensor,
    count: int,
    encoder: ImageTextEncoder,
    rng: np.random.Generator,
) -> Tensor:
    """Embeddings of patches at random places, of the sizes that the units' patches have, (B, D)."""
    height, width = pictures.shape[2:]
    boxes = seen.boxes.reshape(-1, 4)[rng.integers(0, seen.boxes[..., 0].size, count)]
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    left = rng.integers(0, width - wide + 1)
    top = rng.integers(0, height - high + 1)
    placed = np.column_stack([left, top, left + wide, top + high])
    rows = rng.integers(0, len(pictures), count)
    return torch.cat(
        [
            encoder.images(
                crops(pictures, rows[at : at + 100].tolist(), placed[at : at + 100].tolist())
            )
            for at in range(0, count, 100)
        ]
    )


def _kinds(
    patches: Tensor, background: Tensor, text: Tensor, phrases: Sequence[str]
) -> tuple[str, ...]:
    """Best phrase of each cluster of patches, if they fall into clusters; else empty."""
    points = patches.double().numpy()
    best, chosen = SEPARATED, None
    for count in range(2, min(CLUSTERS, len(np.unique(points, axis=0)) - 1) + 1):
        labels = KMeans(count, n_init=3, random_state=0).fit_predict(points)
        if np.bincount(labels).min() < 2:
            continue
        separated = float(silhouette_score(points, labels))
        if separated > best:
            best, chosen = separated, labels
    if chosen is None:
        return ()
    means = torch.stack(
        [patches[torch.from_numpy(chosen == k)].mean(0) for k in range(chosen.max() + 1)]
    )
    scores = mean_difference(means[:, None], background, text)
    found = tuple(dict.fromkeys(phrases[int(place)] for place in scores.argmax(1)))
    return found if len(found) > 1 else ()
