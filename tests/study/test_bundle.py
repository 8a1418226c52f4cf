import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sterling.errors import InputError
from sterling.measure import Rate
from sterling.runs import Run, open_run
from sterling.studies import ENTRIES, STUDIES
from sterling.study import (
    Claim,
    Config,
    Findings,
    Results,
    Study,
    StudyEntry,
    UntilDecided,
    Views,
    at_least,
    at_most,
    finish_run,
    load_evidence,
    more_often,
    positive,
    row,
    run_study,
)
from sterling.study.agreement import Agreement, agreements
from sterling.study.bundle import CONTENTS, verify_bundle, write_bundle
from sterling.study.lock import LOCKED_CLAIMS, Lock, lock
from sterling.study.recheck import FRAME, SAMPLE, recheck
from sterling.study.signature import check_signature, sign


class CoinConfig(Config):
    n: int = 6


def _measure(config: CoinConfig, run: Run) -> Results:
    rows = [{"repetition": index, **row("gain", index + run.seed)} for index in range(config.n)]
    return Results.of(rows)


COIN = Study(
    StudyEntry("coin", "", "test", "yu2020searching", __name__),
    presets={"smoke": CoinConfig()},
    measure=_measure,
    claims=lambda results, _: [
        positive("gains", "A gain.", results.values("gain")),
        at_most("small", "A small gain.", results.values("gain"), 100),
    ],
    views=lambda results, _: Views([results.metric("mean", "gain", "-")]),
    scope=lambda _: "toy",
    repetitions="n",
)
STUDIES_HERE = {"coin": COIN}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "coin-run"
    run_study(COIN, CoinConfig(), preset="smoke", seed=1, folder=folder, backend="inline")
    return folder


@pytest.fixture
def bundle(run: Path, tmp_path: Path) -> Path:
    write_bundle([run], tmp_path / "bundle.zip")
    return tmp_path / "bundle.zip"


def _contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _rewritten(path: Path, contents: dict[str, bytes]) -> Path:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    path.write_bytes(buffer.getvalue())
    return path


def _resealed(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A forgery with digests that fit."""
    contents = _contents(path)
    change(contents)
    del contents["SHA256SUMS"]
    sums = {name: sha256(content).hexdigest() for name, content in contents.items()}
    contents["SHA256SUMS"] = "".join(f"{each}  {name}\n" for name, each in sums.items()).encode()
    return _rewritten(path, contents)


def test_a_bundle_agrees_and_is_the_same_each_time(run: Path, bundle: Path, tmp_path: Path) -> None:
    found = verify_bundle(bundle, STUDIES_HERE)
    assert found.damaged == []
    (checked,) = found.runs
    assert checked.agrees
    assert (checked.study, checked.lock) == ("coin", "kept")
    assert [(claim.id, claim.source) for claim in checked.claims] == [
        ("gains", FRAME),
        ("small", FRAME),
    ]
    again = write_bundle([run], tmp_path / "again.zip")
    assert again == found.digest == sha256(bundle.read_bytes()).hexdigest()


def test_every_changed_missing_and_added_file_is_named(bundle: Path) -> None:
    whole = _contents(bundle)
    assert len(whole) == 7
    for name, content in whole.items():
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        found = verify_bundle(_rewritten(bundle, {**whole, name: flipped}), STUDIES_HERE)
        if name == "SHA256SUMS":  # the line of some file was changed
            assert found.damaged
        else:
            assert found.damaged == [name]
        assert found.runs == []
        without = {other: value for other, value in whole.items() if other != name}
        found = verify_bundle(_rewritten(bundle, without), STUDIES_HERE)
        assert name in found.damaged
    added = verify_bundle(_rewritten(bundle, {**whole, "more.txt": b""}), STUDIES_HERE)
    assert added.damaged == ["more.txt"]


def test_a_byte_changed_in_the_archive_is_noticed(bundle: Path) -> None:
    """Every compressed byte: each lies in some file's content."""
    content = bundle.read_bytes()
    with zipfile.ZipFile(bundle) as archive:
        for entry in archive.infolist():
            place = entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2
            flipped = content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :]
            bundle.write_bytes(flipped)
            assert verify_bundle(bundle, STUDIES_HERE).damaged


