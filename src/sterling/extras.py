"""Packages that only some parts need, and the extra that installs each."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from importlib.util import find_spec

from sterling.errors import InputError

_MODULES = {"mlflow-skinny": "mlflow", "pyopenssl": "OpenSSL"}  # named unlike their packages


@cache
def extras() -> dict[str, dict[str, str]]:
    """Packages of each extra: the name of the module by that of the package."""
    from packaging.requirements import Requirement

    needed = [Requirement(text) for text in metadata.requires("sterling") or []]
    return {
        extra: {
            each.name: _MODULES.get(each.name, each.name.replace("-", "_"))
            for each in needed
            if each.marker
            and each.marker.evaluate({"extra": extra})
            and not each.marker.evaluate({"extra": ""})
            and each.name != "sterling"
        }
        for extra in metadata.metadata("sterling").get_all("Provides-Extra") or []
        if extra not in ("all", "dev")
    }


def missing_packages(extra: str) -> list[str]:
    """Packages of an extra that are not installed."""
    return [name for name, module in extras()[extra].items() if find_spec(module) is None]


def require(extra: str, purpose: str) -> None:
    """Refuse to begin where an extra is not installed.

    Args:
        extra: Name of the extra.
        purpose: Part that needs it, for people.

    Raises:
        InputError: A package of it is missing; the message names it and how to get it.
    """
    if missing := missing_packages(extra):
        raise _needs(purpose, missing[0], extra)


@contextmanager
def needs(extra: str, purpose: str) -> Iterator[None]:
    """Import packages of an extra, or say how to get them.

    Args:
        extra: Name of the extra.
        purpose: Part that needs them, for people.

    Raises:
        InputError: One is missing.

    Examples:
        >>> with needs("lm", "a language model"):
        ...     import transformers  # doctest: +SKIP
    """
    try:
        yield
    except ImportError as error:
        raise _needs(purpose, error.name or str(error), extra) from error


def extra_of(module: str) -> str | None:
    """Name the smallest extra that installs a module; None where no extra does.

    Examples:
        >>> extra_of("matplotlib.pyplot")
        'report'
    """
    root = re.split(r"\W", module, maxsplit=1)[0]
    holding = [name for name, packages in extras().items() if root in packages.values()]
    return min(holding, key=lambda name: len(extras()[name]), default=None)


def _needs(purpose: str, package: str, extra: str) -> InputError:
    return InputError(f"{purpose} needs the package {package}: pip install 'sterling[{extra}]'")
