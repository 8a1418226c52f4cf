"""One target audited by every attack: grey box, black box, and as it keeps learning.

Declared lists are compared with the truth over many splits of the same records; see ``_resplits``.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.guarantee import benjamini_hochberg
from sterling.guarantee.selector import PROCEDURES
from sterling.measure import Scores, auc, tpr_at_fpr
from sterling.privacy.data.records import (
    Records,
    embedded_records,
    read_records,
    simulated_records,
)
from sterling.privacy.membership.fdr import MembershipFDR
from sterling.privacy.membership.lifelong import STAGE_RULES
from sterling.privacy.membership.lira import lira_online
from sterling.privacy.membership.output_scores import phi
from sterling.privacy.membership.registry import attack_scores
from sterling.privacy.membership.shadow_design import ShadowDesign
from sterling.privacy.targets.models import Models
from sterling.runs import Cell, Coordinate, Row
from sterling.studies.privacy.mia_fdr._config import (
    ALPHA,
    ALPHAS,
    BASE,
    BLACK_BOX,
    BY_SHADOW,
    BY_SURROGATE,
    FLAGGED,
    HARDER,
    LEAST_RECORDS,
    MIX_APART,
    MIX_POOLED,
    ONE_IN_TEN,
    REMEMBERED,
    THINNED,
    MiaFdrConfig,
)
from sterling.studies.privacy.mia_fdr._kept_scores import score_table
from sterling.studies.privacy.mia_fdr._resplits import (
    Split,
    flagged_share,
    realised,
    realised_over_stages,
    split_records,
)
from sterling.study import row


def audit_target(config: MiaFdrConfig, cell: Cell) -> list[Row]:
    """Attack one target in every setting, declare members, and compare with the truth."""
    records = draw_records(config, str(cell.point["data"]), cell.seed)
    design = ShadowDesign.draw(records, config.shadows, cell.seed)
    target = _trained(config, design, design.target_members[None], config.architecture, "target")
    rows = [
        *grey_box(config, design, target, cell),
        *black_box(config, design, target),
        *lifelong(config, design),
    ]
    return [{**each, "data": records.name} for each in rows]


def draw_records(config: MiaFdrConfig, name: str, seed: int) -> Records:
    """Draw the records of one repetition.

    Raises:
        InputError: There are too few.
    """
    if config.data is not None:
        records = read_records(config.data)
    elif name == "simulated":
        records = simulated_records(config.size, seed=seed)
    else:
        records = embedded_records(name)
    if len(records) < LEAST_RECORDS:
        raise InputError(
            f"{records.name}: {len(records)} records; give {LEAST_RECORDS} or more, so that every "
            "procedure can declare somebody"
        )
    return records.draw(config.size, np.random.default_rng(seed))


def _trained(
    config: MiaFdrConfig, design: ShadowDesign, members: NDArray[np.bool_], kind: str, role: str
) -> Models:
    start = _untrained(config, design, len(members), kind, f"{role}/{kind}")
    return design.train(start, members, config.recipe, f"{role}/{kind}")


def _untrained(
    config: MiaFdrConfig, design: ShadowDesign, models: int, kind: str, role: str
) -> Models:
    size = {} if kind == "softmax" else {"width": config.width}
    return design.start(models, kind, role, **size)


def _rows(figures: Mapping[str, float], **at: Coordinate) -> list[Row]:
    return [row(metric, value, **at) for metric, value in figures.items()]


def grey_box(config: MiaFdrConfig, design: ShadowDesign, target: Models, cell: Cell) -> list[Row]:
    """Audit with shadows of the target's architecture; the scores are kept."""
    records, free = design.records, ~design.auxiliary
    shadows = _trained(config, design, design.shadow_members, config.architecture, "shadow")
    everything = attack_scores(
        target,
        shadows,
        records,
        target_members=design.target_members,
        shadow_members=design.shadow_members,
        auxiliary=design.auxiliary,
        seed=design.seed,
    )
    scores = {attack: values[free] for attack, values in everything.items()}
    member, labels = design.target_members[free], records.y[free]
    cell.keep_scores(score_table(scores, member, records.ids[free], records.name, cell))
    logits = target.logits(torch.from_numpy(records.x))[0].numpy()
    right = logits.argmax(axis=1) == records.y
    rng = np.random.default_rng((design.seed, 2))
    splits = [split_records(member, rng) for _ in range(config.resplits)]
    rare = [split_records(member, rng, nonmember_share=0.9) for _ in range(config.resplits)]
    hardness = scores["difficulty"] - scores["loss"]  # the mean loss of the references
    harder = [_harder_half(split, hardness) for split in splits]
    mixed = [_shifted_mix(split, labels, _easy(scores["loss"], member, labels)) for split in splits]
    base, loss = scores[BASE], scores["loss"]
    rows = [
        row("accuracy on members", float(right[design.target_members].mean())),
        row("accuracy on non-members", float(right[~design.target_members].mean())),
        row(FLAGGED, flagged_share(loss, loss, member, harder), setting=HARDER),
        *_transfer(config, design, target, shadows, BY_SHADOW),
    ]
    for attack, values in scores.items():
        rows += _rows(_ranking(Scores(values, member)), system=attack)
        for alpha in ALPHAS:
            rows += _rows(realised(values, member, splits, alpha), system=attack, alpha=alpha)
            rows.append(row("bound", alpha / 2, system=attack, alpha=alpha))
    by_setting = {
        **{f"rule {rule}": realised(base, member, splits, ALPHA, rule) for rule in PROCEDURES},
        ONE_IN_TEN: realised(base, member, rare, ALPHA),
        HARDER: realised(loss, member, harder, ALPHA),
        MIX_APART: realised(loss, member, mixed, ALPHA, groups=labels, smooth=True),
        MIX_POOLED: realised(loss, member, mixed, ALPHA, smooth=True),
    }
    for setting, figures in by_setting.items():
        rows += _rows(figures, setting=setting)
    return rows