def test_a_forged_verdict_differs_though_digests_fit(bundle: Path) -> None:
    def forge(contents: dict[str, bytes]) -> None:
        evidence = json.loads(contents["coin-run/evidence.json"])
        evidence["claims"][1]["verdict"] = "does not hold"
        contents["coin-run/evidence.json"] = json.dumps(evidence).encode()

    (checked,) = verify_bundle(_resealed(bundle, forge), STUDIES_HERE).runs
    assert not checked.agrees
    assert [claim.agrees for claim in checked.claims] == [True, False]


def test_a_forged_number_differs_though_the_verdict_stays(bundle: Path) -> None:
    def forge(contents: dict[str, bytes]) -> None:
        evidence = json.loads(contents["coin-run/evidence.json"])
        evidence["claims"][0]["low"] += 1e-6
        contents["coin-run/evidence.json"] = json.dumps(evidence).encode()

    (checked,) = verify_bundle(_resealed(bundle, forge), STUDIES_HERE).runs
    assert [claim.agrees for claim in checked.claims] == [False, True]


def test_a_bar_moved_after_the_run_breaks_the_lock(bundle: Path) -> None:
    def move(contents: dict[str, bytes]) -> None:
        stated = json.loads(contents[f"coin-run/{LOCKED_CLAIMS}"])
        stated["claims"][1]["bar"] = "<= 1"
        contents[f"coin-run/{LOCKED_CLAIMS}"] = json.dumps(stated).encode()

    (checked,) = verify_bundle(_resealed(bundle, move), STUDIES_HERE).runs
    assert checked.lock == "broken"
    assert checked.departures == ["bar of claim 'small': <= 100 instead of <= 1"]
    assert not checked.agrees


def test_a_study_that_is_not_installed_is_checked_by_recorded_values(bundle: Path) -> None:
    (checked,) = verify_bundle(bundle, {}).runs
    assert checked.agrees
    assert {claim.source for claim in checked.claims} == {SAMPLE}


@pytest.mark.parametrize("until", [None, UntilDecided(max_repetitions=30)])
def test_a_lock_is_known_before_the_run(tmp_path: Path, until: UntilDecided | None) -> None:
    before = lock(COIN, CoinConfig(), preset="smoke", seed=1, until_decided=until).text()
    folder = tmp_path / "run"
    evidence = run_study(
        COIN,
        CoinConfig(),
        preset="smoke",
        seed=1,
        folder=folder,
        backend="inline",
        until_decided=until,
    )
    assert (folder / LOCKED_CLAIMS).read_text() == before
    assert Lock.model_validate_json(before).differences(evidence) == []
    assert all(claim.agrees for claim in recheck(folder, evidence, COIN))
    other = lock(COIN, CoinConfig(n=5), preset="smoke", seed=2, until_decided=until)
    assert "seed 1 instead of 2" in other.differences(evidence)
    # The number of repetitions may grow where the stopping rule says so, and nowhere else.
    assert ("configuration field 'n'" in other.differences(evidence)) == (until is None)


def test_a_study_must_state_its_claims_before_it_measures(tmp_path: Path) -> None:
    late = replace(
        COIN,
        claims=lambda results, _: [at_most("best", "", max(results.values("gain")), 1)],  # type: ignore[arg-type]
    )
    with pytest.raises(InputError, match="'coin' cannot state its claims before"):
        run_study(late, CoinConfig(), preset="smoke", seed=1, folder=tmp_path / "late")
    assert not (tmp_path / "late" / "evidence.json").exists()


@pytest.mark.parametrize("preset", ["smoke", "quick", "paper"])
def test_every_study_states_its_claims_before_it_measures(preset: str) -> None:
    for name in ENTRIES:
        study = STUDIES[name]
        stated = lock(study, study.presets[preset], preset=preset, seed=0)  # type: ignore[index]
        assert stated.claims, name


def _verb_run(folder: Path, claims: list[Claim]) -> None:
    with open_run(folder, identity={"study": "a verb"}, seed=0) as run:
        findings = Findings(scope="", not_scored=0, metrics=[], claims=claims)
        finish_run(run, findings, study="a verb", command="", config={})


