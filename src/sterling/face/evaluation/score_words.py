"""Words that people use in files of scores: names of columns, labels and splits."""

import re
from collections.abc import Mapping
from typing import Literal, get_args

import polars as pl

from sterling.errors import InputError, quoted, unknown_name
from sterling.tables import Table

Role = Literal["score", "label", "item", "species", "subject", "camera", "split", "path"]
ROLES: tuple[Role, ...] = get_args(Role)

ABOUT_ATTACKS = ("is_attack", "is_spoof", "is_fake", "spoof", "attack", "fake")
"""Names of columns of labels in which 1 and true mean attack."""

_ABOUT_LIFE = ("live", "real", "bona_fide", "bonafide", "genuine")

NAMES: Mapping[Role, tuple[str, ...]] = {
    "score": (
        *("score", "scores", "confidence", "prob", "probability", "live_score", "liveness"),
        *("liveness_score", "live_prob", "live_probability", "real_score", "bona_fide_score"),
        *("attack_score", "attack_prob", "spoof_score", "spoof_prob", "spoof_probability"),
        *("logit", "output", "prediction", "pred"),
    ),
    "label": (
        *("label", "labels", "class", "target", "gt", "ground_truth", "truth", "y_true"),
        *("is_live", "is_real", "is_bona_fide", "is_bonafide", *_ABOUT_LIFE, *ABOUT_ATTACKS),
    ),
    "item": ("item", "item_id", "sample", "sample_id", "presentation", "uid", "id"),
    "species": (
        *("species", "attack", "attack_type", "spoof_type", "pai", "pais", "pai_species"),
        *("instrument", "attack_species", "type"),
    ),
    "subject": ("subject", "subject_id", "person", "person_id", "client", "client_id", "id"),
    "camera": ("camera", "camera_id", "device", "sensor", "phone"),
    "split": ("split", "set", "subset", "partition"),
    "path": ("path", "file", "image", "filename", "file_name", "filepath", "image_path", "video"),
}
"""Names that are taken for each role, in lower case, with ``_`` for blanks and dashes."""

BONA_FIDE_WORDS = frozenset({"live", "bona_fide", "bonafide", "real", "genuine"})
ATTACK_WORDS = frozenset({"attack", "spoof", "fake"})
_TRUE, _FALSE = frozenset({"1", "true"}), frozenset({"0", "false"})

SPLITS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "devel", "development", "val", "valid", "validation"), "dev"),
    **dict.fromkeys(("calibration",), "dev"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
"""Our name of each split by a word for it."""


def plain_word(text: str) -> str:
    """Return a name or label in lower case, with ``_`` for blanks and dashes; 1.0 is 1.

    Examples:
        >>> plain_word(" Bona-Fide "), plain_word("1.0")
        ('bona_fide', '1')
    """
    word = re.sub(r"[\s\-_]+", "_", text.strip().lower())
    return re.sub(r"^([+-]?\d+)\.0+$", r"\1", word)


def sense_of(word: str, column: str) -> bool | None:
    """Return whether a label means bona fide; None where the word is unknown.

    Args:
        word: Label, as of `plain_word`.
        column: Name of its column: in one named after attacks 1 and true mean attack.

    Examples:
        >>> sense_of("1", "is_live"), sense_of("1", "is_spoof"), sense_of("live", "is_spoof")
        (True, False, True)
    """
    if word in BONA_FIDE_WORDS:
        return True
    if word in ATTACK_WORDS:
        return False
    about_attacks = plain_word(column) in ABOUT_ATTACKS
    if word in _TRUE:
        return not about_attacks
    return about_attacks if word in _FALSE else None


def find_columns(table: Table, given: Mapping[str, str]) -> dict[Role, str]:
    """Find the column of each role, by the caller's word or by the names that people use.

    A column is taken for one role only; a role that is given as "" has none. ``id`` is an item if
    no value repeats, else a subject.

    Raises:
        InputError: A role or column is unknown, score or label has no column, or a role has several
            candidates and none is called as the role is.
    """
    for role, name in given.items():
        if role not in ROLES:
            raise unknown_name("role of a column", role, ROLES)
        if name and name not in table:
            raise unknown_name(f"column of {table.path}", name, table.columns)
    found: dict[Role, str] = {role: given[role] for role in ROLES if given.get(role)}
    for role in ROLES:
        free = [name for name in table.columns if name not in found.values()]
        guessed = None if role in given else _guess(table, role, free)
        if guessed is not None:
            found[role] = guessed
    for role in ("score", "label"):
        if role not in found:
            raise InputError(
                f"{table.path}: no column is called {role} or another word for it; name it, as "
                f"--column {role}=NAME, out of {table.listed()}"
            )
    return found


def _guess(table: Table, role: Role, free: list[str]) -> str | None:
    """The free column that goes by a name of the role and holds what belongs there."""
    plain = {name: plain_word(name) for name in free}
    candidates = [
        name
        for name in free
        if plain[name] in NAMES[role] and _fits(table, role, name, plain[name])
    ]
    own = [name for name in candidates if plain[name] == role]
    if len(candidates) < 2 or len(own) == 1:
        return next(iter(own or candidates), None)
    raise InputError(
        f"{table.path}: {role} may be column {' or '.join(map(quoted, candidates))}; say which, as "
        f"--column {role}={candidates[0]}"
    )


def _fits(table: Table, role: Role, name: str, plain: str) -> bool:
    """Whether a column whose name may mean several things holds what the role needs."""
    if plain == "id":
        distinct = table.frame[name].n_unique() == len(table)
        return distinct == (role == "item")
    if plain in ("attack", *_ABOUT_LIFE, "spoof", "fake") and role in ("label", "species"):
        words = {plain_word(word) for word in label_words(table, name)}
        labels = all(sense_of(word, name) is not None for word in words)
        return labels == (role == "label")
    return True


def label_words(table: Table, name: str) -> list[str]:
    """Return a column of labels as text, "" where one is missing; 1.0 in a column of floats is 1.

    Raises:
        InputError: The column is of a type that has no text.
    """
    table.require(name)
    column = table.frame[name]
    if column.dtype.is_float():
        column = column.cast(pl.String)
        return [plain_word(one) for one in column.fill_null("").to_list()]
    return [one.strip() for one in table.text(name).to_list()]
