"""Evidence of `sterling privacy mia` and `audit`: metrics, claims and tables."""

import numpy as np

from sterling.measure import Estimate
from sterling.privacy.membership.member_list import MemberList
from sterling.privacy.unlearning_attacks.audit import ForgettingAudit
from sterling.study import Claim, Findings, Metric, Table, TableRow, metric_of_rate, within


def members_findings(found: MemberList) -> Findings:
    """Turn a list of declared members into findings.

    A shift that is refuted is a claim that does not hold. A shift that is not seen proves nothing,
    so that then there is no claim.
    """
    declared, tested, promise = found.declared, found.tested, found.guarantee
    shift_p, refuted = found.shift_p, found.refuted
    metrics = [
        Metric(name="records declared members", value=len(declared), n=tested, unit="records")
    ]
    claims = []
    if shift_p is not None:
        metrics.append(
            Metric(name="p-value of the shift", value=shift_p, n=tested, unit="probability")
        )
    if refuted:
        claims.append(
            Claim(
                id="no_shift",
                claim="Further non-members have scores like the calibration records.",
                estimand="Kolmogorov-Smirnov test of further non-members against calibration",
                measured=shift_p,
                bar="p above the level of the diagnosis",
                verdict="does not hold",
            )
        )
    return Findings(
        scope=promise.statement,
        not_scored=0,
        metrics=metrics,
        claims=claims,
        tables=[
            Table(
                name="declared",
                title="Records declared members",
                columns=["record", "score", "p", "adjusted p"],
                rows=[list(each.values()) for each in declared],
                caption="The likeliest first. The bound is on the list, not on each record.",
            ),
            Table(
                name="guarantee",
                title="Guarantee",
                columns=["part", "content"],
                rows=[list(row) for row in promise.rows()],
                caption="",
            ),
        ],
    )


def forgetting_findings(audit: ForgettingAudit) -> Findings:
    """Turn an audit of forgetting into findings."""
    n, again = len(audit.sets["forget"]), audit.retraining
    metrics = [_metric("area of the loss attack, forgotten against never seen", audit.area, n)]
    if audit.entropy_area is not None:
        metrics.append(_metric("area of the entropy attack", audit.entropy_area, n))
    metrics += [
        metric_of_rate("true positives at 1 % false positives, low loss", audit.low_loss),
        metric_of_rate("true positives at 1 % false positives, high loss", audit.high_loss),
        *(metric_of_rate(f"accuracy on the {name} set", r) for name, r in audit.accuracy.items()),
    ]
    if again is None:
        claim = _claim(
            "forgotten",
            "The loss tells forgotten records from never-seen ones no better than chance.",
            audit.area,
            0.5,
            audit.tolerance,
        )
    else:
        claim = _claim(
            "like_retrained",
            "The loss tells forgotten records no better than under retraining.",
            again.excess,
            0.0,
            audit.tolerance,
        )
        leak = again.privleak
        bounds = None if leak is None else leak.interval
        metrics += [
            Metric(name="area of the loss attack, retrained", value=again.area, n=n, unit="area"),
            Metric(
                name="PrivLeak",
                value=None if leak is None else leak.value,
                low=None if bounds is None else bounds.low,
                high=None if bounds is None else bounds.high,
                n=n,
                unit="%, 0 is retraining",
            ),
            Metric(
                name="lingering, Kolmogorov–Smirnov", value=again.distance, n=n, unit="distance"
            ),
            Metric(name="p-value of lingering", value=again.p_value, n=n, unit="probability"),
        ]
    return Findings(
        scope="The user's own model, judged by its losses on the user's own records: a lower bound "
        "of what leaks. Attackers with shadow models, or with the model before, can tell more.",
        not_scored=0,
        metrics=metrics,
        claims=[claim],
        tables=[_losses(audit)],
    )


def _metric(name: str, estimate: Estimate, n: int) -> Metric:
    return Metric(
        name=name,
        value=estimate.value,
        low=estimate.interval.low,
        high=estimate.interval.high,
        n=n,
        unit=f"area, {estimate.method}",
    )


def _claim(
    claim_id: str, sentence: str, estimate: Estimate, centre: float, tolerance: float
) -> Claim:
    return within(claim_id, sentence, estimate, centre - tolerance, centre + tolerance)


def _losses(audit: ForgettingAudit) -> Table:
    rows: list[TableRow] = []
    for name, signals in audit.sets.items():
        quartiles = [float(q) for q in np.quantile(signals.loss, [0.25, 0.5, 0.75])]
        rows.append([name, len(signals), float(signals.loss.mean()), *quartiles])
    return Table(
        name="losses",
        title="Losses in nats",
        columns=["set", "records", "mean", "lower quartile", "median", "upper quartile"],
        rows=rows,
        caption="Forgotten records should look like never-seen ones: both a lower and a higher "
        "loss gives them away.",
    )
