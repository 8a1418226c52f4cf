"""Types of protocol, from known cameras and instruments to neither, and a pulse against masks.

Yu, Zhao, Lei, "Face Presentation Attack Detection", a chapter of 2022: attacks as ISO/IEC 30107
defines them, from prints and replays to three-dimensional and partial masks, and four types of
protocol. Each detector is trained on all kinds of instruments, and again without each kind; all are
tested on the same captures, so that what a kind costs when it is new is not confounded with how
hard it is. A set is its cameras and lights; people are always new.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sterling.face.capture import KINDS, Scale, simulate
from sterling.face.data import Faces
from sterling.face.evaluation.evaluate import write_scores
from sterling.face.pad.baselines.local_binary_patterns import score_texture
from sterling.face.pad.baselines.rppg import chrom, score_pulse
from sterling.face.pad.networks.deep_pixbis import DeepPixBiS, PixelWiseBinary
from sterling.face.pad.networks.fourier import FourierNet, FourierSupervised
from sterling.measure import Scores, auc
from sterling.runs import Run, derive_seed
from sterling.scale.backends import in_processes
from sterling.studies.face._old_harness import (
    BASELINE,
    Arm,
    ComparisonConfig,
    Seed,
    fused,
    on_images,
)
from sterling.studies.face._old_views import comparison_findings, score_tables
from sterling.studies.face._settings import Setting, compare_settings
from sterling.study import (
    Claim,
    Findings,
    Row,
    Study,
    Table,
    matrix,
    positive,
    row_over_seeds,
)

PIXEL, FOURIER, COLOUR, HYBRID = "pixel-wise", "Fourier", "colour texture", "hybrid"
SYSTEMS = (HYBRID, PIXEL, FOURIER, COLOUR, BASELINE)
ALL, ONE = "all kinds", "one camera"
INTRA, SETS, TYPES, BOTH = "a: nothing new", "b: new set", "c: new kind", "d: both new"
LIMITED, LIMITED_SETS = "one camera, same lights", "one camera, new set"
PROTOCOLS = (INTRA, SETS, TYPES, BOTH, LIMITED, LIMITED_SETS)
POS, CHROM = "POS", "CHROM"
SINGLE_SOURCE = "phone"
CHANCE = 0.5


class PadChapterConfig(ComparisonConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        residual_depth: Of the Fourier network: 10, 18 or 34.
        dense_layers: Of the two blocks of the pixel-wise network.
        clips: Clips in which a pulse is looked for, half of them bona fide.
        clip_people: Simulated subjects of the clips.
        clip_size: Side of the clips' frames in pixels.
        clip_frames: Frames of a clip.
        clip_rate: Frames per second.
    """

    protocol: str = "sets"
    captures: tuple[int, int, int] = (240, 80, 300)
    width: int = Field(default=16, ge=2, multiple_of=2)
    epochs: int = Field(default=6, ge=1)
    step_epochs: int = Field(default=2, ge=1)
    augment: bool = True
    residual_depth: int = 10
    dense_layers: tuple[int, int] = (2, 4)
    clips: int = Field(default=24, ge=6)
    clip_people: int = Field(default=8, ge=1)
    clip_size: int = Field(default=128, ge=32)
    clip_frames: int = Field(default=48, ge=2)
    clip_rate: float = Field(default=12.0, ge=8)


def measure(config: PadChapterConfig, run: Run) -> Findings:
    """Train on every choice of kinds, test on the same captures, look for pulses, test claims."""
    config.refuse_data()
    calls = [(config, run, index) for index in range(config.seeds)]
    found = in_processes(_one_seed, calls, "seeds")
    seeds, pulses = [one for one, _ in found], [one for _, one in found]
    trained = [one[ALL] for one in seeds]
    write_scores(score_tables(trained), run.folder)
    areas = {s: {p: _known(seeds, s, p) for p in PROTOCOLS} for s in SYSTEMS}
    return comparison_findings(
        trained,
        SYSTEMS,
        [*_claims(seeds), *_pulse_claims(pulses)],
        caption="Trained on all kinds of instruments. pixel-wise: DeepPixBiS. Fourier: a residual "
        "network that also predicts the spectrum. colour texture: local binary patterns and a "
        "linear machine. hybrid: the mean of the standardised scores of pixel-wise and colour "
        "texture. thumbnails: logistic regression on 8×8 colours.",
        trained=[PIXEL, FOURIER],
        tables=[_protocols_table(areas), _kinds_table(seeds), _pulse_table(pulses)],
        figures=[
            matrix(
                "protocols",
                "AUC by type of protocol",
                "Means over seeds and kinds of instruments; 0.5 is chance.",
                SYSTEMS,
                PROTOCOLS,
                lambda system, protocol: (
                    float(np.mean(areas[system][protocol])) if areas[system][protocol] else None
                ),
                value_label="AUC",
                centre=CHANCE,
            )
        ],
    )


def _without(kind: str) -> str:
    return f"without {kind}"


