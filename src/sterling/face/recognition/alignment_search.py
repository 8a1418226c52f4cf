"""FAPS: search for the alignment template that recognition works best with (arXiv 2102.05447).

One network is trained with a template drawn for each batch; each template is then scored with that
network, whose batch normalisation is re-estimated for it, on people that training did not see. The
best few are trained anew, and the best of these by the same people is the answer. The paper's
abstract names the search space, crop size and vertical shift. Which search it uses is not
established, so there are two: `search_templates`, with shared weights, and `population_search`.

    candidates = template_grid([96, 112, 128, 144], [-8, 0, 8])
    outcome = search_templates(make_recogniser, train, validation, candidates)
    outcome.template, outcome.shared, outcome.retrained

`template_scores` scores templates for any fixed network, and so finds the one it was made for.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor, nn

from sterling.adapt import with_batch_statistics, with_running_statistics
from sterling.checks import Count, Positive, Range, Weight, check_fields
from sterling.errors import InputError
from sterling.face.recognition.alignment import AlignmentTemplate, CanvasFaces
from sterling.face.recognition.heads import Classification, CosFace, LabelledBatch
from sterling.runs import derive_seed

Scored = Mapping[AlignmentTemplate, float]


@dataclass(frozen=True)
class SearchTraining:
    """Settings of training; ours.

    Attributes:
        iterations: Steps of a network at one template.
        shared: Steps of the network that is trained at every template; it has as many to learn.
        batch: Faces of a step.
        rate: Learning rate of Adam, which falls to 0 along half a cosine.
        scale: Scale of CosFace's logits.
        margin: Margin of CosFace.
        statistics: Batches that batch normalisation is re-estimated on.

    Raises:
        InputError: A number is out of range.
    """

    iterations: Count = 400
    shared: Count = 1600
    batch: Annotated[int, Range(2)] = 64
    rate: Positive = 3e-3
    scale: Positive = 16.0
    margin: Weight = 0.2
    statistics: Count = 4

    def __post_init__(self) -> None:
        check_fields(self)


MakeRecogniser = Callable[[int], tuple[nn.Module, int]]
"""Maps a seed to a network with initial weights, and to the dimension of its vectors.

