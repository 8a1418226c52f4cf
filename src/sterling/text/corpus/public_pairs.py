"""Readers of published sets of human and machine texts, as their authors wrote the files.

Fast-DetectGPT's pairs (``original`` and ``sampled`` lists, one file per data set and model) and
DetectRL's rows (``text``, ``label``, ``data_type``, ``llm_type``).
"""

import json
from pathlib import Path
from typing import Any

from sterling.errors import InputError
from sterling.tables import decode, read_bytes
from sterling.text.corpus.records import TextRecord


def read_public_pairs(folder: Path) -> list[TextRecord]:
    """Every text of the ``.json`` files below a folder.

    A file's name is the domain (DetectRL) or domain and model ("xsum_gpt2-xl"). The two texts of a
    pair share a group. Of DetectRL's machine texts those written on a direct prompt are taken, each
    in a group of its own: which human text they go with is not told.

    Raises:
        InputError: No such file, or one of another form; the message names it.
    """
    files = sorted(folder.rglob("*.json"))
    if not files:
        raise InputError(
            f"{folder}: no .json file; give a folder with Fast-DetectGPT's or DetectRL's"
        )
    return [record for path in files for record in _read(path)]


def _read(path: Path) -> list[TextRecord]:
    try:
        given = json.loads(decode(path, read_bytes(path)))
        records = _pairs(path.stem, given) if isinstance(given, dict) else _rows(path.stem, given)
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path}: neither pairs (original, sampled) nor rows (text, label, ...): {error!r}"
        ) from error
    return [record for record in records if record.text.strip()]


def _pairs(name: str, given: dict[str, Any]) -> list[TextRecord]:
    domain, _, model = name.partition("_")
    return [
        TextRecord(
            f"{name}/{row}/{kind}",
            str(text),
            label,
            # The same human text is paired with several models' in several files.
            f"{domain}/{row}",
            domain=domain,
            model=model if label else "human",
        )
        for label, kind in ((0, "original"), (1, "sampled"))
        for row, text in enumerate(given[kind])
    ]


def _rows(name: str, given: list[dict[str, str]]) -> list[TextRecord]:
    return [
        TextRecord(
            f"{name}-detectrl/{row}",
            one["text"],
            int(one["label"] == "llm"),
            f"{name}-detectrl/{row}",
            domain=f"{name}-detectrl",
            model=one["llm_type"] if one["label"] == "llm" else "human",
        )
        for row, one in enumerate(given)
        if one["label"] == "human" or one["data_type"] == "direct_prompt"
    ]