def _known_only(kind: str, faces: Faces) -> Faces:
    """Training and development without a kind of instruments; the test stays."""
    manifest = faces.manifest
    left = ~manifest.matches(species=set(KINDS[kind])) | manifest.matches(split="test")
    return faces.select(left)


def _one_camera(faces: Faces) -> Faces:
    """Training captures of a single camera; development and test stay."""
    manifest = faces.manifest
    return faces.select(manifest.matches(sensor=SINGLE_SOURCE) | ~manifest.matches(split="train"))


SETTINGS = (
    Setting(ALL),
    *(Setting(_without(kind), changed=partial(_known_only, kind)) for kind in KINDS),
    Setting(ONE, changed=_one_camera),
)


def _one_seed(
    config: PadChapterConfig, run: Run, index: int
) -> tuple[dict[str, Seed], dict[str, Any]]:
    arms = _arms(config)
    seeds = compare_settings(
        "pad_chapter",
        config,
        run,
        index,
        dict.fromkeys(SETTINGS, arms),
        scorers={COLOUR: on_images(score_texture)},
    )
    pulses = run.stage(f"pulses-{index}", partial(_pulses, config, run, index))
    return {name: fused(one, HYBRID, [PIXEL, COLOUR]) for name, one in seeds.items()}, pulses


def _arms(config: PadChapterConfig) -> dict[str, Arm]:
    width, layers, augmented = config.width, config.dense_layers, config.augment
    return {
        PIXEL: Arm(
            lambda seed: DeepPixBiS(width, layers, seed=seed),
            label="constant",
            objective=lambda _: PixelWiseBinary(augmented=augmented),
        ),
        FOURIER: Arm(
            lambda seed: FourierNet(config.residual_depth, width, seed=seed),
            objective=lambda _: FourierSupervised(augmented=augmented),
        ),
    }


def _pulses(config: PadChapterConfig, run: Run, index: int) -> dict[str, Any]:
    """Scores by both methods of clips of seated people, masks, prints and replays."""
    clips = simulate(
        "seated",
        seed=derive_seed(run.seed, "pad_chapter", "pulse", index),
        size=config.clip_size,
        frames=config.clip_frames,
        rate=config.clip_rate,
        scale=Scale((1, 1, config.clip_people), (1, 1, config.clips)),
    )
    faces = clips.faces().split("test")
    rate = config.clip_rate
    return {
        "species": faces.manifest.column("species").tolist(),
        POS: score_pulse(faces.images, rate).tolist(),
        CHROM: score_pulse(faces.images, rate, method=lambda seen, _: chrom(seen)).tolist(),
    }


def _area(
    seeds: Mapping[str, Seed], system: str, protocol: str, kinds: Sequence[str] = tuple(KINDS)
) -> float | None:
    """AUC of one seed under a type of protocol, the mean over kinds that were presented."""
    # Trained on all kinds, a seed knows of every capture whether its camera or light is new.
    new_set = seeds[ALL].unseen_domain
    rows = new_set if protocol in (SETS, BOTH, LIMITED_SETS) else ~new_set
    found = []
    for kind in kinds:
        setting = {INTRA: ALL, SETS: ALL, TYPES: _without(kind), BOTH: _without(kind)}
        found.append(_on(seeds[setting.get(protocol, ONE)].test[system], rows, kind))
    values = [one for one in found if one is not None]
    return float(np.mean(values)) if values else None


def _on(scores: Scores, rows: NDArray[np.bool_], kind: str) -> float | None:
    part = scores.select(rows & (scores.label | np.isin(scores.group, KINDS[kind])))
    return None if part.label.all() or not part.label.any() else auc(part).value


def _known(seeds: Sequence[Mapping[str, Seed]], system: str, protocol: str) -> list[float]:
    areas = [_area(one, system, protocol) for one in seeds]
    return [one for one in areas if one is not None]


def _claims(seeds: Sequence[Mapping[str, Seed]]) -> list[Claim]:
    def gap(higher: tuple[str, str], *lower: tuple[str, str]) -> list[float]:
        """By how much one AUC lies above the others, or above the highest of them; by seed."""
        found = []
        for one in seeds:
            values = [_area(one, *each) for each in (higher, *lower)]
            known = [value for value in values if value is not None]
            if len(known) == len(values):
                found.append(known[0] - max(known[1:]))
        return found

    def hardest(system: str) -> list[float]:
        ways = [gap((system, easier), (system, BOTH)) for easier in (SETS, TYPES)]
        return [min(pair) for pair in zip(*ways, strict=True)]

    claims = []
    for system in (COLOUR, PIXEL, HYBRID):
        key = system.replace(" ", "_").replace("-", "_")
        claims += [
            positive(
                f"new_kinds_cost_{key}",
                f"A kind of instruments that is new lowers its AUC: {system}.",
                gap((system, INTRA), (system, TYPES)),
            ),
            positive(
                f"new_sets_cost_{key}",
                f"New cameras and lights lower the AUC: {system}.",
                gap((system, INTRA), (system, SETS)),
            ),
            positive(
                f"both_new_is_hardest_{key}",
                f"Both new lower the AUC below either alone: {system}.",
                hardest(system),
            ),
        ]
    for protocol in (INTRA, BOTH):
        key = "nothing_new" if protocol == INTRA else "both_new"
        claims += [
            positive(
                f"{name}_beats_trivial_baseline_{key}",
                f"{system} has a higher AUC than 8×8 thumbnails, protocol {protocol}.",
                gap((system, protocol), (BASELINE, protocol)),
            )
            for name, system in (("texture", COLOUR), ("hybrid", HYBRID))
        ]
    return [
        *claims,
        positive(
            "hybrid_beats_its_parts_both_new",
            "The hybrid has a higher AUC than either of its parts when set and kind are new.",
            gap((HYBRID, BOTH), (PIXEL, BOTH), (COLOUR, BOTH)),
        ),
        positive(
            "one_camera_costs_new_sets",
            "Trained on one camera instead of three, the hybrid's AUC on new sets is lower.",
            gap((HYBRID, SETS), (HYBRID, LIMITED_SETS)),
        ),
    ]


