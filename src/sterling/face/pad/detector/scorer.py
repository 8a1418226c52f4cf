"""Detectors of others that are code or a server: a function of face crops, or an HTTP address.

A function takes crops, uint8 (N, size, size, 3) in RGB, and returns N scores, higher for bona fide.
Its attributes say how to cut the crops; each has a default::

    # my_package/liveness.py
    def score(crops):
        return network(crops)  # N numbers


    score.size, score.crop_scale, score.border = 224, 1.3, "repeat"

    # elsewhere
    detector = load_detector("my_package.liveness:score")

An object with the method ``__call__`` will do, too. An address gets ``{"images": [...]}`` by POST,
a PNG of each crop as base64, and answers ``{"scores": [...]}``.
"""

from __future__ import annotations

import base64
import io
import ipaddress
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError

from sterling.errors import InputError
from sterling.face.data.pixels import as_array
from sterling.face.pad.detector.base import DetectorBase, Provenance
from sterling.face.pad.detector.card import (
    SCORER_FORMAT,
    ScorerCard,
    parse_scorer_card,
    write_card_file,
)
from sterling.face.pad.detector.decision import ScoringError
from sterling.face.pad.detector.preprocessing import Preprocessing
from sterling.face.pad.detector.pretrained import CARD_FILE
from sterling.face.pad.networks.interface import Interface
from sterling.plugins import named_modules, named_object
from sterling.remote import EndpointError, Remote, is_address, run

if TYPE_CHECKING:
    from torch import Tensor

ADDRESSES = "STERLING_ADDRESSES"
"""Environment variable with the addresses that a card may send crops to, separated by blanks."""

