"""A thousand cells of a study on a Ray cluster of two nodes, against two processes.

The study is `hats` (smoke; a cell tests human texts with one key). Nodes have one core each and no
disk of the run. Besides: what it costs to send captures to a node against drawing them there.

    python -m benchmarks.ray_cells [--quick]
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import ray
from ray.cluster_utils import Cluster

from sterling.face.capture import Captures, Scale, simulate
from sterling.runs import Backend
from sterling.scale.backends import processes
from sterling.scale.ray_cells import RayCells
from sterling.studies import STUDIES
from sterling.study import override, run_study


@contextmanager
def cluster() -> Iterator[str]:
    """Yield the address of two nodes of one core each, to which this process is connected."""
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes.add_node(num_cpus=1)
    ray.init(nodes.address, log_to_driver=False)
    yield nodes.address
    ray.shutdown()
    nodes.shutdown()  # type: ignore[no-untyped-call]


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def run(folder: Path, cells: int, backend: Backend) -> pl.DataFrame:
    """Run the study and return its results, without the repetitions of other cells."""
    study = STUDIES["hats"]
    config = override(study.presets["smoke"], [f"null_keys={cells}"])
    run_study(study, config, preset="smoke", seed=0, folder=folder, backend=backend)
    return pl.read_parquet(folder / "results.parquet")


def main() -> None:
    """Print ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fifty cells, few captures")
    quick = parser.parse_args().quick
    cells, captures = (50, 40) if quick else (1000, 400)
    results: list[pl.DataFrame] = []
    with cluster() as address, TemporaryDirectory() as scratch:
        backends: dict[str, Backend] = {"processes": processes, "Ray": RayCells(address)}
        seconds = {
            name: timed(lambda: results.append(run(Path(scratch) / name, cells, backend)))  # noqa: B023
            for name, backend in backends.items()
        }
        assert results[0].equals(results[1]), "Ray gives other figures"
        print(
            f"{cells} cells of hats: processes {seconds['processes']:.1f} s, Ray "
            f"{seconds['Ray']:.1f} s ({seconds['Ray'] / seconds['processes']:.2f} times); "
            "equal results"
        )
        compare_sending(captures)


def drawn(captures: int) -> Captures:
    """Draw captures at the size of the studies."""
    return simulate(size=64, scale=Scale((8, 1, 1), (captures, 2, 2)))


def number(captures: Sized) -> int:
    """Return the number of captures that arrived."""
    return len(captures)


def compare_sending(captures: int) -> None:
    """Print what it costs to send captures to a node, as studies of recorded data do."""
    count = ray.remote(num_cpus=1)(number)
    ray.get([count.remote([]) for _ in range(2)])  # both nodes have started
    drawing = timed(lambda: drawn(captures))
    sent = drawn(captures)
    sending = timed(lambda: ray.get(count.remote(ray.put(sent))))
    print(
        f"{len(sent)} captures of 64x64: {sending:.3f} s to send, {drawing:.2f} s to draw "
        f"({sending / drawing:.4f} times)"
    )


if __name__ == "__main__":
    main()
