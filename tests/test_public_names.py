"""Every package's public list is true, and the names that others import are there."""

import importlib
import pkgutil

import pytest

import sterling

MODULES = [
    module
    for module in pkgutil.walk_packages(sterling.__path__, "sterling.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", ["sterling", *(m.name for m in MODULES if m.ispkg)])
def test_the_public_list_of_a_package_is_true(name: str) -> None:
    package = importlib.import_module(name)
    public = getattr(package, "__all__", [])
    assert len(set(public)) == len(public)
    for entry in public:
        assert hasattr(package, entry), f"{name}.__all__ names {entry}, which is not there"


@pytest.mark.parametrize("name", [m.name for m in MODULES if not m.ispkg])
def test_only_packages_have_a_public_list(name: str) -> None:
    assert not hasattr(importlib.import_module(name), "__all__")


def test_contract_names() -> None:
    from sterling.adapt import Episodes, LearnedRates, fit_meta, inner_loop
    from sterling.face.capture import simulate
    from sterling.face.pad import CDCN, CentralDifferenceConv2d
    from sterling.face.recognition import ArcFace, Gallery, embed, identify, verification_accuracy
    from sterling.guarantee import (
        SplitConformalClassifier,
        benjamini_hochberg,
        conformal_p_values,
    )
    from sterling.lm import load, token_stats
    from sterling.measure import Rate, Scores, Threshold
    from sterling.privacy import MembershipFDR
    from sterling.reasoning import ReasoningTemplate, reward_gaming
    from sterling.scale import partial_sgd
    from sterling.study import Claim, Evidence, Study
    from sterling.text import TripleSetWatermark

    everything = (simulate, CDCN, CentralDifferenceConv2d, Rate, Scores, Threshold)
    assert all(callable(entry) for entry in (*everything, Claim, Evidence, Study))
    assert all(map(callable, (SplitConformalClassifier, benjamini_hochberg, conformal_p_values)))
    assert all(
        map(callable, (MembershipFDR, ArcFace, verification_accuracy, embed, Gallery, identify))
    )
    assert all(map(callable, (TripleSetWatermark, load, token_stats)))
    assert all(map(callable, (ReasoningTemplate, reward_gaming)))
    assert all(map(callable, (Episodes, LearnedRates, fit_meta, inner_loop, partial_sgd)))
    assert Rate(0, 150).interval(0.95).high == pytest.approx(0.0243, abs=5e-5)


@pytest.mark.parametrize("room", ["measure", "guarantee", "policy"])
def test_rooms_of_arrays_do_not_load_torch(room: str) -> None:
    import subprocess
    import sys

    program = f"import sys, sterling.{room}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
