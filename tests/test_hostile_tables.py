"""Mutated files: every reader of a user's table answers or refuses in one line, within time.

``STERLING_MUTATIONS=2000`` tries so many of each file; the default takes a few seconds.
"""

import gzip
import io
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sterling.agent.prompts.labelled import read_task
from sterling.errors import InputError
from sterling.face.challenge.challenge import read_submission
from sterling.face.data.manifest import Manifest
from sterling.face.evaluation.chosen_threshold import ChosenThreshold
from sterling.face.evaluation.score_file import read_score_file as read_presentations
from sterling.face.recognition import (
    DLIB_THRESHOLD,
    Embedding,
    Gallery,
    MatchThreshold,
    measure_rates,
    read_embeddings,
    read_threshold,
    write_embeddings,
    write_threshold,
)
from sterling.measure import Threshold
from sterling.privacy.data.records import read_records
from sterling.privacy.membership.score_file import read_record_ids, read_score_file
from sterling.privacy.unlearning_attacks.signals import read_signals
from sterling.tables import read_lines, read_table
from sterling.text.corpus.public_pairs import read_public_pairs
from sterling.text.corpus.records import read_corpus

MUTATIONS = int(os.environ.get("STERLING_MUTATIONS", "150"))
SECONDS = 5.0

SCORES = b"record,score,group,member\n" + b"".join(
    b"%04d,%d.5e-1,%s,%s\n" % (row, row, b"ab"[row % 2 : row % 2 + 1], (b"true", b"0")[row % 2])
    for row in range(12)
)
SCORE_LINES = b"".join(
    b'{"record": "%04d", "score": %d.5e-1, "group": "a", "member": %s}\n' % (n, n, b"true")
    for n in range(12)
)
PRESENTATIONS = b"item,score,label,species,subject,split,path\n" + b"".join(
    b"i%d,%d.5,%s,,s%d,%s,%d.png\n" % (n, n, (b"live", b"spoof")[n % 2], n, b"test", n)
    for n in range(8)
)
CHOSEN = json.dumps(ChosenThreshold(Threshold(0.5)).to_dict(), indent=1).encode()
LOSSES = b"loss\n" + b"".join(b"%d.25\n" % row for row in range(12))
CHANCES = b"label,p0,p1\n" + b"0,0.25,0.75\n1,0.5,0.5\n" * 4
RECORDS = b"label,a,b,colour\n" + b'0,1.5,-2e3,red\n1,2.5,1,"b,lue"\n0,3.5,4,\n' * 3
NUMBERS = b"0.0e+00,1.5e+00,-2.5e-01\n1.0e+00,2.5e+00,2.5e-01\n" * 4
MANIFEST = b"item,path,label,species,subject,split,frame\n" + b"".join(
    b"i%d,%d.jpg,bona_fide,bona_fide,s%d,train,0\nj%d,j.jpg,attack,print,t%d,test,1\n"
    % (row, row, row, row, row)
    for row in range(5)
)
TEXTS = b"".join(b'{"id": "%d", "text": "caf\xc3\xa9 %d", "label": 0}\n' % (n, n) for n in range(6))
TASK = b'{"examples": [{"input": "a", "output": "b"}, {"input": "c", "target": "d"}]}'
SUBMISSION = b"".join(b"i%d 0.%d\n" % (row, row) for row in range(6))
BOARD = Manifest.from_rows(
    [
        {
            "item": f"i{row}",
            "label": ("bona_fide", "attack")[row % 2],
            "species": ("bona_fide", "print")[row % 2],
        }
        for row in range(6)
    ]
)


def parquet(content: bytes) -> bytes:
    written = io.BytesIO()
    pl.read_csv(io.BytesIO(content)).write_parquet(written)
    return written.getvalue()


def written_by(write: Callable[[Path], None]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "file")
        return (Path(folder) / "file").read_bytes()


def embeddings(path: Path) -> None:
    found = [Embedding("a.jpg", np.ones(128, np.float32)), Embedding("b.jpg", reason="no_face")]
    write_embeddings(path, ["ann", "bob"], found)


PLACES = np.eye(3, 128, dtype=np.float32)
MEASURED = MatchThreshold(
    DLIB_THRESHOLD,
    measure_rates(Gallery.of(PLACES, ["a", "b", "c"], ["1", "2", "3"]), DLIB_THRESHOLD),
)


def arrays() -> bytes:
    written = io.BytesIO()
    np.savez(written, label=np.array([0, 1]), p=np.array([[0.25, 0.75], [0.5, 0.5]]))
    return written.getvalue()


def read_all_columns(path: Path) -> None:
    table = read_table(path, header_optional=True)
    for name in table.columns:
        for read in (table.texts, table.numbers, table.wholes, table.text):
            try:
                read(name)
            except InputError as error:
                assert_one_line(error, path)


def records_beside(path: Path) -> None:
    read_records(path.parent)


def pairs_beside(path: Path) -> None:
    read_public_pairs(path.parent)


