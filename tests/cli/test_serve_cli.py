"""`sterling serve`: refused before it listens, and a server that stops when it is told to."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from tests.cli.command import refused


def test_an_address_of_others_takes_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STERLING_TOKEN", raising=False)
    assert "set STERLING_TOKEN" in refused("serve", "--host", "0.0.0.0")
    assert "16 or more" in refused("serve", "--token", "short")
    assert "seconds is 0.0" in refused("serve", "--seconds", "0")


def test_an_unknown_detector_is_refused_before_it_listens() -> None:
    line = refused("serve", "--detector", "nowhere", "--workers", "1", "--port", "0")
    assert "nowhere" in line


def test_it_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    code = "import sys; from sterling.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "serve", "--port", "0", "--workers", "1"]
    own = {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    child = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env={**os.environ, **own}
    )
    assert child.stderr is not None
    said = ""
    while (line := child.stderr.readline()) and "http://" not in line:
        said += line
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, said + line
    with urllib.request.urlopen(f"{found[0]}/healthz") as answer:
        assert answer.read() == b"ok\n"
    assert list(tmp_path.glob("sterling-*"))
    child.send_signal(signal.SIGTERM)
    rest = child.communicate(timeout=60)[1]
    assert child.returncode == 0, rest
    assert "Traceback" not in rest
    assert re.search(r"GET /healthz 200", rest)
    assert not list(tmp_path.glob("sterling-*"))
