"""Weights of the logo networks as files: half-precision safetensors beside a JSON card."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors.torch import load, save
from torch import nn

from sterling.errors import InputError
from sterling.files import open_regular
from sterling.storage import write_atomically

M = TypeVar("M", bound=nn.Module)


def save_weights(module: nn.Module, folder: Path, name: str, card: Mapping[str, Any]) -> None:
    """Write ``<name>.safetensors`` and ``<name>.json`` into a folder, made where it is missing.

    Raises:
        InputError: The folder cannot be written to.
    """
    weights = {
        key: value.half() if value.is_floating_point() else value
        for key, value in module.state_dict().items()
    }
    write_atomically(folder / f"{name}.safetensors", save(weights))
    write_atomically(folder / f"{name}.json", json.dumps(card, indent=2) + "\n")


def load_weights(folder: Path, name: str, make: Callable[[dict[str, Any]], M]) -> M:
    """Read what `save_weights` wrote; nothing is unpickled.

    Args:
        folder: The folder.
        name: Name of the files.
        make: Makes the module that the card describes.

    Raises:
        InputError: A file is missing or does not fit.
    """
    try:
        with open_regular(folder / f"{name}.json", "card of weights") as file:
            module = make(json.load(file))
        with open_regular(folder / f"{name}.safetensors", "weights") as file:
            weights = load(file.read())
        module.load_state_dict(
            {key: one.float() if one.is_floating_point() else one for key, one in weights.items()}
        )
    except InputError:
        raise
    except Exception as error:  # safetensors, torch and json raise their own kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{folder}: no {name} that fits ({reason}); give a folder that `save` wrote"
        ) from error
    return module.eval()
