"""Show that a change keeps every figure: compare the evidence of two trees, study by study.

Record with the tree before the change, compare with the tree after it::

    git worktree add /tmp/before COMMIT
    PYTHONPATH=/tmp/before/src python -m tools.oracle record before
    python -m tools.oracle record after
    python -m tools.oracle compare before after

Every number of the earlier evidence has to occur in the later evidence, or in its
``results.parquet``, to a relative 1e-12; claims are compared by id. Names, order and layout may
change. ``--noise ANOTHER_RECORDING`` of the earlier tree leaves out numbers that it does not
repeat, such as seconds.
"""

import json
import math
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

TOLERANCE = 1e-12
SEEDS = (0, 1)
PARTS = ("metrics", "tables", "figures")

app = typer.Typer(help=__doc__)


@app.command()
def record(
    out: Annotated[Path, typer.Argument(help="Folder for the runs.")],
    names: Annotated[list[str] | None, typer.Argument(help="Studies; none for all.")] = None,
) -> None:
    """Run the smoke preset of every study at two seeds."""
    from sterling.studies import STUDIES

    for name in names or STUDIES:
        for seed in SEEDS:
            folder = out / f"{name}-{seed}"
            command = [sys.executable, "-c", "from sterling.cli import main; main()", "run", name]
            command += ["--preset", "smoke", "--seed", str(seed), "--out", str(folder), "--json"]
            if not (folder / "evidence.json").exists():
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode > 1:
                    typer.echo(f"{name}, seed {seed}: {done.stderr.strip().splitlines()[-1]}")


@app.command()
def compare(
    before: Path,
    after: Path,
    noise: Annotated[Path | None, typer.Option(help="Another recording of the first tree.")] = None,
) -> int:
    """Name every figure of the earlier recording that the later one lacks."""
    lost = 0
    for folder in sorted(after.iterdir()):
        if not (before / folder.name / "evidence.json").exists():
            typer.echo(f"{folder.name}: not recorded before")
            continue
        old, new = (_evidence(root / folder.name) for root in (before, after))
        if new is None or old is None:
            typer.echo(f"{folder.name}: no evidence")
            lost += 1
            continue
        known = sorted({*_numbers(new), *_measured(folder)})
        again = _evidence(noise / folder.name) if noise else None
        steady = None if again is None else sorted(_numbers(again))
        missing = [
            f"{place}: {value!r}"
            for part in PARTS
            for place, value in _places(old[part], part)
            if not _near(value, known) and (steady is None or _near(value, steady))
        ]
        claims = {claim["id"]: claim for claim in new["claims"]}
        for claim in old["claims"]:
            other = claims.get(claim["id"])
            if other is None:
                missing.append(f"claim {claim['id']} is gone")
            elif any(not _same(claim[key], other[key]) for key in ("measured", "low", "high")):
                missing.append(f"claim {claim['id']}: {claim['measured']} → {other['measured']}")
        typer.echo(f"{folder.name}: {f'{len(missing)} differ' if missing else 'the same'}")
        for line in missing:
            typer.echo(f"  {line}")
        lost += len(missing)
    return min(lost, 1)


def _evidence(folder: Path) -> Any:
    path = folder / "evidence.json"
    return json.loads(path.read_text()) if path.exists() else None


def _measured(folder: Path) -> list[float]:
    path = folder / "results.parquet"
    return pl.read_parquet(path)["value"].drop_nulls().to_list() if path.exists() else []


def _numbers(evidence: Any) -> list[float]:
    parts = [value for part in PARTS for _, value in _places(evidence[part], part)]
    claims = [value for _, value in _places(evidence["claims"], "claims")]
    return parts + claims


def _places(value: Any, place: str) -> Iterator[tuple[str, float]]:
    """Every number in a JSON value, with the way to it."""
    if isinstance(value, dict):
        name = value.get("name", "")
        for key, inner in value.items():
            yield from _places(
                inner, f"{place}/{name or key}" if name == "" else f"{place}/{name}/{key}"
            )
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _places(inner, f"{place}[{index}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place, float(value)


def _near(value: float, known: list[float]) -> bool:
    """Whether a sorted list holds the number."""
    width = TOLERANCE * max(abs(value), 1e-3)
    place = bisect_left(known, value - width)
    return place < len(known) and known[place] <= value + width


def _same(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    return math.isclose(first, second, rel_tol=TOLERANCE, abs_tol=TOLERANCE * 1e-3)


if __name__ == "__main__":
    sys.exit(app(standalone_mode=False))
