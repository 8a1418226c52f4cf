"""Texts tested for a key's mark, each by itself."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from sterling.errors import InputError
from sterling.text.corpus.records import TextRecord
from sterling.text.detectors.scored import unreadable
from sterling.text.watermark.watermark_key import WatermarkKey

CAUTION = "not sole evidence against a person"


def examine_marks(
    key: WatermarkKey,
    tokenizer: Any,
    texts: Sequence[TextRecord],
    *,
    level: float = 0.01,
    combine: Literal["brown", "exact", "fisher", "green"] = "brown",
) -> list[dict[str, Any]]:
    """Test texts for the mark of a key; no weights of a model are needed.

    Args:
        key: The key, checked against the tokenizer.
        tokenizer: Tokenizer of the model that wrote.
        texts: The texts.
        level: Share of unmarked texts that may be found, in (0, 1).
        combine: Test that combines the evidence of green and red tokens.

    Returns:
        One JSON object a text. ``marked`` is None where the text could not be read or is too short.

    Raises:
        InputError: The level is no such share.
    """
    if not 0 < level < 1:
        raise InputError(f"level {level}: between 0 and 1, such as 0.01")
    rows: list[dict[str, Any]] = []
    for record in texts:
        if reason := unreadable(record.text):
            rows.append({"id": record.id, "marked": None, "not_scored": reason})
            continue
        ids = tokenizer(record.text, add_special_tokens=False, verbose=False)["input_ids"]
        found = key.watermark.detect(ids, combine=combine)
        marked = found.p_value <= level if found.tokens_scored else None
        rows.append({"id": record.id, **asdict(found), "marked": marked, "not_scored": ""})
    return rows


def marks_document(rows: Sequence[dict[str, Any]], level: float) -> dict[str, Any]:
    """Return the tested texts as a JSON object."""
    return {"level": level, "note": CAUTION, "texts": list(rows)}
