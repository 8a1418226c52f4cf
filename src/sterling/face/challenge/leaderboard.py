"""A leaderboard in one file, every number of which can be computed again.

The board names its lists and its rule; every entry names its file of scores by its SHA-256 and,
where it was trained here, the recipe that gives them again. `verify` computes all figures again.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sterling.errors import InputError, NothingMeasuredError
from sterling.face.challenge.challenge import (
    Measurement,
    Rule,
    judge,
    read_submission,
    require_lists,
)
from sterling.face.data import Manifest
from sterling.files import open_regular, within
from sterling.runs import record_versions
from sterling.storage import write_atomically

_FORMAT: Literal["sterling-leaderboard-1"] = "sterling-leaderboard-1"
_CLOSE = 1e-9  # relative; quantiles of beta distributions differ by less between versions of SciPy
_RERUN = 1e-6  # of a score; another processor rounds otherwise


class Trained(NamedTuple):
    """Result of a recipe.

    Attributes:
        lists: The rows of dev and test.
        values: Their scores, float64 (N,).
        training_sha256: SHA-256 of the training pictures.
    """

    lists: Manifest
    values: NDArray[np.float64]
    training_sha256: str


Rerun = Callable[[Mapping[str, Any]], Trained]
"""Trains an entry's recipe again."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Entry(_Record):
    """One submission.

    Attributes:
        name: Unique within the board.
        command: Command that repeats the scores, as stated by the submitter.
        recipe: Recipe that `verify` can train again; {} if the scores come from elsewhere.
        seed: Seed of the initial weights; None if unknown.
        training_sha256: SHA-256 of the training pictures; ``""`` if unknown.
        scores: The file of scores, relative to the board.
        scores_sha256: SHA-256 of that file.
        threshold: Decision threshold that the rule chose.
        metrics: Error rates under the rule, with 95 % intervals.
        versions: Versions of the packages that computed the figures.
    """

    name: str = Field(min_length=1)
    command: str = ""
    recipe: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None
    training_sha256: str = ""
    scores: str
    scores_sha256: str
    threshold: float
    metrics: list[Measurement]
    versions: dict[str, str]


class Board(_Record):
    """A leaderboard.

    Attributes:
        format: Name and version of the format.
        title: Title of the challenge.
        scope: Population that the figures hold for; says whether the captures are simulated.
        lists: The manifest of dev and test, relative to the board.
        lists_sha256: SHA-256 of that file.
        rule: Rule that evaluates all entries.
        entries: Entries by ACER, lowest first.
        seal: SHA-256 of all the above. It finds what was changed by hand and no figure shows, such
            as a seed; whoever means to deceive can renew it, but not the figures.
    """

    format: Literal["sterling-leaderboard-1"] = _FORMAT
    title: str
    scope: str
    lists: str
    lists_sha256: str
    rule: Rule
    entries: list[Entry] = Field(default_factory=list)
    seal: str = ""

    def sealed(self) -> "Board":
        """The same board, in order, with its seal."""
        board = self.model_copy(update={"entries": sorted(self.entries, key=_acer)})
        return board.model_copy(update={"seal": board.computed_seal()})

    def computed_seal(self) -> str:
        """Compute the seal of the board's content."""
        text = json.dumps(self.model_dump(mode="json", exclude={"seal"}), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


class Check(NamedTuple):
    """One thing that was verified.

    Attributes:
        entry: Name of the entry, ``""`` for the board itself.
        what: Name of the compared quantity.
        problem: Difference found; ``""`` if there is none.
    """

    entry: str
    what: str
    problem: str = ""


def start_board(path: Path, lists: Path, rule: Rule, *, title: str, scope: str) -> Board:
    """Write a board without entries beside its lists.

    Args:
        path: The board, ending in ``.json``.
        lists: Manifest with the splits dev and test, in the board's folder or below.
        rule: Rule that evaluates entries.
        title: Title of the challenge.
        scope: Population that the figures hold for.

    Raises:
        InputError: There is a board already, the lists lie elsewhere, or nothing can be judged by
            them.
    """
    if path.exists():
        raise InputError(f"{path}: exists already; submit to it, or choose another name")
    require_lists(Manifest.read(lists))
    board = Board(
        title=title,
        scope=scope,
        lists=_beside(lists, path),
        lists_sha256=_digest(lists),
        rule=rule,
    ).sealed()
    _save(board, path)
    return board


def open_board(path: Path) -> tuple[Board, Manifest]:
    """Read a board and its lists.

    Raises:
        InputError: A file is missing, damaged or outside the board's folder, or the lists are not
            the board's.
    """
    try:
        with open_regular(path, "leaderboard") as file:
            board = Board.model_validate_json(file.read())
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path} is damaged at {field!r}: {first['msg']}") from error
    lists = within(path.parent, board.lists)
    manifest = require_lists(Manifest.read(lists))
    if _digest(lists) != board.lists_sha256:
        raise InputError(
            f"{lists}: not the lists that {path} was made for (another SHA-256); copy them again"
        )
    return board, manifest


