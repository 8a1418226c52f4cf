"""Description of a network that is not loaded: enough to check input and to answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sterling.face.data.modality import Modality, channels_of, require_modalities


@dataclass(frozen=True)
class Interface:
    """Name, arguments and input of a network; the attributes have the names of `Network`'s.

    Attributes:
        stored: Name and arguments that build the network (`Network.to_dict`).
        modalities: Modalities of a picture, in the order of the channels.
        frames: Frames of a presentation; 1 for single pictures, without an axis.
        flexible: Whether the network accepts presentations in which a modality is absent.
        crops: Number of crops of the face, cut at different scales.
    """

    stored: Mapping[str, Any]
    modalities: tuple[Modality, ...]
    frames: int
    flexible: bool
    crops: int = 1

    @classmethod
    def of_graph(cls, stored: Mapping[str, Any], shapes: Mapping[str, list[Any]]) -> "Interface":
        """Derive the input of a network from its exported graph.

        Args:
            stored: `Network.to_dict`'s object.
            shapes: Shape of each input of the graph by name, the batch first.

        Raises:
            ValueError: The graph and the arguments disagree.
            KeyError: The graph has no input ``images``, or `stored` no name.
        """
        modalities = require_modalities(stored.get("modalities", ("rgb",)))
        _batch, *frames, channels, _height, _width = shapes["images"]
        if channels != channels_of(modalities) or not isinstance(stored["name"], str):
            raise ValueError(f"{channels} channels for {', '.join(modalities)}")
        return cls(dict(stored), modalities, frames[0] if frames else 1, "present" in shapes)

    @property
    def name(self) -> str:
        """Name of the architecture."""
        return str(self.stored["name"])

    @property
    def channels(self) -> int:
        """Channels of a picture with all modalities and crops."""
        return self.crops * channels_of(self.modalities)

    def shape(self, size: int) -> tuple[int, ...]:
        """Shape of one presentation whose pictures have sides of `size`."""
        return (*((self.frames,) if self.frames > 1 else ()), self.channels, size, size)

    def to_dict(self) -> dict[str, Any]:
        """Return name and arguments that build the network, without its weights."""
        return dict(self.stored)
