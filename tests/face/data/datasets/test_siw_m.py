"""SiW-M: thirteen species, each left out once, and people nobody knows."""

from tests.face.data.trees import SIW_M_FOLDERS, whole

from sterling.face.data import SIW_M


def test_thirteen_species_are_left_out_once_each() -> None:
    presentations = whole("siw_m").presentations
    species = {one.species for one in presentations} - {"bona_fide"}
    assert len(species) == len(SIW_M_FOLDERS) == len(SIW_M.protocols) == 13
    tested: list[str] = []
    for name, protocol in SIW_M.protocols.items():
        left = name.removeprefix("leave_one_species_out:")
        seen = {split: {one.species for one in presentations if protocol.rule(one) == split}
                for split in ("train", "test")}  # fmt: skip
        assert seen == {"train": species - {left} | {"bona_fide"}, "test": {left, "bona_fide"}}
        tested.append(left)
    assert sorted(tested) == sorted(species)


def test_each_video_counts_as_a_person_and_it_is_said() -> None:
    presentations = whole("siw_m").presentations
    assert len({one.subject for one in presentations}) == len(presentations) == 660 + 968
    assert any("who is who" in clause for clause in SIW_M.unknown)
