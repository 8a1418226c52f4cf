from sterling.errors import InputError, unknown_name


def test_unknown_name_suggests_the_nearest_and_lists_all() -> None:
    error = unknown_name("study", "cdnc", ["cdcn", "mia_fdr"])
    assert isinstance(error, InputError)
    assert str(error) == "unknown study 'cdnc': did you mean cdcn? available: cdcn, mia_fdr"


def test_unknown_name_without_a_near_one_only_lists() -> None:
    assert str(unknown_name("study", "xyz", ["cdcn"])) == "unknown study 'xyz': available: cdcn"
