"""Key-value caches: what they give away, what KV-Cloak hides, and what it does not.

"Shadow in the Cache", NDSS 2026, arXiv 2508.09442. Attacks run on caches of prompts of our own in
a small language model. The fingerprint, an attack that knows the defence, is ours, and so is the
mask that is compared with it.
"""

from sterling.privacy.cache import SCORES
from sterling.runs import Cell, Coordinate, Row, Run
from sterling.studies.privacy.kv_cloak._attack_trials import (
    ATTACKS,
    COLLISION,
    NAMED,
    OVERLAP,
    PROJECTING,
    RANK,
    RECOVERED,
    SOLVING,
    TARGET_GAP,
)
from sterling.studies.privacy.kv_cloak._bench import (
    CLOAKED,
    PLAIN,
    PROMPTS,
    KVCloakConfig,
    check,
    make_bench,
    prompts_of,
)
from sterling.studies.privacy.kv_cloak._defence_trials import (
    DIFFERENT,
    LOGITS,
    MILLISECONDS,
    PREFILL,
    RESTORED,
    STEP,
    exactness,
    overhead,
)
from sterling.studies.registry import ENTRIES
from sterling.study import (
    Claim,
    Column,
    Measured,
    Results,
    Study,
    Views,
    at_least,
    at_most,
    positive,
    within,
)

HIDES = {
    "published": "The published defaults hide",
    "scaled": "Scales of S and M between 1/2 and 2 hide",
    "dense": "A dense mask, new for each block (ours), hides",
}
PARTS = {**ATTACKS, "exactness": exactness}
SHARE = "share of the largest"
UNITS = {OVERLAP: "F1", LOGITS: SHARE, RESTORED: SHARE, STEP: "times a plain cache's"}


def measure(config: KVCloakConfig, run: Run) -> Results:
    """Attack, restore, and look for fingerprints; then take the time while nothing else runs.

    The ``repetition`` of a row is the prompt, block, layer or chunk of steps that it is of.
    """
    check(config)
    grid: list[dict[str, Coordinate]] = [{"part": part, "repetition": 0} for part in PARTS]
    rows = run.map(try_part, grid, config, seed="kv_cloak/{repetition}")
    rows += run.stage("seconds", lambda: overhead(config, make_bench(config, run.seed)))
    return Results.of({**each, "part": None} for each in rows)


def try_part(config: KVCloakConfig, cell: Cell) -> list[Row]:
    """Run one attack or defence on the bench of the run."""
    return PARTS[str(cell.point["part"])](config, make_bench(config, cell.run.seed))


def claims(results: Results, config: KVCloakConfig) -> list[Claim]:
    """The paper's claims, and ours."""
    overlap, restored = results.series(OVERLAP), results.series(RESTORED)

    def rate(metric: str, **at: str) -> Measured:
        return results.rate(metric, **at) or []

    def collided(attack: str, system: str) -> dict[str, Measured]:
        return {
            layer: rate(RECOVERED, attack=attack, layer=layer, system=system)
            for layer in results.select(RECOVERED, attack=attack).names("layer")
        }

    def inverted(system: str) -> dict[str, Measured]:
        return {
            attack: rate(RECOVERED, attack=attack, layer="first", system=system)
            for attack in (SOLVING, PROJECTING)
        }

    return [
        at_least(
            "inversion_solves",
            "Solving the first layer's projections recovers 90 % of plain tokens (tokens of one "
            "prompt are dependent).",
            inverted(PLAIN)[SOLVING],
            0.9,
            paper="embedding cosine 1.000",
        ),
        at_least(
            "inversion_projects",
            "Projecting the embeddings instead (ours) recovers 90 % of plain tokens.",
            inverted(PLAIN)[PROJECTING],
            0.9,
        ),
        at_most(
            "inversion_cloaked",
            "From a cloaked cache inversion recovers at most 5 % of tokens, either way.",
            inverted(CLOAKED),
            0.05,
            paper="embedding cosine 0.050",
        ),
        at_least(
            "collision_plus",
            "Collision+ recovers 90 % of plain tokens from any layer (those of one prompt are "
            "dependent).",
            collided(COLLISION, PLAIN),
            0.9,
            paper="embedding cosine 1.000",
        ),
        at_least(
            "collision_without_calibration",
            "Collision by the target gap recovers 90 % of plain tokens from any layer.",
            collided(TARGET_GAP, PLAIN),
            0.9,
        ),
        at_most(
            "collision_cloaked",
            "From a cloaked cache Collision+ recovers at most 5 % of tokens of any layer.",
            collided(COLLISION, CLOAKED),
            0.05,
            paper="embedding cosine 0.077",
        ),
        positive(
            "injection_repeats",
            "The model repeats more of the prompt from a plain cache than from a cloaked one.",
            overlap.gain(PLAIN, than=CLOAKED),
            paper="ROUGE-L 0.302 and 0.000",
            over="prompts",
        ),
        at_most(
            "injection_cloaked",
            "From a cloaked cache injection overlaps the prompt by at most 0.05 (ROUGE-L).",
            overlap[CLOAKED],
            0.05,
            paper="0.000",
            over="prompts",
        ),
        at_most(
            "logits_exact",
            "Logits of the fused model differ by at most 1e-5 of the largest, in float32.",
            results.values(LOGITS, system="fused, float32"),
            1e-5,
            paper="lossless",
            over="prompts",
        ),
        at_most(
            "tokens_exact",
            "At most 1 % of greedily generated tokens differ with a cloaked cache, in float32.",
            rate(DIFFERENT),
            0.01,
            paper="lossless",
        ),
        at_most(
            "rows_exact",
            "Rows restored by the marker from float32 are right to 1e-5 of the largest entry.",
            restored["float32"],
            1e-5,
            paper="lossless",
            over="layers",
        ),
        positive(
            "rows_bfloat16",
            "Blocks stored in bfloat16 restore rows no worse than plain rows are rounded.",
            restored.gain("bfloat16, plain", than="bfloat16"),
            paper="lossless",
            over="layers",
        ),
        *(
            at_most(
                f"fingerprint_{defence}",
                f"{words} which of {config.candidates} texts a block holds: the best score names "
                "it in at most 5 % of trials.",
                {score: rate(NAMED, system=defence, score=score) for score in SCORES},
                0.05,
            )
            for defence, words in HIDES.items()
        ),
        within(
            "fingerprint_rank_dense",
            "Under the dense mask the right text ranks as a random one does: mean normalised rank "
            "between 0.4 and 0.6 by every score.",
            {score: results.values(RANK, system="dense", score=score) for score in SCORES},
            0.4,
            0.6,
            over="blocks",
        ),
    ]


