"""The 3D High-Fidelity Mask challenge: the winning ideas, and what the rule of judging lets pass.

Liu et al., "3D High-Fidelity Mask Face Presentation Attack Detection Challenge", ICCV Workshops
2021. The challenge's own data, protocol 3 of HiFiMask, is read from ``--data``; without it bona
fides and masks are simulated, of which one material, plaster, is never trained on. Every seed draws
its own captures and its own initial weights; all entries of one seed share the captures. The first
seed's entries stand in a leaderboard in the run's folder, which can be verified.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit

from sterling.errors import InputError, unknown_name
from sterling.face.challenge.challenge import (
    Judgement,
    Rule,
    accepting,
    clamped,
    judge,
    probed,
    write_submission,
)
from sterling.face.challenge.leaderboard import Trained, start_board, submit
from sterling.face.data import CropSpec, Faces, Manifest, load_faces, read_hifimask
from sterling.face.evaluation.evaluate import write_scores
from sterling.face.pad import CDCN, Detector
from sterling.face.pad.baselines.local_binary_patterns import score_texture
from sterling.face.pad.baselines.spectrum import score_spectrum
from sterling.face.pad.detector.weights import digest
from sterling.face.pad.networks.fusion_resnet import FusionResNet
from sterling.face.pad.networks.part_crops import PartCrops, PartSupervision, halved
from sterling.face.pad.networks.ssdg import SSDG, SingleSide
from sterling.runs import Run, derive_seed, open_run
from sterling.scale.backends import in_processes
from sterling.studies.face._old_harness import (
    BASELINE,
    Arm,
    ComparisonConfig,
    Scorer,
    Seed,
    auc_gains,
    compare,
    on_images,
    simulated_faces,
)
from sterling.studies.face._old_views import SIMULATED, comparison_findings, score_tables
from sterling.study import (
    Claim,
    Figure,
    Findings,
    Row,
    Study,
    Table,
    positive,
    row_over_seeds,
    within,
)

NAME = "hifimask_challenge"
FACE, WHOLE, PARTS, TRASH = "full face", "full face, all pixels", "part crops", "trash"
FIRST = f"{TRASH}, flip"  # the first place: part crops, trash and flipping together
PIXEL, SIDED, SPECTRUM, COLOUR = "pixel-wise", "SSDG", "spectrum", "colour texture"
SYSTEMS = (FIRST, TRASH, PARTS, WHOLE, FACE, PIXEL, SIDED, SPECTRUM, COLOUR, BASELINE)
UNBOUNDED = (PIXEL, SPECTRUM, COLOUR, BASELINE)  # scores that are not probabilities

SEEN, UNSEEN = ("mask_silicone", "mask_resin"), "mask_plaster"
KINDS = {"trained materials": (*SEEN, "mask_transparent"), "unseen material": (UNSEEN,)}
HONEST, BLIND, PROBED = "dev", "dev, clamped blind", "dev, best of eleven clamped"
HELD, BOUNDED = "held back", "bounded"
RULES = (HONEST, BLIND, PROBED, HELD, BOUNDED)
PROBES = tuple(np.linspace(0.6, 1.4, 11).round(2).tolist())  # of the share of bona fides in test


class HifimaskChallengeConfig(ComparisonConfig):
    """Configuration of the study, beside what all comparisons have.

    Attributes:
        depth: Depth of the residual trunks: 10, 18 or 34; the first place's is EfficientNet-B0.
        map_width: Channels of the pixel-wise network's stem.
        trash: Probability that a bona fide is damaged and taught as an attack.
        share: Share of the test subjects that are held back for the threshold.
        bpcer: Bound of the bounded threshold.
        frames: Of recorded videos, how many pictures each.
        cropped: Whether recorded pictures are face crops already.
    """

    protocol: str = "masks_challenge"
    subjects: tuple[int, int, int] = (24, 6, 20)
    captures: tuple[int, int, int] = (480, 100, 240)
    size: int = Field(default=128, ge=64, multiple_of=32)
    width: int = Field(default=16, ge=1)
    epochs: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    step_epochs: int = Field(default=2, ge=1)
    step_factor: float = Field(default=0.5, gt=0, le=1)
    batch_size: int = Field(default=16, ge=1)
    augment: bool = True
    depth: int = 10
    map_width: int = Field(default=8, ge=1)
    trash: float = Field(default=0.1, gt=0, lt=1)
    share: float = Field(default=0.25, gt=0, lt=1)
    bpcer: float = Field(default=0.1, gt=0, lt=1)
    frames: int = Field(default=2, ge=1)
    cropped: bool = False


@dataclass(frozen=True, eq=False)
class Round:
    """One seed: the scores of all systems, and the lists that they are judged by.

    Attributes:
        seed: The comparison.
        lists: Dev and test.
        values: Scores of the lists' rows, by system.
        training: SHA-256 of the training pictures.
    """

    seed: Seed
    lists: Manifest
    values: dict[str, NDArray[np.float64]]
    training: str


def measure(config: HifimaskChallengeConfig, run: Run) -> Findings:
    """Train and test every entry on every seed, judge all by every rule, and test the claims."""
    calls = [(config, run, index) for index in range(config.seeds)]
    rounds: list[Round] = in_processes(_one_round, calls, "seeds")
    seeds = [one.seed for one in rounds]
    write_scores(score_tables(seeds), run.folder)
    _write_board(config, run, rounds[0])
    judged = {
        system: [_judgements(config, run, index, one, system) for index, one in enumerate(rounds)]
        for system in SYSTEMS
    }
    scope = SIMULATED if config.data is None else f"HiFiMask at {config.data}; seeds of weights."
    return comparison_findings(
        seeds,
        SYSTEMS,
        _claims(seeds, judged),
        caption="full face: one residual trunk on the face at half its resolution. full face, all "
        "pixels: the same trunk at full resolution. part crops: face and five windows at full "
        "resolution, a head each. trash: that with damaged bona fides as attacks. trash, flip: "
        "that averaged with the mirror image, which is the first place's recipe. pixel-wise: "
        "central differences, a map of the class. SSDG: bona fides of all cameras alike. "
        "spectrum, colour texture: hand-made features and a linear machine. thumbnails: logistic "
        "regression on 8×8 colours.",
        trained=[TRASH, FACE],
        scope=scope,
        kinds=KINDS,
        tables=[_rules_table(judged), _materials_table(seeds)],
        figures=[_rules_figure(judged[FIRST])],
    )


def _one_round(config: HifimaskChallengeConfig, run: Run, index: int) -> Round:
    faces = _faces(config, run, index)
    seed = compare(NAME, config, run, index, _arms(config), scorers=SCORERS, recorded=faces)
    columns = run.stage(f"lists-{index}", lambda: _lists(faces()).table.to_dict(as_series=False))
    lists = Manifest.from_columns(columns, f"lists of seed {index}")
    values = {
        name: _submitted(name, seed.results[name]["dev"] + seed.results[name]["test"])
        for name in SYSTEMS
    }
    training = run.stage(f"training-{index}", lambda: _training_digest(faces()))
    return Round(seed, lists, values, training)


def _faces(config: HifimaskChallengeConfig, run: Run, index: int) -> Callable[[], Faces]:
    if config.data is not None:
        return cache(partial(recorded, config.data, config))
    return cache(partial(simulated_faces, NAME, config, run, index))


def recorded(folder: Path, config: HifimaskChallengeConfig) -> Faces:
    """Some frames of every video of protocol 3."""
    manifest = read_hifimask(folder, "3", frames=config.frames)
    spec = CropSpec(size=config.size, align=True)
    return load_faces(manifest, spec, cropped=config.cropped).faces


def _lists(faces: Faces) -> Manifest:
    """The rows of dev, then those of test."""
    rows = [np.flatnonzero(faces.manifest.matches(split=split)) for split in ("dev", "test")]
    return faces.manifest.select(np.concatenate(rows))


def _training_digest(faces: Faces) -> str:
    return digest(faces.split("train").images)


def _submitted(system: str, scores: Sequence[float]) -> NDArray[np.float64]:
    """Scores from 0 to 1, as submissions have them; what is no probability goes through σ."""
    values = np.array(scores)
    squashed: NDArray[np.float64] = expit(values) if system in UNBOUNDED else values
    return squashed


def _arms(config: HifimaskChallengeConfig) -> dict[str, Arm]:
    def crops(parts: bool, trash: float, **more: Any) -> Arm:
        def objective(_training: Faces) -> PartSupervision:
            return PartSupervision(trash, augmented=config.augment)

        return Arm(
            lambda seed: PartCrops(config.depth, config.width, parts, seed=seed),
            objective=objective,
            **more,
        )

    def whole(seed: int) -> FusionResNet:
        return FusionResNet(config.depth, config.width, ("rgb",), "halfway", "concat", seed=seed)

    return {
        TRASH: crops(True, config.trash, scorings={"flip": _flipped}),
        PARTS: crops(True, 0.0),
        FACE: crops(False, 0.0),
        WHOLE: Arm(
            whole, objective=lambda _training: PartSupervision(0.0, augmented=config.augment)
        ),
        PIXEL: Arm(
            lambda seed: CDCN(config.map_width, seed=seed),
            label="constant",
            changes={"cdl_weight": 0.0},
            sees=_half_size,
        ),
        SIDED: Arm(
            lambda seed: SSDG(config.depth, config.width, seed=seed),
            objective=_cameras,
            sees=_half_size,
        ),
    }


SCORERS: dict[str, Scorer] = {
    SPECTRUM: on_images(score_spectrum),
    COLOUR: on_images(score_texture),
}


def _flipped(detector: Detector, faces: Faces) -> NDArray[np.float64]:
    return detector.score(faces.images, flip=True)


def _half_size(faces: Faces) -> Faces:
    """What the part crops' trunk sees of the face."""
    return replace(faces, images=halved(faces.images.float()).round().to(torch.uint8))


