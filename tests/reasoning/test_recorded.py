"""Recorded solutions are read as questions; solutions are drawn from a language model."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sterling.errors import InputError
from sterling.lm import Generation, Sampling
from sterling.reasoning import draw_solutions, read_recorded, signals_of

SHARED = Path(__file__).parents[3] / "shared" / "data" / "text"
GSM8K = {
    "question": "How many?",
    "ground_truth": "16 - 3 = <<16-3=13>>13\nA: 13",
    "small": {"is_correct": True, "solution": "16 - 3 = <<16-3=13>>13\nA: 13"},
    "large": {"is_correct": False, "solution": "16 - 3 = <<16-3=12>>12\nA: 12"},
}
MATH = {
    "question": "How many?",
    "gt": "13",
    "level": "Level 2",
    "response": ["It is 16 - 3 = 13.", "It is 12."],
    "pred": ["13", "12"],
    "pred_score": [[2.5], [-1.0]],
}


def written(folder: Path, name: str, *lines: dict[str, Any]) -> Path:
    (folder / name).write_text("\n".join(json.dumps(one) for one in lines))
    return folder


def test_both_layouts_are_read(tmp_path: Path) -> None:
    (one,) = read_recorded(written(tmp_path, "model_solutions_part.jsonl", GSM8K))
    assert (one.answers, one.gold, one.quality) == (("13", "12"), "13", None)
    assert signals_of([one]).valid.tolist() == [[True, False]]
    other = tmp_path / "math"
    other.mkdir()
    (two,) = read_recorded(written(other, "math_cot_8samples_with_rm_scores.jsonl", MATH))
    assert (two.answers, two.quality, two.group) == (("13", "12"), (2.5, -1.0), "Level 2")


@pytest.mark.parametrize("missing", ["question", "ground_truth"])
def test_a_line_without_a_field_is_named(missing: str, tmp_path: Path) -> None:
    broken = {name: value for name, value in GSM8K.items() if name != missing}
    written(tmp_path, "model_solutions_part.jsonl", GSM8K, broken)
    with pytest.raises(InputError, match=r"jsonl, line 2: not a question"):
        read_recorded(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds neither model_solutions_part"):
        read_recorded(tmp_path)
    uneven = MATH | {"pred": ["13"]}
    written(tmp_path, "math_cot_8samples_with_rm_scores.jsonl", uneven)
    with pytest.raises(InputError, match="fields differ in length"):
        read_recorded(tmp_path)


class Counting:
    """A model that answers every prompt with a number of its own."""

    name = "counting"

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def generate(
        self, prompts: Sequence[str], _sampling: Sampling, *, seed: int, purpose: str
    ) -> list[Generation]:
        self.prompts += prompts
        assert (seed, purpose) == (3, "solutions")
        return [Generation(f"1 + {n} = {n + 1}", (), 1, True) for n in range(len(prompts))]


def test_solutions_are_drawn_question_by_question() -> None:
    model: Any = Counting()
    asked = [("1 + 0?", "1"), ("1 + 5?", "6")]
    found = draw_solutions(model, asked, 3, Sampling(temperature=1.2), seed=3)
    assert [one.answers for one in found] == [("1", "2", "3"), ("4", "5", "6")]
    assert [prompt.split("\n")[0] for prompt in model.prompts] == ["1 + 0?"] * 3 + ["1 + 5?"] * 3
    assert signals_of(found).correct.tolist() == [[True, False, False], [False, False, True]]


@pytest.mark.skipif(not (SHARED / "math").exists(), reason="the MATH samples are not here")
def test_real_samples_with_reward_scores() -> None:
    found = read_recorded(SHARED / "math")
    assert len(found) == 50
    signals = signals_of(found)
    assert signals.solutions == 8
    assert signals.named
    assert 0.4 < signals.correct.mean() < 1
