"""Published sets of pairs, as their authors wrote them."""

import json
from pathlib import Path

import pytest

from sterling.errors import InputError
from sterling.text.corpus.public_pairs import read_public_pairs


def test_pairs_share_a_group_and_rows_name_their_writer(tmp_path: Path) -> None:
    pairs = {"original": ["h0", "h1"], "sampled": ["m0", "m1"]}
    (tmp_path / "xsum_gpt2-xl.json").write_text(json.dumps(pairs))
    rows = [
        {"text": "h", "label": "human", "data_type": "abstract", "llm_type": "ChatGPT"},
        {"text": "m", "label": "llm", "data_type": "direct_prompt", "llm_type": "ChatGPT"},
        {"text": "p", "label": "llm", "data_type": "paraphrase", "llm_type": "ChatGPT"},
        {"text": " ", "label": "llm", "data_type": "direct_prompt", "llm_type": "ChatGPT"},
    ]
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "arxiv.json").write_text(json.dumps(rows))
    found = {one.text: one for one in read_public_pairs(tmp_path)}
    assert set(found) == {"h0", "h1", "m0", "m1", "h", "m"}
    assert found["h1"].group == found["m1"].group != found["m0"].group
    assert (found["m0"].domain, found["m0"].model) == ("xsum", "gpt2-xl")
    assert (found["m"].domain, found["m"].model) == ("arxiv-detectrl", "ChatGPT")
    assert (found["h"].label, found["h"].model) == (0, "human")


def test_folders_without_such_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.json file"):
        read_public_pairs(tmp_path)


def test_the_real_files_are_read(shared_data: Path) -> None:
    folder = shared_data / "text" / "machine_text"
    if not folder.is_dir():
        pytest.skip(f"no machine_text in {shared_data}")
    records = read_public_pairs(folder)
    assert {one.domain for one in records} == {"xsum", "squad", "arxiv-detectrl", "xsum-detectrl"}
    assert len({one.id for one in records}) == len(records) > 5000
