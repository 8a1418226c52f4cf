import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.face.pad import Network, Output
from sterling.guarantee import (
    APS,
    LAC,
    RAPS,
    SAPS,
    benjamini_hochberg,
    benjamini_yekutieli,
    calibrate_label_sets,
    storey_benjamini_hochberg,
)
from sterling.runs import Run
from sterling.study import Config, Results, Study, StudyEntry, Views, positive, row
from sterling.testing import (
    Dependence,
    check_conformal,
    check_detector,
    check_fdr,
    check_membership_attack,
    check_network,
    check_study,
    check_text_detector,
    check_unlearning,
    check_watermark,
)
from sterling.text import TripleSetWatermark, kgw, unigram
from sterling.text.detectors.scored import Scored, TrainingFree, score_words

Floats = NDArray[np.float64]
ALPHA = 0.2


def ours(score: Any, known: Floats, labels: NDArray[Any], new: Floats, seed: int) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    rule = calibrate_label_sets(known, labels, ALPHA, score, rng=rng)
    return rule.sets(new, rng=rng)


def plug_in(known: Floats, labels: NDArray[Any], new: Floats, seed: int) -> NDArray[Any]:  # noqa: ARG001
    """Forgets the test item: the empirical quantile of the calibration scores."""
    if np.isnan(known).any():
        raise ValueError("NaN")
    scores = np.sort(1 - known[np.arange(len(labels)), labels])
    return np.asarray(1 - new <= scores[math.ceil(len(scores) * (1 - ALPHA)) - 1])


def cumulative(known: Floats, labels: NDArray[Any], new: Floats, seed: int) -> NDArray[Any]:  # noqa: ARG001
    """Trusts the probabilities: labels until their sum is 1 - alpha."""
    if np.isnan(known).any():
        raise ValueError("NaN")
    order = np.argsort(-new[0])
    before = np.cumsum(new[0][order]) - new[0][order]
    sets = np.zeros(new.shape, dtype=bool)
    sets[0, order[before < 1 - ALPHA]] = True
    return sets


def no_nan_check(known: Floats, labels: NDArray[Any], new: Floats, seed: int) -> NDArray[Any]:
    return ours(APS(), np.nan_to_num(known, nan=1 - np.nansum(known[0])), labels, new, seed)


@pytest.mark.filterwarnings("ignore:.*calibration items are too few")
@pytest.mark.parametrize("score", [LAC(), APS(), RAPS(0.05, 2), SAPS(0.15)])
def test_our_label_sets_pass(score: Any) -> None:
    outcomes = check_conformal(partial(ours, score), ALPHA, repeats=600)
    assert [one.scenario for one in outcomes][-1] == "too few calibration items"
    assert outcomes[-1].rate == 0  # every label is kept


