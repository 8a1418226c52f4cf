"""A trained network with everything that is needed to use it rightly, and its file format."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError
from sterling.face.pad.detector.base import DetectorBase, Provenance, read_card, read_config
from sterling.face.pad.detector.preprocessing import Preprocessing, normalise
from sterling.face.pad.detector.weights import encode, load_weights, read_tensors, write_whole
from sterling.face.pad.layers.cdc import fold
from sterling.face.pad.networks.network import Network, Output
from sterling.measure import Threshold

_FORMAT = "sterling-pad-2"
_CONFIG, _WEIGHTS = "config.json", "model.safetensors"


@dataclass(frozen=True, eq=False)
class Detector(DetectorBase):
    """A presentation attack detector under PyTorch (see `DetectorBase`).

    Its score is 0 or more, higher means bona fide: the mean of the predicted map, the probability
    of bona fide, or a mixture, as the network has it (`Network.liveness`).

    Attributes:
        model: The network, in evaluation mode.
        preprocessing: What its crops look like; other input is refused.
        provenance: Where it comes from.
        threshold: Decision threshold with its origin; None while there is none.
        margin: Scores nearer to the threshold than this are answered "cannot tell".

    Raises:
        InputError: The crop's size does not suit the network.
    """

    model: Network
    preprocessing: Preprocessing
    provenance: Provenance
    threshold: Threshold | None = None
    margin: float = 0.0

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

    def score(
        self,
        images: Tensor,
        *,
        present: Tensor | None = None,
        batch_size: int = 16,
        flip: bool = False,
    ) -> NDArray[np.float64]:
        """Score presentations, higher means bona fide.

        Args:
            images: uint8 (N, [T,] C, S, S) as `preprocessing` and the network say.
            present: bool (N, M), which modalities there are; None: all.
            batch_size: Presentations per forward pass.
            flip: Whether the score is the mean over a presentation and its mirror image
                (test-time augmentation), which takes twice as long.

        Returns:
            (N,), 0 or more.

        Raises:
            InputError: Images of another type, size or number of channels, or an absent modality
                that is needed.
        """
        if flip:
            seen = (images, images.flip(-1))
            both = [self.score(one, present=present, batch_size=batch_size) for one in seen]
            mean: NDArray[np.float64] = np.mean(both, axis=0)
            return mean
        outputs = self._outputs(images, present, batch_size)
        scores = torch.cat([self.model.liveness(_double(output)) for output in outputs])
        return scores.cpu().numpy()

    def _outputs(self, images: Tensor, present: Tensor | None, batch_size: int) -> Iterator[Output]:
        self.preprocessing.require(images, self.model)
        network = fold(self.model)
        device = next(network.parameters()).device
        with torch.inference_mode():
            for rows in torch.split(torch.arange(len(images)), batch_size):
                there = None if present is None else present[rows].to(device)
                yield network(normalise(images[rows].to(device)), there)

    def with_threshold(self, threshold: Threshold) -> "Detector":
        """Return the same detector with another threshold."""
        return replace(self, threshold=threshold)

    def save_pretrained(self, folder: Path | str) -> None:
        """Write ``model.safetensors`` and ``config.json`` into `folder`, which is made if missing.

        Each file is replaced at once, the weights first. The configuration holds their SHA-256, so
        that a save that was cut short between the two is refused when it is read.

        Raises:
            InputError: The folder cannot be written to.
        """
        weights = encode(self.model.state_dict(), {"format": "pt"})
        config = {"format": _FORMAT, "sha256": hashlib.sha256(weights).hexdigest(), **self.card()}
        folder = Path(folder)
        write_whole(folder / _WEIGHTS, weights)
        write_whole(folder / _CONFIG, (json.dumps(config, indent=2) + "\n").encode())

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> "Detector":
        """Read what `save_pretrained` wrote.

        Raises:
            InputError: A file is missing, damaged, of another format, or the two do not belong
                together.
        """
        folder = Path(folder)
        path = folder / _CONFIG
        config = read_config(path)
        if config.get("format") != _FORMAT:
            raise InputError(f"{path}: 'format' is not {_FORMAT!r}; not a detector of this version")
        try:
            detector = cls(**read_card(config))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        weights = folder / _WEIGHTS
        tensors, _ = read_tensors(weights)
        load_weights(detector.model, tensors, weights)
        if hashlib.sha256(weights.read_bytes()).hexdigest() != config["sha256"]:
            raise InputError(
                f"{weights}: SHA-256 differs from the one in {_CONFIG}; save or copy both again"
            )
        detector.model.eval()
        return detector


def _double(output: Output) -> Output:
    """In double precision: the mean over a map is taken exactly."""
    return Output(
        maps=None if output.maps is None else output.maps.double(),
        logits=None if output.logits is None else output.logits.double(),
    )
