"""One target audited by every attack: grey box, black box, and as it goes on learning.

What is declared is held against the truth over many splits of the same records; see ``resplits``.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sterling.guarantee import benjamini_hochberg
from sterling.guarantee.selector import PROCEDURES
from sterling.privacy.data.records import Records
from sterling.privacy.membership.fdr import MembershipFDR
from sterling.privacy.membership.lifelong import STAGE_RULES
from sterling.privacy.membership.lira import lira_online
from sterling.privacy.membership.output_scores import phi
from sterling.privacy.membership.registry import attack_scores
from sterling.privacy.membership.shadow_design import ShadowDesign
from sterling.privacy.targets.models import Models
from sterling.privacy.targets.training import Recipe
from sterling.studies.privacy.mia_fdr._resplits import (
    Split,
    flagged_share,
    realised,
    realised_over_stages,
    split_records,
)

ALPHAS = (0.05, 0.10, 0.15, 0.20)  # the paper's
ALPHA = 0.10
BASE = "LiRA online"
THINNED = 5  # of the classes that a shifted mix is poor in, one record in so many stays
ONE_IN_TEN = "one member among ten records"
BY_SHADOW = "calibration scored by a shadow"
BLACK_BOX = "black-box surrogates"
BY_SURROGATE = "black-box surrogates, calibration scored by one"
HARDER = "calibration on harder records, loss"
MIX_APART = "shifted class mix, calibration per class, loss"
MIX_POOLED = "shifted class mix, one calibration, loss"


@dataclass(frozen=True)
class AuditPlan:
    """How one target is trained and attacked.

    Attributes:
        architecture: Of the target and its shadows: "softmax", "mlp" or "cnn".
        width: Hidden units or channels.
        surrogate: Architecture of the surrogates in the black-box setting.
        shadows: Shadow models, even, six or more.
        recipe: How each model is trained.
        resplits: Splits into calibration and test.
        stages: Stages of learning in the lifelong setting.
    """

    architecture: str
    width: int
    surrogate: str
    shadows: int
    recipe: Recipe
    resplits: int
    stages: int


def at_level(attack: str, alpha: float = ALPHA) -> str:
    """Under which name the outcomes of an attack at a level are kept."""
    return f"{attack} at {alpha:g}"


def _trained(
    plan: AuditPlan, design: ShadowDesign, members: NDArray[np.bool_], kind: str, role: str
) -> Models:
    size = {} if kind == "softmax" else {"width": plan.width}
    start = design.start(len(members), kind, f"{role}/{kind}", **size)
    return design.train(start, members, plan.recipe, f"{role}/{kind}")


def grey_box(plan: AuditPlan, records: Records, seed: int) -> dict[str, Any]:
    """The grey-box setting: shadows of the target's architecture."""
    design = ShadowDesign.draw(records, plan.shadows, seed)
    free = ~design.auxiliary
    target = _trained(plan, design, design.target_members[None], plan.architecture, "target")
    shadows = _trained(plan, design, design.shadow_members, plan.architecture, "shadow")
    everything = attack_scores(
        target,
        shadows,
        records,
        target_members=design.target_members,
        shadow_members=design.shadow_members,
        auxiliary=design.auxiliary,
        seed=seed,
    )
    scores = {attack: values[free] for attack, values in everything.items()}
    member, labels = design.target_members[free], records.y[free]
    logits = target.logits(torch.from_numpy(records.x))[0].numpy()
    right = logits.argmax(axis=1) == records.y
    rng = np.random.default_rng((seed, 2))
    splits = [split_records(member, rng) for _ in range(plan.resplits)]
    rare = [split_records(member, rng, nonmember_share=0.9) for _ in range(plan.resplits)]
    hardness = scores["difficulty"] - scores["loss"]  # the mean loss of the references
    harder = [_harder_half(split, hardness) for split in splits]
    mixed = [_shifted_mix(split, labels, _easy(scores["loss"], member, labels)) for split in splits]
    base, loss = scores[BASE], scores["loss"]
    outcomes = {
        **{
            at_level(attack, alpha): realised(values, member, splits, alpha)
            for attack, values in scores.items()
            for alpha in ALPHAS
        },
        **{f"rule {rule}": realised(base, member, splits, ALPHA, rule) for rule in PROCEDURES},
        ONE_IN_TEN: realised(base, member, rare, ALPHA),
        HARDER: realised(loss, member, harder, ALPHA),
        MIX_APART: realised(loss, member, mixed, ALPHA, groups=labels, smooth=True),
        MIX_POOLED: realised(loss, member, mixed, ALPHA, smooth=True),
    }
    transfer = _transfer(plan, design, target, shadows)
    return {
        "data": records.name,
        "simulated": records.simulated,
        "accuracy": [
            float(right[design.target_members].mean()),
            float(right[~design.target_members].mean()),
        ],
        "ids": records.ids[free].tolist(),
        "member": member.tolist(),
        "scores": {attack: values.tolist() for attack, values in scores.items()},
        "outcomes": {
            **{setting: asdict(outcome) for setting, outcome in outcomes.items()},
            BY_SHADOW: transfer["surrogate"],
        },
        "flagged": {
            HARDER: flagged_share(loss, loss, member, harder),
            BY_SHADOW: transfer["flagged"],
        },
    }


