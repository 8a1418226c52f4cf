import json
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.cli import command

from sterling.privacy import MembershipFDR, losses_of

refused = partial(command.refused, "privacy", "mia")
run = partial(command.run, "privacy", "mia")
told = partial(command.told, "privacy", "mia")


@pytest.fixture
def files(tmp_path: Path) -> list[object]:
    """Scores of 40 members and 40 non-members, and of 300 known non-members."""
    rng = np.random.default_rng(0)
    member = np.arange(80) < 40
    pl.DataFrame(
        {
            "record": [f"r{row}" for row in range(80)],
            "score": rng.normal(4.0 * member, 1),
            "member": member,
        }
    ).write_csv(tmp_path / "scores.csv")
    known = pl.DataFrame(
        {"record": [f"k{row}" for row in range(300)], "score": rng.normal(size=300)}
    )
    known.write_parquet(tmp_path / "known.parquet")
    return [
        *("--scores", tmp_path / "scores.csv"),
        *("--calibration", tmp_path / "known.parquet"),
    ]


@pytest.mark.smoke
def test_the_declared_list_as_json(files: list[object], tmp_path: Path) -> None:
    document = json.loads(told(*files, "--alpha", "0.2", "--json"))
    scores = pl.read_csv(tmp_path / "scores.csv")
    known = pl.read_parquet(tmp_path / "known.parquet")
    mask = MembershipFDR().calibrate(known["score"]).select(scores["score"], 0.2)
    assert {line["record"] for line in document["declared"]} == set(
        scores["record"].to_numpy()[mask]
    )
    assert len(document["declared"]) > 30
    assert document["tested"] == 80
    assert document["calibration_for_one"] == 399  # 80 / 0.2 - 1
    assert document["guarantee"]["level"] == 0.2
    assert document["guarantee"]["n"] == 300
    assert document["audit"]["power"]["trials"] == 40
    p = [line["adjusted_p"] for line in document["declared"]]
    assert p == sorted(p)
    assert p[-1] <= 0.2


def test_json_lines_say_the_same(files: list[object], tmp_path: Path) -> None:
    pl.read_csv(tmp_path / "scores.csv").write_ndjson(tmp_path / "scores.jsonl")
    pl.read_parquet(tmp_path / "known.parquet").write_ndjson(tmp_path / "known.jsonl")
    lines = ("--scores", tmp_path / "scores.jsonl", "--calibration", tmp_path / "known.jsonl")
    assert told(*lines, "--alpha", "0.2", "--json") == told(*files, "--alpha", "0.2", "--json")


def test_for_people(files: list[object]) -> None:
    shown = run(*files, "--alpha", "0.01")
    assert shown.status == 0
    assert "of 80 records declared members" in shown.out
    assert "no calibration record is in the target's training set (not checked)" in shown.out
    assert "false discovery proportion" in shown.out
    assert "must stand out together" in shown.err


def test_an_empty_list_says_how_many_records_would_decide(files: list[object]) -> None:
    member = pl.read_csv(str(files[1]))
    member.with_columns(pl.col("score") * 1e-3).write_csv(str(files[1]))
    shown = told(*files, "--alpha", "0.1")
    assert "0 of 80 records declared" in shown
    assert "with 300 calibration records 3 of those tested have to exceed" in shown
    assert "with 799 one alone is declared" in shown  # 80 / 0.1 - 1


def test_losses_are_turned_around(files: list[object], tmp_path: Path) -> None:
    document = tmp_path / "losses.csv"
    pl.read_csv(tmp_path / "scores.csv").with_columns(-pl.col("score")).write_csv(document)
    known = tmp_path / "known.csv"
    pl.read_parquet(tmp_path / "known.parquet").with_columns(-pl.col("score")).write_csv(known)
    arguments = ["--scores", document, "--calibration", known, "--alpha", "0.2"]
    assert run(*arguments, "--lower-is-member").status == 0
    assert run(*files, "--alpha", "0.2").status == 0


def test_a_refuted_guarantee_has_status_1(files: list[object], tmp_path: Path) -> None:
    shifted = tmp_path / "holdout.csv"
    pl.DataFrame({"score": np.random.default_rng(1).normal(1, 1, 200)}).write_csv(shifted)
    shown = run(*files, "--alpha", "0.2", "--holdout", shifted)
    assert shown.status == 1
    assert "REFUTED" in shown.out
    assert "does not apply" in shown.err
    known = tmp_path / "known.parquet"
    assert "300 calibration records are held out, too" in refused(
        *files, "--alpha", "0.2", "--holdout", known
    )


