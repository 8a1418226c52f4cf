"""Registries of parts by name, and the parts that other packages add to them.

A package adds a part by an entry point in the registry's group::

    [project.entry-points."sterling.text.detectors"]
    word_length = "my_package:WORD_LENGTH"

A module adds one by assignment (``DETECTORS["word_length"] = WORD_LENGTH``), once it is named with
``sterling --plugin my_module``. Both happen when a registry is first asked for a name that it does
not have, or for all of its names. A part that cannot be added is left out with one line in the log.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from multiprocessing import parent_process
from typing import Any, TypeVar

from sterling.errors import InputError, unknown_name

logger = logging.getLogger("sterling.plugins")

# In the environment, so that the processes that compute cells load the same modules.
_MODULES = "STERLING_PLUGINS"
_adding: ContextVar[str] = ContextVar("_adding", default="assigned by hand")

T = TypeVar("T")


class Registry(MutableMapping[str, T]):
    """Parts of one kind by name: sterling's own, and those that others add.

    Args:
        kind: Kind of the parts, for messages ("text detector").
        group: Group of entry points that add parts.
        parts: sterling's own parts.
        check: Raises `InputError` when a part does not suit its name or the registry.

    Examples:
        >>> def check(name: str, part: object) -> None:
        ...     if not isinstance(part, int):
        ...         raise InputError(f"{part!r} is no number")
        >>> numbers = Registry("number", "my_package.numbers", {"one": 1}, check)
        >>> numbers["two"] = 2
        >>> list(numbers)
        ['one', 'two']
    """

    def __init__(
        self,
        kind: str,
        group: str,
        parts: Mapping[str, T],
        check: Callable[[str, T], None],
    ) -> None:
        self.kind, self.group, self.check = kind, group, check
        self._parts = dict(parts)
        self._origins = dict.fromkeys(parts, "sterling")
        self._complete = False

    def __getitem__(self, name: str) -> T:
        """Return a part; others' parts are loaded only when sterling has none of that name."""
        if name not in self._parts:
            self._load()
        return self._parts[name]

    def __setitem__(self, name: str, part: T) -> None:
        """Add a part.

        Raises:
            InputError: The name is taken, or the part is not of this kind.
        """
        if name in self._parts:
            raise InputError(
                f"{self.kind} {name!r} exists already ({self._origins[name]}); choose another name"
            )
        self.check(name, part)
        self._parts[name] = part
        self._origins[name] = _adding.get()

    def __delitem__(self, name: str) -> None:
        """Remove a part."""
        del self._parts[name], self._origins[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over all names, sterling's own first."""
        self._load()
        return iter(tuple(self._parts))

    def __len__(self) -> int:
        """Count the parts."""
        self._load()
        return len(self._parts)

    def _load(self) -> None:
        if self._complete:
            return
        self._complete = True  # first: a plugin may read the registry that it adds to
        for point in entry_points(group=self.group):
            with _one_plugin(_origin(point)):
                self[point.name] = point.load()
        _import_modules()


def require_callable(name: str, part: Callable[..., object]) -> None:
    """Check a part that is called.

    Raises:
        InputError: It cannot be called.
    """
    if not callable(part):
        raise InputError(f"{name!r} is {part!r}: give something that can be called")


@contextmanager
def _one_plugin(origin: str) -> Iterator[None]:
    """Log what a plugin raises as one line, so that the others are loaded."""
    token = _adding.set(origin)
    try:
        yield
    except Exception as error:  # foreign code raises anything
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        if parent_process() is None:  # the processes of a run would only repeat it
            logger.warning("plugin left out: %s: %s", origin, " ".join(reason.split()))
    finally:
        _adding.reset(token)


def _origin(point: EntryPoint) -> str:
    package = "" if point.dist is None else f" of {point.dist.name} {point.dist.version}"
    return f"{point.name} = {point.value}{package}"


def named_modules() -> tuple[str, ...]:
    """Names of the modules that were named with ``--plugin``, in order."""
    return tuple(name for name in os.environ.get(_MODULES, "").split(",") if name)


def name_modules(names: tuple[str, ...]) -> None:
    """Name modules that add parts; this process and its children import them when needed.

    Modules are also looked for in the working directory.

    Raises:
        InputError: There is no module of that name.
    """
    _look_in_working_directory()
    for name in names:
        if not _exists(name):
            raise InputError(
                f"--plugin {name}: no such module; give the dotted name of an installed module or "
                "of one in the working directory"
            )
    os.environ[_MODULES] = ",".join(dict.fromkeys((*named_modules(), *names)))


def named_object(spec: str, option: str) -> Any:
    """Import what ``package.module:name`` names; modules of the working directory count too.

    Args:
        spec: Module and name.
        option: Option that it was given with, for messages.

    Raises:
        InputError: There is no such module or name, or importing the module fails.
    """
    module, colon, name = spec.partition(":")
    if not colon or not name.isidentifier():
        raise InputError(f"{option} {spec}: give a module and a name, as package.module:name")
    _look_in_working_directory()
    if not _exists(module):
        raise InputError(
            f"{option} {spec}: no module {module}; give one that is installed or in the working "
            "directory"
        )
    try:
        found = import_module(module)
    except (Exception, SystemExit) as error:  # foreign code raises anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{option} {spec}: importing {module} failed: {reason}") from error
    if not hasattr(found, name):
        raise unknown_name(f"name in {module}", name, [n for n in vars(found) if n[0] != "_"])
    return getattr(found, name)


def _look_in_working_directory() -> None:
    if "" not in sys.path and os.getcwd() not in sys.path:  # noqa: PTH109  # a string is compared
        sys.path.append(os.getcwd())  # noqa: PTH109


def _exists(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):  # the package around it is missing, or no name at all
        return False


@cache
def _import_modules() -> None:
    for name in named_modules():
        with _one_plugin(f"--plugin {name}"):
            import_module(name)