def _harder_half(split: Split, hardness: NDArray[np.float64]) -> Split:
    own = split.calibration
    return Split(own[hardness[own] >= np.median(hardness[own])], split.test)


def _easy(
    scores: NDArray[np.float64], member: NDArray[np.bool_], labels: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Records of that half of the classes whose non-members score higher, hence look like members.

    It depends on the class alone, so within a class calibration and test stay exchangeable.
    """
    classes = np.unique(labels[~member])
    means = np.array([scores[(labels == one) & ~member].mean() for one in classes])
    return np.isin(labels, classes[means > np.median(means)])


def _shifted_mix(split: Split, labels: NDArray[np.int64], easy: NDArray[np.bool_]) -> Split:
    """Calibration is poor in records of the easy classes, the records in question in the others."""

    def thinned(rows: NDArray[np.intp], poor: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.concatenate([rows[~poor[rows]], rows[poor[rows]][::THINNED]])

    own, tested = thinned(split.calibration, easy), thinned(split.test, ~easy)
    return Split(own, tested[np.isin(labels[tested], labels[own])])


def _transfer(
    plan: AuditPlan, design: ShadowDesign, target: Models, surrogates: Models
) -> dict[str, Any]:
    """The base attack, calibrated on scores of the target and on scores of a surrogate.

    The first surrogate plays the target for the calibration records, as it must where the target
    cannot be asked about them; its pair is left out, so both scores come from the same references.

    Returns:
        Outcomes by who scored the calibration records, "target" and "surrogate"; "flagged", the
        share of resplits in which the diagnostic tells the surrogate's scores from the target's.
    """
    x, y = torch.from_numpy(design.records.x), design.records.y
    odds, others = phi(target.logits(x)[0].numpy(), y), phi(surrogates.logits(x).numpy(), y)
    # Non-members of the surrogate, too, so that either model may score the calibration records.
    free = ~design.auxiliary & ~design.shadow_members[0]
    mine, theirs = (
        lira_online(own, others[2:], design.shadow_members[2:])[free] for own in (odds, others[0])
    )
    member = design.target_members[free]
    rng = np.random.default_rng((design.seed, 3))
    splits = [split_records(member, rng) for _ in range(plan.resplits)]
    return {
        "target": asdict(realised(mine, member, splits, ALPHA)),
        "surrogate": asdict(realised(mine, member, splits, ALPHA, calibration_scores=theirs)),
        "flagged": flagged_share(theirs, mine, member, splits),
    }


def black_box(plan: AuditPlan, records: Records, seed: int) -> dict[str, Any]:
    """The black-box setting: surrogates of another architecture."""
    design = ShadowDesign.draw(records, plan.shadows, seed)
    target = _trained(plan, design, design.target_members[None], plan.architecture, "target")
    surrogates = _trained(plan, design, design.shadow_members, plan.surrogate, "surrogate")
    transfer = _transfer(plan, design, target, surrogates)
    return {
        "outcomes": {BLACK_BOX: transfer["target"], BY_SURROGATE: transfer["surrogate"]},
        "flagged": {BY_SURROGATE: transfer["flagged"]},
    }


def lifelong(plan: AuditPlan, records: Records, seed: int) -> dict[str, Any]:
    """Records arrive in stages; after each the base attack is calibrated and run anew.

    In question after a stage are records that have arrived by then, half of them members.
    """
    design = ShadowDesign.draw(records, plan.shadows, seed)
    member = design.target_members
    rng = np.random.default_rng((seed, 4))
    arrival = rng.permutation(np.arange(len(records)) % plan.stages)
    members = np.concatenate([member[None], design.shadow_members])
    size = {} if plan.architecture == "softmax" else {"width": plan.width}
    models = design.start(len(members), plan.architecture, "lifelong", **size)
    scores = []
    for stage in range(plan.stages):
        models = design.train(models, members & (arrival == stage), plan.recipe, "lifelong")
        odds = phi(models.logits(torch.from_numpy(records.x)).numpy(), records.y)
        scores.append(lira_online(odds[0], odds[1:], members[1:]))
    splits = []
    for _ in range(max(2, plan.resplits // 5)):
        whole = split_records(member, rng)
        splits.append(
            [
                Split(*(rows[arrival[rows] <= stage] for rows in (whole.calibration, whole.test)))
                for stage in range(plan.stages)
            ]
        )

    def remembered(values: NDArray[np.float64], split: Split) -> float:
        """Share of first-stage members that are declared, tested with all that have arrived."""
        first = member[split.test] & (arrival[split.test] == 0)
        p = MembershipFDR().calibrate(values[split.calibration]).p_values(values[split.test])
        return float(benjamini_hochberg(p, ALPHA)[first].mean())

    return {
        "rules": {
            rule: realised_over_stages(scores, member, splits, ALPHA, rule) for rule in STAGE_RULES
        },
        "memory": [
            float(np.mean([remembered(values, split[stage]) for split in splits]))
            for stage, values in enumerate(scores)
        ],
    }


# Parts of an audit by name; each gives a JSON value.
PARTS: dict[str, Callable[[AuditPlan, Records, int], dict[str, Any]]] = {
    "attacks": grey_box,
    "black_box": black_box,
    "lifelong": lifelong,
}
