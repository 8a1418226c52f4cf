"""A leaderboard holds as it was written, and not after any of its numbers was changed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.face.challenge.test_challenge import LISTS, scored

from sterling.errors import InputError
from sterling.face.challenge.challenge import Rule, write_submission
from sterling.face.challenge.leaderboard import (
    Board,
    Trained,
    open_board,
    start_board,
    submit,
    verify,
)

RECIPES = {"weak": 0, "strong": 1}


def values_of(name: str) -> NDArray[np.float64]:
    values = scored(RECIPES[name])
    return np.where(LISTS.bona_fide, 1.0, values) if name == "strong" else values


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """Two entries, the weaker one submitted first."""
    path, lists = tmp_path / "leaderboard.json", tmp_path / "lists.csv"
    LISTS.write(lists)
    rule = Rule(threshold="held_back", share=0.25, seed=7)
    start_board(path, lists, rule, title="masks", scope="made by hand")
    for seed, name in enumerate(RECIPES):
        file = tmp_path / "scores" / f"{name}.txt"
        write_submission(file, LISTS, values_of(name))
        submit(
            path,
            file,
            name=name,
            command="by hand",
            recipe={"system": name},
            seed=seed,
            training_sha256="ab",
        )
    return path


def problems(path: Path, **arguments: Any) -> list[tuple[str, str]]:
    return [(one.entry, one.what) for one in verify(path, **arguments) if one.problem]


def test_what_was_submitted_is_ranked_and_verified(board: Path) -> None:
    assert problems(board) == []
    found, lists = open_board(board)
    assert [entry.name for entry in found.entries] == ["strong", "weak"]
    assert lists.table.equals(LISTS.table)
    assert verify(board) == verify(board)


def test_the_folder_can_be_moved(board: Path, tmp_path: Path) -> None:
    moved = board.parent.rename(tmp_path.parent / f"{tmp_path.name}-moved")
    assert problems(moved / board.name) == []


def numbers(document: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of the numbers in a JSON document."""
    if isinstance(document, Mapping):
        return [p for key, part in document.items() for p in numbers(part, (*place, key))]
    if isinstance(document, list):
        return [p for key, part in enumerate(document) for p in numbers(part, (*place, key))]
    return [place] if isinstance(document, int | float) and not isinstance(document, bool) else []


def changed(document: Any, place: tuple[Any, ...], by: float) -> Any:
    copy = json.loads(json.dumps(document))
    target = copy
    for key in place[:-1]:
        target = target[key]
    old = target[place[-1]]
    target[place[-1]] = old + 1 if isinstance(old, int) else old + by
    return copy


def test_verification_fails_on_any_number_that_was_tampered_with(board: Path) -> None:
    document = json.loads(board.read_text())
    places = numbers(document)
    assert len(places) > 60
    for place in places:
        board.write_text(json.dumps(changed(document, place, 1e-6)))
        assert problems(board), place


def test_a_new_seal_does_not_hide_a_wrong_figure(board: Path) -> None:
    document = json.loads(board.read_text())
    figures = [
        place
        for place in numbers(document)
        if place[:2] == ("entries", 1) and place[2] in ("metrics", "threshold")
    ]
    assert len(figures) > 25
    for place in figures:
        forged = Board.model_validate(changed(document, place, 1e-6)).sealed()
        board.write_text(forged.model_dump_json())
        assert any(what not in ("seal", "order") for _, what in problems(board)), place


def test_another_score_file_or_other_lists_are_found(board: Path) -> None:
    file = board.parent / "scores" / "weak.txt"
    text = file.read_text()
    first, rest = text.split("\n", 1)
    file.write_text(f"{first.split(' ')[0]} 0.123\n{rest}")
    assert ("weak", "scores") in problems(board)
    file.write_text(text[: len(text) // 2])
    assert problems(board) == [("weak", "scores")]
    file.unlink()
    assert problems(board) == [("weak", "scores")]
    lists = board.parent / "lists.csv"
    lists.write_text(lists.read_text().replace("mask_resin", "mask_latex"))
    with pytest.raises(InputError, match="another SHA-256"):
        verify(board)


def test_entries_are_trained_again_when_asked(board: Path) -> None:
    def again(recipe: Mapping[str, Any]) -> Trained:
        return Trained(LISTS, values_of(recipe["system"]), "ab")

    def otherwise(recipe: Mapping[str, Any]) -> Trained:
        moved = 1e-3 * (recipe["system"] == "weak")
        return again(recipe)._replace(values=values_of(recipe["system"]) + moved)

    def elsewhere(recipe: Mapping[str, Any]) -> Trained:
        return again(recipe)._replace(lists=LISTS.select(np.arange(len(LISTS))[::-1]))

    def on_others(recipe: Mapping[str, Any]) -> Trained:
        return again(recipe)._replace(training_sha256="cd")

    def broken(recipe: Mapping[str, Any]) -> Trained:
        raise InputError(f"recipe: {recipe['system']} is unknown")

    assert problems(board, rerun=again) == []
    assert problems(board, rerun=otherwise) == [("weak", "rerun")]
    for wrong in (elsewhere, on_others, broken):
        assert problems(board, rerun=wrong) == [("strong", "rerun"), ("weak", "rerun")]
    file = board.parent / "scores" / "foreign.txt"
    write_submission(file, LISTS, values_of("weak"))
    submit(board, file, name="foreign")
    assert problems(board) == []
    assert problems(board, rerun=again) == [("foreign", "rerun")]


def test_what_cannot_be_entered_is_refused(board: Path, tmp_path: Path) -> None:
    file = board.parent / "scores" / "weak.txt"
    with pytest.raises(InputError, match="has an entry 'weak' already"):
        submit(board, file, name="weak")
    with pytest.raises(InputError, match="exists already"):
        start_board(board, board.parent / "lists.csv", Rule(), title="", scope="")
    before = board.read_text()
    lines = file.read_text().splitlines()
    short = board.parent / "short.txt"
    short.write_text("\n".join(lines[:-1]))
    with pytest.raises(InputError, match="ends at line 63"):
        submit(board, short, name="short")
    assert board.read_text() == before
    outside = tmp_path.parent / f"{tmp_path.name}-outside.txt"
    outside.write_text(file.read_text())
    with pytest.raises(InputError, match="put it beside the leaderboard"):
        submit(board, outside, name="outside")


def test_a_damaged_board_names_its_field(board: Path) -> None:
    document = json.loads(board.read_text())
    del document["entries"][0]["seed"], document["entries"][0]["threshold"]
    board.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"damaged at 'entries\.0\.threshold'"):
        verify(board)
    with pytest.raises(InputError, match="no such leaderboard"):
        verify(board.with_name("nowhere.json"))


@pytest.mark.parametrize("outside", ["../secret.csv", "{tmp}/secret.csv", "link.csv"])
def test_nothing_outside_the_folder_of_a_board_is_read(
    board: Path, tmp_path: Path, outside: str
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("hidden 0.5\n")
    folder = tmp_path / "received"
    folder.mkdir()
    for name in ("lists.csv", "scores", "leaderboard.json"):
        (tmp_path / name).rename(folder / name)
    (folder / "link.csv").symlink_to(secret)
    name = outside.format(tmp=tmp_path)
    path = folder / board.name
    document = json.loads(path.read_text())
    document["entries"][0]["scores"] = name
    path.write_text(json.dumps(document))
    (problem,) = [one.problem for one in verify(path) if one.what == "scores" and one.problem]
    assert "lies outside" in problem
    assert "hidden" not in problem
    document["lists"] = name
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match="lies outside"):
        verify(path)
