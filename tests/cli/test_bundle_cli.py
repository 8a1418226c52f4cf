import json
import zipfile
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import jsonschema
import pytest
from tests.cli.command import refused, run, told

from sterling.study.lock import LOCKED_CLAIMS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bundles") / "hats"
    assert run("run", "hats", "--preset", "smoke", "--out", place).status in (0, 1, 4)
    return place


def test_a_lock_is_published_and_kept(folder: Path, tmp_path: Path) -> None:
    digest = told("lock", "hats", "--preset", "smoke", "-o", tmp_path / "lock.json").split()[0]
    written = (folder / LOCKED_CLAIMS).read_bytes()
    assert digest == sha256(written).hexdigest()
    assert told("lock", "hats", "--preset", "smoke") == written.decode()
    other = told("lock", "hats", "--preset", "smoke", "--set", "groups=3")
    assert json.loads(other)["config"]["groups"] == 3
    assert "unknown study 'hat'" in refused("lock", "hat")


def test_a_bundle_is_written_and_checked(folder: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.zip"
    digest = told("bundle", folder, "-o", bundle).split()[0]
    assert digest == sha256(bundle.read_bytes()).hexdigest()
    text = told("verify-bundle", bundle)
    assert "8 of 8 verdicts derived anew from results.parquet agree" in text
    assert "lock kept" in text
    document = json.loads(told("verify-bundle", bundle, "--json"))
    assert document["digest"] == digest
    assert document["damaged"] == []

    buffer = BytesIO()
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content[:-1] if name.endswith("report.html") else content)
    bundle.write_bytes(buffer.getvalue())
    text = told("verify-bundle", bundle, status=3)
    assert "changed, missing or added: hats/report.html" in text
    assert "no such file" in refused("verify-bundle", bundle, "--public-key", tmp_path / "none")
    assert "no such bundle" in refused("verify-bundle", tmp_path / "none.zip")


@pytest.mark.parametrize("form", ["every-eval-ever", "oscal", "cyclonedx", "junit"])
def test_evidence_is_exchanged(folder: Path, tmp_path: Path, form: str) -> None:
    told("exchange", folder, "--format", form, "-o", tmp_path / "out.json")
    text = (tmp_path / "out.json").read_text()
    assert "hats" in text
    assert form == "junit" or isinstance(json.loads(text), dict)
    assert "no evidence.json" in refused(
        "exchange", tmp_path, "--format", form, "-o", tmp_path / "no.json"
    )
    assert not (tmp_path / "no.json").exists()


def test_schemas_describe_what_runs_leave(folder: Path) -> None:
    for name, file in (("evidence", "evidence.json"), ("lock", LOCKED_CLAIMS)):
        schema = json.loads(told("schema", name))
        document = json.loads((folder / file).read_text())
        assert document["schema_version"] == 1
        jsonschema.validate(document, schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**document, "schema_version": 2}, schema)


def test_recorded_evidence_is_run_again_and_compared(folder: Path, tmp_path: Path) -> None:
    text = told("verify", "--evidence", folder, "--out", tmp_path)
    assert "8 of 8 claims agree with the recorded evidence" in text
    assert "leave names" in refused("verify", "hats", "--evidence", folder)
    evidence = json.loads((folder / "evidence.json").read_text())
    again = json.loads((tmp_path / "hats-again-0" / "evidence.json").read_text())
    assert again["claims"] == evidence["claims"]