def _cameras(training: Faces) -> SingleSide:
    """The cameras of the training captures as SSDG's domains."""
    codes = np.unique(training.manifest.column("sensor"), return_inverse=True)[1]
    return SingleSide(torch.from_numpy(codes.astype(np.int64)))


def _rules(config: HifimaskChallengeConfig, run: Run, index: int) -> dict[str, Rule]:
    """The three rules; they score the same captures."""
    shared: dict[str, Any] = {
        "share": config.share,
        "seed": derive_seed(run.seed, NAME, "held back", index),
        "bpcer": config.bpcer,
    }
    return {
        HONEST: Rule(threshold="dev", **shared),
        HELD: Rule(threshold="held_back", **shared),
        BOUNDED: Rule(threshold="bounded", **shared),
    }


def _judgements(
    config: HifimaskChallengeConfig, run: Run, index: int, one: Round, system: str
) -> dict[str, Judgement]:
    rules, values, lists = _rules(config, run, index), one.values[system], one.lists
    # The share of bona fides in the challenge's test is published; nothing else of the labels is.
    known = float(lists.where(split="test").bona_fide.mean())
    blind = clamped(values, lists, accepting(values, lists, known))
    return {
        **{name: judge(values, lists, rule) for name, rule in rules.items()},
        BLIND: judge(blind, lists, rules[HONEST]),
        PROBED: probed(values, lists, rules[HONEST], [known * times for times in PROBES]),
        f"{HELD}, clamped": judge(blind, lists, rules[HELD]),
    }


