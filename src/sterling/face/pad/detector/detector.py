"""A trained network with its preprocessing, threshold and provenance, under PyTorch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError
from sterling.face.pad.detector.base import CONFIG, Answers, SealedDetector, read_card
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.detector.weights import encode, load_weights, read_tensors, require_weights
from sterling.face.pad.layers.cdc import fold
from sterling.face.pad.networks.network import Network, Output
from sterling.face.pad.networks.registry import build_network

_ARGUMENT = 4096  # an integer among a network's arguments, at most


@dataclass(frozen=True, eq=False)
class Detector(SealedDetector):
    """A presentation attack detector under PyTorch (see `DetectorBase`).

    Its score, higher means bona fide, is the mean of the predicted map, the probability of bona
    fide, a mixture of the two, or log odds, as the network has it (`Network.liveness`).

    Raises:
        InputError: The crop's size does not suit the network.
    """

    format = "sterling-pad-3"
    former = "sterling-pad-2"
    file = "model.safetensors"

    model: Network

    def __post_init__(self) -> None:
        if self.preprocessing.size % self.model.shrink:
            raise InputError(
                f"size is {self.preprocessing.size}: {self.model.name} needs crops whose side is "
                f"divisible by {self.model.shrink}"
            )

    def score_maps(
        self, images: Tensor, *, present: Tensor | None = None, batch_size: int = 16
    ) -> NDArray[np.float32]:
        """Predict liveness maps.

        Args:
            images: uint8 (N, [T,] C, S, S) as `preprocessing` and the network say.
            present: bool (N, M), which modalities there are; None: all.
            batch_size: Presentations per forward pass.

        Returns:
            (N, [F,] S/8, S/8), 0 or more.

        Raises:
            InputError: Images of another type, size or number of channels, an absent modality that
                is needed, or a network without maps.
        """
        if not self.model.has_map:
            raise InputError(f"{self.model.name} answers with a probability and has no maps")
        parts = [output.maps for output in self._outputs(images, present, batch_size)]
        return torch.cat([part for part in parts if part is not None]).float().cpu().numpy()

    def answer(
        self,
        images: Tensor | NDArray[np.uint8],
        *,
        present: Tensor | NDArray[np.bool_] | None = None,
        batch_size: int = 16,
    ) -> Answers:
        """Score presentations and give their features; see `DetectorBase`."""
        images = torch.as_tensor(images)
        present = None if present is None else torch.as_tensor(present)
        scores, embedded = [], []
        for output in self._outputs(images, present, batch_size):
            scores.append(self.model.liveness(_double(output)))
            if output.embedding is not None:
                embedded.append(output.embedding.double())
        features = torch.cat(embedded).cpu().numpy() if embedded else None
        return Answers(torch.cat(scores).cpu().numpy(), features)

    def score(
        self,
        images: Tensor | NDArray[np.uint8],
        *,
        present: Tensor | NDArray[np.bool_] | None = None,
        batch_size: int = 16,
        flip: bool = False,
    ) -> NDArray[np.float64]:
        """Score presentations; see `DetectorBase`.

        With `flip` the score is the mean over a presentation and its mirror image (test-time
        augmentation), which takes twice as long.
        """
        if not flip:
            return self.answer(images, present=present, batch_size=batch_size).scores
        images = torch.as_tensor(images)
        seen = (images, images.flip(-1))
        both = [self.score(one, present=present, batch_size=batch_size) for one in seen]
        mean: NDArray[np.float64] = np.mean(both, axis=0)
        return mean

    def _outputs(self, images: Tensor, present: Tensor | None, batch_size: int) -> Iterator[Output]:
        self.preprocessing.require(images, self.model)
        network = fold(self.model)
        device = next(network.parameters()).device
        with torch.inference_mode():
            for rows in torch.split(torch.arange(len(images)), batch_size):
                there = None if present is None else present[rows].to(device)
                yield network(normalise(images[rows].to(device)), there)

    def weights(self) -> bytes:
        """The network's weights as safetensors."""
        return encode(self.model.state_dict(), {"format": "pt"})

    @classmethod
    def from_file(cls, path: Path, card: Mapping[str, Any]) -> "Detector":
        """Build from safetensors; see `SealedDetector`."""
        card_path = path.with_name(CONFIG)
        try:
            attributes = read_card(card)
            _require_arguments(card)
            with torch.device("meta"):  # no memory yet
                outline = _network(card)
            if card.get("format") == cls.format:
                _require_all(outline, card["model"])
        except InputError as error:
            raise InputError(f"{card_path}: {error}") from error
        tensors, _ = read_tensors(path)
        require_weights(outline, tensors, path)
        try:
            detector = cls(model=_network(card), **attributes)
        except InputError as error:
            raise InputError(f"{card_path}: {error}") from error
        load_weights(detector.model, tensors, path)
        detector.model.eval()
        return detector


def _require_arguments(card: Mapping[str, Any]) -> None:
    """Refuse a network so deep or wide that even its outline takes all memory.

    Raises:
        InputError: An argument is out of range, or there are none.
    """
    stored = card.get("model")
    if not isinstance(stored, Mapping):
        raise InputError("field 'model' is missing or no object; save the detector again")
    for name, value in stored.items():
        numbers = value if isinstance(value, list) else [value]
        if len(numbers) > _ARGUMENT or any(
            isinstance(one, int) and abs(one) > _ARGUMENT for one in numbers if name != "seed"
        ):
            raise InputError(f"model: {name} is out of range: at most {_ARGUMENT}")


def _require_all(network: Network, stored: Mapping[str, Any]) -> None:
    """Refuse arguments that were left out: their defaults would change the scores.

    Raises:
        InputError: One was.
    """
    if left_out := sorted(network.to_dict().keys() - stored.keys()):
        raise InputError(f"model: {', '.join(left_out)} are missing; save the detector again")


def _network(card: Mapping[str, Any]) -> Network:
    try:
        return build_network(card["model"])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"a field is missing or malformed ({error})") from error


def _double(output: Output) -> Output:
    """In double precision: the mean over a map is taken exactly."""
    return Output(
        maps=None if output.maps is None else output.maps.double(),
        logits=None if output.logits is None else output.logits.double(),
    )
