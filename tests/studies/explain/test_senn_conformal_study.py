from pathlib import Path

import pytest
from tests.studies.smoke import run_smoke


# So few items resolve no smaller level, and the study says so.
@pytest.mark.filterwarnings("ignore::sterling.guarantee.ResolutionWarning")
def test_class_attributes_of_real_birds(shared_data: Path, tmp_path: Path) -> None:
    data = shared_data / "concepts" / "cub_attributes"
    small = (f"data={data}", "items=700", "seeds=1", "certified=2")
    evidence = run_smoke("senn_conformal", tmp_path, *small)
    assert "SIMULATED items from CUB's class attributes" in evidence.scope
    head = next(one for one in evidence.metrics if one.name == "data: head error on true concepts")
    assert head.value is not None
    assert head.value > 0  # twelve attributes do not tell twenty species apart for certain
