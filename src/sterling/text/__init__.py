"""Texts: watermarks, and what they prove."""

from sterling.text.watermark import (
    Combination,
    TripleSetWatermark,
    WatermarkDetection,
    combined_p_value,
    kgw,
    unigram,
)

__all__ = [
    "Combination",
    "TripleSetWatermark",
    "WatermarkDetection",
    "combined_p_value",
    "kgw",
    "unigram",
]
