"""Contract suites: does an implementation keep what its kind promises? Ours or yours.

Each check raises ``AssertionError`` with one line when the contract is broken. Statistical checks
repeat the method on data of known truth and judge the count of failures by its exact binomial law
(or, for proportions, by the Hoeffding-Bentkus bound): a correct implementation fails one with
probability at most ``false_alarm``, whatever the seed.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.guarantee import conformal_p_values, hoeffding_bentkus_p_values
from sterling.measure import Scores, auc
from sterling.study import PRESETS, Config, Evidence, Study, run_study
from sterling.study.lock import LOCKED_CLAIMS, Lock
from sterling.study.recheck import recheck

Floats = NDArray[np.float64]
PredictSets = Callable[[Floats, NDArray[np.intp], Floats, int], ArrayLike]
Procedure = Callable[[Floats, float], ArrayLike]
Dependence = Literal["independent", "conformal", "arbitrary"]


@dataclass(frozen=True)
class Repetition:
    """Outcome of one scenario of a statistical check.

    Attributes:
        scenario: Scenario that was repeated.
        rate: Share of failures, or mean false discovery proportion.
        allowed: Largest rate that the guarantee allows.
        repeats: Number of independent repetitions.
        p_value: P-value of "the promise is kept"; the check fails below its share of
            ``false_alarm``.
    """

    scenario: str
    rate: float
    allowed: float
    repeats: int
    p_value: float


def check_conformal(
    predict_sets: PredictSets,
    alpha: float,
    *,
    classes: int = 5,
    repeats: int = 1500,
    seed: int = 0,
    false_alarm: float = 1e-4,
) -> list[Repetition]:
    """Check a conformal classifier: miscoverage at most alpha, on easy and on hostile data.

    The scenarios: probabilities that are right, overconfident ones, ones that are all equal (ties),
    and too few calibration items for the level (there an exception is right, too). Calibration
    sets have about 2 / alpha items, where a quantile that forgets the test item shows.

    Args:
        predict_sets: ``(probabilities (n, C), labels (n,), new probabilities (1, C), seed)`` to
            label sets, bool (1, C). The seed is for methods that randomise.
        alpha: The level that ``predict_sets`` works at.
        classes: C.
        repeats: Repetitions per scenario, one new item each.
        seed: Seed of the data.
        false_alarm: Bound of the probability that a correct implementation fails, in (0, 1).

    Raises:
        AssertionError: The coverage is broken, the sets have the wrong form, or NaN is accepted.
    """
    rng = np.random.default_rng(seed)
    n = round(2 / alpha)

    def right(size: int) -> tuple[Floats, NDArray[np.intp]]:
        probabilities = rng.dirichlet(np.full(classes, 0.5), size=size)
        return probabilities, _labels(probabilities, rng)

    def overconfident(size: int) -> tuple[Floats, NDArray[np.intp]]:
        probabilities, labels = right(size)
        sharper = probabilities**3
        return sharper / sharper.sum(axis=1, keepdims=True), labels

    def equal(size: int) -> tuple[Floats, NDArray[np.intp]]:
        return np.full((size, classes), 1 / classes), rng.integers(0, classes, size=size)

    scenarios = {
        "right probabilities": (right, n),
        "overconfident probabilities": (overconfident, n),
        "equal probabilities": (equal, n),
        "too few calibration items": (right, 3),
    }
    outcomes = []
    for name, (draw, size) in scenarios.items():
        missed = 0
        for repeat in range(repeats):
            probabilities, labels = draw(size + 1)
            try:
                answer = predict_sets(probabilities[:-1], labels[:-1], probabilities[-1:], repeat)
            except Exception:
                if size < n:
                    break
                raise
            sets = np.asarray(answer)
            if sets.shape != (1, classes) or sets.dtype != np.bool_:
                raise AssertionError(
                    f"sets are {sets.dtype} of shape {sets.shape}; expected bool (1, {classes})"
                )
            missed += int(not sets[0, labels[-1]])
        else:
            p = float(stats.binom.sf(missed - 1, repeats, alpha))
            outcomes.append(Repetition(name, missed / repeats, alpha, repeats, p))
    _judge(outcomes, false_alarm, "misses the true label")
    probabilities, labels = right(n + 1)
    probabilities[0, 0] = np.nan
    try:
        predict_sets(probabilities[:-1], labels[:-1], probabilities[-1:], 0)
    except Exception:
        return outcomes
    raise AssertionError("a NaN among the calibration probabilities is accepted without a word")


def check_fdr(
    procedure: Procedure,
    alpha: float,
    *,
    dependence: Collection[Dependence] = ("independent", "conformal"),
    hypotheses: int = 40,
    repeats: int = 1500,
    seed: int = 0,
    false_alarm: float = 1e-4,
) -> list[Repetition]:
    """Check a procedure on p-values: false discovery rate at most alpha.

    Args:
        procedure: ``(p (T,), alpha)`` to the rejections, bool (T,).
        alpha: Level to test at.
        dependence: Under which kinds of dependence the level is promised. ``"independent"``;
            ``"conformal"``: p-values that share one calibration set; ``"arbitrary"``: also the
            adversarial one of Guo and Rao (2008), which breaks Benjamini-Hochberg.
        hypotheses: T.
        repeats: Repetitions per scenario.
        seed: Seed of the data.
        false_alarm: Bound of the probability that a correct implementation fails, in (0, 1).

    Raises:
        AssertionError: The rate is too high, or the rejections have the wrong form.
    """
    rng = np.random.default_rng(seed)
    half = np.arange(hypotheses) % 2 == 0
    every = np.ones(hypotheses, dtype=np.bool_)
    draws: dict[str, tuple[Callable[[], Floats], NDArray[np.bool_]]] = {}
    if "independent" in dependence:
        draws["independent, all null"] = (lambda: rng.random(hypotheses), every)
        draws["independent, half null"] = (
            lambda: np.where(half, rng.random(hypotheses), rng.beta(0.05, 10, hypotheses)),
            half,
        )
    if "conformal" in dependence:
        draws["conformal, all null"] = (
            lambda: conformal_p_values(rng.normal(size=200), rng.normal(size=hypotheses)),
            every,
        )
        draws["conformal, half null"] = (
            lambda: conformal_p_values(
                rng.normal(size=200), rng.normal(size=hypotheses) - 4.0 * ~half
            ),
            half,
        )
    if "arbitrary" in dependence:
        draws["adversarial, all null"] = (lambda: _adversarial(hypotheses, alpha, rng), every)
    outcomes = []
    for name, (draw, null) in draws.items():
        proportions = np.empty(repeats)
        for repeat in range(repeats):
            p = draw()
            rejected = np.asarray(procedure(p, alpha))
            if rejected.shape != p.shape or rejected.dtype != np.bool_:
                raise AssertionError(
                    f"rejections are {rejected.dtype} of shape {rejected.shape}; expected bool "
                    f"({hypotheses},)"
                )
            proportions[repeat] = (rejected & null).sum() / max(1, rejected.sum())
        if null.all():  # then each proportion is 0 or 1
            value = float(stats.binom.sf(proportions.sum() - 1, repeats, alpha))
        else:
            value = float(hoeffding_bentkus_p_values(1 - proportions[:, None], 1 - alpha)[0])
        outcomes.append(Repetition(name, float(proportions.mean()), alpha, repeats, value))
    _judge(outcomes, false_alarm, "discovers falsely")
    return outcomes


def _labels(probabilities: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    drawn = (rng.random(len(probabilities))[:, None] > np.cumsum(probabilities, axis=1)).sum(axis=1)
    return np.asarray(np.minimum(drawn, probabilities.shape[1] - 1))


def _adversarial(n: int, alpha: float, rng: np.random.Generator) -> Floats:
    """Uniform null p-values on which Benjamini-Hochberg rejects with probability alpha H_n.

    With probability alpha / j, j of them lie together in (alpha (j - 1) / n, alpha j / n].
    """
    ranks = np.arange(1, n + 1)
    chances = alpha / ranks
    if chances.sum() > 1:
        raise ValueError(f"alpha {alpha} is too large for {n} hypotheses in this construction")
    p = alpha + (1 - alpha) * (1 - rng.random(n))
    drawn = int(np.searchsorted(np.cumsum(chances), rng.random())) + 1
    if drawn <= n:
        p[rng.permutation(n)[:drawn]] = alpha * (drawn - rng.random()) / n
    return p


def _judge(outcomes: list[Repetition], false_alarm: float, what: str) -> None:
    for one in outcomes:
        if one.p_value < false_alarm / len(outcomes):
            raise AssertionError(
                f"{one.scenario}: {what} at a rate of {one.rate:.4f} over {one.repeats} "
                f"repetitions; promised {one.allowed:g} (p = {one.p_value:.1e})"
            )


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


def check_unlearning(
    method: Callable[[Any, Any, Any, torch.Generator], nn.Module],
    model: nn.Module,
    forget: Any,
    retain: Any,
) -> nn.Module:
    """Check an unlearning method: the model stays, a new one comes back, and a seed decides it.

    Args:
        method: From (model, forget set, retain set, generator) to the unlearned model.
        model: Trained model.
        forget: Examples to forget.
        retain: Examples to keep.

    Returns:
        The unlearned model.

    Raises:
        AssertionError: The model itself was changed, the new one is in training mode, has frozen or
            other parameters or the very same weights, or the same seed gives another one.
    """
    before = [value.detach().clone() for value in model.parameters()]

    def unlearn() -> tuple[nn.Module, list[Tensor]]:
        unlearned = method(model, forget, retain, torch.Generator().manual_seed(0))
        return unlearned, [value.detach().clone() for value in unlearned.parameters()]

    def same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
        return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))

    unlearned, after = unlearn()
    if not same(before, [value.detach() for value in model.parameters()]):
        raise AssertionError("the model itself was changed")
    if unlearned.training:
        raise AssertionError("the unlearned model is in training mode")
    if not all(value.requires_grad for value in unlearned.parameters()):
        raise AssertionError("parameters of the unlearned model are frozen")
    if [value.shape for value in after] != [value.shape for value in before]:
        raise AssertionError("the unlearned model has other parameters")
    if same(before, after):
        raise AssertionError("the unlearned model has the weights of the model: nothing was done")
    if not same(after, unlearn()[1]):
        raise AssertionError("the same seed gives another model the second time")
    return unlearned


def check_membership_attack(
    attack: Callable[[Any], ArrayLike],
    attacked: Any,
    hidden: Any,
    member: NDArray[np.bool_],
    tested: NDArray[np.bool_],
) -> None:
    """Check a membership attack: form, direction, and that it does not look at what it predicts.

    Args:
        attack: From a model under attack to scores (n,), higher for members.
        attacked: The model under attack.
        hidden: The same with the membership of the tested records turned around.
        member: Whether each record was trained on, (n,).
        tested: Records that are not the attacker's own, (n,).

    Raises:
        AssertionError: Scores are not finite or of the wrong shape, change when the truth that is
            asked for is turned around, or do not tell members better than chance.
    """
    scores = np.asarray(attack(attacked), dtype=np.float64)
    if scores.shape != member.shape:
        raise AssertionError(f"scores of shape {scores.shape} for {len(member)} records")
    if not np.isfinite(scores).all():
        raise AssertionError(f"scores hold {scores[~np.isfinite(scores)][0]}")
    if not np.array_equal(np.asarray(attack(hidden), dtype=np.float64), scores):
        raise AssertionError("scores depend on the membership of tested records")
    area = auc(Scores(scores[tested], member[tested]))
    if area.interval is None or area.interval.low <= 0.5:
        raise AssertionError(f"AUC {area.value:.3f}: not above chance")


class _Detection(Protocol):
    @property
    def p_value(self) -> float: ...


class _Watermark(Protocol):
    def processor(self) -> Callable[[Any, Any], Any]: ...

    def detect(self, token_ids: Any, prompt_length: int = 0) -> _Detection: ...


def check_watermark(
    watermark: Callable[[int], _Watermark],
    *,
    alpha: float = 0.05,
    vocabulary: int = 200,
    length: int = 120,
    repeats: int = 300,
    seed: int = 0,
    false_alarm: float = 1e-4,
) -> list[Repetition]:
    """Check a text watermark: it accuses as seldom as it says, and finds what it marked.

    Texts without the mark are tokens drawn by Zipf's law, whole phrases said again and again, and
    texts marked with another key; the p-value may fall to alpha in a share of alpha of them. Texts
    generated from flat logits must be found in nine of ten cases.

    Args:
        watermark: From a key, an integer of 0 or more, to an object whose ``processor()`` is a
            `transformers` ``LogitsProcessor`` and whose ``detect(token_ids, prompt_length=0)``
            has a ``p_value``.
        alpha: Level to test at.
        vocabulary: Number of tokens.
        length: Tokens of a text.
        repeats: Texts of each kind, each with a key of its own.
        seed: Seed of texts and keys.
        false_alarm: Bound of the probability that a correct implementation fails, in (0, 1).

    Raises:
        AssertionError: Texts are accused too often or not found, or what was only the prompt is
            taken for marked.
    """
    rng = np.random.default_rng(seed)
    marks = [watermark(int(key)) for key in rng.integers(2**31, size=repeats)]
    frequency = 1 / np.arange(1, vocabulary + 1)
    frequency /= frequency.sum()
    phrases = rng.integers(vocabulary, size=(repeats, 10, 6))
    again = rng.integers(10, size=(repeats, length // 6))
    marked = [_marked(mark, vocabulary, length, rng) for mark in marks[:50]]
    null: dict[str, Any] = {
        "tokens by Zipf's law": rng.choice(vocabulary, (repeats, length), p=frequency),
        "phrases again and again": [
            one[rows].ravel() for one, rows in zip(phrases, again, strict=True)
        ],
    }
    accused = {
        name: [mark.detect(text).p_value <= alpha for mark, text in zip(marks, texts, strict=True)]
        for name, texts in null.items()
    }
    others = [watermark(int(key)) for key in rng.integers(2**31, size=len(marked))]
    accused["marked with another key"] = [
        mark.detect(text).p_value <= alpha for mark, text in zip(others, marked, strict=True)
    ]
    outcomes = [
        Repetition(
            name,
            float(np.mean(found)),
            alpha,
            len(found),
            float(stats.binom.sf(sum(found) - 1, len(found), alpha)),
        )
        for name, found in accused.items()
    ]
    missed = [mark.detect(text).p_value > alpha for mark, text in zip(marks, marked, strict=False)]
    chance = float(stats.binom.sf(sum(missed) - 1, len(missed), 0.1))
    outcomes.append(Repetition("marked texts missed", float(np.mean(missed)), 0.1, 50, chance))
    if marks[0].detect(marked[0], prompt_length=length).p_value <= alpha:
        raise AssertionError("a text that is all prompt is taken for marked")
    _judge(outcomes, false_alarm, "goes wrong")
    return outcomes


def _marked(
    mark: _Watermark, vocabulary: int, length: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Tokens drawn from flat logits under a mark."""
    import torch

    processor = mark.processor()
    ids = [int(rng.integers(vocabulary))]
    while len(ids) < length:
        scores = processor(torch.tensor([ids]), torch.zeros(1, vocabulary))
        chance = scores[0].double().softmax(dim=-1).numpy()
        ids.append(int(rng.choice(vocabulary, p=chance / chance.sum())))
    return np.array(ids)


