"""FAPS: does a search over alignment templates find the right one, and does it pay?

"Searching for Alignment in Face Recognition" (AAAI 2021, arXiv 2102.05447). The search space, crop
size and vertical shift, is the paper's; its algorithm, grid, benchmark and numbers are not
established, and those here are ours. Where identity is planted in a known place the right template
is known; on rendered people the searched template is compared with the default one.
"""

from sterling.errors import InputError
from sterling.face.recognition import read_canvases
from sterling.runs import Run
from sterling.studies.face.faps._cells import (
    DEFAULT,
    FOUND,
    PHOTOGRAPHS,
    RETRAINED,
    SHARED,
    FapsConfig,
    in_grey,
    measure_people,
    measure_planted,
)
from sterling.studies.face.faps._planted import REGIONS
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Figure, Results, Study, Views, at_least, positive

AGREEMENT = 0.5  # Kendall's τ of shared and retrained scores
DIRECTIONS = {
    "outer ring": ("ring_widens", "in an outer ring, the search finds a larger crop than 112"),
    "around the eyes": ("eyes_narrow", "around the eyes, it finds a smaller crop than 112"),
    "below the chin": ("chin_lowers", "below the chin, it moves the template down"),
    "above the brows": ("brows_raise", "above the brows, it moves the template up"),
}


def measure(config: FapsConfig, run: Run) -> Results:
    """Search where identity is planted, and on rendered people."""
    if config.default not in config.candidates:
        raise InputError("crops and shifts: the grid needs crop 112 and shift 0, the default")
    photographs, missed = (
        (None, 0)
        if config.data is None
        else read_canvases(config.data, config.canvas, pictures=config.pictures)
    )
    planted = [
        {"repetition": index, "region": region}
        for index in range(config.seeds)
        for region in REGIONS
    ]
    rows = list(run.map(measure_planted, planted, config, seed="faps/{repetition}/{region}"))
    grid = [{"repetition": index} for index in range(config.seeds)]
    grey = None if photographs is None else in_grey(photographs)
    rows += run.map(measure_people, grid, config, grey, seed="faps/{repetition}")
    return Results.of(rows, not_scored=missed)


def claims(results: Results, _config: FapsConfig) -> list[Claim]:
    """Directions of the template, agreement of scores, and the gain on unseen people."""
    return [
        *(
            positive(
                name,
                f"With identity {sentence}.",
                results.values("moved the right way", region=region),
            )
            for region, (name, sentence) in DIRECTIONS.items()
        ),
        at_least(
            "shared_scores_rank",
            f"Over the grid Kendall's τ between scores with shared weights and scores of networks "
            f"trained anew is {AGREEMENT:g} or more.",
            results.values("Kendall's τ"),
            AGREEMENT,
        ),
        results.series("AUC, unseen people").higher(
            "search_beats_default",
            "On unseen people the template found has a higher AUC than the default template.",
            FOUND,
            than=DEFAULT,
            paper="templates matter; no numbers established",
        ),
    ]


def views(results: Results, config: FapsConfig) -> Views:
    """Show the paths of the searches, the policy space, and the test."""
    tables = [
        results.table(
            "found",
            "Templates found",
            "region",
            [
                Column("crop", "crop found", show="interval"),
                Column("shift", "shift found", show="interval"),
                Column("AUC", "AUC, planted"),
            ],
            caption="Means over repetitions; the default is crop 112, shift 0; a shift above 0 is "
            "down. AUC: with shared weights, on people to choose on.",
        ),
        results.table(
            "test",
            "Unseen people",
            "system",
            [Column("AUC", "AUC, unseen people", show="interval")],
            order=(FOUND, DEFAULT),
            caption="Rendered people that neither trained nor chose.",
        ),
    ]
    systems = [SHARED, RETRAINED] + [PHOTOGRAPHS] * (config.data is not None)
    metrics = [
        results.metric("Kendall's τ, shared against anew", "Kendall's τ", "correlation"),
        *(
            results.metric(
                f"AUC on unseen people, {one}", "AUC, unseen people", "share", system=one
            )
            for one in (FOUND, DEFAULT)
        ),
    ]
    return Views(metrics, tables, [_surface(results, config, one) for one in systems])


def _surface(results: Results, config: FapsConfig, system: str) -> Figure:
    """Scores over crop and shift."""
    scores = results.select("AUC", system=system).frame["value"]
    return results.matrix(
        f"surface-{system.replace(' ', '-')}",
        f"Policy space, {system}",
        "Mean AUC by crop (rows) and shift (columns, down is above 0), in colours around the mean.",
        rows="crop",
        columns=[
            Column(f"shift {shift:g}", "AUC", {"system": system, "shift": shift})
            for shift in config.shifts
        ],
        value_label="AUC",
        centre=float(scores.mean()),  # type: ignore[arg-type]
    )


def scope(config: FapsConfig) -> str:
    """Return the scope of the figures."""
    text = (
        "SIMULATED: rendered heads, and patterns planted in their pictures; small networks trained "
        "here."
    )
    if config.data is not None:
        text += f" Photographs in {config.data}, in grey, are scored by the same networks."
    return text


STUDY = Study(
    ENTRIES["faps"],
    presets={
        "smoke": FapsConfig(
            seeds=2,
            crops=(80.0, 112.0),
            shifts=(0.0, 24.0),
            size=16,
            people=8,
            validated=4,
            tested=4,
            poses=1,
            planted=10,
            width=4,
            dimension=8,
            iterations=3,
            shared=4,
            planted_shared=4,
            best=2,
        ),
        "quick": FapsConfig(),
        "paper": FapsConfig(
            crops=(96.0, 112.0, 128.0, 144.0, 160.0, 176.0),
            shifts=(-16.0, -8.0, 0.0, 8.0, 16.0),
            size=112,
            people=10_000,
            validated=500,
            tested=1000,
            poses=10,
            width=64,
            dimension=512,
            iterations=100_000,
            shared=400_000,
        ),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
