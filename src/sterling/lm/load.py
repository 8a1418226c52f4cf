"""Loading of language models: the packaged one, a folder, or an endpoint."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from sterling.errors import InputError
from sterling.lm.endpoint import Endpoint, is_address
from sterling.lm.ledger import CallLedger
from sterling.lm.local import LocalModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load(
    source: str | Path = "smollm2",
    *,
    model: str | None = None,
    api_key: str | None = None,
    ledger: CallLedger | None = None,
) -> LocalModel | Endpoint:
    """Load a language model.

    Args:
        source: "smollm2" for the packaged model, a folder that transformers wrote, or the address
            of an OpenAI-compatible endpoint ("http://127.0.0.1:8000/v1").
        model: Name of one of an endpoint's models; None where `source` is no address.
        api_key: Key of an endpoint that asks for one.
        ledger: Ledger of the calls, possibly with a budget; a new one by default.

    Raises:
        InputError: There is no such model, or a package that runs it is not installed.
    """
    if not is_address(source):
        if re.match(r"[\w.-]+:\d+(/|$)", str(source)) and not Path(source).exists():
            raise InputError(f"{source}: begin the address of an endpoint with http:// or https://")
        if model is not None or api_key is not None:
            raise InputError(f"source {source}: model and api_key belong to an endpoint's address")
        return load_local(source, ledger=ledger)
    if model is None:
        raise InputError(
            f"source {source}: name one of the endpoint's models (model=..., --endpoint-model)"
        )
    return Endpoint(str(source), model, api_key=api_key, ledger=ledger or CallLedger())


def load_local(
    source: str | Path = "smollm2",
    *,
    device: str | None = None,
    dtype: Literal["float32", "bfloat16"] = "float32",
    ledger: CallLedger | None = None,
) -> LocalModel:
    """Load a model whose weights are on this machine, without the network.

    Args:
        source: "smollm2" or a folder with ``config.json``, safetensors and a tokenizer.
        device: Device to run it on; a GPU where there is one by default.
        dtype: Type of weights and logits. bfloat16 generates two to three times as fast on
            processors that support it; its logits have eight bits, so ranks are tied and
            probabilities rough.
        ledger: Ledger of the calls.

    Raises:
        InputError: There is no such model, or transformers is not installed.
    """
    tokenizer = load_tokenizer(source)
    from transformers import AutoModelForCausalLM

    folder = _folder(source)
    with _quietly(folder):
        weights = AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, dtype), local_files_only=True, use_safetensors=True
        )
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    name = source if source == "smollm2" else folder.name
    return LocalModel(str(name), weights.to(place).eval(), tokenizer, ledger or CallLedger())


def load_tokenizer(source: str | Path = "smollm2") -> "PreTrainedTokenizerBase":
    """Load the tokenizer of a model alone; arguments and errors as for `load_local`."""
    try:
        from transformers import AutoTokenizer

        folder = _folder(source)
    except ImportError as error:
        raise InputError(
            f"language models need the package {error.name}: pip install 'sterling[lm]'"
        ) from error
    with _quietly(folder):
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _folder(source: str | Path) -> Path:
    from sterling.lm.smollm2 import smollm2_folder

    folder = smollm2_folder() if source == "smollm2" else Path(source)
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder}: no config.json in it; give 'smollm2', a folder that transformers wrote, or "
            "the http address of an endpoint"
        )
    return folder


@contextmanager
def _quietly(folder: Path) -> Iterator[None]:
    """Silence transformers' progress bars and advice; its read errors become `InputError`."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: {error}") from error
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
