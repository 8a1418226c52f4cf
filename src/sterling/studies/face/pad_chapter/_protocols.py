"""Systems and types of protocol, and a shared pulse."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sterling.face.capture import KINDS, Scale, simulate
from sterling.face.data import Faces
from sterling.face.pad.baselines.hand_crafted import score_texture
from sterling.face.pad.baselines.rppg import chrom, score_pulse
from sterling.face.pad.networks.deep_pixbis import DeepPixBiS, PixelWiseBinary
from sterling.face.pad.networks.fourier import FourierNet, FourierSupervised
from sterling.measure import Scores, auc
from sterling.runs import Cell, Row, derive_seed
from sterling.studies.face._harness.config import FaceConfig
from sterling.studies.face._harness.measuring import Compared
from sterling.studies.face._harness.repetition import Repetition
from sterling.studies.face._harness.systems import (
    BASELINE,
    THUMBNAILS,
    Fusion,
    Setting,
    Settings,
    System,
    Systems,
    on_images,
)
from sterling.study import row

PIXEL, FOURIER, COLOUR, HYBRID = "pixel-wise", "Fourier", "colour texture", "hybrid"
SYSTEMS = (HYBRID, PIXEL, FOURIER, COLOUR, BASELINE)
ALL, ONE = "all kinds", "one camera"
INTRA, SETS, TYPES, BOTH = "a: nothing new", "b: new set", "c: new kind", "d: both new"
LIMITED, LIMITED_SETS = "one camera, same lights", "one camera, new set"
PROTOCOLS = (INTRA, SETS, TYPES, BOTH, LIMITED, LIMITED_SETS)
POS, CHROM = "POS", "CHROM"
AGAINST = {"masks": ("mask_resin", "mask_silicone"), "prints": ("print",), "replays": ("replay",)}
"""Species in whose clips a pulse is looked for."""
SINGLE_SOURCE = "phone"
CHANCE = 0.5


class PadChapterConfig(FaceConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        residual_depth: Depth of the Fourier network: 10, 18 or 34.
        dense_layers: Layers of the two blocks of the pixel-wise network.
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


def settings(config: PadChapterConfig) -> Settings:
    """The same systems on all kinds, without each kind, and on one camera."""
    chosen = (
        Setting(ALL),
        *(Setting(_without(kind), changed=partial(_known_only, kind)) for kind in KINDS),
        Setting(ONE, changed=_one_camera),
    )
    return dict.fromkeys(chosen, _systems(config))


def _systems(config: PadChapterConfig) -> Systems:
    width, layers, augmented = config.width, config.dense_layers, config.augment
    return {
        PIXEL: System(
            lambda seed: DeepPixBiS(width, layers, seed=seed),
            label="constant",
            objective=lambda _: PixelWiseBinary(augmented=augmented),
        ),
        FOURIER: System(
            lambda seed: FourierNet(config.residual_depth, width, seed=seed),
            objective=lambda _: FourierSupervised(augmented=augmented),
        ),
        COLOUR: on_images(score_texture),
        HYBRID: Fusion((PIXEL, COLOUR)),
        BASELINE: THUMBNAILS,
    }


def by_protocol(compared: Compared) -> Iterable[Row]:
    """AUC of every system under each type of protocol, and that of a shared pulse."""
    areas = {}
    for system in SYSTEMS:
        for protocol in PROTOCOLS:
            area = _area(compared.by_setting, system, protocol, tuple(KINDS))
            areas[system, protocol] = area
            yield row("auc", area, system=system, protocol=protocol)
            for kind in KINDS:
                of_kind = _area(compared.by_setting, system, protocol, (kind,))
                yield row("auc", of_kind, system=system, protocol=protocol, kind=kind)
    for system in SYSTEMS:
        alone = [_gain(areas[system, easier], areas[system, BOTH]) for easier in (SETS, TYPES)]
        known = [gain for gain in alone if gain is not None]
        both = min(known) if len(known) == len(alone) else None
        yield row("cost of both beyond either", both, system=system)
    gains = [_gain(areas[HYBRID, BOTH], areas[part, BOTH]) for part in (PIXEL, COLOUR)]
    known = [gain for gain in gains if gain is not None]
    yield row("gain over both parts", min(known) if len(known) == len(gains) else None)
    run, index = compared.cell.run, compared.cell.repetition
    pulse = partial(_pulse_areas, compared.config, compared.cell)
    for method, by_kind in run.stage(f"pulses-{index}", pulse).items():
        for against, area in by_kind.items():
            yield row("pulse auc", area, method=method, against=against)


def _gain(high: float | None, low: float | None) -> float | None:
    return None if high is None or low is None else high - low


def _area(
    by_setting: Mapping[str, Repetition], system: str, protocol: str, kinds: Sequence[str]
) -> float | None:
    """AUC under a type of protocol, the mean over kinds that were presented."""
    # Trained on all kinds, a repetition knows of every capture whether its camera or light is new.
    new_set = by_setting[ALL].unseen_domain
    rows = new_set if protocol in (SETS, BOTH, LIMITED_SETS) else ~new_set
    found = []
    for kind in kinds:
        setting = {INTRA: ALL, SETS: ALL, TYPES: _without(kind), BOTH: _without(kind)}
        found.append(_on(by_setting[setting.get(protocol, ONE)].test[system], rows, kind))
    values = [one for one in found if one is not None]
    return float(np.mean(values)) if values else None


def _on(scores: Scores, rows: NDArray[np.bool_], kind: str) -> float | None:
    part = scores.select(rows & (scores.label | np.isin(scores.group, KINDS[kind])))
    return None if part.label.all() or not part.label.any() else auc(part).value


def _pulse_areas(config: PadChapterConfig, cell: Cell) -> dict[str, dict[str, float]]:
    """AUC by both methods in clips of seated people against masks, prints and replays."""
    clips = simulate(
        "seated",
        seed=derive_seed(cell.run.seed, "pad_chapter", "pulse", cell.repetition),
        size=config.clip_size,
        frames=config.clip_frames,
        rate=config.clip_rate,
        scale=Scale((1, 1, config.clip_people), (1, 1, config.clips)),
    )
    faces = clips.faces().split("test")
    species, live = faces.manifest.column("species"), faces.manifest.bona_fide
    values = {
        POS: score_pulse(faces.images, config.clip_rate),
        CHROM: score_pulse(faces.images, config.clip_rate, method=lambda seen, _: chrom(seen)),
    }
    return {
        method: {
            against: auc(Scores(scores[rows], live[rows])).value
            for against, names in AGAINST.items()
            for rows in [live | np.isin(species, names)]
        }
        for method, scores in values.items()
    }