def submit(
    path: Path,
    scores: Path,
    *,
    name: str,
    command: str = "",
    recipe: Mapping[str, Any] | None = None,
    seed: int | None = None,
    training_sha256: str = "",
) -> Entry:
    """Judge a file of scores and add it to a board.

    Args:
        path: The board.
        scores: File that `read_submission` reads, in the board's folder or below.
        name: Name of the entry.
        command: Command that repeats the scores.
        recipe: Recipe that `verify` can train again; None if there is none.
        seed: Seed of the initial weights; None if unknown.
        training_sha256: SHA-256 of the training pictures.

    Raises:
        InputError: The submission is refused (see `read_submission`), the name is taken, or the
            file lies elsewhere.
    """
    board, lists = open_board(path)
    if any(entry.name == name for entry in board.entries):
        raise InputError(f"{path}: has an entry {name!r} already; choose another name")
    values = read_submission(scores, lists)
    found = judge(values, lists, board.rule)
    entry = Entry(
        name=name,
        command=command,
        recipe=dict(recipe or {}),
        seed=seed,
        training_sha256=training_sha256,
        scores=_beside(scores, path),
        scores_sha256=_digest(scores),
        threshold=found.threshold.value,
        metrics=found.metrics(),
        versions=record_versions(),
    )
    _save(board.model_copy(update={"entries": [*board.entries, entry]}).sealed(), path)
    return entry


def verify(path: Path, *, rerun: Rerun | None = None) -> list[Check]:
    """Compute every figure of a board again.

    Args:
        path: The board.
        rerun: Trains an entry's recipe again, too, and compares the scores; None: not done.

    Returns:
        The checks; the board is valid where none has a problem.

    Raises:
        InputError: The board or its lists cannot be read.
    """
    board, lists = open_board(path)
    checks = [Check("", "seal", "" if board.seal == board.computed_seal() else "was changed")]
    order = [_acer(entry) for entry in board.entries]
    checks.append(Check("", "order", "" if order == sorted(order) else "not by ACER"))
    names = [entry.name for entry in board.entries]
    checks.append(Check("", "names", "" if len(set(names)) == len(names) else "one is doubled"))
    for entry in board.entries:
        checks += _entry_checks(path, board, lists, entry, rerun)
    return checks


def _entry_checks(
    path: Path, board: Board, lists: Manifest, entry: Entry, rerun: Rerun | None
) -> Iterator[Check]:
    try:
        file = within(path.parent, entry.scores)
        values = read_submission(file, lists)
        found = judge(values, lists, board.rule)
    except (InputError, NothingMeasuredError) as error:
        yield Check(entry.name, "scores", str(error))
        return
    same = _digest(file) == entry.scores_sha256
    yield Check(entry.name, "scores", "" if same else f"{file}: another SHA-256")
    yield Check(
        entry.name, "threshold", _difference(entry.threshold, found.threshold.value, "threshold")
    )
    computed = found.metrics()
    known = [metric.name for metric in computed]
    stated = [metric.name for metric in entry.metrics]
    if stated != known:
        yield Check(entry.name, "metrics", f"states {', '.join(stated)}; has {', '.join(known)}")
    else:
        for metric, own in zip(entry.metrics, computed, strict=True):
            problems = (
                _difference(getattr(metric, part), getattr(own, part), part)
                for part in ("value", "low", "high", "n", "unit")
            )
            yield Check(entry.name, metric.name, "; ".join(filter(None, problems)))
    if rerun is not None:
        yield Check(entry.name, "rerun", _rerun_problem(entry, lists, values, rerun))


def _rerun_problem(entry: Entry, lists: Manifest, values: NDArray[np.float64], rerun: Rerun) -> str:
    if not entry.recipe:
        return "has no recipe: only who submitted it can train it again"
    try:
        again = rerun(entry.recipe)
    except InputError as error:
        return str(error)
    for column in ("item", "species", "subject", "split"):
        if again.lists.column(column).tolist() != lists.column(column).tolist():
            return f"the recipe gives other captures than the lists ({column})"
    if again.training_sha256 != entry.training_sha256:
        return "the recipe trains on other pictures than is stated (SHA-256)"
    largest = float(np.abs(again.values - values).max())
    return "" if largest <= _RERUN else f"scores differ by up to {largest:.3g}"


def _difference(stated: Any, computed: Any, what: str) -> str:
    if isinstance(stated, float) and isinstance(computed, float):
        same = math.isclose(stated, computed, rel_tol=_CLOSE, abs_tol=_CLOSE)
    else:
        same = stated == computed
    return "" if same else f"{what} is stated as {stated} and is {computed}"


def _acer(entry: Entry) -> float:
    """The figure that ranks; an entry without it, which verification complains of, comes last."""
    values = [metric.value for metric in entry.metrics if metric.name == "ACER"]
    return values[0] if values else math.inf


def _beside(file: Path, board: Path) -> str:
    """A path relative to the board's folder, so that the folder can be moved."""
    try:
        return file.resolve().relative_to(board.resolve().parent).as_posix()
    except ValueError as error:
        raise InputError(
            f"{file}: lies outside {board.parent.resolve()}; put it beside the leaderboard"
        ) from error


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _save(board: Board, path: Path) -> None:
    write_atomically(path, board.model_dump_json(indent=1) + "\n")
