"""Reading and writing weights as safetensors: never a pickle."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from sterling.errors import InputError


def encode(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Return a safetensors file's bytes."""
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content: bytes = safetensors.torch.save(stored, dict(metadata or {}))
    return content


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a safetensors file.

    Raises:
        InputError: The file is missing or is not a whole safetensors file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{path}: not a whole safetensors file ({str(error).splitlines()[0]}); save it again"
        ) from error


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy `tensors` into `module`; `path` is named in errors.

    Raises:
        InputError: Names or shapes differ from the module's.
    """
    require_weights(module, tensors, path)
    module.load_state_dict(dict(tensors))


def require_weights(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Check that `tensors` fit `module`, which may be on the device "meta" and take no memory.

    Raises:
        InputError: Names or shapes differ from the module's.
    """
    expected = module.state_dict()
    if odd := sorted(expected.keys() ^ tensors.keys()):
        side = "lacks" if odd[0] in expected else "has an unknown"
        raise InputError(f"{path}: {side} tensor {odd[0]!r} ({len(odd)} such): another network's")
    for name, value in expected.items():
        if value.shape != tensors[name].shape or value.dtype != tensors[name].dtype:
            raise InputError(
                f"{path}: tensor {name!r} is {tensors[name].dtype} {tuple(tensors[name].shape)}, "
                f"the network needs {value.dtype} {tuple(value.shape)}"
            )


def digest(*tensors: Tensor) -> str:
    """Return the SHA-256 (hex) of the tensors' types, shapes and values, in order."""
    total = hashlib.sha256()
    for tensor in tensors:
        array = tensor.detach().cpu().contiguous().numpy()
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(array.data)
    return total.hexdigest()
