"""Latency and memory of `sterling serve` under many clients that judge photographs.

Every client sends the next photograph when it has the answer to the last. The server runs in a
process of its own, with a queue that holds all clients; memory is the resident size of the server,
its workers and their decoders, before and after.

    python -m benchmarks.serve [--clients 50] [--requests 4] [--workers 2]
"""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import numpy as np
import psutil

PHOTOGRAPH = Path(__file__).parents[1] / "examples" / "photographs" / "astronaut.jpg"
RUN = "import sys; from sterling.cli import main; main(sys.argv[1:])"


def resident(pid: int) -> float:
    """Resident memory of a process and of all that it started, in MB."""
    own = psutil.Process(pid)
    family = (own, *own.children(recursive=True))
    return float(sum(one.memory_info().rss for one in family)) / 1e6


async def load(address: str, clients: int, requests: int) -> list[float]:
    """Seconds from each request to its answer."""
    content = PHOTOGRAPH.read_bytes()

    async def client(session: httpx2.AsyncClient) -> list[float]:
        seconds = []
        for _ in range(requests):
            started = time.perf_counter()
            answer = await session.post("/v1/liveness", files={"file": ("a.jpg", content)})
            answer.raise_for_status()
            seconds.append(time.perf_counter() - started)
        return seconds

    limits = httpx2.Limits(max_connections=clients)
    async with httpx2.AsyncClient(base_url=address, timeout=300, limits=limits) as session:
        found = await asyncio.gather(*(client(session) for _ in range(clients)))
    return [one for row in found for one in row]


def answers(address: str) -> bool:
    """Whether the server listens."""
    try:
        return httpx2.get(f"{address}/healthz").is_success
    except httpx2.TransportError:
        return False


def main() -> None:
    """Print answers a second, p50 and p99, and memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    options = ["--workers", str(given.workers), "--queue", str(given.clients), "--seconds", "300"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address, command = f"http://127.0.0.1:{port}", [sys.executable, "-c", RUN, "serve"]
    server = subprocess.Popen(
        [*command, "--port", str(port), *options], stderr=subprocess.DEVNULL, env=dict(os.environ)
    )
    try:
        while not answers(address):
            if server.poll() is not None:
                sys.exit("the server did not start")
            time.sleep(0.1)
        asyncio.run(load(address, given.workers, 3))  # every worker has decoded and judged
        before = resident(server.pid)
        started = time.perf_counter()
        seconds = asyncio.run(load(address, given.clients, given.requests))
        rate = len(seconds) / (time.perf_counter() - started)
        after = resident(server.pid)
    finally:
        server.terminate()
        server.communicate()
    p50, p99 = np.quantile(seconds, [0.5, 0.99])
    print(f"{given.clients} clients, {given.workers} workers, {len(seconds)} photographs")
    print(f"{rate:.1f} answers/s; p50 {p50:.2f} s, p99 {p99:.2f} s")
    print(f"memory {before:.0f} MB before, {after:.0f} MB after")


if __name__ == "__main__":
    main()