Judged = Mapping[str, list[dict[str, Judgement]]]


def _claims(seeds: list[Seed], judged: Judged) -> list[Claim]:
    def gain(name: str, sentence: str, better: str, worse: str) -> Claim:
        return positive(name, sentence, auc_gains(seeds, better, worse))

    first = judged[FIRST]

    def won(by: str) -> list[float]:
        return [one[HONEST].errors.acer - one[by].errors.acer for one in first]

    moved = [one[f"{HELD}, clamped"].errors.acer - one[HELD].errors.acer for one in first]
    materials = seeds[0].test[FIRST].species
    seen = [name for name in materials if name != UNSEEN]
    return [
        gain("parts_beat_face", "Part crops have a higher AUC than the face alone.", PARTS, FACE),
        gain(
            "parts_beat_all_pixels",
            "Part crops have a higher AUC than the face alone at their resolution.",
            PARTS,
            WHOLE,
        ),
        gain("trash_helps", "Damaged bona fides as attacks raise the AUC.", TRASH, PARTS),
        gain("flip_helps", "Averaging with the mirror image raises the AUC.", FIRST, TRASH),
        gain(
            "pixel_beats_binary",
            "Pixel-wise supervision has a higher AUC than a binary label.",
            PIXEL,
            FACE,
        ),
        gain(
            "first_place_beats_face",
            "Crops, trash and flipping together have a higher AUC than the face alone.",
            FIRST,
            FACE,
        ),
        gain("beats_trivial_baseline", "The AUC is above 8×8 thumbnails'.", FIRST, BASELINE),
        positive(
            "unseen_material_is_harder",
            "The AUC against plaster, never trained on, is below that against trained materials.",
            _differences(seeds, seen),
        ),
        positive(
            "clamping_blind_wins",
            "Clamped dev scores lower the ACER when only the share of bona fides in test is known.",
            won(BLIND),
        ),
        positive(
            "clamping_with_feedback_wins",
            "The best of eleven clamped submissions has a lower ACER than the honest one.",
            won(PROBED),
        ),
        within(
            "held_back_cannot_be_clamped",
            "With a threshold from captures held back, clamping changes nothing.",
            moved,
            -1e-12,
            1e-12,
        ),
    ]