PULSELESS = ("mask_resin", "mask_silicone")


def _pulse_areas(
    pulses: Sequence[Mapping[str, Any]], method: str, species: Sequence[str]
) -> list[float]:
    found = []
    for one in pulses:
        names = np.array(one["species"])
        live = names == "bona_fide"
        rows = live | np.isin(names, species)
        found.append(auc(Scores(np.array(one[method])[rows], live[rows])).value)
    return found


def _pulse_claims(pulses: Sequence[Mapping[str, Any]]) -> list[Claim]:
    masks = _pulse_areas(pulses, POS, PULSELESS)
    replays = _pulse_areas(pulses, POS, ("replay",))
    return [
        positive(
            "pulse_tells_masks",
            "The shared pulse (POS) tells masks from faces: AUC above 0.5.",
            [area - CHANCE for area in masks],
        ),
        positive(
            "pulse_tells_replays_less",
            "It tells replays, which hold a filmed pulse, less well than masks.",
            [mask - replay for mask, replay in zip(masks, replays, strict=True)],
        ),
    ]


def _protocols_table(areas: Mapping[str, Mapping[str, Sequence[float]]]) -> Table:
    rows: list[Row] = [
        [system, protocol, *row_over_seeds(values)]
        for system, own in areas.items()
        for protocol, values in own.items()
    ]
    return Table(
        name="protocols",
        title="Families by type of protocol",
        columns=["family", "protocol", "AUC", "low", "high"],
        rows=rows,
        caption="Mean over kinds of instruments, then over seeds, with 95 % Student-t intervals. "
        "a and b are trained on all kinds; c and d never saw the kind that they are tested on. "
        "b and d: the camera or the light of the capture is new.",
    )


def _kinds_table(seeds: Sequence[Mapping[str, Seed]]) -> Table:
    def values(system: str, protocol: str, kind: str) -> list[float]:
        areas = [_area(one, system, protocol, (kind,)) for one in seeds]
        return [one for one in areas if one is not None]

    rows: list[Row] = [
        [kind, system, *(row_over_seeds(values(system, protocol, kind))[0] for protocol in four)]
        for four in [PROTOCOLS[:4]]
        for kind in KINDS
        for system in SYSTEMS
    ]
    return Table(
        name="kinds_by_protocol",
        title="Each kind of instruments, known and new",
        columns=["kind", "family", *PROTOCOLS[:4]],
        rows=rows,
        caption="AUC, means over seeds.",
    )


def _pulse_table(pulses: Sequence[Mapping[str, Any]]) -> Table:
    kinds = {"masks": PULSELESS, "prints": ("print",), "replays": ("replay",)}
    rows: list[Row] = [
        [method, kind, *row_over_seeds(_pulse_areas(pulses, method, species))]
        for method in (POS, CHROM)
        for kind, species in kinds.items()
    ]
    return Table(
        name="pulse",
        title="A shared pulse in clips of seated people",
        columns=["method", "against", "AUC", "low", "high"],
        rows=rows,
        caption="Forehead and cheeks; nothing is learned. Means over seeds with 95 % Student-t "
        "intervals.",
    )


PAD_CHAPTER_STUDY = Study(
    name="pad_chapter",
    summary="Four types of protocol, kinds of instruments left out, and a pulse against masks.",
    domain="face",
    cite="yu2022presentation",
    presets={
        "smoke": PadChapterConfig(
            subjects=(2, 1, 2),
            captures=(24, 16, 36),
            size=64,
            seeds=2,
            width=4,
            epochs=1,
            dense_layers=(1, 1),
            clips=6,
            clip_people=2,
            clip_size=32,
            clip_frames=16,
            clip_rate=8.0,
        ),
        "quick": PadChapterConfig(),
        "paper": PadChapterConfig(
            captures=(4000, 1000, 2000),
            size=224,
            width=96,
            epochs=100,
            step_epochs=40,
            batch_size=32,
            learning_rate=1e-4,
            residual_depth=18,
            dense_layers=(6, 12),
            clips=200,
            clip_people=40,
            clip_frames=250,
            clip_rate=25.0,
        ),
    },
    measure=measure,
)
