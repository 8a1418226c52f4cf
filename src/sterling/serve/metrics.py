"""Counts and times for Prometheus; no label holds what a user sent."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from sterling.serve.jobs import Jobs
from sterling.serve.pool import Pool

BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Metrics of one application, in a registry of its own."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "sterling_requests", "Answered requests.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "sterling_request_seconds",
            "Time from request to answer.",
            ["route"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        held = Gauge("sterling_held", "Calls that wait or work.", ["pool"], registry=self.registry)
        held.labels("requests").set_function(lambda: pool.held)
        held.labels("jobs").set_function(lambda: jobs.pool.held)

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
