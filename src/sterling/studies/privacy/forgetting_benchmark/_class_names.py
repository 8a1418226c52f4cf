"""Whole classes forgotten and named, feature maps compared, and methods timed."""

import time
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sterling.privacy.membership.output_scores import phi
from sterling.privacy.targets.models import initialise
from sterling.privacy.unlearning import (
    Examples,
    Method,
    SisaConfig,
    fit_sisa,
    sisa,
    split_deletion_request,
    train_by_recipe,
)
from sterling.privacy.unlearning_attacks import (
    attack_area,
    attack_two_models,
    degradation,
    forgotten_class_from_bias,
    forgotten_class_from_probes,
    lingering,
    posteriors,
)
from sterling.privacy.unlearning_attacks.membership import FEATURES
from sterling.studies.privacy.forgetting_benchmark._classifiers import ClassifierBench
from sterling.studies.privacy.forgetting_benchmark._names import RETRAINED, UNTOUCHED, Figures


def attack_with_each_feature_map(bench: ClassifierBench) -> Figures:
    """The two-model attack on exactly retrained models, random records, by feature map."""
    cut = bench.cut("random")
    shadows = bench.shadows(cut)
    before = posteriors(shadows.models.logits(cut.pool.inputs).numpy())
    after, inside = posteriors(bench.again(shadows, cut.pool.inputs)), shadows.membership
    alone = attack_two_models(before, before, inside, features="direct concatenation")
    cell = {}
    for name in FEATURES:
        pair = attack_two_models(before, after, inside, features=name)
        count, rate = degradation(pair, alone, inside)
        area = attack_area(pair[inside], pair[~inside]).value
        cell[name] = {"area": area, "DegCount": count, "DegRate": rate}
    return cell


def time_forgetting(bench: ClassifierBench) -> dict[str, float]:
    """Seconds that each method takes to forget one request, the least of three."""
    train = train_by_recipe(bench.recipe)
    half = bench.pool // 2
    training = bench.data.select(torch.arange(bench.base + half))
    forget, retain = split_deletion_request(training, training.ids[:half])
    network = initialise(bench.build, [bench.seed]).module(0)
    model = train(network, training, bench.seed)
    ensemble = SisaConfig(train, seed=bench.seed)
    sharded = fit_sisa(network, training, ensemble)
    jobs: dict[str, tuple[Method, nn.Module, Examples, Examples]] = {
        name: (method, model, forget, retain) for name, method in bench.named().items()
    }
    one, rest = split_deletion_request(training, training.ids[:1])
    slices = Method("SISA", partial(sisa, config=ensemble), "Bourtoule et al., IEEE S&P 2021")
    jobs["SISA, one record"] = (slices, sharded, one, rest)
    jobs["retrain, one record"] = (jobs[RETRAINED][0], model, one, rest)
    seconds = {}
    for name, (method, start, gone, kept) in jobs.items():
        spent = []
        for _ in range(3):
            begin = time.perf_counter()
            method(start, gone, kept, torch.Generator().manual_seed(bench.seed))
            spent.append(time.perf_counter() - begin)
        seconds[name] = min(spent)
    return seconds


def name_forgotten_classes(bench: ClassifierBench) -> Figures:
    """Each model forgets one whole class; the attacker asks which."""
    data, train = bench.data, train_by_recipe(bench.recipe)
    size = bench.pool + bench.base
    training, probes = data.select(torch.arange(size)), data.select(torch.arange(size, len(data)))
    rows: dict[str, list[dict[str, float]]] = {}
    for forgotten in range(min(bench.models, bench.classes)):
        seed = bench.seed + forgotten
        model = train(initialise(bench.build, [seed]).module(0), training, seed)
        forget, retain = split_deletion_request(
            training, training.ids[training.labels == forgotten]
        )
        unlearned: dict[str, nn.Module] = {UNTOUCHED: model}
        for name, method in bench.named().items():
            unlearned[name] = method(model, forget, retain, torch.Generator().manual_seed(seed))
        for name, after in unlearned.items():
            figures = _class_row(model, after, unlearned[RETRAINED], forget, probes, forgotten)
            rows.setdefault(name, []).append(figures)
    return {
        name: {key: float(np.mean([row[key] for row in figures])) for key in figures[0]}
        for name, figures in rows.items()
    }


@torch.no_grad()
def _class_row(
    before: nn.Module,
    after: nn.Module,
    retrained: nn.Module,
    forget: Examples,
    probes: Examples,
    forgotten: int,
) -> dict[str, float]:
    old, new = posteriors(before(probes.inputs)), posteriors(after(probes.inputs))
    fall = forgotten_class_from_probes(old, new, probes.labels)
    rise = forgotten_class_from_probes(old, new, probes.labels, signal="entropy")
    last = [dict(model.named_parameters()) for model in (before, after)]
    name = list(last[0])[-1]
    bias = forgotten_class_from_bias(last[0][name].numpy(), last[1][name].numpy())
    of_class = probes.select(probes.labels == forgotten)
    others = probes.select(probes.labels != forgotten)
    losses = [-phi(model(forget.inputs), forget.labels) for model in (after, retrained)]
    never_seen = phi(after(of_class.inputs), of_class.labels)
    right = after(others.inputs).argmax(1) == others.labels
    gone = after(forget.inputs).argmax(1) == forget.labels

    def named(statistic: NDArray[np.float64]) -> float:
        # Constant statistics, as without unlearning, name the class by chance only.
        best = np.flatnonzero(statistic == statistic.max())
        return float(forgotten in best) / len(best)

    return {
        "class from confidence": named(fall),
        "class from entropy": named(rise),
        "class from bias": named(bias),
        "loss": attack_area(-losses[0], never_seen).value,
        "lingering": lingering(*losses)[0],
        "forget accuracy": float(gone.float().mean()),
        "test accuracy": float(right.float().mean()),
    }
