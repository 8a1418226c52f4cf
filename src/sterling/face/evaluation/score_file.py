"""The user's own scores, from a table whose columns are found by the names that people use.

Every guess is a line of `ScoreFile.notes`, and each can be overridden. The one thing never guessed
is the direction: whether a higher score means bona fide or attack::

    read = read_score_file(Path("scores.csv"), higher_is="bona-fide")
    evaluate(read.part("test").scores, threshold)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError, quoted, unknown_name
from sterling.face.data import BONA_FIDE
from sterling.face.evaluation.presentations import Presentations
from sterling.face.evaluation.score_words import (
    SPLITS,
    Role,
    find_columns,
    label_words,
    plain_word,
    sense_of,
)
from sterling.measure import Scores, auc
from sterling.tables import Table, read_table

HigherIs = Literal["bona-fide", "attack"]
NO_SPECIES = "attack"
"""Species of attacks that name none."""
_LISTED = 8  # values named in a message


@dataclass(frozen=True, eq=False)
class ScoreFile:
    """Scored presentations of a table.

    Attributes:
        path: The file.
        columns: Column taken for each role that has one.
        presentations: All rows, in the order of the file.
        split: "dev", "test", "train" or, in a file without splits, "" of each row, text (N,).
        notes: Lines that say which column was taken for which role.
    """

    path: Path
    columns: Mapping[Role, str]
    presentations: Presentations
    split: NDArray[np.str_]
    notes: tuple[str, ...]

    @property
    def has_splits(self) -> bool:
        """Whether rows name a split."""
        return "split" in self.columns

    def part(self, split: str) -> Presentations:
        """Return the presentations of a split."""
        return self.presentations.select(self.split == split)

    def shared_subjects(self) -> list[str]:
        """Return the subjects that are in dev and in test, sorted."""
        dev, test = (set(self.part(name).scores.subject.tolist()) for name in ("dev", "test"))
        return sorted(dev & test - {""})


def read_score_file(
    path: Path,
    *,
    higher_is: HigherIs | None = None,
    columns: Mapping[str, str] | None = None,
    bona_fide: str | None = None,
) -> ScoreFile:
    """Read scores of presentations from a CSV, TSV, Parquet or JSONL file, one row each.

    Columns are found by name, in any case: score, label, and where they are there item, species,
    subject, camera, split and path, or other words for them (`score_words.NAMES`). Labels are
    words such as live, bona fide, real or 1, and attack, spoof, fake or 0; in a column named after
    attacks, such as is_spoof, 1 means attack. Species of bona fides may be empty. Relative paths
    start from the folder of the file.

    Args:
        path: The file.
        higher_is: Class that higher scores mean. None refuses, with both classes' means and the AUC
            that either direction implies.
        columns: Column by role, where a guess is wrong; "" for no column.
        bona_fide: Label of bona fides, where it is no known word; every other label means attack,
            and names the species if no column does.

    Raises:
        InputError: The file cannot be read, a column is missing or has several candidates, a label
            is no known word, a score is missing or not finite, an item occurs twice, or the
            direction is not given. The message names file, line and option.

    Examples:
        >>> read = read_score_file(Path("scores.csv"), higher_is="attack")  # doctest: +SKIP
        >>> read.notes[0]  # doctest: +SKIP
        "score: column 'spoof_prob', 0.002 to 0.991"
    """
    table = read_table(path)
    if not len(table):
        raise InputError(f"{path} holds no rows; give one row per presentation")
    if higher_is is not None and higher_is not in get_args(HigherIs):
        raise unknown_name("direction", higher_is, get_args(HigherIs))
    found = find_columns(table, columns or {})
    values = _scores(table, found["score"])
    words, label, senses = _labels(table, found["label"], bona_fide)
    group, species = _species(table, found.get("species"), label, words, named=bona_fide)
    item, numbered = _items(table, found)
    subject = _optional(table, found.get("subject"))
    split, parts = _splits(table, found.get("split"))
    direction = _direction(table, found, values, label, higher_is)
    scores = Scores(values, label, direction=direction, item=item, subject=subject, group=group)
    place = _optional(table, found.get("path"), strip=False)
    located = np.array([str(path.parent / one) if one else "" for one in place.tolist()])
    camera = _optional(table, found.get("camera"))
    notes = (
        f"score: column {quoted(found['score'])}, {values.min():.4g} to {values.max():.4g}; higher "
        f"means {'bona fide' if direction == 'up' else 'attack'}",
        f"label: column {quoted(found['label'])}; {senses}",
        f"species: {species}",
        f"subject: {_known(found.get('subject'), subject, 'subjects')}"
        + ("" if (subject != "").all() else "; intervals clustered by subject are not possible"),
        f"camera: {_known(found.get('camera'), camera, 'cameras')}",
        f"split: {parts}",
        f"path: {_known(found.get('path'), located, 'paths')}",
        f"item: {numbered}",
    )
    return ScoreFile(path, found, Presentations(scores, located, camera), split, notes)


def _scores(table: Table, name: str) -> NDArray[np.float64]:
    values = table.numbers(name)
    infinite = ~np.isfinite(values)
    if infinite.any():
        raise InputError(
            f"{table.place(int(infinite.argmax()))}: column {quoted(name)} is not finite; "
            f"{int(infinite.sum())} of {len(values)} scores are not; leave those rows out and "
            "count them"
        )
    return values


def _labels(
    table: Table, name: str, bona_fide: str | None
) -> tuple[list[str], NDArray[np.bool_], str]:
    """Words as written, whether each means bona fide, and a line that says so."""
    written = label_words(table, name)
    missing = [not word for word in written]
    if any(missing):
        raise InputError(
            f"{table.place(missing.index(True))}: column {quoted(name)} is empty; write its "
            "value, or leave the row out"
        )
    plain = {text: plain_word(text) for text in set(written)}
    words = [plain[text] for text in written]
    seen: dict[str, str] = {}
    for word, text in zip(words, written, strict=True):
        seen.setdefault(word, text)
    if bona_fide is not None:
        wanted = plain_word(bona_fide)
        if wanted not in seen:
            raise InputError(
                f"--bona-fide {bona_fide}: no row of {table.path} has this label in column "
                f"{quoted(name)}; it holds {_some(seen.values())}"
            )
        senses = {word: word == wanted for word in seen}
    else:
        known = {word: sense_of(word, name) for word in seen}
        strange = [word for word, sense in known.items() if sense is None]
        if strange:
            row = words.index(strange[0])
            raise InputError(
                f"{table.place(row)}: label {quoted(seen[strange[0]])} is no word for bona fide or "
                f"attack; column {quoted(name)} holds {_some(seen.values())}; say which one is "
                "bona fide, as --bona-fide VALUE, or name another column, as --column label=NAME"
            )
        senses = {word: bool(sense) for word, sense in known.items()}
    label = np.array([senses[word] for word in words], dtype=np.bool_)
    said = [
        f"{quoted(seen[word])} means {'bona fide' if sense else 'attack'} ({words.count(word)})"
        for word, sense in sorted(senses.items(), key=lambda entry: not entry[1])
    ]
    more = f", and {len(said) - _LISTED} more" if len(said) > _LISTED else ""
    return words, label, ", ".join(said[:_LISTED]) + more


def _species(
    table: Table,
    name: str | None,
    label: NDArray[np.bool_],
    words: list[str],
    *,
    named: str | None,
) -> tuple[NDArray[np.str_], str]:
    """Species of each row, and a line about them."""
    attacks = ~label
    if name is None:
        kinds = sorted({word for word, attack in zip(words, attacks, strict=True) if attack})
        if named is None or len(kinds) < 2:
            only = f"no column; all attacks count as one species, {quoted(NO_SPECIES)}"
            return np.where(label, BONA_FIDE, NO_SPECIES), only
        taken = np.where(label, BONA_FIDE, np.array(words))
        return taken, f"no column; taken from the labels: {_counts(taken[attacks])}"
    given = _optional(table, name)
    nameless = attacks & (given == "")
    groups = np.where(label, BONA_FIDE, np.where(given == "", NO_SPECIES, given))
    kinds = sorted(set(groups[attacks].tolist()))
    contradicted = label & np.isin(given, kinds) & (given != "")
    if contradicted.any():
        row = int(contradicted.argmax())
        raise InputError(
            f"{table.place(row)}: the label means bona fide and the species is "
            f"{quoted(str(given[row]))}; mend one of them, or name other columns with --column"
        )
    note = f"column {quoted(name)}: {_counts(groups[attacks])}"
    if nameless.any():
        note += f"; {int(nameless.sum())} attacks without one count as {quoted(NO_SPECIES)}"
    return groups, note


def _items(table: Table, found: Mapping[Role, str]) -> tuple[NDArray[np.str_], str]:
    """Unique id of each row, and a line about them."""
    for role in ("item", "path"):
        name = found.get(role)
        if name is None:
            continue
        items = table.texts(name)
        names, first = np.unique(items, return_index=True)
        if len(names) == len(items):
            return items, f"column {quoted(name)}"
        if role == "item":
            row = int(np.setdiff1d(np.arange(len(items)), first)[0])
            raise InputError(
                f"{table.place(row)}: item {quoted(str(items[row]))} occurs more than once; give "
                "one row per presentation (of a video, the mean of its frames), or name another "
                "column, as --column item=NAME"
            )
    digest = blake2b(table.path.read_bytes(), digest_size=4).hexdigest()
    rows = np.array([f"{digest}, row {row + 1}" for row in range(len(table))])
    return rows, "no column; rows are numbered"


def _splits(table: Table, name: str | None) -> tuple[NDArray[np.str_], str]:
    """Split of each row by our names, and a line about them."""
    if name is None:
        return np.full(len(table), "", dtype="<U5"), "no column; all rows are evaluated"
    given = table.texts(name)
    plain = {one: plain_word(one) for one in set(given.tolist())}
    strange = [one for one, word in plain.items() if word not in SPLITS]
    if strange:
        row = int(np.isin(given, strange).argmax())
        raise InputError(
            f"{table.place(row)}: split {quoted(str(given[row]))} unknown; use train, dev or "
            f"test (column {quoted(name)} holds {_some(given.tolist())}), or name another "
            "column, as --column split=NAME, or none, as --column split="
        )
    split = np.array([SPLITS[plain[one]] for one in given.tolist()])
    said = [
        f"{quoted(one)} as {SPLITS[plain[one]]} ({int((given == one).sum())})"
        for one in sorted(plain)
    ]
    return split, f"column {quoted(name)}: {', '.join(said)}"


def _direction(
    table: Table,
    found: Mapping[Role, str],
    values: NDArray[np.float64],
    label: NDArray[np.bool_],
    higher_is: str | None,
) -> Literal["up", "down"]:
    if higher_is is not None:
        return "up" if higher_is == "bona-fide" else "down"
    classes = [
        f"{name} have mean {one.mean():.4g}, median {np.median(one):.4g} (n = {len(one)})"
        for name, one in (("bona fides", values[label]), ("attacks", values[~label]))
        if len(one)
    ]
    implied = ("", "")
    if len(classes) == 2:
        area = auc(Scores(values, label)).value
        implied = (f" (AUC {area:.3f})", f" (AUC {1 - area:.3f})")
    raise InputError(
        f"{table.path}: say which way the scores point: --higher-is bona-fide{implied[0]} or "
        f"--higher-is attack{implied[1]}; {'; '.join(classes)}; scores from column "
        f"{quoted(found['score'])}, labels from {quoted(found['label'])}"
    )


def _optional(table: Table, name: str | None, *, strip: bool = True) -> NDArray[np.str_]:
    """A column of names, "" where one is missing, or all "" without the column."""
    if name is None:
        return np.full(len(table), "", dtype="<U1")
    text = table.text(name)
    return np.array((text.str.strip_chars() if strip else text).to_list(), dtype=np.str_)


def _known(name: str | None, values: NDArray[np.str_], plural: str) -> str:
    if name is None:
        return "no column"
    given = values[values != ""]
    missing = len(values) - len(given)
    rest = f", {missing} rows name none" if missing else ""
    return f"column {quoted(name)}, {len(set(given.tolist()))} {plural}{rest}"


def _counts(names: NDArray[np.str_]) -> str:
    kinds, counts = np.unique(names, return_counts=True)
    said = [f"{kind} {count}" for kind, count in zip(kinds, counts, strict=True)]
    more = f", and {len(said) - _LISTED} more" if len(said) > _LISTED else ""
    return ", ".join(said[:_LISTED]) + more


def _some(values: object) -> str:
    names = sorted(set(values))  # type: ignore[call-overload]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(quoted(one) for one in names[:_LISTED]) + more
