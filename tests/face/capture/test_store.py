"""Stored captures: the same bits, rendered once, within a limit."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from sterling.face.capture import Captures, Scale, simulate, store

FEW = Scale((1, 1, 1), (2, 2, 2))
PICTURES = ("rgb", "depth", "nir", "true_depth", "mask")


def stored(folder: Path, seed: int = 0, **options: Any) -> Captures:
    return store.simulate_stored(seed=seed, size=32, scale=FEW, folder=folder, **options)


def refuse(*_: object, **__: object) -> Captures:
    message = "rendered again"
    raise AssertionError(message)


def test_what_is_read_is_what_was_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = simulate(seed=0, size=32, scale=FEW)
    stored(tmp_path)
    monkeypatch.setattr(store, "simulate", refuse)
    found = stored(tmp_path)
    assert found.manifest.table.equals(rendered.manifest.table)
    for name in PICTURES:
        assert torch.equal(getattr(found, name), getattr(rendered, name))
        assert getattr(found, name).dtype == getattr(rendered, name).dtype
    with pytest.raises(AssertionError, match="rendered again"):
        stored(tmp_path, seed=1)


def test_captures_of_another_simulator_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(tmp_path)
    monkeypatch.setattr(store, "_simulator", lambda: "another")
    monkeypatch.setattr(store, "simulate", refuse)
    with pytest.raises(AssertionError, match="rendered again"):
        stored(tmp_path)


def test_a_damaged_file_is_rendered_again(tmp_path: Path) -> None:
    first = stored(tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert torch.equal(stored(tmp_path).rgb, first.rgb)
    assert path.read_bytes() == whole


def test_what_was_not_asked_for_longest_goes_first(tmp_path: Path) -> None:
    stored(tmp_path, seed=0)
    (first,) = tmp_path.iterdir()
    size = first.stat().st_size
    stored(tmp_path, seed=1)
    (second,) = set(tmp_path.iterdir()) - {first}
    os.utime(second, (0, 0))
    stored(tmp_path, seed=2, limit=int(2.5 * size))
    assert first.exists()
    assert not second.exists()
    assert len(list(tmp_path.iterdir())) == 2
    stored(tmp_path, seed=3, limit=size - 10_000)  # larger than the store may be
    assert len(list(tmp_path.iterdir())) == 2


def test_a_store_that_may_only_be_read_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stored(tmp_path)

    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "utime", forbidden)
    monkeypatch.setattr(store, "simulate", refuse)
    assert torch.equal(stored(tmp_path).rgb, first.rgb)


def test_a_store_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    assert len(stored(file / "captures")) == 6
