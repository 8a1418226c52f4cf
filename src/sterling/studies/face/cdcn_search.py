"""CDCN++: does searching the structure, and attending to positions, bring more than CDCN has?

Yu et al., "Searching Central Difference Convolutional Networks for Face Anti-Spoofing", CVPR 2020,
sections 3.3 and 3.4, on simulated captures; the first half of the paper is the study `cdcn`. On
every seed a structure is searched on the training captures alone, and then trained from new weights
like every other arm.
"""

import json
from functools import cache, partial
from typing import Any

import numpy as np
from pydantic import Field

from sterling.face.data import Faces, label_maps
from sterling.face.evaluation.evaluate import write_scores
from sterling.face.pad import CDCN
from sterling.face.pad.detector.describe import multiply_adds
from sterling.face.pad.networks.cdcn_pp import OPERATIONS, PUBLISHED, CDCNpp, Structure
from sterling.face.pad.networks.cdcn_search import SearchConfig, SuperNetwork, search
from sterling.runs import Run, derive_seed, write_atomically
from sterling.scale.backends import in_processes
from sterling.studies.face._old_harness import (
    BASELINE,
    Arm,
    ComparisonConfig,
    Seed,
    acer_gains,
    auc_gains,
    compare,
    simulated_faces,
)
from sterling.studies.face._old_views import comparison_findings, score_tables
from sterling.studies.face.cdcn import CDCN_STUDY
from sterling.study import Claim, Findings, Study, Table, positive

SYSTEMS = ("found", "published", "cdcn_pp", "random", "cdcn", BASELINE)


