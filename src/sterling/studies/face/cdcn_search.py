"""CDCN++: does searching the structure, and attending to positions, bring more than CDCN has?

Yu et al., "Searching Central Difference Convolutional Networks for Face Anti-Spoofing", CVPR 2020,
sections 3.3 and 3.4; the first half of the paper is the study `cdcn`. In every repetition a
structure is searched on the training captures alone, and then trained from new weights like every
other system.
"""

import json
from collections.abc import Iterable
from functools import partial

import numpy as np
from pydantic import Field

from sterling.face.data import Faces, LabelKind, label_maps
from sterling.face.pad import CDCN, Network
from sterling.face.pad.detector.describe import multiply_adds
from sterling.face.pad.networks.cdcn_pp import OPERATIONS, PUBLISHED, CDCNpp, Structure
from sterling.face.pad.networks.cdcn_search import SearchConfig, SuperNetwork, search
from sterling.runs import Cell, Row, derive_seed
from sterling.storage import write_atomically
from sterling.studies.face._harness.config import FaceConfig
from sterling.studies.face._harness.measuring import Compared
from sterling.studies.face._harness.study import face_study
from sterling.studies.face._harness.systems import BASELINE, THUMBNAILS, System, Systems
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Results, Views, row

CELLS = ("low", "mid", "high")


class CdcnSearchConfig(FaceConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        search_width: Channels of the stem in the search; 32 in the paper.
        search_epochs: Passes over each half of the training captures.
        warmup_epochs: First of those epochs, in which the structure does not move.
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


def systems(config: CdcnSearchConfig) -> Systems:
    """The structure found, drawn and published, the latter with attention, and CDCN."""

    def network(seed: int, structure: Structure) -> CDCNpp:
        return CDCNpp(config.width, structure=structure, attention=(), seed=seed)

    return {
        "found": System(network, prepare=partial(_search, config)),
        "random": System(network, prepare=_random),
        "published": System(partial(network, structure=PUBLISHED)),
        "cdcn_pp": System(lambda seed: CDCNpp(config.width, seed=seed)),
        "cdcn": System(lambda seed: CDCN(config.width, seed=seed)),
        BASELINE: THUMBNAILS,
    }


def _search(config: CdcnSearchConfig, faces: Faces, cell: Cell) -> Structure:
    """The structure that the training captures choose."""
    training = faces.only(["rgb"]).split("train")
    relief: LabelKind = "ellipsoid" if training.depth is None else "depth"
    result = search(
        SuperNetwork(config.search_width, seed=cell.seed),
        training.images,
        label_maps(training, relief, config.size // 8),
        SearchConfig(
            epochs=config.search_epochs,
            warmup_epochs=config.warmup_epochs,
            batch_size=config.batch_size,
            learning_rate=config.search_rate,
            architecture_rate=config.structure_rate,
            architecture_decay=config.structure_decay,
            seed=cell.seed,
        ),
    )
    return result.structure


def _random(_faces: Faces, cell: Cell) -> Structure:
    """As many operations a cell as the published structure has, each drawn from all."""
    rng = np.random.default_rng(derive_seed(cell.run.seed, "cdcn_search", cell.repetition))
    low, mid, high = (tuple(rng.choice(OPERATIONS, 2).tolist()) for _ in CELLS)
    return low, mid, high


def structures(compared: Compared) -> Iterable[Row]:
    """Cost and errors of every structure; the first one found is kept as ``found.json``."""
    config: CdcnSearchConfig = compared.config
    (repetition,) = compared.by_setting.values()
    for system in ("found", "random", "published", "cdcn"):
        structure = repetition.results[system].get("prepared", PUBLISHED)
        network: Network = CDCNpp(config.width, structure=structure, attention=())
        cells = dict(zip(CELLS, (" → ".join(cell) for cell in structure), strict=True))
        if system == "cdcn":
            network, cells = CDCN(config.width), dict.fromkeys(CELLS, "")
        elif system == "found" and compared.cell.repetition == 0:
            description = json.dumps(network.to_dict(), indent=2) + "\n"
            write_atomically(compared.cell.run.folder / "found.json", description)
        at = {"structure_of": system, **cells}
        million = multiply_adds(network, config.size) / 1e6
        yield row("million multiply-adds", million, **at)
        yield row("acer", repetition.acer(system), **at)
        yield row("auc", repetition.auc(system), **at)


def claims(results: Results, _config: CdcnSearchConfig) -> list[Claim]:
    """Each question by ACER and by AUC."""
    acer, auc = results.series("acer"), results.series("auc")

    def pair(better: str, worse: str, sentence: str, paper: str | None = None) -> list[Claim]:
        name = f"{better}_beats_{worse}"
        return [
            acer.lower(name, f"{sentence} (ACER).", better, than=worse, paper=paper),
            auc.higher(f"{name}_auc", f"{sentence} (AUC).", better, than=worse),
        ]

    return [
        *pair(
            "found",
            "cdcn",
            "The structure found here is better than CDCN's",
            "OULU-NPU protocol 1: search and attention take about 0.5 points of ACER off",
        ),
        *pair("found", "random", "The structure found here is better than a random one"),
        *pair("cdcn_pp", "published", "Multiscale attention makes the published structure better"),
        *pair("cdcn_pp", "cdcn", "CDCN++ as published is better than CDCN"),
    ]


def views(results: Results, _config: CdcnSearchConfig) -> Views:
    """The structures of every repetition."""
    table = results.table(
        "structures",
        "Structures searched, drawn and published",
        ("structure_of", "repetition", *CELLS),
        [
            Column("million multiply-adds", "million multiply-adds"),
            Column("ACER", "acer"),
            Column("AUC", "auc"),
        ],
        headings=("system", "repetition", *CELLS),
        caption="The first structure found is in found.json of the run folder: sterling face train "
        "--model found.json trains it. Structures differ in cost; training is the same for all.",
    )
    return Views([], [table])


STUDY = face_study(
    ENTRIES["cdcn_search"],
    systems=systems,
    claims=claims,
    extra=structures,
    views=views,
    shown=("found", "published", "cdcn_pp", "random", "cdcn", BASELINE),
    caption="found: the structure searched on this repetition's training captures. published: the "
    "paper's. cdcn_pp: the paper's with multiscale attention. random: operations drawn at random. "
    "thumbnails: logistic regression on 8×8 colours.",
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
)
