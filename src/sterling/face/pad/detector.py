"""A trained network with everything that is needed to use it rightly, and its file format."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError
from sterling.face.pad.cdc import fold
from sterling.face.pad.decision import Decision, decide
from sterling.face.pad.models import build_network
from sterling.face.pad.network import Network, Output
from sterling.face.pad.preprocessing import Preprocessing, normalise
from sterling.face.pad.weights import encode, load_weights, read_tensors, write_whole
from sterling.measure import Threshold

__all__ = ["Detector", "Provenance"]

_FORMAT = "sterling-pad-2"
_CONFIG, _WEIGHTS = "config.json", "model.safetensors"


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("sterling", "torch")}


@dataclass(frozen=True)
class Provenance:
    """Where a detector comes from.

    Attributes:
        data: Name of the training data.
        simulated: Whether that data is simulated.
        licence: Licence under which the weights may be used.
        seed: Seed of the training run.
        items: Number of training items.
        digest: SHA-256 of the training images and maps (`TrainHistory.digest`).
        versions: Package name to version at training time.
    """

    data: str
    simulated: bool
    licence: str
    seed: int
    items: int
    digest: str
    versions: Mapping[str, str] = field(default_factory=_versions)


@dataclass(frozen=True, eq=False)
class Detector:
    """A presentation attack detector for face crops: pictures or clips, of one modality or more.

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

    def decide(
        self, crops: Sequence[Tensor | str], *, there: Collection[str] | None = None
    ) -> tuple[Decision, ...]:
        """Answer each presentation with bona fide, attack, or cannot tell.

        Args:
            crops: Per presentation a crop uint8 ([T,] C, S, S), or the reason there is none
                ("unreadable", "no_face", "too_small", ...), which is answered "cannot tell".
            there: Modalities that the crops hold; None: all.

        Raises:
            InputError: There is no threshold, a crop does not fit `preprocessing`, or a modality is
                absent that the network needs.
        """
        if self.threshold is None:
            raise InputError("this detector has no threshold: choose one on development data first")
        crops_only = [crop for crop in crops if isinstance(crop, Tensor)]
        for crop in crops_only:
            self.preprocessing.require(crop.unsqueeze(0), self.model)
        present = None
        if there is not None:
            row = torch.tensor([name in there for name in self.model.modalities])
            present = row.expand(len(crops_only), -1)
        scored = iter(
            self.score(torch.stack(crops_only), present=present).tolist() if crops_only else []
        )
        answers = [crop if isinstance(crop, str) else next(scored) for crop in crops]
        return decide(answers, self.threshold, margin=self.margin)

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

    def card(self) -> dict[str, Any]:
        """Return everything but the weights as one JSON object."""
        return {
            "model": self.model.to_dict(),
            "preprocessing": self.preprocessing.to_dict(),
            "provenance": asdict(self.provenance),
            "threshold": None if self.threshold is None else json.loads(self.threshold.to_json()),
            "margin": self.margin,
        }

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> "Detector":
        """Read what `save_pretrained` wrote.

        Raises:
            InputError: A file is missing, damaged, of another format, or the two do not belong
                together.
        """
        folder = Path(folder)
        path = folder / _CONFIG
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise InputError(f"{path}: no such file; {folder} is not a saved detector") from error
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not readable as JSON ({error})") from error
        if not isinstance(config, dict) or config.get("format") != _FORMAT:
            raise InputError(f"{path}: 'format' is not {_FORMAT!r}; not a detector of this version")
        try:
            threshold = config["threshold"]
            detector = cls(
                model=build_network(config["model"]),
                preprocessing=Preprocessing.from_dict(config["preprocessing"]),
                provenance=Provenance(**config["provenance"]),
                threshold=None if threshold is None else Threshold.from_json(json.dumps(threshold)),
                margin=float(config["margin"]),
            )
            expected = config["sha256"]
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            detail = str(error).splitlines()[0]
            raise InputError(f"{path}: a field is missing or malformed ({detail})") from error
        weights = folder / _WEIGHTS
        tensors, _ = read_tensors(weights)
        load_weights(detector.model, tensors, weights)
        if hashlib.sha256(weights.read_bytes()).hexdigest() != expected:
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
