"""Protocols as data: which subjects, species and domains train, choose and test a detector."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sterling.errors import InputError, unknown_name
from sterling.face.capture.sway import AT_REST, SEATED, TURNING, Sway

KINDS: dict[str, tuple[str, ...]] = {
    "flat": ("print", "print_cut_eyes", "replay", "poster", "portrait"),
    "masks": ("mask_plaster", "mask_resin", "mask_silicone", "mask_latex", "mask_partial"),
    "worn on the living face": ("makeup", "adversarial_patch"),
}
"""Species by what they are: most published data hold flat ones. A mask has relief of its own, and
what is worn on the skin leaves the face's own."""

SPECIES: tuple[str, ...] = tuple(name for kind in KINDS.values() for name in kind)


@dataclass(frozen=True)
class Scale:
    """Numbers of subjects and captures of each split, as (train, dev, test).

    Half of the captures of a split are bona fide.

    Raises:
        InputError: When a number is below 1, or there are not three.
    """

    subjects: tuple[int, int, int] = (30, 12, 24)
    captures: tuple[int, int, int] = (700, 250, 700)

    def __post_init__(self) -> None:
        for field in ("subjects", "captures"):
            if len(getattr(self, field)) != 3 or min(getattr(self, field)) < 1:
                raise InputError(
                    f"scale: {field} {getattr(self, field)!r}; use three numbers from 1"
                )


@dataclass(frozen=True)
class SplitRule:
    """Population of a split. Subjects are always a split's own."""

    species: tuple[str, ...]
    sensors: tuple[str, ...]
    illuminations: tuple[str, ...]
    sessions: tuple[str, ...]
    distances: tuple[str, ...]


@dataclass(frozen=True)
class Protocol:
    """One rule a split, the scale used unless another is asked for, and how clips move."""

    name: str
    train: SplitRule
    dev: SplitRule
    test: SplitRule
    scale: Scale = Scale()
    sway: Sway = AT_REST

    @property
    def splits(self) -> Mapping[str, SplitRule]:
        """The rules by name of their split."""
        return {"train": self.train, "dev": self.dev, "test": self.test}


