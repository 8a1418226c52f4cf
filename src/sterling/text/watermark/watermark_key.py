"""A watermark as a file: its secret, its settings, and its tokenizer."""

import hashlib
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from sterling.errors import InputError
from sterling.storage import write_new
from sterling.text.watermark.keyed_hash import BITS
from sterling.text.watermark.triple_set import TripleSetWatermark

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class WatermarkKey:
    """A watermark and the tokenizer whose ids it colours.

    Attributes:
        watermark: Watermark with its secret.
        tokenizer: Fingerprint of the tokenizer, see `tokenizer_fingerprint`.
    """

    watermark: TripleSetWatermark
    tokenizer: str

    @classmethod
    def new(cls, tokenizer: "PreTrainedTokenizerBase", **settings: Any) -> "WatermarkKey":
        """Make a key with a new secret from the system's source of randomness.

        Args:
            tokenizer: Tokenizer of the model that will be marked.
            settings: Settings of `TripleSetWatermark`.
        """
        secret = TripleSetWatermark(secrets.randbelow(2**BITS), **settings)
        return cls(secret, tokenizer_fingerprint(tokenizer))

    @classmethod
    def read(cls, path: Path) -> "WatermarkKey":
        """Read the key in a file.

        Raises:
            InputError: The file is missing or holds no key.
        """
        try:
            return TypeAdapter(cls).validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise InputError(
                f"{path}: no such key; make one with: sterling text watermark key {path}"
            ) from error
        except (ValidationError, InputError) as error:
            raise InputError(f"{path}: holds no watermark key: {_first(error)}") from error

    def write(self, path: Path) -> None:
        """Write the key to a new file that only its owner may read.

        Raises:
            InputError: The file exists: a key that is lost verifies nothing.
        """
        content = TypeAdapter(dict[str, Any]).dump_json(asdict(self), indent=1)
        write_new(path, content, mode=0o600)

    def check(self, tokenizer: "PreTrainedTokenizerBase", name: str) -> None:
        """Refuse another tokenizer than the key's: its ids would be coloured at random.

        Raises:
            InputError: It is another.
        """
        if tokenizer_fingerprint(tokenizer) != self.tokenizer:
            raise InputError(
                f"model {name}: its tokenizer is not the one that this key counts in; give the "
                "model that the key was made for"
            )


def tokenizer_fingerprint(tokenizer: "PreTrainedTokenizerBase") -> str:
    """Return SHA-256 of the vocabulary, every token with its id, hexadecimal."""
    digest = hashlib.sha256()
    for token, number in sorted(tokenizer.get_vocab().items()):
        digest.update(f"{token}\0{number}\0".encode())
    return digest.hexdigest()


def _first(error: ValidationError | InputError) -> str:
    if isinstance(error, InputError):
        return str(error)
    one = error.errors()[0]
    return f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}"
