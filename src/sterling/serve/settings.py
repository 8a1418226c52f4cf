"""Settings of the service: its address, its token, its folders and its limits."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from sterling.checks import Count, Natural, Positive, check_fields
from sterling.errors import InputError

SHORTEST_TOKEN = 16
"""Letters of the shortest token that is accepted. Our choice."""


@dataclass(frozen=True)
class Settings:
    """Settings of the service. The limits are our choice.

    Attributes:
        host: Address to listen on.
        port: Port; 0 for a free one.
        token: Secret that every request must show; needed when others can reach the address.
        runs: Folder of run folders.
        detector: Liveness detector, as `load_detector` names it.
        text_detectors: Folders of detectors of machine-written texts that may be chosen.
        research_use: Whether attacks may be chosen whose only use is to evade a detector.
        workers: Number of processes that answer requests.
        queue: Number of requests, and of jobs, that may wait; further ones are refused.
        seconds: Time that a request may take, upload and work each.
        job_seconds: Time that a job may take.
        megabytes: Size of a request's body, in units of 1,000,000 bytes.
        items: Number of texts of a job, calibration included.

    Raises:
        InputError: A number is out of range, or the address needs a token that is missing or short.
    """

    host: str = "127.0.0.1"
    port: Natural = 8000
    token: str | None = None
    runs: Path = Path("runs")
    detector: str = "compact"
    text_detectors: tuple[Path, ...] = ()
    research_use: bool = False
    workers: Count = 2
    queue: Natural = 16
    seconds: Positive = 60.0
    job_seconds: Positive = 1800.0
    megabytes: Count = 32
    items: Count = 2000

    def __post_init__(self) -> None:
        check_fields(self)
        if self.token is None and not self.local:
            raise InputError(
                f"--host {self.host}: others can reach it; set STERLING_TOKEN to a secret of "
                f"{SHORTEST_TOKEN} letters or more"
            )
        if self.token is not None and len(self.token) < SHORTEST_TOKEN:
            raise InputError(
                f"the token has {len(self.token)} letters; use {SHORTEST_TOKEN} or more, as from "
                "python3 -c 'import secrets; print(secrets.token_urlsafe())'"
            )

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the address."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def largest(self) -> int:
        """Bytes of the largest body."""
        return self.megabytes * 1_000_000
