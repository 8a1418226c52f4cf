"""Bandits, rooms, the digit policy and real answers of the study smooth_reward."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from sterling.errors import InputError
from sterling.policy import advantages
from sterling.studies.policy.smooth_reward import _answers, _bandit, _digits, _rewards, _scenes


@pytest.mark.parametrize("p", [0.05, 0.25, 0.5, 0.9])
def test_binary_rewards_make_the_preserving_gradient_one_minus_p_of_grpos(p: float) -> None:
    """Property P4, for large groups, without sampling."""
    grpo = _bandit.limit_update((p, 1 - p), (1, 0))[0]
    preserving = _bandit.limit_update((p, 1 - p), (1, 0), alpha=1)[0]
    assert grpo == pytest.approx(math.sqrt(p * (1 - p)))
    assert preserving == pytest.approx((1 - p) * grpo)


@pytest.mark.parametrize("alpha", [0, 1])
def test_expected_updates_tend_to_the_limit(alpha: int) -> None:
    """Property P3 for three arms with rewards between 0 and 1."""
    p, r = np.array([0.2, 0.3, 0.5]), np.array([1.0, 0.6, 0.1])
    limit = _bandit.limit_update(p, r, alpha=alpha)
    half, whole = (_bandit.expected_update(p, r, size, alpha=alpha) for size in (20, 40))
    # The distance falls as 1 / G, so that two sizes extrapolate to the limit.
    assert 2 * whole - half == pytest.approx(limit, abs=1e-3)
    assert np.abs(whole - limit).max() > 2e-3


def test_the_expected_update_is_the_mean_of_sampled_ones() -> None:
    p, r, groups, size = np.array([0.5, 0.3, 0.2]), np.array([0.0, 0.4, 1.0]), 40_000, 3
    arms = np.random.default_rng(0).choice(3, size=(groups, size), p=p)
    found = advantages(r[arms].ravel(), np.repeat(np.arange(groups), size), alpha=1.0, eps=1e-4)
    onehot = np.eye(3)[arms] - p
    each = (found.values.reshape(groups, size, 1) * onehot).mean(axis=1)
    exact = _bandit.expected_update(p, r, size, alpha=1.0, eps=1e-4)
    error = each.std(axis=0) / math.sqrt(groups)
    assert (np.abs(each.mean(axis=0) - exact) < 4.5 * error).all()
    assert np.abs(exact).max() > 20 * error.max()


def test_figures_of_bandits_are_the_closed_forms() -> None:
    series = _bandit.two_armed().data["series"]
    middle = _bandit.PLACES.index(0.5)
    assert series["GRPO, large groups"][middle] == pytest.approx(0.5)
    assert series["AP-GRPO, large groups"][middle] == pytest.approx(0.25)
    dense = _bandit.five_armed().data["series"]
    assert all(
        smooth > sparse
        for smooth, sparse in zip(
            dense["SNRA 100 on e², GRPO"], dense["within 1 %, GRPO"], strict=True
        )
    )


def rooms(count: int) -> list[_scenes.Scene]:
    rng = np.random.default_rng(0)
    return [_scenes.draw_scene(rng, 2 + index % 5) for index in range(count)]


def test_boxes_stand_on_the_floor_within_the_room_and_apart() -> None:
    for scene in rooms(40):
        for box in scene.boxes:
            low, high = (np.array(box.centre) + sign * np.array(box.size) / 2 for sign in (-1, 1))
            assert low[2] == pytest.approx(0)
            assert (low > -1e-9).all()
            assert (high <= np.array(scene.room) + 1e-9).all()
        names = [box.name for box in scene.boxes]
        assert len(set(names)) == len(names)
        for one in scene.boxes:
            for other in scene.boxes:
                gap = [
                    abs(one.centre[axis] - other.centre[axis])
                    - (one.size[axis] + other.size[axis]) / 2
                    for axis in (0, 1)
                ]
                assert one is other or max(gap) > 0


def march(scene: _scenes.Scene, column: float, row: float) -> float:
    """Depth by small steps along the ray, which is independent of the slab method."""
    turn = math.radians(scene.yaw)
    ahead = np.array([math.sin(turn), math.cos(turn), 0])
    right = np.array([math.cos(turn), -math.sin(turn), 0])
    ray = (
        ahead
        + right * (column - _scenes.IMAGE[0] / 2) / _scenes.FOCAL
        + np.array([0, 0, -1]) * (row - _scenes.IMAGE[1] / 2) / _scenes.FOCAL
    )
    depths = np.arange(0, 15, 1e-3)
    points = np.array(scene.camera) + depths[:, None] * ray
    outside = ((points < 0) | (points > np.array(scene.room))).any(axis=1)
    for box in scene.boxes:
        outside |= (np.abs(points - np.array(box.centre)) < np.array(box.size) / 2).all(axis=1)
    return float(depths[outside.argmax()])


def test_depths_are_those_of_a_march_along_the_ray() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for scene in rooms(25):
        column, row = (float(rng.integers(edge)) for edge in _scenes.IMAGE)
        depth = _scenes.depth_at(scene, column, row)
        assert depth == pytest.approx(march(scene, column, row), abs=3e-3)
        empty = _scenes.Scene(scene.room, scene.camera, scene.yaw, ())
        hits += depth < _scenes.depth_at(empty, column, row)
    assert hits > 3


def test_projection_depth_and_coordinates_agree() -> None:
    for scene in rooms(20):
        for box in scene.boxes:
            right, down, forward = _scenes.camera_coordinates(scene, box.centre)
            column, row = _scenes.pixel_of(scene, box.centre)
            assert (column - 320) * forward / _scenes.FOCAL == pytest.approx(right)
            assert (row - 240) * forward / _scenes.FOCAL == pytest.approx(down)
            assert _scenes.depth_at(scene, column, row) <= forward
            distance = math.sqrt(right**2 + down**2 + forward**2)
            assert distance == pytest.approx(math.dist(box.centre, scene.camera))


def test_answers_are_exact() -> None:
    scene = _scenes.Scene(
        (4.0, 6.0, 2.5),
        (2.0, 0.0, 1.0),
        0.0,
        (
            _scenes.Box("red chair", "chair", (2.0, 4.0, 1.0), (0.4, 0.5, 2.0)),
            _scenes.Box("blue chair", "chair", (3.0, 1.0, 1.0), (0.6, 0.5, 0.5)),
        ),
    )
    asked = {
        (question.text, round(question.answer, 6))
        for seed in range(40)
        for task in _scenes.TASKS
        if (question := _scenes.ask(scene, task, np.random.default_rng(seed))) and task != "depth"
    }
    expected = {
        ("distance camera to red chair?", 4.0),
        ("distance camera to blue chair?", round(math.sqrt(2), 6)),
        ("distance red chair to blue chair?", round(math.sqrt(10), 6)),
        ("longest edge of red chair?", 2.0),
        ("area of room?", 24.0),
        ("how many chair?", 2.0),
        ("right of blue chair from camera?", 1.0),
        ("forward of red chair from camera?", 4.0),
        ("angle from red chair to blue chair?", 45.0),
    }
    assert expected <= asked
    assert _scenes.depth_at(scene, 320, 240) == pytest.approx(3.75)


def test_questions_are_written_with_unit_and_floor(tmp_path: Path) -> None:
    _scenes.write_questions(tmp_path / "q.jsonl", 16, seed=3)
    rows = [json.loads(line) for line in (tmp_path / "q.jsonl").read_text().splitlines()]
    assert [row["task"] for row in rows] == list(_scenes.TASKS) * 2
    assert all(row["y_floor"] > 0 and row["prompt"].endswith(row["text"]) for row in rows)
    assert {row["unit"] for row in rows} == {"m", "m2", "degrees", ""}
    again = tmp_path / "again.jsonl"
    _scenes.write_questions(again, 16, seed=3)
    assert again.read_text() == (tmp_path / "q.jsonl").read_text()
    with pytest.raises(InputError, match="boxes 7"):
        _scenes.draw_scene(np.random.default_rng(0), 7)
    with pytest.raises(InputError, match="colour"):
        _scenes.ask(rooms(1)[0], "colour", np.random.default_rng(0))


def test_probabilities_of_all_numbers_sum_to_one_and_sampling_follows_them() -> None:
    torch.manual_seed(0)
    policy = _digits.DigitPolicy(width=8, head=4).double()
    x = torch.randn(1, _digits.FEATURES, dtype=torch.float64)
    log_probs = torch.zeros(1000, dtype=torch.float64)
    every = torch.arange(1000)
    for place, digit in enumerate(policy(x, 1000)):
        digit.chosen = every // 10 ** (2 - place) % 10
        log_probs = log_probs + digit.log_prob().detach()
    assert float(log_probs.exp().sum()) == pytest.approx(1)
    numbers, own = _digits.sample(policy, x, 20_000, torch.Generator().manual_seed(1))
    torch.testing.assert_close(own.detach(), log_probs[numbers.astype(int)])
    first = np.bincount(numbers.astype(int) // 100, minlength=10) / len(numbers)
    expected = log_probs.exp().reshape(10, 100).sum(1).numpy()
    assert np.abs(first - expected).max() < 4.5 * math.sqrt(0.25 / len(numbers))


def test_training_on_a_dense_reward_improves_and_equal_samples_are_drawn() -> None:
    problem = _digits.Problem.draw(np.random.default_rng(0))
    policy = _digits.warm_start(problem, 0)
    x, y = problem.sample(np.random.default_rng(1), 500)
    before = _digits.relative_errors(_digits.answer(policy, x), y)
    setting = _digits.Setting(_rewards.SNRA, _rewards.GRPO)
    signal = _digits.improve(policy, problem, setting, steps=60, samples=512, seed=0)
    after = _digits.relative_errors(_digits.answer(policy, x), y)
    assert _rewards.mean_relative_accuracy(after) > _rewards.mean_relative_accuracy(before)
    rows = {row["metric"]: row["value"] for row in signal.rows()}
    assert rows["collapse rate"] < 0.1
    assert rows["ineffective batches"] == 0
    assert rows["near misses used"] > 0.8
    assert all(512 % one.size == 0 for one in _digits.settings())
    assert len(set(_digits.settings())) == len(_digits.settings())


def test_mean_relative_accuracy_is_the_mean_over_ten_bars() -> None:
    assert pytest.approx([step / 20 for step in range(1, 11)]) == _rewards.MRA
    assert _rewards.mean_relative_accuracy(np.array([0.0])) == 1
    assert _rewards.mean_relative_accuracy(np.array([0.12])) == pytest.approx(0.8)
    assert _rewards.mean_relative_accuracy(np.array([0.6, np.inf])) == 0


def test_texts_survive_the_tokenizer_and_errors_use_the_floor() -> None:
    pytest.importorskip("trl", reason="pip install 'sterling[rl]'")
    from sterling.studies.policy.smooth_reward import _text

    questions = _text.draw_questions(np.random.default_rng(0), 70)
    words = _text.tokenizer()
    for question in questions:
        ids = words(_text.prompt_of(question))["input_ids"]
        assert words.decode(ids) == _text.prompt_of(question).replace(" ", "")
        shown = _scenes.shown_answer(question)
        assert words.decode(words(shown)["input_ids"]) == shown
        assert len(words(shown)["input_ids"]) < _text.LONGEST
    targets = np.array([[0.0, 0.1], [-2.0, 0.1], [5.0, 1.0]])
    errors = _text.relative_errors(np.array([0.05, -1.0, np.nan]), targets)
    assert errors.tolist() == [0.5, 0.5, np.inf]
    reward = _text.TextReward(_rewards.SHAPES[_rewards.THRESHOLD], 1, np.zeros(0))
    assert reward(["0.1 m", "-2"], targets[:2].tolist()).tolist() == [0, 1]


def written(folder: Path) -> Path:
    """Two solved problems and three answers, in the layouts of GSM8K and OpenEQA."""
    problems = [
        {
            "question": "?",
            "ground_truth": "1,000 + 80\nA: 1,080",
            "small": {"is_correct": False, "solution": "A: 1,100"},
            "large": {"is_correct": True, "solution": "A: 1080"},
        },
        {
            "question": "?",
            "ground_truth": "A: 18",
            "small": {"is_correct": False, "solution": "A: 26"},
            "large": {"is_correct": False, "solution": "nothing"},
        },
    ]
    (folder / "model_solutions.jsonl").write_text("".join(json.dumps(p) + "\n" for p in problems))
    answers = [{"answer": "4"}, {"answer": "Two."}, {"answer": "A hose"}]
    (folder / "open-eqa.json").write_text(json.dumps(answers))
    return folder


def test_real_answers_are_read_counted_and_scored(tmp_path: Path) -> None:
    rows = _answers.answer_rows(written(tmp_path))
    rates = {row["metric"]: (row.get("errors"), row.get("trials")) for row in rows}
    assert rates["numeric answers read"] == (1, 2)
    assert rates["verdicts as published"] == (4, 4)
    assert rates["solutions read"] == (3, 4)
    assert rates["near misses among wrong"] == (1, 3)
    means = {(r["reward"], r["answers"]): r["value"] for r in rows if "answers" in r}
    assert means[_rewards.THRESHOLD, "right"] == means[_rewards.SNRA, "right"] == 1
    assert means[_rewards.SNRA, "far"] < 1e-6


def test_damaged_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds neither"):
        _answers.answer_rows(tmp_path)
    (tmp_path / "solutions.jsonl").write_text('{"ground_truth": "none"}\n')
    with pytest.raises(InputError, match="line 1: its ground_truth holds no number"):
        _answers.answer_rows(tmp_path)
    (tmp_path / "solutions.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="is no solved problem"):
        _answers.answer_rows(tmp_path)
    (tmp_path / "open-eqa.json").write_text("{}")
    (tmp_path / "solutions.jsonl").unlink()
    with pytest.raises(InputError, match="holds neither"):
        _answers.answer_rows(tmp_path)
    (tmp_path / "open-eqa.json").write_text("[1]")
    with pytest.raises(InputError, match="no list of questions"):
        _answers.answer_rows(tmp_path)


def test_real_models_solutions_get_their_published_verdicts(shared_data: Path) -> None:
    if not (shared_data / "text" / "gsm8k").is_dir():
        pytest.skip("GSM8K is not among the real data")
    rows = {row["metric"]: row for row in _answers.answer_rows(shared_data / "text" / "gsm8k")}
    verdicts = rows["verdicts as published"]
    assert verdicts["trials"] == 2640
    assert verdicts["errors"] >= 2635
    assert rows["numeric answers read"]["value"] is None


def test_answers_of_open_eqa_are_read(shared_data: Path) -> None:
    folder = shared_data / "spatial" / "open_eqa"
    if not folder.is_dir():
        pytest.skip("OpenEQA is not among the real data")
    answers = dict(_answers.read_numeric_answers(folder))
    assert answers["103"] == 103
    assert len(answers) > 8
    assert all(
        (value is None) == (not any(map(str.isdigit, text))) for text, value in answers.items()
    )


@pytest.mark.no_cover
def test_the_text_policy_trains_without_a_word_on_standard_output(
    capfd: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("trl", reason="pip install 'sterling[rl]'")
    from sterling.studies.policy.smooth_reward import _text

    questions = _text.draw_questions(np.random.default_rng(0), 64)
    model = _text.warm_start(questions, steps=2, seed=0)
    before = [weight.clone() for weight in model.parameters()]
    signal = _text.improve(model, questions, _rewards.SNRA, _rewards.AP, steps=2, seed=0)
    assert capfd.readouterr().out == ""
    assert any(not torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))
    assert {row["metric"] for row in signal.rows()} >= {"collapse rate", "near misses used"}