def _differences(seeds: Sequence[Seed], seen: Sequence[str]) -> list[float]:
    pairs = [(seed.auc(FIRST, seen), seed.auc(FIRST, [UNSEEN])) for seed in seeds]
    return [known - new for known, new in pairs if known is not None and new is not None]


def _rules_table(judged: Judged) -> Table:
    rows: list[Row] = []
    for system, found in judged.items():
        for rule in RULES:
            errors = [one[rule].errors for one in found]
            rows.append(
                [
                    system,
                    rule,
                    *row_over_seeds([one.acer for one in errors]),
                    row_over_seeds([one.apcer_max.value for one in errors])[0],
                    row_over_seeds([one.bpcer.value for one in errors])[0],
                ]
            )
    return Table(
        name="rules",
        title="What the rule of the threshold decides",
        columns=["system", "threshold", "ACER", "low", "high", "worst APCER", "BPCER"],
        rows=rows,
        caption="Means over seeds with 95 % Student-t intervals; all rules score the same captures "
        "of test. dev: equal error on dev. clamped blind: dev scores within 0.005 of the score "
        "that the published share of bona fides in test reaches. best of eleven clamped: eleven "
        "such submissions, from 0.6 to 1.4 times that share, the lowest ACER. held back: equal "
        "error on captures of test held back. bounded: the BPCER of those is bounded with "
        "confidence.",
    )


def _rules_figure(found: Sequence[Mapping[str, Judgement]]) -> Figure:
    rows = [row_over_seeds([one[rule].errors.acer for one in found]) for rule in RULES]
    value, low, high = (list(column) for column in zip(*rows, strict=True))
    return Figure(
        name="rules",
        title="One detector, five thresholds",
        kind="bars",
        caption=f"ACER of {FIRST}, means over seeds with 95 % intervals.",
        data={
            "names": list(RULES),
            "values": value,
            "low": low,
            "high": high,
            "value_label": "ACER",
        },
    )


