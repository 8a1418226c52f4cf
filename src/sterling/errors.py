"""The one family of errors that a user's input can cause."""

__all__ = ["InputError", "NothingMeasuredError"]


class InputError(ValueError):
    """The input is wrong. One line: which file, field or value, and how to mend it.

    The command line prints the message and exits with status 2.
    """


class NothingMeasuredError(RuntimeError):
    """No item could be scored, so there is no result. The command line exits with status 3."""
