"""Signatures over bundles with a key of one's own, as OpenSSF model signing defines them."""

from pathlib import Path
from typing import Any

from sterling.errors import InputError
from sterling.extras import needs


def sign(path: Path, private_key: Path) -> Path:
    """Write ``<path>.sig``, the signature of a file.

    Args:
        path: The file.
        private_key: Elliptic-curve key without a password, PEM.

    Raises:
        InputError: The key cannot be read, or model-signing is not installed.
    """
    with needs("sign", "a signature"):
        from model_signing import signing
    place = path.with_name(f"{path.name}.sig")
    try:
        make: Any = signing.Config  # which has no types
        make().use_elliptic_key_signer(private_key=private_key).sign(path, place)
    except Exception as error:  # cryptography raises errors of every kind
        raise InputError(
            f"{private_key}: no private elliptic-curve key without a password in PEM ({error})"
        ) from error
    return place


def check_signature(path: Path, public_key: Path) -> None:
    """Check that ``<path>.sig`` was made over a file by the owner of a key.

    Raises:
        InputError: It was not, a file is missing, or model-signing is not installed.
    """
    with needs("sign", "a signature"):
        from model_signing import verifying
    place = path.with_name(f"{path.name}.sig")
    for needed in (path, place, public_key):
        if not needed.is_file():
            raise InputError(f"{needed}: no such file")
    try:
        check: Any = verifying.Config  # which has no types
        check().use_elliptic_key_verifier(public_key=public_key).verify(path, place)
    except Exception as error:  # one kind for each way to be wrong
        raise InputError(f"{place} does not fit {path} and {public_key}") from error
