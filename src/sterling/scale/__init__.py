"""The same work on many machines: training that does not wait for the slowest."""

from sterling.scale.partial_sgd import PartialRun, Waiting, partial_sgd, results_needed
from sterling.scale.ray_workers import RayWorkers, local_cluster
from sterling.scale.simulated_workers import SimulatedWorkers
from sterling.scale.workers import Arrival, Gradient, Workers

__all__ = [
    "Arrival",
    "Gradient",
    "PartialRun",
    "RayWorkers",
    "SimulatedWorkers",
    "Waiting",
    "Workers",
    "local_cluster",
    "partial_sgd",
    "results_needed",
]
