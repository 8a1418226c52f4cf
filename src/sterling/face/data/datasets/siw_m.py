"""SiW-M (Liu et al., CVPR 2019): thirteen species, each left out in turn.

Give the folder of Live, Makeup, Mask, Paper, Partial and Replay. The names do not tell people:
every video counts as a subject of its own, so that neither the splits nor intervals over subjects
account for people who appear twice.

Protocol ``"leave_one_species_out:<species>"``: trained on Live/Train and twelve species, tested on
Live/Test and the thirteenth. Figures are means over all thirteen.
"""

from collections.abc import Mapping

from sterling.face.data.datasets.spec import Dataset, Grammar, Presentation, Protocol
from sterling.face.data.manifest import ATTACK, BONA_FIDE

_SPECIES = {
    "Makeup/Cosmetic": "makeup_cosmetic",
    "Makeup/Impersonation": "makeup_impersonation",
    "Makeup/Obfuscation": "makeup_obfuscation",
    "Mask/HalfMask": "mask_half",
    "Mask/MannequinHead": "mask_mannequin",
    "Mask/PaperMask": "mask_paper",
    "Mask/SiliconeMask": "mask_silicone",
    "Mask/TransparentMask": "mask_transparent",
    "Paper": "paper",
    "Partial/FunnyeyeGlasses": "partial_funny_eye_glasses",
    "Partial/PaperCut": "partial_paper_cut",
    "Partial/PaperGlasses": "partial_paper_glasses",
    "Replay": "replay",
}


def _describe(groups: Mapping[str, str]) -> Presentation:
    kind = groups.get("kind", "")
    name = f"{kind or 'Live/' + groups['place']}/{groups['file']}"
    return Presentation(
        name=name,
        species=_SPECIES[kind] if kind else BONA_FIDE,
        subject=f"video {name}",
        split=groups.get("place", "").lower(),
    )


def _left_out(species: str) -> Protocol:
    def rule(presentation: Presentation) -> str:
        if presentation.species == BONA_FIDE:
            return presentation.split
        return "test" if presentation.species == species else "train"

    return Protocol(rule)


SIW_M = Dataset(
    key="siw_m",
    title="SiW-M",
    layout=f"Live/{{Train,Test}}/*.mov and {{{','.join(_SPECIES)}}}/*.mov",
    grammars=(
        Grammar.of(r"Live/(?P<place>Train|Test)", r"(?P<file>.+)\.mov"),
        Grammar.of(rf"(?P<kind>{'|'.join(_SPECIES)})", r"(?P<file>.+)\.mov"),
    ),
    describe=_describe,
    protocols={
        f"leave_one_species_out:{species}": _left_out(species) for species in _SPECIES.values()
    },
    counts={("", BONA_FIDE): 660, ("", ATTACK): 968},
    unknown=(
        "who is who: the names do not tell the 493 subjects, so that no split is shown to be "
        "disjoint in people",
        "how many videos each species has, and how the names of files are made",
        "the layout of SiW-Mv2, which replaces this set: it is not read",
    ),
)