def presentations(path: Path) -> None:
    read_presentations(path, higher_is="bona-fide")


def submission(path: Path) -> None:
    read_submission(path, BOARD)


READERS: list[tuple[str, bytes, Callable[[Path], object]]] = [
    ("scores.csv", SCORES, read_score_file),
    ("scores.tsv", SCORES.replace(b",", b"\t"), read_score_file),
    ("scores.parquet", parquet(SCORES), read_score_file),
    ("scores.jsonl", SCORE_LINES, read_score_file),
    ("every.jsonl", SCORE_LINES, read_all_columns),
    ("presentations.csv", PRESENTATIONS, presentations),
    ("presentations.parquet", parquet(PRESENTATIONS), presentations),
    ("threshold.json", CHOSEN, ChosenThreshold.read),
    ("members.csv", SCORES, read_record_ids),
    ("losses.csv", LOSSES, read_signals),
    ("chances.csv", CHANCES, read_signals),
    ("chances.parquet", parquet(CHANCES), read_signals),
    ("chances.npz", arrays(), read_signals),
    ("records.csv", RECORDS, records_beside),
    ("numbers.csv", NUMBERS, records_beside),
    ("numbers.csv.gz", gzip.compress(NUMBERS), records_beside),
    ("manifest.csv", MANIFEST, Manifest.read),
    ("manifest.parquet", parquet(MANIFEST), Manifest.read),
    ("texts.jsonl", TEXTS, read_corpus),
    ("texts.txt", TEXTS, read_corpus),
    ("task.json", TASK, read_task),
    (
        "pairs.json",
        b'{"original": ["a b"], "sampled": ["c d"]}',
        pairs_beside,
    ),
    ("submission.txt", SUBMISSION, submission),
    ("embeddings.parquet", written_by(embeddings), read_embeddings),
    (
        "threshold.json",
        written_by(lambda path: write_threshold(path, MEASURED)),
        lambda path: read_threshold(path).line(),
    ),
    ("lines.txt", TEXTS, read_lines),
    ("any.csv", RECORDS, read_all_columns),
    ("any.parquet", parquet(RECORDS), read_all_columns),
]


def flip(content: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((1, 1, 1, 3, 20))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return content


def cut(content: bytearray, rng: random.Random) -> bytearray:
    return content[: rng.randrange(len(content))]


def cut_out(content: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.randrange(1, 20) :]


def insert(content: bytearray, rng: random.Random) -> bytearray:
    place = rng.randrange(len(content) + 1)
    odd = (
        *(b'"', b",", b";", b"\t", b"\n", b"\r", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xe9"),
        *("\u2028".encode(), b"nan", b"-inf", b"1e999", b"1_0", b"1,5", b"[" * 50, b"9" * 400),
        *(b"\n\n", b",,,", b"''", b'""', b"\\ud83d", b"true", b" ", rng.randbytes(8)),
    )
    return content[:place] + rng.choice(odd) + content[place:]


def swap_separators(content: bytearray, rng: random.Random) -> bytearray:
    old, new = rng.sample((b",", b";", b"\t", b"|", b".", b"\n", b"\r\n", b" "), 2)
    return content.replace(old, new, rng.choice((-1, 1, 3)))


def move_lines(content: bytearray, rng: random.Random) -> bytearray:
    lines = content.split(b"\n")
    for _ in range(rng.randrange(1, 4)):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    if rng.random() < 0.3:
        rng.shuffle(lines)
    return bytearray(b"\n".join(lines))


def encode(content: bytearray, rng: random.Random) -> bytearray:
    text = content.decode("latin-1")
    encoding = rng.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp037", "utf-7"))
    return bytearray(text.encode(encoding, errors="replace"))


MUTATORS = (flip, cut, cut_out, insert, insert, swap_separators, move_lines, encode)


def assert_one_line(error: InputError, path: Path) -> None:
    message = str(error)
    assert "\n" not in message, message
    assert len(message) < 600 + len(str(path)), message


@pytest.mark.parametrize(("name", "content", "read"), READERS, ids=[one[0] for one in READERS])
def test_a_mutated_file_is_answered_or_refused(
    tmp_path: Path, name: str, content: bytes, read: Callable[[Path], object]
) -> None:
    path, answers, refusals = tmp_path / name, 0, 0
    for seed in range(MUTATIONS):
        rng = random.Random(f"{name}-{seed}")
        mutated = bytearray(content)
        for _ in range(rng.choice((1, 1, 2, 4))):
            mutated = rng.choice(MUTATORS)(mutated or bytearray(b"\n"), rng)
        path.write_bytes(mutated)
        start = time.perf_counter()
        try:
            read(path)
            answers += 1
        except InputError as error:
            assert_one_line(error, path)
            refusals += 1
        except BaseException as error:
            error.add_note(f"mutation {seed} of {name}: {bytes(mutated)[:2000]!r}")
            raise
        assert time.perf_counter() - start < SECONDS, (name, seed)
    assert refusals + (name in ("lines.txt", "any.csv"))
    assert answers