def _ranking(scores: Scores) -> dict[str, float]:
    """An attack as a ranking of the records, before any declaration."""
    one, tenth = tpr_at_fpr(scores, 0.01), tpr_at_fpr(scores, 0.001)
    return {
        "AUC": auc(scores).value,
        "TPR at 1 % FPR": one.rate.value,
        "1 % resolved": one.resolved,
        "TPR at 0.1 % FPR": tenth.rate.value,
        "0.1 % resolved": tenth.resolved,
    }


def _harder_half(split: Split, hardness: NDArray[np.float64]) -> Split:
    own = split.calibration
    return Split(own[hardness[own] >= np.median(hardness[own])], split.test)


def _easy(
    scores: NDArray[np.float64], member: NDArray[np.bool_], labels: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Find records of that half of the classes whose non-members score higher, like members.

    It depends on the class alone, so within a class calibration and test stay exchangeable.
    """
    classes = np.unique(labels[~member])
    means = np.array([scores[(labels == one) & ~member].mean() for one in classes])
    return np.isin(labels, classes[means > np.median(means)])


def _shifted_mix(split: Split, labels: NDArray[np.int64], easy: NDArray[np.bool_]) -> Split:
    """Thin out the easy classes in calibration, and the others among the records in question."""

    def thinned(rows: NDArray[np.intp], poor: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.concatenate([rows[~poor[rows]], rows[poor[rows]][::THINNED]])

    own, tested = thinned(split.calibration, easy), thinned(split.test, ~easy)
    return Split(own, tested[np.isin(labels[tested], labels[own])])


def _transfer(
    config: MiaFdrConfig,
    design: ShadowDesign,
    target: Models,
    surrogates: Models,
    setting: str,
    *,
    untransferred: str | None = None,
) -> list[Row]:
    """Calibrate the base attack on scores of a surrogate, and under `untransferred` of the target.

    The first surrogate plays the target for the calibration records, as it must where the target
    cannot be asked about them; its pair is left out, so both scores come from the same references.
    The share flagged is that of resplits whose surrogate scores the diagnostic tells from the
    target's.
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
    splits = [split_records(member, rng) for _ in range(config.resplits)]
    rows = _rows(realised(mine, member, splits, ALPHA, calibration_scores=theirs), setting=setting)
    if untransferred:
        rows += _rows(realised(mine, member, splits, ALPHA), setting=untransferred)
    return [*rows, row(FLAGGED, flagged_share(theirs, mine, member, splits), setting=setting)]


def black_box(config: MiaFdrConfig, design: ShadowDesign, target: Models) -> list[Row]:
    """Audit with surrogates of another architecture."""
    surrogates = _trained(config, design, design.shadow_members, config.surrogate, "surrogate")
    return _transfer(config, design, target, surrogates, BY_SURROGATE, untransferred=BLACK_BOX)


def lifelong(config: MiaFdrConfig, design: ShadowDesign) -> list[Row]:
    """Calibrate and run the base attack anew after each stage of learning.

    In question after a stage are records that have arrived by then, half of them members.
    """
    records, member = design.records, design.target_members
    rng = np.random.default_rng((design.seed, 4))
    arrival = rng.permutation(np.arange(len(records)) % config.stages)
    members = np.concatenate([member[None], design.shadow_members])
    models = _untrained(config, design, len(members), config.architecture, "lifelong")
    scores = []
    for stage in range(config.stages):
        models = design.train(models, members & (arrival == stage), config.recipe, "lifelong")
        odds = phi(models.logits(torch.from_numpy(records.x)).numpy(), records.y)
        scores.append(lira_online(odds[0], odds[1:], members[1:]))
    splits = []
    for _ in range(max(2, config.resplits // 5)):
        whole = split_records(member, rng)
        splits.append(
            [
                Split(*(rows[arrival[rows] <= stage] for rows in (whole.calibration, whole.test)))
                for stage in range(config.stages)
            ]
        )

    def remembered(values: NDArray[np.float64], split: Split) -> float:
        """Share of first-stage members that are declared, tested with all that have arrived."""
        first = member[split.test] & (arrival[split.test] == 0)
        p = MembershipFDR().calibrate(values[split.calibration]).p_values(values[split.test])
        return float(benjamini_hochberg(p, ALPHA)[first].mean())

    rows = []
    for rule in STAGE_RULES:
        rows += _rows(realised_over_stages(scores, member, splits, ALPHA, rule), rule=rule)
    return rows + [
        row(
            REMEMBERED,
            float(np.mean([remembered(values, split[stage]) for split in splits])),
            system=BASE,
            stage=stage + 1,
        )
        for stage, values in enumerate(scores)
    ]
