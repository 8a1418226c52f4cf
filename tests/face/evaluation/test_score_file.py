"""Files of scores as people have them: read rightly, or refused in one line."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sterling.errors import InputError
from sterling.face.evaluation.score_file import HigherIs, ScoreFile, read_score_file
from sterling.face.evaluation.score_words import sense_of

PLAIN = """item,score,label,species,subject,camera,split,path
a,0.9,live,,ann,one,dev,a.png
b,0.2,attack,print,bob,two,dev,b.png
c,0.8,live,,cem,one,test,c.png
d,0.1,attack,replay,dee,two,test,d.png
"""


def read(
    folder: Path, content: str | bytes, name: str = "scores.csv", higher: HigherIs = "bona-fide",
    **options: object,
) -> ScoreFile:  # fmt: skip
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_score_file(path, higher_is=higher, **options)  # type: ignore[arg-type]


def same(one: ScoreFile, other: ScoreFile) -> None:
    for name in ("values", "label", "item", "subject", "group"):
        a, b = (getattr(each.presentations.scores, name) for each in (one, other))
        assert a.tolist() == b.tolist(), name
    assert one.split.tolist() == other.split.tolist()
    assert one.presentations.camera.tolist() == other.presentations.camera.tolist()


def test_every_column_is_taken_for_what_it_is(tmp_path: Path) -> None:
    found = read(tmp_path, PLAIN)
    scores = found.presentations.scores
    assert scores.label.tolist() == [True, False, True, False]
    assert scores.group.tolist() == ["bona_fide", "print", "bona_fide", "replay"]
    assert scores.subject.tolist() == ["ann", "bob", "cem", "dee"]
    assert found.presentations.path[0] == str(tmp_path / "a.png")
    assert found.part("test").scores.item.tolist() == ["c", "d"]
    assert found.part("dev").camera.tolist() == ["one", "two"]
    assert [note.split(":")[0] for note in found.notes] == [
        *("score", "label", "species", "subject", "camera", "split", "path", "item")
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("semicolons.csv", PLAIN.replace(",", ";")),
        ("commas.csv", PLAIN.replace(",", ";").replace("0.", "0,")),  # decimal commas
        ("mark.csv", "\ufeff" + PLAIN),
        ("wide.csv", PLAIN.encode("utf-16")),
        ("blanks.csv", re.sub(r",(?=\S)", ", ", PLAIN)),
        ("upper.csv", PLAIN.replace("live", " LIVE ").replace("item,score", "ITEM, Score ")),
        ("spaced.csv", PLAIN.replace("live", "Bona Fide").replace("label", "Ground Truth")),
        ("tabs.tsv", PLAIN.replace(",", "\t")),
        (
            "renamed.csv",
            PLAIN.replace("item,score,label,species,subject,camera,split,path",
                          "sample_id,Confidence,is_live,attack_type,person,device,subset,file")
            .replace("live,,", "1,,").replace("attack,", "0,").replace(",dev,", ",devel,")
            .replace(",test,", ",Evaluation,"),
        ),
        (
            "about.csv",
            PLAIN.replace("label", "is_spoof").replace("live", "0").replace("attack", "1"),
        ),
    ],
)  # fmt: skip
def test_dialects_and_words_say_the_same(tmp_path: Path, name: str, content: str | bytes) -> None:
    same(read(tmp_path, content, name), read(tmp_path, PLAIN))


def test_parquet_and_json_lines_say_the_same(tmp_path: Path) -> None:
    plain = read(tmp_path, PLAIN)
    table = pl.read_csv(tmp_path / "scores.csv").with_columns(label=pl.col("label") == "live")
    table.write_parquet(tmp_path / "scores.parquet")
    same(read_score_file(tmp_path / "scores.parquet", higher_is="bona-fide"), plain)
    floats = table.with_columns(label=pl.col("label").cast(pl.Float64))
    floats.write_parquet(tmp_path / "floats.parquet")
    same(read_score_file(tmp_path / "floats.parquet", higher_is="bona-fide"), plain)
    lines = "\n".join(json.dumps(row) for row in table.to_dicts())
    same(read(tmp_path, lines, "scores.jsonl"), plain)


def test_guesses_give_way_to_the_user(tmp_path: Path) -> None:
    table = PLAIN.replace("item,score,", "item,wrong,").replace("path\n", "right\n")
    table = re.sub(r"(\w)\.png", "0.5", table)
    with pytest.raises(InputError, match=r"no column is called score .* --column score=NAME"):
        read(tmp_path, table)
    assert read(tmp_path, table, columns={"score": "right"}).presentations.scores.values[1] == 0.5
    with pytest.raises(InputError, match=r"unknown column of .*'rigth': did you mean right"):
        read(tmp_path, table, columns={"score": "rigth"})
    with pytest.raises(InputError, match="unknown role of a column 'scores'"):
        read(tmp_path, table, columns={"scores": "right"})


def test_two_candidates_are_never_chosen_between_silently(tmp_path: Path) -> None:
    table = "confidence,logit,label\n0.5,1,live\n0.2,-1,spoof\n"
    with pytest.raises(InputError, match="score may be column 'confidence' or 'logit'; say which"):
        read(tmp_path, table)
    assert read(tmp_path, table, columns={"score": "logit"}).columns["score"] == "logit"
    named = table.replace("logit", "score")
    assert read(tmp_path, named).columns["score"] == "score"


def test_a_role_may_have_no_column(tmp_path: Path) -> None:
    table = "score,label,set\n0.5,live,NUAA\n0.2,spoof,NUAA\n"
    with pytest.raises(InputError, match=r"split 'NUAA' unknown; .* none, as --column split="):
        read(tmp_path, table)
    assert not read(tmp_path, table, columns={"split": ""}).has_splits
    with pytest.raises(InputError, match="no column is called label"):
        read(tmp_path, table, columns={"split": "", "label": ""})


def test_an_id_that_repeats_is_a_subject(tmp_path: Path) -> None:
    once = read(tmp_path, "id,score,label\n1,0.5,live\n2,0.2,spoof\n")
    assert (once.columns.get("item"), once.columns.get("subject")) == ("id", None)
    twice = read(tmp_path, "id,score,label\n1,0.5,live\n1,0.2,spoof\n")
    assert (twice.columns.get("item"), twice.columns.get("subject")) == (None, "id")
    assert twice.notes[-1] == "item: no column; rows are numbered"
    assert len(set(twice.presentations.scores.item.tolist())) == 2


def test_attack_is_a_label_or_a_species_by_what_it_holds(tmp_path: Path) -> None:
    label = read(tmp_path, "score,attack\n0.5,0\n0.2,1\n")
    assert label.presentations.scores.label.tolist() == [True, False]
    assert "'0' means bona fide (1), '1' means attack (1)" in label.notes[1]
    species = read(tmp_path, "score,live,attack\n0.5,1,\n0.2,0,print\n")
    assert species.columns["species"] == "attack"
    assert species.presentations.scores.group.tolist() == ["bona_fide", "print"]
    assert sense_of("1", "attack") is False


def test_without_species_all_attacks_are_one(tmp_path: Path) -> None:
    found = read(tmp_path, "score,label\n0.5,real\n0.2,fake\n0.1,spoof\n")
    assert found.presentations.scores.negative_groups == ["attack"]
    assert "all attacks count as one species" in found.notes[2]
    assert "no column; intervals clustered by subject are not possible" in found.notes[3]
    partly = read(tmp_path, "score,label,pai\n0.5,real,\n0.2,fake,\n0.1,spoof,print\n")
    assert partly.presentations.scores.negative_groups == ["attack", "print"]
    assert "1 attacks without one count as 'attack'" in partly.notes[2]


def test_the_user_says_what_is_bona_fide(tmp_path: Path) -> None:
    table = "score,class\n0.5,Person\n0.2,print\n0.1,replay\n"
    with pytest.raises(InputError, match=r"line 2: label 'Person' is no word .* 'print', 'replay'"):
        read(tmp_path, table)
    with pytest.raises(InputError, match=r"no row .* holds 'Person', 'print'"):
        read(tmp_path, table, bona_fide="people")
    found = read(tmp_path, table, bona_fide="person")
    assert found.presentations.scores.group.tolist() == ["bona_fide", "print", "replay"]
    one = read(tmp_path, "score,class\n0.5,-1\n0.2,1\n", bona_fide="-1")
    assert one.presentations.scores.group.tolist() == ["bona_fide", "attack"]


def test_a_direction_is_never_guessed(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("score,label\n-3,live\n-5,live\n7,attack\n9,attack\n-4,attack\n")
    with pytest.raises(InputError) as refusal:
        read_score_file(path)
    message = str(refusal.value)
    assert "\n" not in message
    # Counted by hand: a bona fide is above an attack in one of six pairs, (-3, -4).
    assert "--higher-is bona-fide (AUC 0.167) or --higher-is attack (AUC 0.833)" in message
    assert "bona fides have mean -4, median -4 (n = 2)" in message
    assert "attacks have mean 4, median 7 (n = 3)" in message
    turned = read_score_file(path, higher_is="attack").presentations.scores
    assert turned.direction == "down"
    assert turned.upward.tolist() == [3, 5, -7, -9, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("score,label\n", "holds no rows"),
        ("score,label\n0.5,live\ninf,attack\n", "line 3: column 'score' is not finite; 1 of 2"),
        ("score,label\n0.5,live\nnan,attack\n", "line 3: column 'score' is missing|is 'nan'"),
        ("score,label\n0.5,live\n,attack\n", "line 3: column 'score' is missing"),
        ('score,label\n"0,5",live\n0.1,attack\n', "line 2: .* write a decimal point"),
        ("score,label\n0.5,live\n0.1,\n", "line 3: column 'label' is empty"),
        ("score,label\n0.5,live\n0.1,maybe\n", "line 3: label 'maybe' is no word"),
        ("item,score,label\na,0.5,live\na,0.1,spoof\n", "line 3: item 'a' occurs more than once"),
        ("score,label,split\n1,live,dev\n0,spoof,fold3\n", "line 3: split 'fold3' unknown"),
        ("score,label,pai\n1,live,print\n0,spoof,print\n", "line 2: .* the species is 'print'"),
        ("score\n0.5\n", "no column is called label"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        read(tmp_path, content)
    assert "\n" not in str(refusal.value)


def test_subjects_of_both_splits_are_found(tmp_path: Path) -> None:
    assert read(tmp_path, PLAIN).shared_subjects() == []
    assert read(tmp_path, PLAIN.replace("cem", "ann")).shared_subjects() == ["ann"]


def test_numbered_rows_of_other_files_are_other_items(tmp_path: Path) -> None:
    table = "score,label\n0.5,live\n0.1,attack\n"
    one, two = (read(tmp_path, table.replace("0.5", value)) for value in ("0.6", "0.7"))
    again = read(tmp_path, table.replace("0.5", "0.6"))
    items = [each.presentations.scores.item for each in (one, two, again)]
    assert not np.isin(items[0], items[1]).any()
    assert items[0].tolist() == items[2].tolist()