TIMED = "seconds"  # how the names of stages begin that hold measured times


def check_study(
    study: Study[Any], folder: Path, *, seed: int = 0, resume_on: str = "processes"
) -> Evidence:
    """Check a study: presets, paper, a smoke run with evidence, and resuming to the same evidence.

    The first run computes its cells in this process, the resumed one on another backend. Stages
    named "seconds..." hold measured times, which no second run repeats, and are not lost.

    Args:
        study: The study.
        folder: A new or empty folder for its run.
        seed: Seed of the run.
        resume_on: Backend of the resumed run.

    Returns:
        The evidence of the smoke run.

    Raises:
        AssertionError: A preset or the paper is missing, data are taken in spite of ``no_data``,
            claims or metrics are absent or named twice, claims depart from what was locked before
            the run or do not follow from the frame, or a run that resumes after losing stages ends
            with other evidence.
    """
    absent = [name for name in PRESETS if not isinstance(study.presets.get(name), Config)]
    if absent:
        raise AssertionError(f"study {study.name!r} lacks the preset(s) {', '.join(absent)}")
    if study.entry.presets != tuple(study.presets):
        raise AssertionError(f"study {study.name!r} has other presets than its entry lists")
    try:
        _ = study.paper
    except InputError as error:
        raise AssertionError(f"study {study.name!r}: {error}") from error
    smoke = study.presets["smoke"]
    counted = study.repetitions
    if counted is not None and not isinstance(getattr(smoke, counted, None), int):
        raise AssertionError(f"study {study.name!r} has no number of repetitions {counted!r}")
    if study.no_data is not None:
        _refuses_data(study, folder)
    first = run_study(study, smoke, preset="smoke", seed=seed, folder=folder, backend="inline")
    for kind, names in (
        ("claims", [claim.id for claim in first.claims]),
        ("metrics", [metric.name for metric in first.metrics]),
        ("tables", [table.name for table in first.tables]),
        ("figures", [figure.name for figure in first.figures]),
    ):
        if len(set(names)) < len(names):
            raise AssertionError(f"study {study.name!r} has {kind} of one name: {sorted(names)}")
    if not first.claims or not first.metrics:
        raise AssertionError(f"study {study.name!r} leaves no claims or no metrics")
    if not first.scope:
        raise AssertionError(f"study {study.name!r} does not say what its figures are about")
    for table in first.tables:
        if any(len(row) != len(table.columns) for row in table.rows):
            raise AssertionError(f"table {table.name!r} has a row that does not fit its columns")
    stated = Lock.model_validate_json((folder / LOCKED_CLAIMS).read_bytes())
    if departures := stated.differences(first):
        raise AssertionError(f"study {study.name!r} departs from its lock: {'; '.join(departures)}")
    others = [claim.id for claim in recheck(folder, first, study) if not claim.agrees]
    if others:
        raise AssertionError(f"study {study.name!r}: claims {others} do not follow from its frame")
    (folder / "evidence.json").unlink()
    # The piece of work that was written last is a cell, those before it are parts of that cell.
    stages = sorted((folder / "stages").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    for lost in [each for each in stages if not each.name.startswith(TIMED)][-2:]:
        lost.unlink()
    again = run_study(study, smoke, preset="smoke", seed=seed, folder=folder, backend=resume_on)
    volatile = {"wall_s"}
    if _plain(first, volatile) != _plain(again, volatile):
        raise AssertionError(f"study {study.name!r} resumes to other evidence")
    return first


def _refuses_data(study: Study[Any], folder: Path) -> None:
    config = study.presets["smoke"].model_copy(update={"data": folder})
    try:
        run_study(study, config, preset="smoke", seed=0, folder=folder)
    except InputError:
        return
    raise AssertionError(f"study {study.name!r} takes data, though it says: {study.no_data}")


def _plain(evidence: Evidence, without: set[str]) -> Any:
    return json.loads(evidence.model_dump_json(exclude=without))
