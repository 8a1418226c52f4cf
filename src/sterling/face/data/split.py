"""Splitting a manifest so that no person is in two splits."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.data.manifest import SPLITS, Manifest


def split_by_subject(
    manifest: Manifest, *, dev: float = 0.2, test: float = 0.3, seed: int = 0
) -> Manifest:
    """Put each subject into the train, dev or test split.

    Subjects with bona fide presentations only, with attacks only, and with both are dealt out
    separately, so that every split has its share of each. The outcome depends on the subjects'
    names and the seed, not on the order of the rows.

    Args:
        manifest: Every row has a subject. Splits that are already there are replaced.
        dev: Share of the subjects, 0 to 1.
        test: Share of the subjects, 0 to 1; what `dev` and `test` leave is for training.
        seed: Chooses among the possible splits.

    Returns:
        The same rows with ``split`` filled in.

    Raises:
        InputError: A row has no subject, the shares leave nothing for training, or a split with
            a share lacks bona fide presentations or attacks.
    """
    if not (dev >= 0 and test >= 0 and dev + test < 1):
        raise InputError(
            f"dev is {dev:g} and test is {test:g}: shares are 0 or more and leave some for train"
        )
    subjects = manifest.column("subject")
    if (subjects == "").any():
        item = str(manifest.column("item")[(subjects == "").argmax()])
        raise InputError(
            f"{manifest.source}: item {item!r} has no subject; fill the column in to split by it"
        )
    shares = {"dev": dev, "test": test}
    generator = np.random.default_rng(seed)
    chosen = {
        str(subject): split
        for stratum in _strata(subjects, manifest.bona_fide)
        for subject, split in zip(
            generator.permutation(stratum), _places(len(stratum), shares), strict=True
        )
    }
    split = pl.Series([chosen[str(subject)] for subject in subjects], dtype=pl.String)
    outcome = Manifest(manifest.table.with_columns(split=split), manifest.source)
    for name in SPLITS:
        if shares.get(name, 1.0) > 0:
            _require_both(outcome, name, len(chosen))
    return outcome


def hold_out_dev(manifest: Manifest, *, share: float = 0.2, seed: int = 0) -> Manifest:
    """Make a development split of subjects of the training split, where a data set has none.

    Args:
        manifest: Rows of split ``"train"``, with subjects; other rows stay as they are.
        share: Share of the training subjects. Our default.
        seed: Chooses the subjects.

    Raises:
        InputError: As `split_by_subject` of the training rows.
    """
    training = manifest.matches(split="train")
    dealt = split_by_subject(manifest.select(training), dev=share, test=0, seed=seed)
    split = manifest.column("split").astype(object)
    split[training] = dealt.column("split")
    return Manifest(
        manifest.table.with_columns(split=pl.Series(list(split), dtype=pl.String)), manifest.source
    )


def _strata(
    subjects: NDArray[np.str_], bona_fide: NDArray[np.bool_]
) -> tuple[NDArray[np.str_], ...]:
    """The subjects, sorted, with bona fide presentations and attacks, with one, with the other."""
    live, attacking = np.unique(subjects[bona_fide]), np.unique(subjects[~bona_fide])
    return (
        np.intersect1d(live, attacking),
        np.setdiff1d(live, attacking),
        np.setdiff1d(attacking, live),
    )


def _places(n: int, shares: dict[str, float]) -> list[str]:
    """Name a split for each of n subjects; three or more reach every split with a share."""
    counts = {
        name: max(round(share * n), int(share > 0 and n > len(shares)))
        for name, share in shares.items()
    }
    places = [name for name, count in counts.items() for _ in range(count)]
    return [*places[: n - 1], *["train"] * n][:n]


def _require_both(manifest: Manifest, split: str, subjects: int) -> None:
    bona_fide = manifest.where(split=split).bona_fide
    for kind, present in (("bona fide", bona_fide.any()), ("attack", (~bona_fide).any())):
        if not present:
            raise InputError(
                f"{manifest.source}: no {kind} presentation in split {split!r}, of {subjects}"
                " subjects in all; add subjects or change the shares"
            )