def _materials_table(seeds: Sequence[Seed]) -> Table:
    rows: list[Row] = []
    for system in SYSTEMS:
        for species in seeds[0].test[FIRST].species:
            areas = [seed.auc(system, [species]) for seed in seeds]
            trained = "seen" if species in seeds[0].seen_species else "unseen"
            known = [area for area in areas if area is not None]
            rows.append([system, species.replace("_", " "), trained, *row_over_seeds(known)])
    return Table(
        name="materials",
        title="AUC by material",
        columns=["system", "material", "in training", "AUC", "low", "high"],
        rows=rows,
        caption="Means over seeds with 95 % Student-t intervals; 0.5 is chance.",
    )


def _write_board(config: HifimaskChallengeConfig, run: Run, one: Round) -> None:
    """The first seed's leaderboard, its lists and its files of scores, in the run's folder."""
    path, lists = run.folder / "leaderboard.json", run.folder / "lists.csv"
    path.unlink(missing_ok=True)  # of an attempt that was killed between here and the evidence
    one.lists.write(lists)
    start_board(
        path,
        lists,
        _rules(config, run, 0)[HELD],
        title="3D high-fidelity masks, open set",
        scope=SIMULATED if config.data is None else f"HiFiMask at {config.data}, protocol 3",
    )
    for system in SYSTEMS:
        file = run.folder / "scores" / f"{system.replace(', ', '-').replace(' ', '_')}.txt"
        write_submission(file, one.lists, one.values[system])
        submit(
            path,
            file,
            name=system,
            command=f"sterling face challenge verify {path.name} --rerun",
            recipe={
                "study": NAME,
                "config": config.model_dump(mode="json"),
                "seed": run.seed,
                "system": system,
            },
            seed=derive_seed(run.seed, NAME, 0) % 2**31,
            training_sha256=one.training,
        )


def rerun(recipe: Mapping[str, Any], folder: Path) -> Trained:
    """Simulate, train and score the first seed of a leaderboard's entry again.

    Args:
        recipe: As the study's leaderboard has it.
        folder: New folder for the run's files.

    Raises:
        InputError: The recipe is none of this study's.
    """
    try:
        config = HifimaskChallengeConfig.model_validate(recipe["config"])
        system, seed = str(recipe["system"]), int(recipe["seed"])
    except (KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"recipe: not one of the study {NAME} ({reason})") from error
    if system not in SYSTEMS:
        raise unknown_name("system", system, SYSTEMS)
    trained = TRASH if system == FIRST else system  # the first place is a way to score that arm
    arms = {name: arm for name, arm in _arms(config).items() if name == trained}
    scorers = {name: one for name, one in SCORERS.items() if name == system}
    with open_run(folder, identity={"recipe": dict(recipe)}, seed=seed) as run:
        faces = _faces(config, run, 0)
        found = compare(NAME, config, run, 0, arms, scorers=scorers, recorded=faces)
        scores = found.results[system]
        values = _submitted(system, scores["dev"] + scores["test"])
        return Trained(_lists(faces()), values, _training_digest(faces()))


HIFIMASK_CHALLENGE_STUDY = Study(
    name=NAME,
    summary="Masks in the open: part crops, trash, mirror images, and thresholds that are steered.",
    domain="face",
    cite="liu2021challenge",
    presets={
        "smoke": HifimaskChallengeConfig(
            subjects=(3, 2, 4),
            captures=(12, 8, 40),
            size=64,
            seeds=2,
            width=2,
            epochs=1,
            map_width=4,
            share=0.5,
            bpcer=0.3,
        ),
        "quick": HifimaskChallengeConfig(),
        "paper": HifimaskChallengeConfig(
            captures=(3715, 536, 2000),
            size=224,
            width=64,
            depth=18,
            map_width=64,
            epochs=60,
            learning_rate=6e-4,
            step_factor=0.9,
            batch_size=48,
            frames=10,
        ),
    },
    measure=measure,
)
