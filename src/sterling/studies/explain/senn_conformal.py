"""Self-explaining networks with conformal sets: do concepts and labels both keep their promise?

Qian et al., "Towards Modeling Uncertainties of Self-Explaining Neural Networks via Conformal
Prediction" (AAAI 2024), on rendered shapes and scikit-learn's digits. Every seed draws its own data
and trains its own network; then the items that did not train are split 200 times into two
calibration parts and a test part. A random resplit is exchangeable whatever the items are, so that
the mean coverage over resplits tests the guarantee itself. What the paper's score is could not be
established; the family tested here is ours. Its CIFAR-100 super-classes have no reader: there was
no copy of that data set to test one on.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from sterling.explain import (
    ConceptData,
    ConceptNetwork,
    ConceptScore,
    all_vectors,
    box_labels,
    box_of_values,
    calibrate_concept_sets,
    concept_importance,
    draw_shapes,
    explain,
    fit_concepts,
    fit_head,
    important_concepts,
    interval_labels,
    label_scores_by_enumeration,
    lp_labels,
    pgd_labels,
    read_concept_data,
    sklearn_digits,
    subset_scores,
    top_k_score,
)
from sterling.guarantee import APS, LAC, RAPS, LabelScore, conformal_quantile
from sterling.runs import Run, derive_seed
from sterling.scale.backends import in_processes
from sterling.studies.explain._gallery import write_gallery
from sterling.studies.explain._set_audit import (
    MEASURES,
    Judged,
    Resplit,
    bonferroni_arm,
    conditional_coverage,
    label_only_arm,
    label_row,
    noisy_labels,
    over_resplits,
    prototype_arm,
    threshold_arm,
)
from sterling.study import (
    Claim,
    Config,
    Figure,
    Findings,
    Metric,
    Row,
    Study,
    Table,
    bars_over_seeds,
    bounded_below,
    metric_over_seeds,
    positive,
)

Source = Literal["shapes", "digits"]
Floats = NDArray[np.float64]
JOINT = "joint maximum"
ON_LABELS = "joint maximum, calibrated on labels"
LABEL_ONLY: dict[str, LabelScore] = {"LAC": LAC(), "APS": APS(), "RAPS": RAPS()}
# Ours: coverage lies at most 1 / (n + 1) above its floor, so that an interval reaches below it.
COVERAGE_MARGIN = 0.002


class SennConfig(Config):
    """Configuration of the study.

    Attributes:
        data: Folder of MNIST or of CUB's class attributes; replaces the embedded sources.
        sources: Embedded data to run on.
        items: Rendered shapes, or items taken of own data, for training and evaluation together.
        train_share: Share of the items that trains.
        width: Channels of the network's first layer.
        epochs: Passes over the training items.
        learning_rate: Of Adam.
        hidden: Hidden units of the second, non-linear head that bounds are compared on.
        epsilon: Error level of the concept sets.
        epsilon_label: Error level of the repaired and the label-only sets.
        label_noise: Share of the labels that is moved to test the repair.
        resplits: Into calibration and test, per seed.
        certified: Items that linear programs and gradients are run on, per seed.
        top: Concepts in an explanation by the most important ones, at most.
        prototypes: Per class.
        seeds: How many times everything is repeated with other data and other weights.
    """

    sources: tuple[Source, ...] = ("shapes", "digits")
    items: int = Field(default=6000, ge=200)
    train_share: float = Field(default=0.45, gt=0, lt=1)
    width: int = Field(default=12, ge=1)
    epochs: int = Field(default=25, ge=1)
    learning_rate: float = Field(default=4e-3, gt=0)
    hidden: int = Field(default=16, ge=1)
    epsilon: float = Field(default=0.1, gt=0, lt=1)
    epsilon_label: float = Field(default=0.1, gt=0, lt=1)
    label_noise: float = Field(default=0.1, ge=0, lt=1)
    resplits: int = Field(default=200, ge=2)
    certified: int = Field(default=60, ge=1)
    top: int = Field(default=2, ge=1)
    prototypes: int = Field(default=3, ge=1)
    seeds: int = Field(default=5, ge=1)


def measure(config: SennConfig, run: Run) -> Findings:
    """Train, calibrate and resplit on every source and seed, and test the claims."""
    sources = ["data"] if config.data else list(config.sources)
    if config.data is not None:  # refused here, before processes start
        read_concept_data(config.data, np.random.default_rng(0), 1)
    calls = [(config, run, source, seed) for source in sources for seed in range(config.seeds)]
    results = in_processes(_one_seed, calls, "sources and seeds")
    described = sorted({result["source"] for result in results})
    return Findings(
        scope=f"Data: {'; '.join(described)}. Coverage holds for items like these. The "
        "family of scores is ours: the paper's exact score could not be established.",
        not_scored=0,
        metrics=_metrics(results),
        claims=_claims(config, results),
        tables=[
            *(_sets_table(own, source) for source, own in _by_source(results).items()),
            _transfer_table(results, config.label_noise),
            _conditional_table(results),
            _guarantee_table(results),
        ],
        figures=_figures(results),
    )


def _one_seed(config: SennConfig, run: Run, source: str, index: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    folder = run.folder if index == 0 else None
    compute = partial(_compute, config, derive_seed(run.seed, source, index), source, folder)
    result: dict[str, Any] = run.stage(f"{source}-{index}", compute)
    return {"name": source, "seed": index, **result}


def _load(config: SennConfig, source: str, rng: np.random.Generator) -> ConceptData:
    if config.data is not None:
        return read_concept_data(config.data, rng, config.items)
    return draw_shapes(config.items, rng) if source == "shapes" else sklearn_digits()


def _compute(config: SennConfig, seed: int, source: str, folder: Path | None) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    data = _load(config, source, rng)
    order = rng.permutation(len(data))
    cut = round(config.train_share * len(data))
    training, rest = data.select(order[:cut]), data.select(order[cut:])
    shape = data.inputs.shape[1:]
    model = ConceptNetwork(
        shape, len(data.names), data.n_classes, width=config.width, seed=seed % 2**31
    )
    fit_concepts(
        model,
        training,
        epochs=config.epochs,
        learning_rate=config.learning_rate,
        seed=seed % 2**31,
    )
    fit_head(model, training.concepts, training.labels)
    vectors = all_vectors(len(data.names))
    with torch.inference_mode():
        logits_of_vectors = model.head(torch.from_numpy(vectors).float()).double().numpy()
    n = len(rest)
    parts = [np.split(rng.permutation(n), [n // 4, n // 2]) for _ in range(config.resplits)]
    judged = Judged(
        data=rest,
        said=explain(model, rest.inputs),
        vectors=vectors,
        logits_of_vectors=logits_of_vectors,
        resplits=[Resplit(*part) for part in parts],
    )
    right = (judged.said.scores >= 0.5) == rest.concepts
    answers = judged.winners[rest.concepts @ (1 << np.arange(len(data.names)))]
    result = {
        "source": data.source,
        "calibration": n // 4,
        "concept_accuracy": float(right.mean()),
        "joint_accuracy": float(right.all(axis=1).mean()),
        "label_accuracy": float((judged.said.logits.argmax(axis=1) == rest.labels).mean()),
        "head_error": float((answers != rest.labels).mean()),
        "sets": _set_results(config, judged, model, training, answers == rest.labels),
        "noise": noisy_labels(
            judged,
            answers,
            rng,
            epsilon=config.epsilon,
            epsilon_label=config.epsilon_label,
            share=config.label_noise,
        ),
        "transfer": _transfer_results(config, judged, model, training, seed),
    }
    if folder is not None:
        result["gallery"] = write_gallery(judged, config.epsilon, folder, source)
    return result


def _set_results(
    config: SennConfig,
    judged: Judged,
    model: ConceptNetwork,
    training: ConceptData,
    head_right: NDArray[np.bool_],
) -> dict[str, Any]:
    m = len(judged.data.names)
    h, concepts = judged.said.scores, judged.data.concepts
    importance = concept_importance(model, training.concepts)
    family = {
        JOINT: ConceptScore((1.0,) * m),
        "weighted maximum": ConceptScore(tuple(np.maximum(importance, 0.05).tolist())),
        "sum": ConceptScore((1.0,) * m, combine="sum"),
        "negative log-likelihood": ConceptScore((1.0,) * m, cost="nll", combine="sum"),
    }
    results: dict[str, Any] = {}
    lost = 0
    for name, score in family.items():
        of_vectors = score.of_vectors(h, judged.vectors)
        of_labels = label_scores_by_enumeration(of_vectors, judged.winners, judged.data.n_classes)
        own = score(h, concepts)
        limits = [conformal_quantile(own[one.first], config.epsilon) for one in judged.resplits]
        results[name] = threshold_arm(judged, own, of_vectors, of_labels, limits)
        label = judged.by_label(of_labels)
        # Rounding of another order of sums is allowed for, as everywhere.
        missed = head_right & (label > own + 1e-9)
        lost += int(missed.sum())
        if name == JOINT:
            half = [0.5] * len(limits)
            results["naive: h above 0.5"] = threshold_arm(judged, own, of_vectors, of_labels, half)
            results["conditional"] = conditional_coverage(judged, own, score, limits)
            results[ON_LABELS] = over_resplits(
                [
                    label_row(
                        of_labels[one.test] <= conformal_quantile(label[one.first], config.epsilon),
                        judged.data.labels[one.test],
                    )
                    for one in judged.resplits
                ],
                MEASURES[2:],
            )
    results["lost"] = lost
    results["Bonferroni over concepts"] = bonferroni_arm(judged, config.epsilon)
    # Items of few concepts allow small explanations only, and items of none no explanation.
    if k := min(config.top, int(concepts.sum(axis=1).min())):
        own = top_k_score(h, important_concepts(concepts, importance, k))
        limits = [conformal_quantile(own[one.first], config.epsilon) for one in judged.resplits]
        results["most important concepts"] = threshold_arm(
            judged, own, subset_scores(h, k), None, limits
        )
    results["prototypes"] = prototype_arm(
        judged, model, training, config.prototypes, config.epsilon
    )
    for name, label_score in LABEL_ONLY.items():
        results[f"labels only: {name}"] = label_only_arm(judged, config.epsilon_label, label_score)
    return results


def _transfer_results(
    config: SennConfig, judged: Judged, model: ConceptNetwork, training: ConceptData, seed: int
) -> dict[str, Any]:
    """Sets of the same boxes by every way of transfer, for a linear and a deep head."""
    deep = ConceptNetwork(
        judged.data.inputs.shape[1:],
        len(judged.data.names),
        judged.data.n_classes,
        width=1,
        hidden=config.hidden,
        seed=seed % 2**31,
    )
    fit_head(deep, training.concepts, training.labels)
    one = judged.resplits[0]
    h, concepts = judged.said.scores, judged.data.concepts
    score = ConceptScore((1.0,) * len(judged.data.names))
    rule = calibrate_concept_sets(score, h[one.first], concepts[one.first], config.epsilon)
    items = one.test[: config.certified]
    boxes = box_of_values(rule.values(h[items]), h[items])
    weight, bias = (p.detach().double().numpy() for p in model.head.parameters())
    generator = torch.Generator().manual_seed(seed % 2**31)
    ways: dict[str, Callable[[], NDArray[np.bool_]]] = {
        "linear: gradients (empirical)": lambda: pgd_labels(
            model.head, *boxes, generator=generator
        ),
        "linear: linear program (exact)": lambda: lp_labels(weight, bias, *boxes),
        "linear: pairwise bounds": lambda: box_labels(weight, bias, *boxes),
        "deep: gradients (empirical)": lambda: pgd_labels(deep.head, *boxes, generator=generator),
        "deep: interval bounds": lambda: interval_labels(deep.head, *boxes),
    }
    sets = {name: way() for name, way in ways.items()}
    gradients, program, pairwise, deep_gradients, intervals = sets.values()
    outside = (gradients & ~program).sum() + (program & ~pairwise).sum()
    labels = judged.data.labels[items]
    return {
        "guarantee": rule.guarantee.rows(),
        "outside": int(outside + (deep_gradients & ~intervals).sum()),
        "compared": 3 * len(items),
        "sets": {name: label_row(one, labels)[:2] for name, one in sets.items()},
    }


def _reaches(claim_id: str, claim: str, values: Sequence[Sequence[float]], floor: float) -> Claim:
    """A claim that a coverage reaches a floor; values hold (mean, standard error) per network."""
    means = [value[0] for value in values]
    return bounded_below(claim_id, claim, means, floor - COVERAGE_MARGIN, over="networks")


def _smaller_at_coverage(differences: Sequence[float], coverage: Claim) -> Claim:
    """Transferred sets are smaller, where small sets that cover too little do not count."""
    claim = positive(
        "transfer_smaller_than_labels_only",
        "Label sets transferred from concepts cover as promised and are smaller than those of APS "
        "on the same network's label probabilities (difference of sizes).",
        differences,
        paper="abstract: efficient prediction sets for the final predictions",
    )
    if coverage.verdict == "holds":
        return claim
    bar = f"> 0, where label coverage ({coverage.measured:.4f}) is as promised"
    return claim.model_copy(update={"verdict": coverage.verdict, "bar": bar})


def _claims(config: SennConfig, results: list[dict[str, Any]]) -> list[Claim]:
    floor = 1 - config.epsilon

    def means(arm: str, measure_: str) -> list[list[float]]:
        return [result["sets"][arm][measure_] for result in results]

    def per_seed(values: Sequence[float]) -> list[float]:
        """Mean over the sources of each seed: seeds are the independent units."""
        seeds = [result["seed"] for result in results]
        return [
            float(np.mean([value for value, s in zip(values, seeds, strict=True) if s == seed]))
            for seed in sorted(set(seeds))
        ]

    calibrated = [
        name
        for name, arm in results[0]["sets"].items()
        if name not in ("lost", "conditional") and "concept coverage" in arm
        if not name.startswith("naive")
    ]
    worst = min(calibrated, key=lambda name: np.mean([row[0] for row in means(name, MEASURES[0])]))
    naive = [floor - row[0] for row in means("naive: h above 0.5", MEASURES[0])]
    sizes = [
        np.log2(apart[0]) - np.log2(joint[0])
        for apart, joint in zip(
            means("Bonferroni over concepts", MEASURES[1]), means(JOINT, MEASURES[1]), strict=True
        )
    ]
    noisy = [result["noise"] for result in results]
    return [
        _reaches(
            "joint_concept_coverage",
            f"Every calibrated kind of concept set holds the true explanation with probability "
            f"{floor:g} (least: {worst}).",
            means(worst, MEASURES[0]),
            floor,
        ),
        positive(
            "naive_threshold_falls_short",
            "Concept scores cut at 0.5 get all concepts right less often than "
            f"{floor:g} (difference).",
            per_seed(naive),
        ),
        positive(
            "joint_smaller_than_bonferroni",
            "One joint threshold gives smaller concept sets than Bonferroni over concepts "
            "(difference of log2 sizes).",
            per_seed(sizes),
        ),
        _smaller_at_coverage(
            per_seed(
                [
                    apart[0] - joint[0]
                    for apart, joint in zip(
                        means("labels only: APS", MEASURES[3]),
                        means(JOINT, MEASURES[3]),
                        strict=True,
                    )
                ]
            ),
            _reaches("", "", means(JOINT, MEASURES[2]), floor),
        ),
        positive(
            "transfer_alone_falls_short",
            f"When the head errs on {config.label_noise:.0%} of the items, transferred label sets "
            f"cover less often than {floor:g} (difference).",
            per_seed([floor - one["plain coverage"][0] for one in noisy]),
        ),
        _reaches(
            "transfer_keeps_the_floor",
            "They still cover at least as often as 1 - epsilon minus the head's error.",
            [one["plain coverage"] for one in noisy],
            floor - float(np.mean([one["head error"] for one in noisy])),
        ),
        _reaches(
            "repair_covers",
            f"Calibrated a second time they cover with probability {1 - config.epsilon_label:g}, "
            "whatever the head's errors.",
            [one["repaired coverage"] for one in noisy],
            1 - config.epsilon_label,
        ),
    ]


def _by_source(results: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        found.setdefault(result["name"], []).append(result)
    return found


def _metrics(results: list[dict[str, Any]]) -> list[Metric]:
    metrics = []
    for source, own in _by_source(results).items():
        for key, title in (
            ("joint_accuracy", "all concepts right"),
            ("label_accuracy", "label accuracy"),
            ("head_error", "head error on true concepts"),
        ):
            values = [result[key] for result in own]
            metrics.append(metric_over_seeds(f"{source}: {title}", "rate", values))
        for measure_ in (MEASURES[0], MEASURES[2]):
            values = [result["sets"][JOINT][measure_][0] for result in own]
            metrics.append(metric_over_seeds(f"{source}: {JOINT}, {measure_}", "rate", values))
    return metrics


def _mean(results: Sequence[dict[str, Any]], arm: str, measure_: str) -> float | None:
    values = [result["sets"][arm].get(measure_) for result in results]
    return None if values[0] is None else float(np.mean([value[0] for value in values]))


def _arms(results: Sequence[dict[str, Any]]) -> list[str]:
    return [name for name in results[0]["sets"] if name not in ("lost", "conditional")]


def _shown(results: Sequence[dict[str, Any]], arm: str) -> str:
    """The coverage that an arm is about."""
    return MEASURES[0] if MEASURES[0] in results[0]["sets"][arm] else MEASURES[2]


def _sets_table(own: list[dict[str, Any]], source: str) -> Table:
    arms = _arms(own)
    return Table(
        name=f"sets {source}",
        title=f"Concept and label sets: {own[0]['source']}",
        columns=["sets", *MEASURES],
        rows=[[arm, *(_mean(own, arm, measure_) for measure_ in MEASURES)] for arm in arms],
        caption=f"Means over {len(own)} seeds and their resplits, {own[0]['calibration']} "
        "calibration items. Explanation size: concept vectors, subsets or prototypes in the set. "
        "Label sets by exact enumeration of the concept set. Calibrated on labels: the same score, "
        "its threshold chosen for the label alone, so that the sizes compare at one coverage.",
    )


def _transfer_table(results: list[dict[str, Any]], label_noise: float) -> Table:
    rows: list[Row] = []
    for source, own in _by_source(results).items():
        for name in own[0]["transfer"]["sets"]:
            figures = np.mean([one["transfer"]["sets"][name] for one in own], axis=0)
            rows.append([source, name, *map(float, figures)])
        for kind in ("plain", "repaired"):
            figures = np.mean(
                [[one["noise"][f"{kind} {x}"][0] for x in ("coverage", "size")] for one in own],
                axis=0,
            )
            rows.append([source, f"noisy labels: {kind}", *map(float, figures)])
    return Table(
        name="transfer",
        title="Label sets of the same concept boxes, by way of transfer",
        columns=["data", "way", "label coverage", "label size"],
        rows=rows,
        caption="Only the sets marked empirical carry no guarantee. Noisy labels: the head is "
        f"wrong on {label_noise:.0%} of the items; plain transfer and the second calibration.",
    )


def _conditional_table(results: list[dict[str, Any]]) -> Table:
    rows: list[Row] = []
    for source, results_of in _by_source(results).items():
        own = [result["sets"]["conditional"] for result in results_of]
        for kind in ("class", "undecided"):
            for key in range(len(own[0][kind])):
                cells = [one[kind][key] for one in own]
                share = float(np.mean([cell[1] for cell in cells]))
                covered = [cell[0] for cell in cells if cell[0] is not None]
                if covered:
                    rows.append([source, f"{kind} {key}", share, float(np.mean(covered))])
    return Table(
        name="conditional",
        title="Coverage within classes and within numbers of undecided concepts",
        columns=["data", "among", "share of items", "concept coverage"],
        rows=rows,
        caption=f"Sets of the {JOINT}. The guarantee is over all items, not within each row.",
    )


def _guarantee_table(results: list[dict[str, Any]]) -> Table:
    return Table(
        name="guarantee",
        title="What the concept sets promise",
        columns=["what", "value"],
        rows=results[0]["transfer"]["guarantee"],
    )


def _figures(results: list[dict[str, Any]]) -> list[Figure]:
    figures = []
    for source, own in _by_source(results).items():
        shown = {
            arm: [result["sets"][arm][_shown(own, arm)][0] for result in own] for arm in _arms(own)
        }
        figures.append(
            bars_over_seeds(
                f"coverage {source}",
                f"Coverage, {source}",
                "Of the explanation, or of the label for sets of labels only; means over resplits "
                "and seeds with 95 % Student-t intervals over seeds.",
                shown,
                value_label="coverage",
            )
        )
        gallery = [result["gallery"] for result in own if result.get("gallery")]
        if gallery:
            figures.append(
                Figure(
                    name=f"gallery {source}",
                    title=f"Explanations with their doubts, {source}",
                    kind="gallery",
                    caption="First seed, first resplit: decided items, then the most undecided.",
                    data={"items": gallery[0]},
                )
            )
    return figures


SENN_CONFORMAL_STUDY = Study(
    name="senn_conformal",
    summary="Conformal sets of concepts and labels for self-explaining networks.",
    domain="explain",
    cite="qian2024towards",
    presets={
        "smoke": SennConfig(
            items=1000, width=4, epochs=8, resplits=4, certified=4, seeds=2, hidden=4, prototypes=1
        ),
        "quick": SennConfig(),
        "paper": SennConfig(items=60_000, width=32, epochs=100, certified=500, seeds=10),
    },
    measure=measure,
)