class CdcnSearchConfig(ComparisonConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        search_width: Channels of the stem in the search; 32 in the paper.
        search_epochs: Passes over each half of the training captures.
        warmup_epochs: Of those, the first ones in which the structure does not move.
        search_rate: Learning rate of the weights.
        structure_rate: Learning rate of the structure.
        structure_decay: Weight decay of the structure. 0 in `quick`: at so few steps the paper's
            1e-3 outweighs the gradients.
    """

    captures: tuple[int, int, int] = (300, 80, 240)
    search_width: int = Field(default=8, ge=2)
    search_epochs: int = Field(default=2, ge=2)
    warmup_epochs: int = Field(default=1, ge=0)
    search_rate: float = Field(default=2e-3, gt=0)
    structure_rate: float = Field(default=2e-2, gt=0)
    structure_decay: float = Field(default=0.0, ge=0)


def measure(config: CdcnSearchConfig, run: Run) -> Findings:
    """Search, train and test on every seed, and test the claims."""
    config.refuse_data()
    calls = [(config, run, index) for index in range(config.seeds)]
    seeds = in_processes(_one_seed, calls, "seeds")
    write_scores(score_tables(seeds), run.folder)
    structures = [seed.results["found"]["structure"] for seed in seeds]
    description = CDCNpp(config.width, structure=structures[0], attention=()).to_dict()
    write_atomically(run.folder / "found.json", json.dumps(description, indent=2) + "\n")
    return comparison_findings(
        seeds,
        SYSTEMS,
        _claims(seeds),
        caption="found: the structure searched on this seed's training captures. published: the "
        "paper's. cdcn_pp: the paper's with multiscale attention. random: operations drawn at "
        "random. thumbnails: logistic regression on 8×8 colours.",
        trained=["found", "published", "cdcn_pp", "cdcn"],
        tables=[_structures_table(config, seeds)],
    )


def _one_seed(config: CdcnSearchConfig, run: Run, index: int) -> Seed:
    seed = derive_seed(run.seed, "cdcn_search", index)
    faces = cache(partial(simulated_faces, "cdcn_search", config, run, index))
    found = run.stage(f"search-{index}", lambda: _search(config, faces(), seed % 2**31))
    structures = {"found": found, "random": _random(seed), "published": PUBLISHED}

    def network(name: str, start: int) -> CDCNpp:
        return CDCNpp(config.width, structure=structures[name], attention=(), seed=start)

    def keep(name: str, *_rest: Any) -> dict[str, Any]:
        return {"structure": [list(cell) for cell in structures[name]]}

    arms = {name: Arm(partial(network, name), finish=partial(keep, name)) for name in structures}
    arms["cdcn_pp"] = Arm(lambda start: CDCNpp(config.width, seed=start))
    arms["cdcn"] = Arm(lambda start: CDCN(config.width, seed=start))
    return compare("cdcn_search", config, run, index, arms, recorded=faces)


def _search(config: CdcnSearchConfig, faces: Faces, seed: int) -> list[list[str]]:
    """The structure that the training captures choose."""
    training = faces.only(["rgb"]).split("train")
    result = search(
        SuperNetwork(config.search_width, seed=seed),
        training.images,
        label_maps(training, "depth", config.size // 8),
        SearchConfig(
            epochs=config.search_epochs,
            warmup_epochs=config.warmup_epochs,
            batch_size=config.batch_size,
            learning_rate=config.search_rate,
            architecture_rate=config.structure_rate,
            architecture_decay=config.structure_decay,
            seed=seed,
        ),
    )
    return [list(cell) for cell in result.structure]


def _random(seed: int) -> Structure:
    """As many operations a cell as the published structure has, each drawn from all."""
    rng = np.random.default_rng(seed)
    low, mid, high = (tuple(rng.choice(OPERATIONS, 2).tolist()) for _ in range(3))
    return low, mid, high


def _claims(seeds: list[Seed]) -> list[Claim]:
    def claim(better: str, worse: str, sentence: str, paper: str | None = None) -> list[Claim]:
        return [
            positive(
                f"{better}_beats_{worse}",
                f"{sentence} (ACER).",
                acer_gains(seeds, better, worse),
                paper=paper,
            ),
            positive(
                f"{better}_beats_{worse}_auc",
                f"{sentence} (AUC).",
                auc_gains(seeds, better, worse),
            ),
        ]

    return [
        *claim(
            "found",
            "cdcn",
            "The structure found here is better than CDCN's",
            "OULU-NPU protocol 1: search and attention take about 0.5 points of ACER off",
        ),
        *claim("found", "random", "The structure found here is better than a random one"),
        *claim("cdcn_pp", "published", "Multiscale attention makes the published structure better"),
        *claim("cdcn_pp", "cdcn", "CDCN++ as published is better than CDCN"),
    ]


def _structures_table(config: CdcnSearchConfig, seeds: list[Seed]) -> Table:
    rows: list[list[str | int | float | None]] = []
    for system in ("found", "random", "published"):
        for index, seed in enumerate(seeds if system != "published" else seeds[:1]):
            structure = seed.results[system]["structure"]
            network = CDCNpp(config.width, structure=structure, attention=())
            cells = [" → ".join(cell) for cell in structure]
            million = multiply_adds(network, config.size) / 1e6
            rows.append([system, index, *cells, million, seed.acer(system), seed.auc(system)])
    million = multiply_adds(CDCN(config.width), config.size) / 1e6
    rows.append(["cdcn", 0, "", "", "", million, seeds[0].acer("cdcn"), seeds[0].auc("cdcn")])
    return Table(
        name="structures",
        title="What was searched, drawn and published",
        columns=["system", "seed", "low", "mid", "high", "million multiply-adds", "ACER", "AUC"],
        rows=rows,
        caption="The first seed's found structure is in found.json of the run folder: sterling "
        "face train --model found.json trains it. Structures differ in cost, as shown beside; "
        "training is the same for all.",
    )


CDCN_SEARCH_STUDY = Study(
    name="cdcn_search",
    summary="Search of CDCN++'s cells and multiscale attention, against CDCN.",
    domain="face",
    cite=CDCN_STUDY.cite,
    presets={
        "smoke": CdcnSearchConfig(
            subjects=(3, 2, 3),
            captures=(20, 16, 30),
            size=32,
            seeds=2,
            width=4,
            epochs=1,
            search_width=2,
            search_epochs=2,
        ),
        "quick": CdcnSearchConfig(),
        "paper": CdcnSearchConfig(
            captures=(1200, 900, 600),
            size=256,
            width=64,
            epochs=1400,
            learning_rate=1e-4,
            step_epochs=500,
            step_factor=0.5,
            batch_size=7,
            augment=True,
            search_width=32,
            search_epochs=60,
            warmup_epochs=10,
            search_rate=1e-4,
            structure_rate=6e-4,
            structure_decay=1e-3,
        ),
    },
    measure=measure,
)
