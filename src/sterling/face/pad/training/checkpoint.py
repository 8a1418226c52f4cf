"""The state of a training run after an epoch, so that an interrupted run resumes exactly."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.face.pad.detector.weights import digest, encode, load_weights, read_tensors
from sterling.storage import write_atomically

_MODEL, _OPTIMIZER = "model.", "optimizer."


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    run: Mapping[str, Any],
    progress: Mapping[str, Any],
) -> None:
    """Write weights, optimiser state, `run` and `progress` to one safetensors file, at once.

    Args:
        path: The file; replaced when it exists.
        model: Its state dict is stored.
        optimizer: Its per-parameter state must be tensors.
        run: Settings that must match when the run resumes, as a JSON object.
        progress: JSON object that is handed back.

    Raises:
        InputError: The file cannot be written.
    """
    tensors = {_MODEL + name: value for name, value in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"{_OPTIMIZER}{index}.{name}"] = value
    metadata = {"run": json.dumps(run), "progress": json.dumps(progress)}
    metadata["digest"] = _digest(tensors, metadata)
    write_atomically(path, encode(tensors, metadata))


def is_intact(path: Path) -> bool:
    """Whether a checkpoint holds what was written; damage that digests show is no error.

    Raises:
        InputError: The file is no checkpoint at all.
    """
    tensors, metadata = read_tensors(path)
    return metadata.get("digest", "") in ("", _digest(tensors, metadata))


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    text = "".join(metadata.get(name, "") for name in ("run", "progress"))
    values = digest(*(tensors[name] for name in sorted(tensors)))
    return hashlib.sha256(f"{values}{text}".encode()).hexdigest()


def load_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, *, run: Mapping[str, Any]
) -> dict[str, Any]:
    """Put a checkpoint's state into `model` and `optimizer` and return its `progress`.

    Raises:
        InputError: The file is not a checkpoint, or one of another `run`.
    """
    tensors, metadata = read_tensors(path)
    try:
        stored = json.loads(metadata["run"])
        progress: dict[str, Any] = json.loads(metadata["progress"])
    except (KeyError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not a training checkpoint; delete it to start anew") from error
    wanted = json.loads(json.dumps(run))  # as it was stored: tuples are lists
    differing = [name for name in wanted if stored.get(name) != wanted[name]]
    if differing:
        raise InputError(
            f"{path}: belongs to a run with another {', '.join(differing)}; "
            "delete it to start anew, or resume with the same settings and data"
        )
    weights = {k.removeprefix(_MODEL): v for k, v in tensors.items() if k.startswith(_MODEL)}
    load_weights(model, weights, path)
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(_OPTIMIZER):
            index, name = key.removeprefix(_OPTIMIZER).split(".")
            state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    return progress
