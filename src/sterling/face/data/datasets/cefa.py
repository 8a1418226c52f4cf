"""CASIA-SURF CeFA (Liu et al., WACV 2021): three ethnicities and three cameras.

Give the folder of AF, CA, EA and Mask. One row per moment of the three cameras. ``sensor`` is the
way of recording, ``illumination`` indoor, outdoor or random, and a subject is written AF-000, or
mask_3d-002 for who wears a mask. Masks are in every test split and in no other.

Protocols: ``"1.1"`` … ``"1.3"`` trained on Africans, Central Asians or East Asians and tested on
the two others; ``"2.1"`` trained on prints, tested on screens, ``"2.2"`` the reverse; ``"3.1"`` …
``"3.3"`` trained on colour, depth or infrared pictures, tested on the two others; ``"4.1"`` …
``"4.3"`` as 1, trained on screens, tested on prints; ``"5"`` everything, to be reported for each
ethnicity apart. Figures of 1 to 4 are means over their parts.
"""

from collections.abc import Mapping

from sterling.face.data.datasets.spec import (
    Dataset,
    Grammar,
    Presentation,
    Protocol,
    cross_modal,
)
from sterling.face.data.manifest import ATTACK, BONA_FIDE
from sterling.face.data.modality import Modality

_RACES = {"AF": "1", "CA": "2", "EA": "3"}
_SPECIES = {"1": BONA_FIDE, "2": "print_cloth", "3": "print_photo", "4": "replay"}
_MASKS = {"3D": "mask_3d", "Silicone": "mask_silicone"}
_PRINT = ("print_cloth", "print_photo")
_FLAT = (*_PRINT, "replay")
_MASKS_UNKNOWN = "how many masks its test split has"
_ACQUISITION = {"1": "rssdk", "2": "mp4", "3": "bag", "4": "MOV"}
_PLACES = {"1": "indoor", "2": "outdoor", "3": "random"}
_CAMERAS: tuple[Modality, ...] = ("rgb", "depth", "ir")
_CAMERA, _PICTURE = r"(?P<camera>color|profile|depth|ir)", r"(?P<frame>\d+)\.jpg"


def _describe(groups: Mapping[str, str]) -> Presentation | None:
    if groups.get("mask"):
        return _describe_mask(groups)
    race, number = groups["race"], groups["number"]
    if groups["code"] != _RACES[race] or groups["folder"] != number or int(number) >= 500:
        return None
    fields = (groups[name] for name in ("code", "number", "acquisition", "session", "kind"))
    return Presentation(
        name="_".join(fields),
        species=_SPECIES[groups["kind"]],
        subject=f"{race}-{number}",
        split="train" if int(number) < 200 else "dev" if int(number) < 300 else "test",
        session=groups["session"],
        sensor=_ACQUISITION[groups["acquisition"]],
        illumination=_PLACES[groups["session"]],
        traits={"race": race},
    )


def _describe_mask(groups: Mapping[str, str]) -> Presentation:
    species = _MASKS[groups["mask"]]
    return Presentation(
        name=f"{species}/{groups['number']}/{groups['video']}",
        species=species,
        subject=f"{species}-{groups['number']}",
        split="test",
        traits={"race": ""},
    )


def _protocol(
    race: str, seen: tuple[str, ...], unseen: tuple[str, ...], train: int, dev: int
) -> Protocol:
    """Train on one race, or all, and on the species seen; test on the others, and on masks.

    The published sizes are those of the paper, which counts each camera's video, over three.
    """

    def rule(presentation: Presentation) -> str:
        testing = presentation.split == "test"
        species, its_race = presentation.species, presentation.traits["race"]
        if species in _MASKS.values():
            return "test"
        if race and (its_race == race) == testing:
            return ""
        attacks = unseen if testing else seen
        return presentation.split if species == BONA_FIDE or species in attacks else ""

    return Protocol(rule, {"train": train, "dev": dev}, note=_MASKS_UNKNOWN)


CEFA = Dataset(
    key="cefa",
    title="CASIA-SURF CeFA",
    layout=(
        "{AF,CA,EA}/{AF,CA,EA}-{NNN}/{race}_{NNN}_{acquisition}_{session}_{kind}/"
        "{color or profile,depth,ir}/NNNN.jpg and {3D,Silicone}-Mask/{NNN}/{1,2}_{NNN}_…/"
        "{color or profile,depth,ir}/NNNN.jpg"
    ),
    grammars=(
        Grammar.of(
            r"(?P<race>AF|CA|EA)/(?P=race)-(?P<folder>\d{3})(?:-IdCard)?/"
            r"(?P<code>[123])_(?P<number>\d{3})_(?P<acquisition>[1-4])_(?P<session>[123])_"
            rf"(?P<kind>[1-4])/{_CAMERA}",
            _PICTURE,
        ),
        Grammar.of(
            r"(?P<mask>3D|Silicone)-Mask/(?P<number>\d{3})/"
            rf"(?P<video>[12]_(?P=number)(?:_\d+)+)/{_CAMERA}",
            _PICTURE,
        ),
    ),
    describe=_describe,
    protocols={
        **{f"1.{code}": _protocol(race, _FLAT, _FLAT, 800, 400) for race, code in _RACES.items()},
        "2.1": _protocol("", _PRINT, ("replay",), 1800, 900),
        "2.2": _protocol("", ("replay",), _PRINT, 1200, 600),
        **{
            f"3.{k}": cross_modal(
                camera, _CAMERAS, {"train": 2400, "dev": 1200}, note=_MASKS_UNKNOWN
            )
            for k, camera in enumerate(_CAMERAS, 1)
        },
        **{
            f"4.{code}": _protocol(race, ("replay",), _PRINT, 400, 200)
            for race, code in _RACES.items()
        },
        "5": _protocol("", _FLAT, _FLAT, 2400, 1200),
    },
    cameras=_CAMERAS,
    counts={
        ("train", BONA_FIDE): 600,
        ("train", ATTACK): 1800,
        ("dev", BONA_FIDE): 300,
        ("dev", ATTACK): 900,
        ("test", BONA_FIDE): 600,
    },
    subjects={"train": 600, "dev": 300},
    unknown=(
        "how many masks there are: 1,846 by the paper's text, 1,000 by its table of protocols, "
        "1,123 in the owners' lists",
        "what folders called AF-000-IdCard hold: they are read as their subject's",
        "whether who wears a mask is also among the subjects of the ethnicities, and to which of "
        "them masks belong in protocol 5",
    ),
)