The network maps faces (N, channels, S, S) in [-1, 1] to vectors; its batch normalisation may be
torch's.
"""


class _Learner:
    """A network under a margin head, trained on batches of which each has one template."""

    def __init__(
        self, make: MakeRecogniser, faces: CanvasFaces, training: SearchTraining, seed: int
    ) -> None:
        network, dimension = make(seed)
        people = np.unique(faces.person)
        self.faces, self.training, self.seed = faces, training, seed
        self.labels = torch.from_numpy(np.searchsorted(people, faces.person))
        self.network = with_batch_statistics(network)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.head = CosFace(
                dimension, len(people), scale=training.scale, margin=training.margin
            )
        parts = nn.ModuleList([self.network, self.head])
        self.steps = torch.optim.Adam(parts.parameters(), training.rate)
        self.done = 0

    def faces_of(self, number: int, template: AlignmentTemplate) -> LabelledBatch:
        """Faces of a batch, which depend on its number alone, at a template."""
        draw = np.random.default_rng(derive_seed(self.seed, "faces", number))
        size = min(self.training.batch, len(self.labels))
        rows = torch.from_numpy(draw.choice(len(self.labels), size, replace=False))
        return LabelledBatch(self.faces.cut(template, rows), self.labels[rows])

    def fit(
        self, candidates: Sequence[AlignmentTemplate], until: int, whole: int | None = None
    ) -> None:
        """Train up to a number of steps, of `whole` in all, with a template drawn for each."""
        whole = until if whole is None else whole
        learner = Classification(self.network, self.head)
        for number in range(self.done, until):
            draw = np.random.default_rng(derive_seed(self.seed, "template", number))
            template = candidates[int(draw.integers(len(candidates)))]
            for group in self.steps.param_groups:
                group["lr"] = self.training.rate * (1 + math.cos(math.pi * number / whole)) / 2
            self.steps.zero_grad()
            torch.autograd.backward(learner.outer_loss(self.faces_of(number, template)))
            self.steps.step()
        self.done = until

    def take_over(self, other: "_Learner") -> None:
        """Copy weights and optimiser of another learner."""
        self.network.load_state_dict(other.network.state_dict())
        self.head.load_state_dict(other.head.state_dict())
        self.steps.load_state_dict(deepcopy(other.steps.state_dict()))

    def at(self, template: AlignmentTemplate) -> nn.Module:
        """Network for use at a template: its batch normalisation is re-estimated there."""
        numbers = range(self.training.statistics)
        return with_running_statistics(
            self.network, [self.faces_of(number, template).images for number in numbers]
        )


def pair_auc(embeddings: Tensor, person: NDArray[np.int64]) -> float:
    """Chance that two pictures of one person have a higher cosine than two of different people.

    All pairs of pictures count, ties by half; 1 is best and 0.5 is chance.

    Args:
        embeddings: Vectors (N, D).
        person: Person of each, (N,).

    Raises:
        InputError: There is no pair of one kind.

    Examples:
        >>> vectors = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
        >>> pair_auc(vectors, np.array([0, 0, 1, 1]))
        1.0
    """
    unit = F.normalize(embeddings.double(), dim=1).numpy()
    first, second = np.triu_indices(len(unit), 1)
    same = person[first] == person[second]
    pairs, genuine = len(same), int(same.sum())
    if not 0 < genuine < pairs:
        raise InputError(
            f"{pairs} pairs, {genuine} of them of one person: give people with two pictures or "
            "more, and two people or more"
        )
    ranks = rankdata((unit @ unit.T)[first, second])
    above = ranks[same].sum() - genuine * (genuine + 1) / 2
    return float(above / genuine / (pairs - genuine))


def template_scores(
    embed: Callable[[Tensor], Tensor],
    faces: CanvasFaces,
    candidates: Sequence[AlignmentTemplate],
) -> dict[AlignmentTemplate, float]:
    """Score every template for one fixed network, by `pair_auc`; higher is better.

    Args:
        embed: Maps faces (N, channels, S, S) in [-1, 1] to vectors (N, D).
        faces: People to tell apart.
        candidates: Templates; their size is what the network takes.
    """
    with torch.no_grad():
        return {one: pair_auc(embed(faces.cut(one)), faces.person) for one in candidates}


def shared_scores(
    make: MakeRecogniser,
    train: CanvasFaces,
    validation: CanvasFaces,
    candidates: Sequence[AlignmentTemplate],
    training: SearchTraining = SearchTraining(),
    *,
    seed: int = 0,
) -> dict[AlignmentTemplate, float]:
    """Score templates with one network that was trained on all of them.

    Args:
        make: Makes the network.
        train: People to train on.
        validation: Other people to score on.
        candidates: Templates of equal size that both canvases hold.
        training: Settings.
        seed: Seed of weights and batches.

    Raises:
        InputError: There is no template, or someone is in both sets.
    """
    _require(train, validation, candidates)
    learner = _Learner(make, train, training, seed)
    learner.fit(candidates, training.shared)
    return {one: template_scores(learner.at(one), validation, [one])[one] for one in candidates}


def train_at(
    make: MakeRecogniser,
    train: CanvasFaces,
    template: AlignmentTemplate,
    training: SearchTraining = SearchTraining(),
    *,
    seed: int = 0,
) -> nn.Module:
    """Train a network at one template.

    Networks of one seed start from the same weights and see the same faces, so that two templates
    can be compared in pairs.

    Args:
        make: Makes the network.
        train: People to train on.
        template: Template.
        training: Settings.
        seed: Seed of weights and batches.

    Returns:
        The network in evaluation mode.
    """
    learner = _Learner(make, train, training, seed)
    learner.fit([template], training.iterations)
    return learner.at(template)


@dataclass(frozen=True, eq=False)
class TemplateSearch:
    """Outcome of a search.

    Attributes:
        template: Template found.
        network: Network trained at that template, in evaluation mode.
        shared: Score of every candidate with shared weights; of a population, of its last workers.
        retrained: Validation score of the candidates that were trained anew.
    """

    template: AlignmentTemplate
    network: nn.Module
    shared: Scored
    retrained: Scored


def search_templates(
    make: MakeRecogniser,
    train: CanvasFaces,
    validation: CanvasFaces,
    candidates: Sequence[AlignmentTemplate],
    training: SearchTraining = SearchTraining(),
    *,
    best: int = 3,
    seed: int = 0,
) -> TemplateSearch:
    """Search with shared weights, train the best few anew, and choose among them on validation.

    Args:
        make: Makes a network.
        train: People to train on.
        validation: Other people to choose on. Test on a third set.
        candidates: Templates of equal size that both canvases hold.
        training: Settings, of the shared network and of each that is trained anew.
        best: Number of templates to train anew.
        seed: Seed of weights and batches.

    Raises:
        InputError: There is no template, or someone is in both sets.
    """
    shared = shared_scores(make, train, validation, candidates, training, seed=seed)
    finalists = sorted(shared, key=lambda one: shared[one], reverse=True)[:best]
    return _retrain(make, train, validation, finalists, training, shared, seed)


def population_search(
    make: MakeRecogniser,
    train: CanvasFaces,
    validation: CanvasFaces,
    candidates: Sequence[AlignmentTemplate],
    training: SearchTraining = SearchTraining(),
    *,
    workers: int = 8,
    rounds: int = 8,
    best: int = 3,
    seed: int = 0,
) -> TemplateSearch:
    """Search with a population, each worker training its own network at its own template.

    After each round the worst quarter takes over weights of the best quarter and moves to a
    template next to theirs in crop or shift (population-based training, Jaderberg et al. 2017).
    The templates of the best workers are trained anew, as in `search_templates`.

    Args:
        make: Makes a network.
        train: People to train on.
        validation: Other people to choose on.
        candidates: A grid of crops and shifts, of equal size.
        training: Settings; `iterations` are those of one worker over all rounds.
        workers: Number of workers, 4 or more.
        rounds: Number of rounds, 1 or more.
        best: Number of templates to train anew.
        seed: Seed of weights, batches and moves.

    Raises:
        InputError: A number is out of range, there is no template, or someone is in both sets.
    """
    _require(train, validation, candidates)
    if workers < 4 or rounds < 1:
        raise InputError(f"workers {workers}, rounds {rounds}: 4 or more, 1 or more")
    draw = np.random.default_rng(derive_seed(seed, "population"))
    start = draw.permutation(len(candidates))[np.arange(workers) % len(candidates)]
    learners = [_Learner(make, train, training, derive_seed(seed, k)) for k in range(workers)]
    held = [candidates[index] for index in start]
    scores: list[float] = []
    whole = training.iterations
    for number in range(rounds):
        for learner, template in zip(learners, held, strict=True):
            learner.fit([template], whole * (number + 1) // rounds, whole)
        scores = [
            template_scores(learner.at(template), validation, [template])[template]
            for learner, template in zip(learners, held, strict=True)
        ]
        if number < rounds - 1:
            order = np.argsort(scores)
            quarter = workers // 4
            for loser, winner in zip(order[:quarter], order[::-1][:quarter], strict=True):
                learners[loser].take_over(learners[winner])
                near = neighbours(held[winner], candidates)
                held[loser] = near[int(draw.integers(len(near)))]
    last: dict[AlignmentTemplate, float] = {}
    for template, score in zip(held, scores, strict=True):
        last[template] = max(score, last.get(template, -np.inf))
    finalists = sorted(last, key=lambda one: last[one], reverse=True)[:best]
    return _retrain(make, train, validation, finalists, training, last, seed)


def neighbours(
    template: AlignmentTemplate, candidates: Sequence[AlignmentTemplate]
) -> list[AlignmentTemplate]:
    """Templates of a grid one step of crop or of shift away; the template itself if alone.

    Examples:
        >>> from sterling.face.recognition.alignment import template_grid
        >>> grid = template_grid([96, 112, 128], [-8, 0, 8])
        >>> [(one.crop, one.shift) for one in neighbours(grid[0], grid)]
        [(96, 0), (112, -8)]
    """
    crops, shifts = (
        sorted({getattr(one, name) for one in candidates}) for name in ("crop", "shift")
    )

    def steps(one: AlignmentTemplate) -> int:
        across = abs(crops.index(one.crop) - crops.index(template.crop))
        return across + abs(shifts.index(one.shift) - shifts.index(template.shift))

    return [one for one in candidates if steps(one) == 1] or [template]


def _retrain(
    make: MakeRecogniser,
    train: CanvasFaces,
    validation: CanvasFaces,
    finalists: Sequence[AlignmentTemplate],
    training: SearchTraining,
    shared: Scored,
    seed: int,
) -> TemplateSearch:
    networks = {one: train_at(make, train, one, training, seed=seed) for one in finalists}
    retrained = {
        one: template_scores(network, validation, [one])[one] for one, network in networks.items()
    }
    found = max(retrained, key=lambda one: retrained[one])
    return TemplateSearch(found, networks[found], shared, retrained)


def _require(
    train: CanvasFaces, validation: CanvasFaces, candidates: Sequence[AlignmentTemplate]
) -> None:
    both = np.intersect1d(train.person, validation.person)
    if len(both):
        raise InputError(
            f"person {both[0]}: is in training and in validation; divide the people, not the "
            "pictures"
        )
    if len({one.size for one in candidates}) != 1:
        raise InputError("candidates: give one template or more, all of the same size")
