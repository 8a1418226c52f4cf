"""Files: whole or absent, at any fault; links, devices and permissions as people expect."""

import errno
import os
import resource
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sterling.errors import InputError, StorageError
from sterling.storage import read_checked, write_atomically, write_checked, write_new


def test_the_old_file_stays_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, "old")
    with pytest.raises(TypeError):
        write_atomically(path, None)  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("fault", ["os.open", "os.fsync", "pathlib.Path.replace"])
@pytest.mark.parametrize(
    ("number", "kind", "remedy"),
    [
        (errno.ENOSPC, StorageError, "make room and start again"),
        (errno.EMFILE, StorageError, "make room and start again"),
        (errno.EROFS, InputError, "choose another place"),
    ],
)
def test_a_fault_at_any_step_names_the_file_and_leaves_nothing(
    fault: str,
    number: int,
    kind: type[Exception],
    remedy: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")

    def fail(*_arguments: Any, **_named: Any) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(fault, fail)
        with pytest.raises(kind, match=rf"cannot write .*result\.json: .*{remedy}"):
            write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_a_limit_on_the_size_of_files_is_a_fault_of_the_machine(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from sterling.errors import StorageError\n"
        "from sterling.storage import write_atomically\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_atomically(Path(sys.argv[1]), b'x' * 5000)\n"
        "except StorageError as error: print(error)"
    )
    path = tmp_path / "large"
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"cannot write {path}: File too large")
    assert list(tmp_path.iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


def test_links_stay_links_and_devices_and_pipes_are_written_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "a.txt"
    target.write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to(target)
    write_atomically(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    write_atomically(Path("/dev/null"), "gone")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.append(pipe.read_text()))
    reader.start()
    write_atomically(pipe, "through")
    reader.join()
    assert said == ["through"]
    with pytest.raises(InputError, match="Is a directory"):
        write_atomically(tmp_path / "real", "x")
    with pytest.raises(InputError, match="File name too long"):
        write_atomically(tmp_path / ("n" * 300), "x")
    write_atomically(tmp_path / ("n" * 255), "a name as long as names may be")


def test_permissions_are_those_of_any_file_and_a_secret_is_its_owner_s(tmp_path: Path) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    before = os.umask(0o022)
    try:
        write_atomically(tmp_path / "a", "x")
        write_new(tmp_path / "key", "x", mode=0o600)
    finally:
        os.umask(before)
    assert mode(tmp_path / "a") == 0o644
    assert mode(tmp_path / "key") == 0o600
    (tmp_path / "a").chmod(0o640)
    write_atomically(tmp_path / "a", "y")
    assert mode(tmp_path / "a") == 0o640


def test_of_two_writers_of_a_new_file_one_is_told_that_it_lost(tmp_path: Path) -> None:
    together = threading.Barrier(4)

    def won(number: int) -> bool:
        together.wait(60)
        try:
            write_new(tmp_path / "key", f"writer {number}" * 1000)
        except InputError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(won, range(4)))
    assert sum(outcomes) == 1
    with pytest.raises(InputError, match="exists already and is not overwritten"):
        write_new(tmp_path / "key", "too late")
    assert (tmp_path / "key").read_text() == f"writer {outcomes.index(True)}" * 1000


@pytest.mark.parametrize(
    "value", [None, 3, "a", [1.5, -0.1], {"b": [None, 1e-300], "a": "é\u2028"}]
)
def test_checked_values_come_back(value: Any, tmp_path: Path) -> None:
    write_checked(tmp_path / "v.json", value)
    assert read_checked(tmp_path / "v.json") == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_checked(tmp_path / "v.json", float("nan"))
    assert read_checked(tmp_path / "v.json") == value
    with pytest.raises(FileNotFoundError):
        read_checked(tmp_path / "none.json")


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from sterling.storage import write_atomically
for number in range(10**9):
    write_atomically(Path(sys.argv[1]), str(number) * 20000)
    print(flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for moment in range(8):
        command = [sys.executable, "-c", WRITE_FOR_EVER, path]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            writer.stdout.readline()  # it has begun
            time.sleep(0.003 * moment)
            writer.kill()
        text = path.read_text()
        assert len(text) % 20000 == 0
        assert text == text[: len(text) // 20000] * 20000
