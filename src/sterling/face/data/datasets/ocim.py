"""O, C, I and M: one of four data sets is tested on, the other three are trained on.

O is OULU-NPU, C CASIA-MFSD, I Replay-Attack (Idiap) and M MSU-MFSD. Two conventions are in use:
with ``"all"`` every video of a set counts; with ``"benchmark"`` OULU-NPU and Replay-Attack go
without their development videos.
"""

import os
from collections.abc import Mapping
from typing import Literal

import polars as pl

from sterling.errors import InputError, unknown_name
from sterling.face.data.datasets.casia_mfsd import CASIA_MFSD
from sterling.face.data.datasets.msu_mfsd import MSU_MFSD
from sterling.face.data.datasets.oulu_npu import OULU_NPU
from sterling.face.data.datasets.replay_attack import REPLAY_ATTACK
from sterling.face.data.manifest import Manifest
from sterling.face.data.split import hold_out_dev

OCIM = {
    "O": OULU_NPU,
    "C": CASIA_MFSD,
    "I": REPLAY_ATTACK,
    "M": MSU_MFSD,
}
"""Data set behind each letter."""

OCIM_RUNS: dict[str, tuple[str, str]] = {
    "O&C&I to M": ("OCI", "M"),
    "O&M&I to C": ("OMI", "C"),
    "O&C&M to I": ("OCM", "I"),
    "I&C&M to O": ("ICM", "O"),
    "M&I to C": ("MI", "C"),
    "M&I to O": ("MI", "O"),
}
"""The four leave-one-out runs and the two with fewer sources: letters of sources, and target."""


def leave_one_out(
    folders: Mapping[str, str | os.PathLike[str]],
    run: str,
    *,
    convention: Literal["all", "benchmark"] = "all",
    threshold_from: Literal["source", "target"],
    seed: int = 0,
    frames: int | None = None,
) -> Manifest:
    """The list of a run: sources to train on, the target to test on.

    No list of a run has a development split, and the literature sets the threshold on the very
    target that it reports, which makes its half total error rate an equal error rate. With
    ``threshold_from="source"`` a fifth of the subjects of the sources becomes the split ``"dev"``.

    Args:
        folders: The folder of each set, by letter; those of the run are needed.
        run: One of `OCIM_RUNS`.
        convention: ``"all"`` or ``"benchmark"``.
        threshold_from: ``"source"``, or ``"target"`` for no split ``"dev"``, as in the literature.
        seed: Chooses the subjects held out.
        frames: As `read_dataset`.

    Returns:
        Items, videos and subjects carry their set's letter, as ``O/6_3_20_1``; the sources are
        split ``"train"`` (and ``"dev"``), the target ``"test"``.

    Raises:
        InputError: The run is unknown, or a set's folder is missing or not as its reader wants it.
    """
    if run not in OCIM_RUNS:
        raise unknown_name("run", run, OCIM_RUNS)
    for what, value, known in (
        ("convention", convention, ("all", "benchmark")),
        ("threshold_from", threshold_from, ("source", "target")),
    ):
        if value not in known:
            raise unknown_name(what, value, known)
    sources, target = OCIM_RUNS[run]
    parts = []
    for letter in (*sources, target):
        if letter not in folders:
            raise InputError(f"run {run}: the folder of {letter} is missing; name all of its sets")
        videos = OCIM[letter].read(folders[letter], frames=frames)
        if convention == "benchmark":
            videos = videos.select(~videos.matches(split="dev"))
        lettered = pl.col("item", "video", "subject").str.replace("^", f"{letter}/")
        split = pl.lit("test" if letter == target else "train").alias("split")
        parts.append(videos.table.with_columns(lettered, split))
    names = ", ".join(str(folders[letter]) for letter in (*sources, target))
    manifest = Manifest(pl.concat(parts), f"{run} of {names}")
    return hold_out_dev(manifest, seed=seed) if threshold_from == "source" else manifest