def test_calibration_by_a_surrogate_is_said(files: list[object]) -> None:
    assert "assumes: surrogate = target" in told(
        *files, "--alpha", "0.2", "--scored-by", "surrogate"
    )
    assert run(*files, "--scored-by", "somebody").status == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("scores.csv", "record,value\na,1\n", "no column 'score'"),
        ("scores.csv", "record,score\na,1\na,2\n", "'a' occurs more than once"),
        (
            "scores.csv",
            "record,score\na,1\nb,\n",
            "line 3: column 'score' is missing; 1 of 2 cells",
        ),
        ("scores.csv", "record,score\na,x\n", "missing or no numbers"),
        ("scores.csv", "record,score,member\na,1,yes\n", "member is 'yes'"),
        ("scores.csv", "record,score\nk7,1\n", "to be judged by this calibration"),
        ("scores.csv", "record,score,group\nz,1,g\n", "to neither"),
        ("scores.csv", "record,score,group\nz,1,g\ny,1,\n", "line 3: column 'group' is empty"),
        ("scores.csv", "record,score,member\nz,1,\n", "line 2: column 'member' is empty"),
        ("scores.csv", "record,score\n,1\n", "line 2: column 'record' is empty"),
        ("members.csv", "record\nk7\n", "members of the target"),
        ("members.csv", "name\nk7\n", "no column 'record'"),
    ],
)
def test_wrong_input_has_status_2_and_one_line(
    files: list[object],
    tmp_path: Path,
    name: str,
    content: str,
    message: str,
) -> None:
    (tmp_path / name).write_text(content)
    extra = ["--members", tmp_path / name] if name == "members.csv" else []
    assert message in refused(*files, *extra)


def test_unusable_arguments(files: list[object], tmp_path: Path) -> None:
    assert run(*files, "--method", "holm").status == 2
    assert run(*files, "--alpha", "0.001").status == 2
    assert run("--scores", tmp_path / "absent.csv", *files[2:]).status == 2
    assert run("--scores", tmp_path / "scores.txt", *files[2:]).status == 2
    (tmp_path / "empty.csv").write_text("record,score\n")
    assert run("--scores", tmp_path / "empty.csv", *files[2:]).status == 3


def test_ids_are_text(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    known, asked, members = (tmp_path / name for name in ("k.csv", "a[1].csv", "m.csv"))
    rows = "".join(f"{row:04},{x:.4f}\n" for row, x in enumerate(rng.normal(size=200)))
    known.write_text("record,score\n" + rows)
    (tmp_path / "a1.csv").write_text("record,score\nwrong,9\n")
    asked.write_text("record,score\n007,9.5\n7,9\n1,9.2\n")
    given = ["--scores", asked, "--calibration", known]
    document = json.loads(told(*given, "--json"))
    assert [line["record"] for line in document["declared"]] == ["007", "7", "1"]
    members.write_text("record\n0001\nX\n")
    assert "members of the target" in refused(*given, "--members", members)
    asked.write_text("record,score\n0001,9\nX,1\n")
    assert "to be judged by this calibration (first: '0001')" in refused(*given)


def test_json_has_no_word_for_an_infinity(files: list[object], tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text("record,score\nsure,inf\nb,0.1\n")

    def refuse(word: str) -> None:
        raise AssertionError(word)

    document = json.loads(told(*files, "--json"), parse_constant=refuse)
    assert [(line["record"], line["score"]) for line in document["declared"]] == [("sure", None)]


def test_a_model_scores_the_records_by_their_losses(tmp_path: Path) -> None:
    """Members are fitted by heart: their losses are near 0, and those of others are not."""
    onnx = pytest.importorskip("onnx")
    rng = np.random.default_rng(0)
    member, count = np.arange(80) < 40, 300
    # The record tells its own logits: a member's label has 6 more.
    label = rng.integers(3, size=80)
    x = rng.normal(size=(80, 3)).astype(np.float32)
    x[member, label[member]] += 6
    known, known_label = rng.normal(size=(count, 3)).astype(np.float32), rng.integers(3, size=count)
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["logits"])],
        "same",
        [helper.make_tensor_value_info("x", kind, [None, 3])],
        [helper.make_tensor_value_info("logits", kind, [None, 3])],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        str(tmp_path / "m.onnx"),
    )
    ids = np.array([f"r{row}" for row in range(80)])
    np.savez(tmp_path / "asked.npz", x=x, label=label, record=ids, member=member)
    np.savez(tmp_path / "known.npz", x=known, label=known_label)
    files = ("--scores", tmp_path / "asked.npz", "--calibration", tmp_path / "known.npz")
    model = ("--model", tmp_path / "m.onnx")
    document = json.loads(told(*files, *model, "--alpha", "0.2", "--json"))
    scores, others = (
        -losses_of(tmp_path / "m.onnx", *of) for of in ((x, label), (known, known_label))
    )
    mask = MembershipFDR().calibrate(others).select(scores, 0.2)
    assert {line["record"] for line in document["declared"]} == set(ids[mask].tolist())
    assert mask[member].mean() > 0.5 > mask[~member].mean()
    assert "--lower-is-member: belongs to files" in refused(*files, *model, "--lower-is-member")
    np.savez(tmp_path / "known.npz", x=known, label=known_label + 1)
    assert "known.npz" in refused(*files, *model)