@pytest.mark.filterwarnings("ignore:.*calibration items are too few")
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (plug_in, "misses the true label"),
        (cumulative, "overconfident probabilities: misses"),
        (no_nan_check, "NaN"),
        (lambda known, labels, new, seed: ours(LAC(), known, labels, new, seed)[0], "shape"),
    ],
)
def test_wrong_label_sets_are_found(wrong: Callable[..., Any], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_conformal(wrong, ALPHA)


def test_fdr_procedures_pass_under_what_they_promise() -> None:
    for procedure in (benjamini_hochberg, storey_benjamini_hochberg):
        assert len(check_fdr(procedure, 0.1, repeats=600)) == 4
    everything: tuple[Dependence, ...] = ("independent", "conformal", "arbitrary")
    outcomes = check_fdr(benjamini_yekutieli, 0.1, dependence=everything, repeats=600)
    assert outcomes[-1].scenario.startswith("adversarial")


@pytest.mark.parametrize(
    ("wrong", "dependence", "words"),
    [
        (lambda p, alpha: p <= alpha, ("independent",), "independent, all null"),
        (benjamini_hochberg, ("arbitrary",), "adversarial"),
        (lambda p, alpha: benjamini_hochberg(p, 3 * alpha), ("conformal",), "discovers falsely"),
        (lambda p, alpha: benjamini_hochberg(p, alpha).astype(int), ("conformal",), "int64"),
    ],
)
def test_wrong_procedures_are_found(wrong: Any, dependence: Any, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_fdr(wrong, 0.1, dependence=dependence)


def test_the_adversarial_p_values_are_uniform_and_hit_as_computed() -> None:
    from scipy import stats

    from sterling.testing.guarantees import _adversarial

    rng = np.random.default_rng(0)
    draws = np.array([_adversarial(10, 0.2, rng) for _ in range(4000)])
    assert stats.kstest(draws[:, 0], "uniform").pvalue > 1e-4
    hits = sum(int(benjamini_hochberg(p, 0.2).any()) for p in draws)
    assert stats.binomtest(hits, 4000, 0.2 * float(np.sum(1 / np.arange(1, 11)))).pvalue > 1e-4


def test_detectors_are_held_to_form_batch_and_direction() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(12, 4)) + 1, rng.normal(size=(10, 4))
    check_detector(lambda batch: batch.mean(axis=1), real, fake)
    for wrong, words in (
        (lambda batch: -batch.mean(axis=1), "must mean bona fide"),
        (lambda batch: batch.mean(axis=1) - batch.mean(), "depends on its batch"),
        (lambda batch: batch, "shape"),
        (lambda batch: np.full(len(batch), np.nan), "nan"),
        (lambda batch: np.zeros(len(batch)), "same score"),
        (lambda batch: batch.mean(axis=1) + 1e-7 * rng.random(len(batch)), "second time"),
    ):
        with pytest.raises(AssertionError, match=words):
            check_detector(wrong, real, fake)


class ToyConfig(Config):
    n: int = 3


def _toy(presets: dict[Any, ToyConfig], *, forgetful: bool = False, claims: int = 1) -> Study[Any]:
    runs: list[int] = []

    def measure(config: ToyConfig, run: Run) -> Results:
        runs.append(1)
        values = [run.stage(f"s{i}", partial(math.sin, run.seed + i)) for i in range(config.n)]
        if forgetful:
            values.append(float(len(runs)))
        return Results.of({"repetition": i, **row("sine", x)} for i, x in enumerate(values))

    return Study(
        StudyEntry("toy", "", "test", "yu2020searching", __name__),
        presets,
        measure,
        claims=lambda results, _: [positive("one", "Positive.", results.values("sine"))] * claims,
        views=lambda results, _: Views([results.metric("mean", "sine", "-")]),
        scope=lambda _: "toy",
    )


def test_studies_are_held_to_presets_evidence_and_resuming(tmp_path: Path) -> None:
    presets: dict[Any, ToyConfig] = dict.fromkeys(("smoke", "quick", "paper"), ToyConfig())
    assert check_study(_toy(presets), tmp_path / "good").study == "toy"
    for study, words in (
        (_toy({"smoke": ToyConfig()}), "lacks the preset"),
        (_toy(presets, forgetful=True), "resumes to other evidence"),
        (_toy(presets, claims=2), "of one name"),
        (_toy(presets, claims=0), "no claims"),
    ):
        with pytest.raises(AssertionError, match=words):
            check_study(study, tmp_path / words)


def test_our_watermarks_keep_their_contract() -> None:
    for make in (TripleSetWatermark, kgw, unigram):
        outcomes = check_watermark(make)
        assert {one.scenario for one in outcomes} >= {"phrases again and again"}


def test_a_watermark_that_accuses_too_often_is_caught() -> None:
    class Eager(TripleSetWatermark):
        def detect(self, *given: Any, **settings: Any) -> Any:
            found = super().detect(*given, **settings)
            return replace(found, p_value=found.p_value / 4)

    with pytest.raises(AssertionError, match="goes wrong"):
        check_watermark(lambda key: Eager(key))


def test_a_watermark_that_finds_nothing_is_caught() -> None:
    class Blind(TripleSetWatermark):
        def detect(self, *given: Any, **settings: Any) -> Any:
            return replace(super().detect(*given, **settings), p_value=1.0)

    with pytest.raises(AssertionError, match="missed"):
        check_watermark(lambda key: Blind(key))


class Grey(Network):
    """Liveness by learned shares of the colours; `fault` breaks one promise."""

    name = "grey"

    def __init__(self, fault: str = "", seed: int = 0) -> None:
        super().__init__()
        self.fault = fault
        with torch.random.fork_rng(devices=[], enabled=fault != "global draws"):
            torch.manual_seed(7 if fault == "one seed" else seed)
            if fault == "no seed":
                torch.seed()
            self.mix = nn.Conv2d(3, 1, 1)
            self.idle = nn.Linear(1, 1) if fault == "idle" else None

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        self.require(images, present)
        if self.fault == "batch":
            images = images - images.mean(dim=0)
        maps = nn.functional.avg_pool2d(self.mix(images), 8).sigmoid()[:, 0]
        return Output(maps=maps + torch.inf if self.fault == "infinite" else maps)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("global draws", "global random numbers"),
        ("one seed", "every seed gives the same weights"),
        ("no seed", "other weights the second time"),
        ("batch", "depends on its batch"),
        ("infinite", "not a finite number"),
        ("idle", "no gradient reaches idle.weight, idle.bias"),
    ],
)
def test_a_network_that_breaks_a_promise_fails(fault: str, message: str) -> None:
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    check_network(lambda seed: Grey(seed=seed), images)
    with pytest.raises(AssertionError, match=message):
        check_network(lambda seed: Grey(fault, seed=seed), images)


