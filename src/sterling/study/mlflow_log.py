"""Evidence in MLflow: parameters, metrics with the ends of their intervals, and the run's files."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sterling.errors import InputError
from sterling.extras import needs
from sterling.study.evidence import Evidence

LOGGED_FILES = ("evidence.json", "run.json", "results.parquet", "scores.parquet", "log.txt")
_LONGEST_VALUE = 6000  # characters of a parameter, which MLflow allows
_SETTINGS = {
    "MLFLOW_ALLOW_FILE_STORE": "true",  # a folder is asked for by its own address
    "MLFLOW_DISABLE_TELEMETRY": "true",  # a run tells nobody about itself
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a wrong address fails before the run, and soon
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


class MlflowLog:
    """An MLflow tracking store that receives the evidence of runs.

    Every study is an experiment ``sterling/<study>``. Settings of MLflow in the environment win
    over ours.

    Args:
        uri: Address of the store: ``http://…``, ``file:///folder``, or any other that MLflow knows.

    Raises:
        InputError: MLflow is not installed, or the store does not answer.

    Examples:
        ```python
        MlflowLog("file:///tmp/mlruns").write(evidence, folder)
        ```
    """

    def __init__(self, uri: str) -> None:
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        with needs("mlflow", "--mlflow"):
            from mlflow import MlflowClient
        self.uri = uri
        try:
            self._client = MlflowClient(tracking_uri=uri)
            self._client.search_experiments(max_results=1)
        except Exception as error:  # stores raise errors of every kind
            raise InputError(f"--mlflow {uri}: {_first_line(error)}") from error

    def write(self, evidence: Evidence, folder: Path) -> str:
        """Log a finished run and return its MLflow run id.

        Raises:
            InputError: The store refused it. The evidence stays in its folder.
        """
        try:
            return self._write(evidence, folder)
        except Exception as error:
            raise InputError(
                f"--mlflow {self.uri}: {_first_line(error)}; the evidence is in {folder}, and the "
                "same command logs it without running again"
            ) from error

    def _write(self, evidence: Evidence, folder: Path) -> str:
        name = f"sterling/{evidence.study}"
        known = self._client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else self._client.create_experiment(name)
        tags = {"command": evidence.command, "scope": evidence.scope, "outcome": evidence.outcome}
        tags |= {f"version.{name}": version for name, version in evidence.versions.items()}
        tags |= {f"claim.{claim.id}": claim.verdict for claim in evidence.claims}
        run = self._client.create_run(experiment, run_name=folder.name, tags=tags).info.run_id
        settings = {"preset": evidence.preset, "seed": evidence.seed, **evidence.config}
        for key, value in _leaves(settings):
            self._client.log_param(run, key, str(value)[:_LONGEST_VALUE])
        for key, value in _measured(evidence):
            self._client.log_metric(run, key, value)
        for file in LOGGED_FILES:
            if (folder / file).is_file():
                self._client.log_artifact(run, folder / file)
        self._client.set_terminated(run)
        return str(run)


def _measured(evidence: Evidence) -> Iterator[tuple[str, float]]:
    """Every number with the ends of its interval, under names that MLflow allows."""
    numbers = {metric.name: (metric.value, metric.low, metric.high) for metric in evidence.metrics}
    for claim in evidence.claims:
        numbers[f"claim/{claim.id}"] = (claim.measured, claim.low, claim.high)
    for name, values in numbers.items():
        key = re.sub(r"[^\w./ -]+", "-", name)
        for end, value in zip(("", " low", " high"), values, strict=True):
            if value is not None:
                yield key + end, value
    yield "wall_s", evidence.wall_s


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