def test_a_verb_is_checked_by_the_values_that_its_claims_record(tmp_path: Path) -> None:
    claims = [
        at_most("rate", "", Rate(0, 100), 0.1),
        at_least("parts", "", {"a": [1.0, 1.1, 1.2], "b": Rate(3, 10)}, 0.5),
        positive("gain", "", [1.0, 2.0, 3.0, 2.5]),
        more_often("often", "", Rate(18, 20), level=0.01),
    ]
    _verb_run(tmp_path / "run", claims)
    checks = recheck(tmp_path / "run", load_evidence(tmp_path / "run"), None)
    assert [(claim.derived, claim.agrees) for claim in checks] == [
        (claim.verdict, True) for claim in claims
    ]
    forged = [claim.model_copy(update={"measured": 0.7}) for claim in claims]
    _verb_run(tmp_path / "forged", forged)
    checks = recheck(tmp_path / "forged", load_evidence(tmp_path / "forged"), None)
    assert [claim.agrees for claim in checks] == [False] * 4


def test_wrong_bundles_are_refused_in_one_line(run: Path, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such bundle"):
        verify_bundle(tmp_path / "missing.zip", STUDIES_HERE)
    text = tmp_path / "text.zip"
    text.write_text("no archive")
    with pytest.raises(InputError, match="no bundle that can be read"):
        verify_bundle(text, STUDIES_HERE)
    with pytest.raises(InputError, match="no bundle; write one"):
        verify_bundle(_rewritten(text, {"a": b"b"}), STUDIES_HERE)
    with pytest.raises(InputError, match="lies outside"):
        verify_bundle(_rewritten(text, {CONTENTS: b"", "../../evil": b""}), STUDIES_HERE)
    newer = _resealed(bundle, lambda files: files.update({CONTENTS: b'{"format": 2, "runs": []}'}))
    with pytest.raises(InputError, match=r"format 2, this version reads 1; upgrade"):
        verify_bundle(newer, STUDIES_HERE)
    with pytest.raises(InputError, match="two runs have one name"):
        write_bundle([run, run], tmp_path / "twice.zip")
    with pytest.raises(InputError, match=r"holds no evidence\.json"):
        write_bundle([tmp_path], tmp_path / "none.zip")
    (run / "results.parquet").write_bytes(b"changed")
    with pytest.raises(InputError, match=r"results\.parquet is damaged"):
        write_bundle([run], tmp_path / "damaged.zip")
    assert not (tmp_path / "damaged.zip").exists()


def test_a_signature_fits_one_file_and_one_key(bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("model_signing")
    keys = [_key_pair(tmp_path / name) for name in ("mine", "other")]
    sign(bundle, keys[0][0])
    check_signature(bundle, keys[0][1])
    with pytest.raises(InputError, match="does not fit"):
        check_signature(bundle, keys[1][1])
    bundle.write_bytes(bundle.read_bytes() + b"\0")
    with pytest.raises(InputError, match="does not fit"):
        check_signature(bundle, keys[0][1])
    with pytest.raises(InputError, match="no private elliptic-curve key"):
        sign(bundle, keys[0][1])


def _key_pair(place: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = place.with_suffix(".key"), place.with_suffix(".pub")
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public


def test_two_runs_agree_where_their_intervals_overlap(tmp_path: Path) -> None:
    runs = []
    for seed in (1, 2, 60):
        place = tmp_path / str(seed)
        runs.append(
            run_study(COIN, CoinConfig(), preset="smoke", seed=seed, folder=place, backend="inline")
        )
    near = agreements(runs[0], runs[1])
    assert [one.agrees for one in near] == [True, True]
    far = agreements(runs[0], runs[2])
    assert [one.agrees for one in far] == [False, False]
    lost = runs[1].model_copy(update={"claims": runs[1].claims[:1]})
    assert [one.agrees for one in agreements(runs[0], lost)] == [True, False]
    silent = runs[0].claims[0].model_copy(update={"low": None, "high": None})
    assert Agreement(silent, runs[2].claims[0]).agrees  # both hold, and one has no interval