_SEEN_SPECIES = (
    "print",
    "print_cut_eyes",
    "replay",
    "portrait",
    "mask_plaster",
    "mask_latex",
    "makeup",
    "adversarial_patch",
)
_SEEN_SENSORS = ("phone", "webcam", "terminal")
_SEEN_LIGHT = ("office", "window", "overcast", "lamp")
_NEAR = ("near", "middle")
_seen = SplitRule(_SEEN_SPECIES, _SEEN_SENSORS, _SEEN_LIGHT, ("1", "2"), _NEAR)
_everything = SplitRule(
    SPECIES,
    (*_SEEN_SENSORS, "tablet", "laptop"),
    (*_SEEN_LIGHT, "sunlight", "hard_side", "low_light"),
    ("1", "2", "3"),
    (*_NEAR, "far"),
)
_all_species = SplitRule(SPECIES, _SEEN_SENSORS, _SEEN_LIGHT, ("1", "2"), _NEAR)
_flat = replace(_all_species, species=KINDS["flat"])
_masks = replace(_all_species, species=KINDS["masks"])
_relief = replace(_all_species, species=(*KINDS["flat"], *KINDS["masks"]))
_beating = replace(_all_species, species=("mask_resin", "replay", "print", "mask_silicone"))
_old_types = replace(
    _all_species,
    species=("print", "print_cut_eyes", "replay", "mask_plaster", "mask_latex", "mask_partial"),
)
_new_types = replace(
    _all_species,
    species=("poster", "portrait", "mask_resin", "mask_silicone"),
    illuminations=("sunlight", "hard_side", "low_light"),
)
_far = replace(_relief, sensors=("surveillance",), distances=("middle", "far"))

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("default", _seen, _seen, _everything),
        Protocol("intra", _all_species, _all_species, _all_species),
        Protocol(
            "cross_sensor",
            _all_species,
            _all_species,
            SplitRule(
                SPECIES, ("tablet", "laptop", "surveillance"), _SEEN_LIGHT, ("1", "2"), _NEAR
            ),
        ),
        Protocol(
            "cross_illumination",
            _all_species,
            _all_species,
            SplitRule(
                SPECIES,
                _SEEN_SENSORS,
                ("sunlight", "hard_side", "top_light", "low_light"),
                ("1", "2"),
                _NEAR,
            ),
        ),
        # Like "intra", but every instrument is flat: only people are new.
        Protocol("planar", _flat, _flat, _flat),
        # Flat as well, with cameras, lights and a session in test that training did not see.
        Protocol("planar_open", _flat, _flat, replace(_everything, species=KINDS["flat"])),
        # In clips, subjects turn their heads and attackers their instruments as much.
        Protocol("planar_turning", _flat, _flat, _flat, sway=TURNING),
        # And here masks as well, which have relief: depth alone does not tell them.
        Protocol("flat_and_masks", _relief, _relief, _relief),
        # Surveillance cameras throughout, or only in test: SuHiFiMask's identity and quality.
        Protocol("surveillance", _far, _far, _far),
        Protocol("low_quality", _relief, _relief, _far),
        # Masks alone, as in HiFiMask: seen ones, and the open set of unseen masks, lights, cameras.
        Protocol("masks", _masks, _masks, _masks),
        Protocol(
            "masks_open",
            replace(_masks, species=("mask_plaster", "mask_latex")),
            replace(_masks, species=("mask_plaster", "mask_latex")),
            replace(_everything, species=KINDS["masks"]),
        ),
        # HiFiMask's protocol 3 with its three materials, silicone in place of transparent masks:
        # plaster is never trained on, and lights, cameras and sessions are partly new.
        Protocol(
            "masks_challenge",
            replace(_masks, species=("mask_silicone", "mask_resin")),
            replace(_masks, species=("mask_silicone", "mask_resin")),
            replace(_everything, species=("mask_silicone", "mask_resin", "mask_plaster")),
        ),
        # Types of faces as in zero- and few-shot benchmarks: no light and no species of the test is
        # in training.
        Protocol("new_types", _old_types, _old_types, _new_types),
        # All species are known, and the test's cameras and lights are partly new: what is left out
        # of training decides what else is.
        Protocol(
            "sets",
            _all_species,
            _all_species,
            replace(_everything, sessions=("1", "2"), distances=_NEAR),
        ),
        # In clips, people and instruments are still enough for a heartbeat to be read.
        Protocol("seated", _beating, _beating, _beating, sway=SEATED),
        Protocol("smoke", _seen, _seen, _everything, Scale((3, 2, 3), (32, 16, 24))),
    )
}
_LEAVE_OUT = "leave_one_species_out:"


def find_protocol(name: str) -> Protocol:
    """A protocol by its name: one of :data:`PROTOCOLS`, or ``leave_one_species_out:<species>``.

    Leaving a species out means that training and choosing see all others, and testing sees that
    one only.

    Raises:
        InputError: On an unknown name, with the nearest known one.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    if name.startswith(_LEAVE_OUT):
        species = name.removeprefix(_LEAVE_OUT)
        if species not in SPECIES:
            raise unknown_name("species", species, SPECIES)
        others = tuple(s for s in SPECIES if s != species)
        seen = SplitRule(others, _SEEN_SENSORS, _SEEN_LIGHT, ("1", "2"), _NEAR)
        alone = SplitRule((species,), _SEEN_SENSORS, _SEEN_LIGHT, ("1", "2"), _NEAR)
        return Protocol(name, seen, seen, alone)
    raise unknown_name("protocol", name, (*PROTOCOLS, f"{_LEAVE_OUT}<species>"))
