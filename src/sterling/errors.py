"""The errors that a user can cause or must be told of."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


class InputError(ValueError):
    """The input is wrong. One line: which file, field or value, and how to mend it.

    The command line prints the message and exits with status 2.
    """


class NothingMeasuredError(RuntimeError):
    """No item could be scored, so there is no result. The command line exits with status 3."""


class StorageError(RuntimeError):
    """The disk is full or broken, or a limit is reached. The command line exits with status 3."""


class CellsFailedError(RuntimeError):
    """Some cells of a run failed. The command line exits with status 3.

    Attributes:
        failed: The exception of each failed cell, by its coordinates.
    """

    def __init__(self, failed: Mapping[str, Exception], cells: int) -> None:
        self.failed = dict(failed)
        listed = "; ".join(
            f"{place}: {type(error).__name__}: {error}" for place, error in failed.items()
        )
        super().__init__(
            f"{len(failed)} of {cells} cells failed ({listed}); the others are kept: start again "
            "with the same --out"
        )


def quoted(value: object, most: int = 40) -> str:
    """Show what a file holds within a message: on one line, cut to so many letters."""
    text = repr(value)
    if len(text) <= most + 2:
        return text
    return repr(f"{str(value)[:most]}…")


def unknown_name(kind: str, name: str, available: Iterable[str]) -> InputError:
    """An error for a name that nobody has, with the nearest names that exist.

    Args:
        kind: Kind of the name, as the user knows it ("study", "protocol", ...).
        name: Name that the user wrote.
        available: Every name of that kind.
    """
    names = sorted(available)
    name = name if len(name) <= 80 else f"{name[:80]}…"
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return InputError(f"unknown {kind} {name!r}: {hint}available: {', '.join(names)}")