ASSUMED: dict[str, Any] = {
    "size": 224,
    "crop_scale": 1.3,
    "border": "repeat",
    "threshold": None,
    "data": "unknown",
    "licence": "unknown",
}
"""Settings of a scorer that states none. Our choice."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class ScorerDetector(DetectorBase):
    """A function or an address as a detector (see `DetectorBase`).

    Attributes:
        described: The card.
        ask: Scores a batch of crops, uint8 (N, size, size, 3): N numbers.
    """

    described: ScorerCard = field(kw_only=True)
    ask: Callable[[Pixels], Any] = field(kw_only=True)

    @classmethod
    def named(cls, scorer: str, **stated: Any) -> ScorerDetector:
        """Return the detector that a name or an address stands for.

        Args:
            scorer: ``package.module:callable``, or an address.
            stated: Fields of `ScorerCard`, which come before attributes of the function.

        Raises:
            InputError: There is no such function, or an attribute is of another kind.
        """
        ask = _asked(scorer)
        own = {name: getattr(ask, name, default) for name, default in ASSUMED.items()}
        fields = {"name": scorer[:100], "note": "", "margin": 0.0, **own, **stated}
        if isinstance(fields["threshold"], (int, float)):
            fields["threshold"] = {"value": fields["threshold"], "source": "the maker"}
        card = parse_scorer_card({"format": SCORER_FORMAT, "scorer": scorer, **fields}, scorer)
        return cls._of(card, ask)

    @classmethod
    def of(cls, card: ScorerCard, source: str = "card") -> ScorerDetector:
        """Build from a card, a file that may have come from anywhere; `source` is named in errors.

        A card alone runs no code and sends no picture away: its module has to be named with
        ``--plugin``, and its address be one of this machine or listed in `ADDRESSES`.

        Raises:
            InputError: It has not, or there is no such function.
        """
        _require_consent(card.scorer, source)
        return cls._of(card, _asked(card.scorer))

    @classmethod
    def _of(cls, card: ScorerCard, ask: Callable[[Pixels], Any]) -> ScorerDetector:
        facts = {"name": card.name, "scorer": card.scorer}
        found = "none" if card.crop_scale is None else "CenterFace"
        return cls(
            model=Interface(facts | ({"note": card.note} if card.note else {}), ("rgb",), 1, False),
            preprocessing=Preprocessing(
                card.size, card.crop_scale, found, "none", border=card.border
            ),
            provenance=Provenance(card.data, False, card.licence, 0, 0, "", {}),
            threshold=card.parsed_threshold(),
            margin=card.margin,
            limits=card.parsed_limits(),
            promise=card.promise,
            described=card,
            ask=ask,
        )

    def score(
        self,
        images: Tensor | NDArray[np.uint8],
        *,
        present: Tensor | NDArray[np.bool_] | None = None,
        batch_size: int = 16,
    ) -> NDArray[np.float64]:
        """Score presentations; see `DetectorBase`.

        Raises:
            ScoringError: The scorer raised, or did not answer with one finite number per crop.
        """
        self.preprocessing.require(images, self.model)
        if present is not None and not as_array(present).all():
            raise InputError("present: this detector needs rgb")
        pixels = as_array(images).transpose(0, 2, 3, 1)
        scores = np.zeros(len(pixels))
        for start in range(0, len(pixels), batch_size):
            # A copy: a function that works in place must not change the caller's crops.
            batch = np.array(pixels[start : start + batch_size], order="C")
            try:
                given = self._answered(batch)
            except (Exception, SystemExit) as error:  # foreign code raises anything
                self._blame(error, batch, start, len(pixels))
            scores[start : start + len(batch)] = self._read(given, len(batch), start, len(pixels))
        return scores

    def _answered(self, batch: Pixels) -> Any:
        with redirect_stdout(sys.stderr):  # standard output may be a JSON document
            return self.ask(batch)

    def _blame(self, error: BaseException, batch: Pixels, start: int, count: int) -> NoReturn:
        """Name the crop on which a function raises; a server is not asked again."""
        place, last = start, start + len(batch)
        if not isinstance(error, (EndpointError, InputError)):
            for row in range(len(batch)):
                try:
                    self._answered(batch[row : row + 1].copy())
                except (Exception, SystemExit) as alone:
                    error, place, last = alone, start + row, start + row + 1
                    break
        reason = str(error)
        if not isinstance(error, (EndpointError, InputError)):
            reason = f"raised {type(error).__name__}: {error}"
        self._refuse(place, last, count, " ".join(reason.split())[:300], error)

    def _refuse(
        self, first: int, last: int, count: int, reason: str, error: BaseException | None = None
    ) -> NoReturn:
        which = f"crop {first + 1}" if last == first + 1 else f"crops {first + 1} to {last}"
        name = self.described.scorer
        if is_address(name):
            name = Remote(name).shown
        reason = reason.removeprefix(f"{name}: ")
        raise ScoringError(f"{name}: {which} of {count}: {reason}", first) from error

    def _read(self, given: Any, count: int, start: int, whole: int) -> NDArray[np.float64]:
        """Scores of a batch, from what the scorer returned."""
        last = start + count
        try:
            numbers = np.asarray(given.numpy(force=True) if hasattr(given, "detach") else given)
        except (TypeError, ValueError, RuntimeError, AttributeError) as error:
            self._refuse(start, last, whole, f"returned {type(given).__name__}, no numbers", error)
        if numbers.dtype.kind not in "fiub":
            kind = f"{type(given).__name__} ({numbers.dtype})"
            self._refuse(start, last, whole, f"returned {kind}, no numbers")
        if numbers.shape not in ((count,), (count, 1)):
            reason = f"returned {numbers.dtype} {numbers.shape}; return one number per crop, "
            self._refuse(start, last, whole, f"{reason}({count},), higher for bona fide")
        scores = numbers.astype(np.float64)
        scores = scores.reshape(count)
        if not np.isfinite(scores).all():
            row = int((~np.isfinite(scores)).argmax())
            place = start + row
            self._refuse(place, place + 1, whole, f"returned {scores[row]}; return finite numbers")
        return scores

    @property
    def caution(self) -> str:
        """Say what no file of sterling's seals."""
        name = self.described.scorer
        if is_address(name):
            return (
                f"crops are sent to {Remote(name).shown}, whose network nobody seals: it may change"
            )
        return (
            f"scores come from {name}, whose code and weights nobody seals; a card or folder of it "
            f"is loaded with{self.consent}"
        )

    @property
    def consent(self) -> str:
        """Option that lets a card run the function; ``""`` for an address."""
        name = self.described.scorer
        return "" if is_address(name) else f" --plugin {name.partition(':')[0]}"

    def save_pretrained(self, folder: Path | str) -> None:
        """Write ``card.yaml`` into `folder`: the name, and no code or weights."""
        write_card_file(self.described.of(self), Path(folder) / CARD_FILE)


