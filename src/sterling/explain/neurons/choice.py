"""One way to choose an encoder: a folder, or the name of one that ships."""

from collections.abc import Callable
from pathlib import Path

from sterling.errors import InputError
from sterling.explain.neurons.caption_encoder import CaptionEncoder
from sterling.explain.neurons.class_name_encoder import ClassNameEncoder
from sterling.explain.neurons.encoders import ImageTextEncoder, PretrainedEncoder

SHIPPED: dict[str, Callable[[], ImageTextEncoder]] = {
    "captions": CaptionEncoder,
    "class-names": ClassNameEncoder,
}


def choose_encoder(chosen: str) -> ImageTextEncoder:
    """Return an encoder by a name of `SHIPPED`, or the CLIP or SigLIP model in a folder.

    Raises:
        InputError: The encoder cannot be had.

    Examples:
        >>> choose_encoder("captions")
    """
    if chosen in SHIPPED:
        return SHIPPED[chosen]()
    if not Path(chosen).is_dir():
        raise InputError(
            f"--encoder {chosen}: no such folder; give one with a CLIP or SigLIP model, or "
            + " or ".join(SHIPPED)
        )
    return PretrainedEncoder(chosen)
