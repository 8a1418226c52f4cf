"""Every detector by name, and detectors read back from their folder."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sterling.errors import InputError, unknown_name
from sterling.lm import LocalModel, SignalStore, load_local
from sterling.text.attacks import AttackTools
from sterling.text.detectors.binoculars import Binoculars, without_last_layers
from sterling.text.detectors.calibrated import CalibratedDetector, read_calibration
from sterling.text.detectors.character_ngrams import CharacterNgrams
from sterling.text.detectors.classifier_folder import ClassifierFolder
from sterling.text.detectors.dna_gpt import DnaGpt
from sterling.text.detectors.perturbation import PerturbationDetector
from sterling.text.detectors.raidar import Raidar
from sterling.text.detectors.scored import Detector
from sterling.text.detectors.small_classifier import SmallClassifier
from sterling.text.detectors.token_metrics import MAX_TOKENS, METRICS, Gltr, TokenDetector


@dataclass(frozen=True)
class DetectorPlan:
    """What a detector is made with.

    Attributes:
        source: The language model that scores: "smollm2" or a folder; for "classifier_folder" the
            classifier's folder.
        max_tokens: The first so many tokens of a text count.
        copies: Of a text: changed (DetectGPT, NPR), continued (DNA-GPT) or rewritten (RAIDAR).
        seed: Of whatever is drawn.
        store: Folder of passes made before.
    """

    source: str = "smollm2"
    max_tokens: int = MAX_TOKENS
    copies: int = 10
    seed: int = 0
    store: Path | None = None


Make = Callable[[DetectorPlan, LocalModel], Detector]


def _store(plan: DetectorPlan) -> SignalStore | None:
    return None if plan.store is None else SignalStore(plan.store)


def _metric(name: str) -> Make:
    return lambda plan, model: TokenDetector(name, model, plan.max_tokens, _store(plan))


BY_MODEL: dict[str, Make] = {
    **{name: _metric(name) for name in METRICS},
    "gltr": lambda plan, model: Gltr(model, plan.max_tokens, _store(plan)),
    "binoculars": lambda plan, model: Binoculars(
        model, without_last_layers(model), plan.max_tokens
    ),
    "detect_gpt": lambda plan, model: PerturbationDetector(
        "detect_gpt", model, AttackTools(), plan.copies, plan.seed, plan.max_tokens, _store(plan)
    ),
    "npr": lambda plan, model: PerturbationDetector(
        "npr", model, AttackTools(), plan.copies, plan.seed, plan.max_tokens, _store(plan)
    ),
    "dna_gpt": lambda plan, model: DnaGpt(model, plan.copies, plan.seed),
    "raidar": lambda plan, model: Raidar(model, plan.copies, plan.seed),
}
WITHOUT_MODEL: dict[str, Callable[[DetectorPlan], Detector]] = {
    "character_ngrams": lambda _: CharacterNgrams(),
    "small_classifier": lambda plan: SmallClassifier(plan.seed),
    "classifier_folder": lambda plan: ClassifierFolder(Path(plan.source)),
}
DETECTORS = (*BY_MODEL, *WITHOUT_MODEL)
SUPERVISED = ("gltr", "character_ngrams", "small_classifier")


def make_detector(
    name: str, plan: DetectorPlan | None = None, model: LocalModel | None = None
) -> Detector:
    """A detector, not yet fitted.

    Args:
        name: One of `DETECTORS`.
        plan: What it is made with.
        model: Scores, in place of ``plan.source``.

    Raises:
        InputError: An unknown name, or its model is not there.
    """
    plan = plan or DetectorPlan()
    if name in WITHOUT_MODEL:
        return WITHOUT_MODEL[name](plan)
    if name not in BY_MODEL:
        raise unknown_name("detector", name, DETECTORS)
    return BY_MODEL[name](plan, model or load_local(plan.source))


def load_detector(folder: Path, model: LocalModel | None = None) -> CalibratedDetector:
    """A calibrated detector from the folder that it was saved in.

    Args:
        folder: With ``detector.json``.
        model: The language model that scores, if it is loaded already.

    Raises:
        InputError: There is none, it is damaged, or its language model is not the one that it was
            calibrated with.
    """
    path = folder / "detector.json"
    try:
        description = json.loads(path.read_text("utf-8"))
        name, settings = description["detector"], description["settings"]
        plan = _plan(settings)
    except FileNotFoundError as error:
        raise InputError(f"{folder}: no detector.json in it; train a detector first") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: damaged ({error!r}); train the detector again") from error
    if name in BY_MODEL and model is None and plan.source != DetectorPlan().source:
        raise InputError(f"{folder}: calibrated with the model {plan.source!r}; give its folder")
    return read_calibration(folder, description, make_detector(name, plan, model))


def _plan(settings: Mapping[str, Any]) -> DetectorPlan:
    default = DetectorPlan()
    return DetectorPlan(
        source=str(settings.get("model", default.source)),
        max_tokens=int(settings.get("max_tokens", default.max_tokens)),
        copies=int(settings.get("copies", settings.get("continuations", default.copies))),
        seed=int(settings.get("seed", default.seed)),
    )
