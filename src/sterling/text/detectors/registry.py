"""The detectors by name, and detectors read back from their folder."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sterling.errors import InputError, unknown_name
from sterling.lm import LocalModel, SignalStore, load_local
from sterling.plugins import Registry, named_object, require_callable
from sterling.text.attacks import AttackTools
from sterling.text.detectors.binoculars import Binoculars, without_last_layers
from sterling.text.detectors.calibrated import CalibratedDetector, read_calibration
from sterling.text.detectors.character_ngrams import CharacterNgrams
from sterling.text.detectors.classifier_folder import ClassifierFolder
from sterling.text.detectors.perturbation import PerturbationDetector
from sterling.text.detectors.regeneration import DnaGpt, Raidar
from sterling.text.detectors.scored import Detector, FunctionDetector
from sterling.text.detectors.small_classifier import SmallClassifier
from sterling.text.detectors.token_metrics import MAX_TOKENS, METRICS, Gltr, TokenDetector


@dataclass(frozen=True)
class DetectorPlan:
    """Settings that a detector is made with.

    Attributes:
        source: Language model that scores: "smollm2" or a folder; for "classifier_folder" the
            classifier's folder.
        max_tokens: Number of a text's first tokens that count.
        copies: Number of copies of a text: changed (DetectGPT, NPR), continued (DNA-GPT) or
            rewritten (RAIDAR).
        seed: Seed of all draws.
        store: Folder of earlier passes.
    """

    source: str = "smollm2"
    max_tokens: int = MAX_TOKENS
    copies: int = 10
    seed: int = 0
    store: Path | None = None

    @property
    def signals(self) -> SignalStore | None:
        """Store of earlier passes; None without a folder."""
        return None if self.store is None else SignalStore(self.store)


Build = Callable[[DetectorPlan, Callable[[], LocalModel]], Detector]


def _metric(name: str) -> Build:
    return lambda plan, model: TokenDetector(name, model(), plan.max_tokens, plan.signals)


def _perturbed(name: Literal["detect_gpt", "npr"]) -> Build:
    return lambda plan, model: PerturbationDetector(
        name, model(), AttackTools(), plan.copies, plan.seed, plan.max_tokens, plan.signals
    )


def _binoculars(plan: DetectorPlan, model: Callable[[], LocalModel]) -> Detector:
    performer = model()
    return Binoculars(performer, without_last_layers(performer), plan.max_tokens)


_OWN: dict[str, Build] = {
    **{name: _metric(name) for name in METRICS},
    "gltr": lambda plan, model: Gltr(model(), plan.max_tokens, plan.signals),
    "binoculars": _binoculars,
    "detect_gpt": _perturbed("detect_gpt"),
    "npr": _perturbed("npr"),
    "dna_gpt": lambda plan, model: DnaGpt(model(), plan.copies, plan.seed),
    "raidar": lambda plan, model: Raidar(model(), plan.copies, plan.seed),
    "character_ngrams": lambda _plan, _model: CharacterNgrams(),
    "small_classifier": lambda plan, _model: SmallClassifier(plan.seed),
    "classifier_folder": lambda plan, _model: ClassifierFolder(Path(plan.source)),
}

DETECTORS = Registry("text detector", "sterling.text.detectors", _OWN, require_callable)
"""Builders by name, from a plan and a way to the language model.

To add a detector, assign it; see ``docs/plugins.md``.
"""

WITHOUT_MODEL = ("character_ngrams", "small_classifier", "classifier_folder")
SUPERVISED = ("gltr", "character_ngrams", "small_classifier")
NEED_TRAINING = (*SUPERVISED, "entropy", "detect_gpt", "npr")  # or the side that is a machine's
UNTRAINED = "fast_detect_gpt"
"""Detector without training by default: the best of the metrics on what SmolLM2 wrote."""
UNTRAINED_TOKENS = 256  # ours: half of MAX_TOKENS, for half of the time


def make_detector(
    name: str, plan: DetectorPlan | None = None, model: LocalModel | None = None
) -> Detector:
    """Make a detector that is not yet fitted.

    Args:
        name: One of `DETECTORS`.
        plan: Settings of the detector.
        model: Language model that scores, in place of ``plan.source``.

    Raises:
        InputError: An unknown name, or its model is not there.
    """
    if name not in DETECTORS:
        raise unknown_name("detector", name, DETECTORS)
    plan = plan or DetectorPlan()
    return DETECTORS[name](plan, lambda: model or load_local(plan.source))


def untrained_detector(
    name: str = UNTRAINED, plan: DetectorPlan | None = None, model: LocalModel | None = None
) -> Detector:
    """Make a detector that needs no training: larger scores are more like a machine's text.

    Args:
        name: One of `DETECTORS`, or a function of a list of texts as ``package.module:name``, which
            returns one number for each.
        plan: Settings of the detector; the first `UNTRAINED_TOKENS` of a text count by default.
        model: Language model that scores, in place of ``plan.source``.

    Raises:
        InputError: An unknown name, one that needs training, or its model is not there.
    """
    if ":" in name:
        return FunctionDetector(name, named_object(name, "--detector"))
    if name in NEED_TRAINING:
        raise InputError(
            f"detector {name}: needs training; make it with sterling text train --detector {name} "
            "and give its folder"
        )
    return make_detector(name, plan or DetectorPlan(max_tokens=UNTRAINED_TOKENS), model)


def load_detector(folder: Path, model: LocalModel | None = None) -> CalibratedDetector:
    """Load a calibrated detector from the folder that it was saved in.

    Args:
        folder: Folder with ``detector.json``.
        model: Language model that scores, if it is loaded already.

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
    if name not in WITHOUT_MODEL and model is None and plan.source != DetectorPlan().source:
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
