"""Texts go in and come out whole; what cannot be read is listed."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sterling.errors import InputError
from sterling.text.corpus.records import (
    TextRecord,
    read_corpus,
    split_by_group,
    to_jsonl,
    write_records,
)
from sterling.text.hidden_characters import hidden_characters


def test_records_survive_a_file(tmp_path: Path) -> None:
    records = [
        TextRecord("a", "zero\u200bwidth\nline \u202eand שלום\x0b", 1, "g", meta={"share": 0.5}),
        TextRecord("b", "human", 0, "g", domain="news", split="dev"),
    ]
    write_records(tmp_path / "c.jsonl", records)
    assert list(read_corpus(tmp_path / "c.jsonl").records) == records


def test_a_text_alone_is_a_human_record_and_other_fields_are_kept(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"text": "one", "year": 1990}\n\n{"text": " "}\n')
    corpus = read_corpus(tmp_path / "c.jsonl")
    assert corpus.records[0].id == corpus.records[0].group == "c.jsonl:1"
    assert (corpus.records[0].label, corpus.records[0].meta) == (0, {"year": 1990})
    assert [(one.source, one.reason) for one in corpus.unread] == [("c.jsonl:3", "empty")]


def test_a_folder_lists_what_it_could_not_read(tmp_path: Path) -> None:
    (tmp_path / "news").mkdir()
    (tmp_path / "news" / "a.txt").write_text("\ufeffgood", encoding="utf-8")
    (tmp_path / "b.txt").write_bytes(b"bad \xff\xfe byte")
    (tmp_path / "c.txt").write_text("")
    (tmp_path / "d.bin").write_bytes(b"\x00")
    corpus = read_corpus(tmp_path)
    assert [(one.text, one.domain, one.id) for one in corpus.records] == [
        ("good", "news", "news/a.txt")
    ]
    assert {one.source: one.reason for one in corpus.unread} == {
        "b.txt": "not UTF-8 (byte 4 is 0xff); save it as UTF-8",
        "c.txt": "empty",
        "d.bin": "of a kind that is not read from a folder; save as .txt, .md, .text",
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "c.jsonl:1: give an object"),
        ("{", "c.jsonl:1: no JSON object"),
        ('{"text": 5}', "field text"),
        ('{"text": "a", "label": 2}', "label 2"),
        ('{"text": "a", "split": "valid"}', "split 'valid'"),
        ('{"text": "a", "domain": 5}', "domain is 5"),
        ('{"text": "a", "meta": 5}', "meta is 5"),
        ('{"text": "a", "id": 1.5}', "id is 1.5; give a text"),
        ('{"text": "a", "group": "\\ud83d"}', "half of a surrogate pair in group"),
        ("[" * 100_000, "c.jsonl:1: no JSON object"),
        ('{"text": "a", "year": ' + "9" * 5000 + "}", "c.jsonl:1: no JSON object"),
        ('{"text": "a", "id": "x"}\n{"text": "b", "id": "x"}', "id 'x' occurs twice"),
    ],
)
def test_damaged_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "c.jsonl").write_text(line)
    with pytest.raises(InputError, match=message.replace("[", r"\[")):
        read_corpus(tmp_path / "c.jsonl")


RECORDS = '{"id": "1", "text": "one"}\n{"id": 2, "text": "two\\u2028lines"}\n'


@pytest.mark.parametrize("name", ["c.jsonl", "c.JSONL", "c.ndjson"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_records_are_read_by_any_name_of_their_kind(
    tmp_path: Path, name: str, encoding: str
) -> None:
    (tmp_path / name).write_text(RECORDS, encoding=encoding)
    records = read_corpus(tmp_path / name).records
    assert [(one.id, one.text) for one in records] == [("1", "one"), ("2", "two\u2028lines")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", '[{"text": "one"}]'),
        ("a.csv", "id,text\n1,one\n"),
        ("a.CSV", "id,text\n1,one\n"),
        ("a.tsv", "id\ttext\n"),
        ("a.parquet", "PAR1"),
        ("a.html", "<p>one"),
        ("a.jsonl.gz", "x"),
        ("a.txt", RECORDS),
        ("a", '\ufeff[{"text": "one"}, {"text": "two"}]'),
        ("a.md", '{"text": "one"}'),
    ],
)
def test_data_are_not_one_text(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"holds data, not one text; give \.jsonl"):
        read_corpus(tmp_path / name)


@pytest.mark.parametrize("text", ["[1] A note.", "{so it goes}", "[link](a.html)", "[]", "[1, 2]"])
def test_texts_may_begin_with_a_bracket(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    assert read_corpus(tmp_path / "a.txt").records[0].text == text
    (tmp_path / "b.txt").write_text(RECORDS)
    assert [one.source for one in read_corpus(tmp_path).unread] == ["b.txt"]


def test_texts_of_windows_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("naïve 船", encoding="utf-16")
    assert read_corpus(tmp_path / "a.txt").records[0].text == "naïve 船"


def test_half_of_a_surrogate_pair_survives_a_file(tmp_path: Path) -> None:
    records = [TextRecord("a", "\ud83d half", 1, "g"), TextRecord("b", "船", 0, "h")]
    write_records(tmp_path / "c.jsonl", records)
    assert list(read_corpus(tmp_path / "c.jsonl").records) == records


def test_nothing_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not there"):
        read_corpus(tmp_path / "no.jsonl")
    with pytest.raises(InputError, match="give a folder of texts"):
        read_corpus(tmp_path)


@given(groups=st.integers(3, 60), seed=st.integers(0, 99))
def test_groups_stay_together_and_no_split_is_empty(groups: int, seed: int) -> None:
    records = [
        TextRecord(f"{row}{kind}", "text", kind, f"g{row}")
        for row in range(groups)
        for kind in (0, 1)
    ]
    divided = split_by_group(records, seed)
    places = {one.group: set() for one in records}  # type: dict[str, set[str]]
    for one in divided:
        places[one.group].add(one.split)
    assert all(len(found) == 1 for found in places.values())
    counts = [sum(one.split == split for one in divided) // 2 for split in ("train", "dev", "test")]
    assert counts[1] == counts[2] == max(1, round(groups / 10))
    assert sum(counts) == groups
    by_id = {one.id: one.split for one in divided}
    assert {one.id: one.split for one in split_by_group(records[::-1], seed)} == by_id


def test_shares_are_positive() -> None:
    with pytest.raises(InputError, match="shares"):
        split_by_group([], 0, (8, 0, 2))


def test_lines_are_json() -> None:
    line = to_jsonl([TextRecord("a", "two\nlines", 0, "a")])
    assert line.count("\n") == 1
    assert json.loads(line)["text"] == "two\nlines"


def test_hidden_characters_are_counted_by_kind() -> None:
    text = "a\u200bb \u202ec\u202c \x0b \ufeff сat Москва"
    assert hidden_characters(text) == {
        "zero width": 2,
        "direction": 2,
        "control": 1,
        "mixed scripts": 1,
    }
    assert hidden_characters("plain\r\n\ttext, naïve") == {}
