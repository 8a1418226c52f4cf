"""YAML files from people, read without anything that a name or a key could hide."""

from pathlib import Path
from typing import Any

import yaml

from sterling.errors import InputError, quoted
from sterling.files import open_regular

MAX_BYTES = 1 << 20


class _UniqueKeys(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """Refuses a key that is given twice, of which PyYAML keeps the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                line = node.value[index][0].start_mark.line + 1
                raise InputError(f"line {line}: {quoted(key)} is given twice; rename one of them")
        return dict(super().construct_mapping(node, deep))


def read_yaml(path: Path, kind: str) -> Any:
    """Read a YAML file of plain values.

    Args:
        path: The file, at most 1 MiB.
        kind: Kind of the file, for messages ("card", "system", ...).

    Raises:
        InputError: It is missing, no YAML, has references (``*name``), of which a few lines stand
            for gigabytes, or gives a key twice.
    """
    with open_regular(path, kind, largest=MAX_BYTES) as file:
        content = file.read()
    try:
        text = content.decode()
        references = any(isinstance(one, yaml.AliasToken) for one in yaml.scan(text))
        value = None if references else yaml.load(text, _UniqueKeys)  # noqa: S506  # a safe one
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not readable as YAML ({reason})") from error
    if references:
        raise InputError(f"{path}: has references (*name), which a {kind} has not; write values")
    return value
