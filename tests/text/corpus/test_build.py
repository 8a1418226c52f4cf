"""Corpora: paired, divided by group, resumed without a trace."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.scripted_model import ScriptedModel

from sterling.errors import InputError, NothingMeasuredError
from sterling.lm import GREEDY, Generation, LocalModel, Sampling, train_small
from sterling.text.corpus import build
from sterling.text.corpus.build import BuildPlan, build_corpus, sweep
from sterling.text.corpus.records import Corpus, TextRecord

SENTENCE = "The people of the old town by the river kept the bridge in good order for many years. "


def human(count: int = 10, repeat: int = 3) -> Corpus:
    return Corpus(
        tuple(
            TextRecord(f"h{row}", f"Part {row}. " + SENTENCE * repeat, 0, f"g{row}", domain="town")
            for row in range(count)
        )
    )


@pytest.fixture(scope="module")
def model() -> LocalModel:
    return train_small([SENTENCE * 20], steps=10, width=32, context=256)


PLAN = BuildPlan(prefix_tokens=8, samplings=(Sampling(max_new_tokens=16),))


def test_every_human_text_has_its_machine_text(model: LocalModel, tmp_path: Path) -> None:
    corpus = build_corpus(human(), model, PLAN, tmp_path / "c")
    people = {one.id: one for one in corpus.records if one.label == 0}
    machines = [one for one in corpus.records if one.label == 1]
    assert len(people) == 10
    assert len(machines) + len(corpus.unread) == 10
    for one in machines:
        pair = people[str(one.meta["human"])]
        assert (one.group, one.domain, one.split) == (pair.group, pair.domain, pair.split)
        assert one.model == model.name
        beginning = model.decode(model.encode(pair.text, 8))
        assert one.text.startswith(beginning.strip())
    assert all(len(model.encode(one.text)) <= 8 + 16 + 1 for one in people.values())
    assert {one.split for one in corpus.records} == {"train", "dev", "test"}


def test_a_continuation_leaves_the_beginning_out_of_both(model: LocalModel, tmp_path: Path) -> None:
    plan = BuildPlan(prefix_tokens=8, mode="continuation", samplings=PLAN.samplings)
    corpus = build_corpus(human(3), model, plan, tmp_path / "c")
    assert not any(one.text.startswith("Part") for one in corpus.records)


def test_an_interrupted_build_resumes_to_the_same_corpus(
    model: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "BATCH", 4)
    whole = build_corpus(human(), model, PLAN, tmp_path / "whole")
    asked = 0

    class Killed(LocalModel):
        def generate(
            self, prompts: Sequence[str], sampling: Sampling = GREEDY, **rest: object
        ) -> list[Generation]:
            nonlocal asked
            asked += 1
            if asked == 2:
                raise KeyboardInterrupt
            return model.generate(prompts, sampling, **rest)  # type: ignore[arg-type]

    dying = Killed(model.name, model.model, model.tokenizer)
    with pytest.raises(KeyboardInterrupt):
        build_corpus(human(), dying, PLAN, tmp_path / "killed")
    kept = list((tmp_path / "killed" / "batches").iterdir())
    assert len(kept) == 1
    before = kept[0].stat().st_mtime_ns
    again = build_corpus(human(), dying, PLAN, tmp_path / "killed")
    assert asked == 4
    assert kept[0].stat().st_mtime_ns == before
    assert again == whole


def test_another_corpus_is_not_mixed_in(model: LocalModel, tmp_path: Path) -> None:
    build_corpus(human(3), model, PLAN, tmp_path / "c")
    with pytest.raises(InputError, match="holds another corpus"):
        build_corpus(human(4), model, PLAN, tmp_path / "c")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and holds no corpus"):
        build_corpus(human(3), model, PLAN, tmp_path / "other")


def test_what_cannot_be_used_is_listed(tmp_path: Path) -> None:
    short = Corpus((TextRecord("s", "short", 0, "s"),))
    texts = Corpus((*human(2).records, *short.records))
    corpus = build_corpus(texts, ScriptedModel("and so on."), PLAN, tmp_path / "c")
    assert [(one.source, one.reason[:9]) for one in corpus.unread] == [("s", "too short")]
    silent = build_corpus(human(2), ScriptedModel(" "), PLAN, tmp_path / "s")
    assert {one.reason for one in silent.unread} == {"the model wrote nothing after its beginning"}
    with pytest.raises(NothingMeasuredError, match="too short"):
        build_corpus(
            Corpus((TextRecord("s", "short", 0, "s"),)), ScriptedModel("x"), PLAN, tmp_path / "n"
        )
    labelled = Corpus((TextRecord("m", SENTENCE * 3, 1, "m"),))
    with pytest.raises(InputError, match="labelled as a machine's"):
        build_corpus(labelled, ScriptedModel("x"), PLAN, tmp_path / "m")


def test_templates_and_system_prompts_reach_the_model(tmp_path: Path) -> None:
    model = ScriptedModel("It went on.")
    plan = BuildPlan(
        prefix_tokens=8, template="Go on: {prefix}", system="You write.", samplings=PLAN.samplings
    )
    corpus = build_corpus(human(1), model, plan, tmp_path / "c")
    assert model.asked == ["Go on: Part 0. The people of the"]  # six words for eight tokens
    assert corpus.records[1].text == "Part 0. The people of the It went on."
    assert json.loads((tmp_path / "c" / "build.json").read_text())["plan"]["system"] == "You write."


@pytest.mark.parametrize(
    ("sentence", "tokens"),
    [
        ("船回来的时候，港口很安静，没有人问今天。", 20),
        ("ボートが戻ったとき、港は静かでした。", 18),
        ("เมื่อเรือกลับมาท่าเรือเงียบสงบ", 30),
        ("🙂🎉🚢🌊", 4),
        ("The harbour was quiet. ", 16 / 3),
        ("배가 돌아왔을 때 항구는 조용했다. ", 14),
    ],
)
def test_lengths_behind_an_endpoint_know_scripts_without_spaces(
    tmp_path: Path, sentence: str, tokens: float
) -> None:
    texts = Corpus(
        tuple(TextRecord(f"h{i}", f"{i} " + sentence * 40, 0, f"g{i}") for i in range(3))
    )
    model = ScriptedModel("and so on.")
    corpus = build_corpus(texts, model, PLAN, tmp_path / "c")
    assert not corpus.unread
    # 8 tokens begin a prompt and 16 follow; a piece is not divided.
    for prompt in model.asked:
        assert abs(len(prompt.replace(" ", "")) / len(sentence.replace(" ", "")) * tokens - 8) < 4
    people = [one.text for one in corpus.records if one.label == 0]
    for text in people:
        assert abs(len(text.replace(" ", "")) / len(sentence.replace(" ", "")) * tokens - 24) < 4


def test_a_text_without_any_blank_is_cut_too(tmp_path: Path) -> None:
    texts = Corpus((TextRecord("h", "ab" * 5000, 0, "g"), TextRecord("s", "one", 0, "s")))
    corpus = build_corpus(texts, ScriptedModel("and so on."), PLAN, tmp_path / "c")
    assert [one.reason for one in corpus.unread] == ["too short: 1 token, 24 are needed"]
    assert len(corpus.records[0].text) < 24 * 24


def test_a_sweep_writes_one_text_for_each_setting(tmp_path: Path) -> None:
    plan = BuildPlan(prefix_tokens=8, samplings=sweep(16))
    corpus = build_corpus(human(1), ScriptedModel("more"), plan, tmp_path / "c")
    machines = [one for one in corpus.records if one.label]
    assert len(machines) == 7 == len({json.dumps(one.meta["sampling"]) for one in machines})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prefix_tokens": 0}, "prefix_tokens is 0"),
        ({"template": "go on"}, "template 'go on'"),
        ({"mode": "plus"}, "mode 'plus'"),
        ({"samplings": ()}, "samplings"),
    ],
)
def test_plans_out_of_range_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        BuildPlan(**changes)  # type: ignore[arg-type]