def views(results: Results, _config: KVCloakConfig) -> Views:
    """Metrics, tables and figures."""
    metrics = [
        results.metric(f"{metric}, {system}", metric, unit, system=system)
        for metric, unit in UNITS.items()
        for system in results.select(metric).names("system")
    ]
    tables = [
        results.table(
            "attacks",
            "Tokens that each attack recovers",
            ["attack", "layer", "system"],
            [Column(RECOVERED, RECOVERED, show="counts")],
            headings=["attack", "layer", "cache"],
            caption="Tokens that are right at their place, of all prompts.",
        ),
        results.table(
            "fingerprints",
            "Texts that each score names",
            ["system", "score"],
            [Column(NAMED, NAMED, show="counts"), Column(RANK, RANK, show="interval")],
            headings=["defence", "score"],
            caption="rank: share of other candidates below the right one; 1 names it, 0.5 is "
            "chance.",
        ),
        results.table(
            "overhead",
            "One step of generation",
            "system",
            [Column(MILLISECONDS, MILLISECONDS)],
            headings=["cache"],
            caption=f"Medians, one text, after {PREFILL} tokens, caches in turn.",
        ),
    ]
    figure = results.matrix(
        "fingerprint",
        "Rank of the right text among the candidates",
        "Mean share of other candidates that a score ranks below the right one; 1 names it, 0.5 is "
        "chance.",
        rows="system",
        columns=[Column(score, RANK, {"score": score}) for score in SCORES],
        value_label="normalised rank",
        centre=0.5,
    )
    return Views(metrics, tables, [figure])


def scope(config: KVCloakConfig) -> str:
    """Say what the figures hold for."""
    prompts = "prompts of our own" if prompts_of(config) is PROMPTS else "the folder's prompts"
    model = config.data.name if config.data else "SmolLM2-135M-Instruct"
    model = "a tiny model, trained here" if config.trained_here else model
    return (
        f"Caches of {prompts} in {model}; the adversary holds the cache at rest and the public "
        "weights, not the secret."
    )


STUDY = Study(
    ENTRIES["kv_cloak"],
    presets={
        "smoke": KVCloakConfig(
            trained_here=True,
            prompts=4,
            collided=2,
            tokens=6,
            searched=1.0,
            written=12,
            candidates=60,
            targets=6,
            steps=8,
            research_use=True,
        ),
        "quick": KVCloakConfig(),
        "paper": KVCloakConfig(collided=16, tokens=40, searched=1.0, batch=256, targets=400),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    not_sequential="its units are the prompts, blocks and layers of one model",
)
