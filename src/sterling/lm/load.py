"""Loading of language models: the packaged one, a folder, or an endpoint."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from sterling.errors import InputError
from sterling.extras import needs
from sterling.lm.endpoint import Endpoint
from sterling.lm.ledger import CallLedger
from sterling.lm.local import LocalModel
from sterling.remote import is_address

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Without the last one transformers asks on standard input whether to run the folder's code.
_SAFE = {"local_files_only": True, "trust_remote_code": False}
_POINTER, _POINTER_BYTES = b"version https://git-lfs", 1024


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
        InputError: There is no such model, it is not whole, its tokenizer has tokens that it does
            not embed, or transformers is not installed.
    """
    tokenizer = load_tokenizer(source)
    from transformers import AutoModelForCausalLM

    folder = _folder(source)
    weights = read_pretrained(AutoModelForCausalLM, folder, dtype=getattr(torch, dtype))
    _require_embeddings(weights, tokenizer, folder)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    name = source if source == "smollm2" else folder.name
    return LocalModel(str(name), weights.to(place).eval(), tokenizer, ledger or CallLedger())


def load_tokenizer(source: str | Path = "smollm2") -> "PreTrainedTokenizerBase":
    """Load the tokenizer of a model alone; arguments and errors as for `load_local`."""
    with needs("lm", "a language model"):
        from transformers import AutoTokenizer

        folder = _folder(source)
    return read_tokenizer(AutoTokenizer, folder)


def read_pretrained(kind: Any, folder: Path, **options: Any) -> "PreTrainedModel":
    """Read a model of one of transformers' classes from a folder; code in it is never run.

    Args:
        kind: Class with ``from_pretrained``, such as ``AutoModelForCausalLM``.
        folder: Folder with ``config.json`` and safetensors.
        options: Further arguments of ``from_pretrained``.

    Raises:
        InputError: The folder cannot be read, holds code that would be needed, a pointer of Git LFS
            instead of a file, or lacks weights, which would be drawn at random.
    """
    _require_files(folder)
    with _quietly(folder):
        model, account = kind.from_pretrained(
            folder, use_safetensors=True, output_loading_info=True, **_SAFE, **options
        )
    if missing := sorted(account["missing_keys"]):
        raise InputError(
            f"{folder}: lacks {len(missing)} weights of a {type(model).__name__} "
            f"({', '.join(missing[:3])}); save the whole model, with its head, again"
        )
    return model


def read_tokenizer(kind: Any, folder: Path) -> "PreTrainedTokenizerBase":
    """Read a tokenizer with a class of transformers; errors as for `read_pretrained`."""
    _require_files(folder)
    with _quietly(folder):
        return kind.from_pretrained(folder, **_SAFE)


def _require_files(folder: Path) -> None:
    """Refuse a folder that was cloned without its large files."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.stat().st_size < _POINTER_BYTES:
            with path.open("rb") as file:
                if file.read(len(_POINTER)) == _POINTER:
                    raise InputError(
                        f"{path}: a pointer of Git LFS and not the file; fetch it: git lfs pull"
                    )


def _require_embeddings(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", folder: Path
) -> None:
    """Refuse a tokenizer whose last tokens the model does not know."""
    tokens = max(tokenizer.get_vocab().values(), default=-1) + 1
    known = model.get_input_embeddings().weight.shape[0]
    if tokens > known:
        raise InputError(
            f"{folder}: {tokens} tokens but {known} embeddings: tokens were added; call the "
            f"model's resize_token_embeddings, and save {folder} again"
        )


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
    except Exception as error:  # transformers and safetensors raise dozens of kinds
        reason = " ".join(str(error).split())
        if "trust_remote_code" in reason:
            reason = "needs code that lies in the folder, which is never run; use another model"
        elif not isinstance(error, (OSError, ValueError)):
            reason = f"cannot be loaded ({type(error).__name__}: {reason}); save the model again"
        raise InputError(f"{folder}: {reason}") from error
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