def _asked(scorer: str) -> Callable[[Pixels], Any]:
    """The function, or one that asks the address."""
    if is_address(scorer):
        return _Server(scorer)
    with redirect_stdout(sys.stderr):
        found = named_object(scorer, "detector")
    if isinstance(found, type) or not callable(found):
        kind = "class" if isinstance(found, type) else type(found).__name__
        raise InputError(
            f"detector {scorer}: is a {kind}; name a function, or an object that can be called"
        )
    return found  # type: ignore[no-any-return]


def _require_consent(scorer: str, source: str) -> None:
    """Refuse what a file asks for and the user did not name."""
    if is_address(scorer):
        listed = os.environ.get(ADDRESSES, "").split()
        if not _is_local(scorer) and scorer not in listed:
            raise InputError(
                f"{source}: sends crops of faces to {Remote(scorer).shown}; to allow that, list "
                f"the address in the environment variable {ADDRESSES}"
            )
        return
    module = scorer.partition(":")[0]
    if module not in named_modules():
        raise InputError(
            f"{source}: runs {scorer}, and a file alone may run no code; to allow that, add "
            f"--plugin {module}"
        )


def _is_local(address: str) -> bool:
    host = urlsplit(address.strip()).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Scores(BaseModel):
    model_config = ConfigDict(extra="ignore")

    scores: list[float]


@dataclass(frozen=True, eq=False)
class _Server:
    """A server that scores crops.

    Attributes:
        address: Its address.

    Raises:
        InputError: The address holds a password, or no host.
    """

    address: str

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.address.strip())
            host, password = parts.hostname, parts.username or parts.password
        except ValueError as error:
            raise InputError(f"{self.address[:200]}: no address ({error})") from error
        if not host or password:
            raise InputError(
                f"{Remote(self.address).shown}: give an address of the form http://host:port/path, "
                "without a password"
            )

    def __call__(self, crops: Pixels) -> NDArray[np.float64]:
        """Ask for the scores of a batch.

        Raises:
            EndpointError: There is no whole answer, or it holds no scores.
        """
        return run(self._ask(crops))

    async def _ask(self, crops: Pixels) -> NDArray[np.float64]:
        import httpx2 as httpx

        remote = Remote(self.address)
        body = {"images": [base64.b64encode(_png(crop)).decode() for crop in crops]}
        async with remote.client() as client:

            async def once() -> httpx.Response:
                return (await remote.send(client, body)).raise_for_status()

            try:
                answer = await remote.retried(once)
            except httpx.HTTPStatusError as error:
                said = remote.safe(error.response.text[:200])
                raise EndpointError(f"status {error.response.status_code}: {said}") from None
        try:
            return np.array(_Scores.model_validate_json(answer.content).scores)
        except ValidationError:
            said = remote.safe(repr(answer.text[:200]))
            raise EndpointError(f'the answer is not {{"scores": [...]}}: {said}') from None


def _png(crop: Pixels) -> bytes:
    content = io.BytesIO()
    Image.fromarray(crop).save(content, "PNG", compress_level=1)
    return content.getvalue()