class Letters(TrainingFree):
    """Scores by the mean length of words; `fault` breaks one promise."""

    name = "letters"

    def __init__(self, fault: str = "") -> None:
        self.fault, self.calls = fault, 0

    def score(self, texts: Sequence[str]) -> Scored:
        self.calls += 1
        if self.fault == "raises" and any(not text for text in texts):
            raise ZeroDivisionError
        sign = -1 if self.fault == "direction" else 1
        found = score_words(texts, lambda _, words: sign * float(np.mean([*map(len, words)])))
        values = found.values
        if self.fault == "batch":
            values = values - np.nanmean(values) if len(values) > 1 else values
        if self.fault == "again":
            values = values + 1e-6 * self.calls
        if self.fault == "constant":
            values = values * 0
        if self.fault == "no reason":
            return Scored(values, ("",) * len(texts))
        return Scored(values[1:] if self.fault == "shape" else values, found.reasons)

    def settings(self) -> dict[str, Any]:
        return {"fault": self.fault}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("raises", "a text raises ZeroDivisionError"),
        ("direction", "higher scores must mean a machine"),
        ("batch", "depends on the others"),
        ("again", "other scores the second time"),
        ("constant", "the same score"),
        ("no reason", "neither a score nor a reason"),
        ("shape", "scores of shape"),
    ],
)
def test_a_text_detector_that_breaks_a_promise_fails(fault: str, message: str) -> None:
    human, machine = (
        [" ".join([word] * n + ["be"]) for n in (20, 30)] for word in ("bee", "furthermore")
    )
    check_text_detector(Letters(), human, machine)
    with pytest.raises(AssertionError, match=message):
        check_text_detector(Letters(fault), human, machine)


def noisy(fault: str, model: nn.Module, rng: torch.Generator) -> nn.Module:
    unlearned = nn.Linear(3, 2) if fault != "shape" else nn.Linear(3, 3)
    if fault != "shape":
        unlearned.load_state_dict(model.state_dict())
    draws = None if fault == "seed" else rng
    for value in unlearned.parameters():
        value.data += 0.0 if fault == "nothing" else torch.randn(value.shape, generator=draws)
    if fault == "itself":
        next(model.parameters()).data += 1
    if fault == "frozen":
        unlearned.requires_grad_(False)
    return unlearned.train(fault == "training")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("itself", "the model itself was changed"),
        ("training", "in training mode"),
        ("frozen", "are frozen"),
        ("shape", "has other parameters"),
        ("nothing", "nothing was done"),
        ("seed", "another model the second time"),
    ],
)
def test_an_unlearning_method_that_breaks_a_promise_fails(fault: str, message: str) -> None:
    model = nn.Linear(3, 2)
    check_unlearning(lambda model, _f, _r, rng: noisy("", model, rng), model, None, None)
    with pytest.raises(AssertionError, match=message):
        check_unlearning(lambda model, _f, _r, rng: noisy(fault, model, rng), model, None, None)


def test_a_membership_attack_that_breaks_a_promise_fails() -> None:
    rng = np.random.default_rng(0)
    member = rng.random(400) < 0.5
    signal = member + rng.normal(size=400)
    tested = np.arange(400) < 300
    attacked, hidden = (signal, member), (signal, member ^ tested)

    def check(attack: Callable[[Any], Any]) -> None:
        check_membership_attack(attack, attacked, hidden, member, tested)

    check(lambda seen: seen[0])
    for attack, message in (
        (lambda seen: seen[0] + seen[1], "depend on the membership of tested records"),
        (lambda seen: seen[0][:-1], "shape"),
        (lambda seen: np.where(tested, np.nan, seen[0]), "nan"),
        (lambda seen: -seen[0], "not above chance"),
    ):
        with pytest.raises(AssertionError, match=message):
            check(attack)
