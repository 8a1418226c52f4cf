"""The lock of a run: its claims, bars and stopping rule, fixed before the first measurement."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from polars.exceptions import PolarsError
from pydantic import BaseModel, ConfigDict

from sterling.errors import InputError
from sterling.runs import code_digest
from sterling.storage import SCHEMA_VERSION, write_atomically
from sterling.study.claims import use_design
from sterling.study.evidence import Design, Evidence
from sterling.study.results import Results
from sterling.study.until_decided import UntilDecided

if TYPE_CHECKING:
    from sterling.study.grammar import Study

LOCKED_CLAIMS = "claims.lock.json"


class _Locked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LockedClaim(_Locked):
    """A claim before anything is measured.

    Attributes:
        id: Short stable name.
        claim: The sentence.
        bar: Bar that the interval will be compared with.
    """

    id: str
    claim: str
    bar: str


class Lock(_Locked):
    """Everything that decides the claims of a run, except the measurements.

    Its file holds no time and no machine: the same study, configuration and code give the same
    bytes, so that a digest published beforehand proves that nothing was changed afterwards.

    Attributes:
        schema_version: Version of this form.
        study: Name of the study.
        preset: Name of the preset.
        seed: Seed of the run.
        config: Configuration of the run.
        design: "fixed" or "sequential", as in `Evidence`.
        stopping_rule: When the run ends, for people.
        repetitions: Configuration field that a sequential run raises; None for a fixed one.
        code: Digest of the package's source code.
        claims: The claims, in order.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    study: str
    preset: str
    seed: int
    config: dict[str, Any]
    design: Design
    stopping_rule: str
    repetitions: str | None
    code: str
    claims: list[LockedClaim]

    def text(self) -> str:
        """Content of the lock's file."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"

    def write(self, folder: Path) -> None:
        """Write the lock into a run folder, unless an earlier attempt of the run did."""
        if not (folder / LOCKED_CLAIMS).exists():
            write_atomically(folder / LOCKED_CLAIMS, self.text())

    def differences(self, evidence: Evidence) -> list[str]:
        """Name the ways in which a run departs from its lock, for people; none if it kept it."""
        found = [
            f"{name} {getattr(evidence, name)!r} instead of {getattr(self, name)!r}"
            for name in ("study", "preset", "seed", "design")
            if getattr(evidence, name) != getattr(self, name)
        ]
        found += [
            f"configuration field {name!r}"
            for name in self.config.keys() | evidence.config.keys()
            if name != self.repetitions and self.config.get(name) != evidence.config.get(name)
        ]
        if evidence.versions.get("code", self.code) != self.code:
            found.append("source code")
        locked = {claim.id: claim.bar for claim in self.claims}
        tested = {claim.id: claim.bar for claim in evidence.claims}
        found += [f"claim {name!r} is missing" for name in locked.keys() - tested.keys()]
        found += [f"claim {name!r} was added" for name in tested.keys() - locked.keys()]
        found += [
            f"bar of claim {name!r}: {tested[name]} instead of {locked[name]}"
            for name in locked.keys() & tested.keys()
            if locked[name] != tested[name]
        ]
        return sorted(found)


def lock(
    study: "Study[Any]",
    config: Any,
    *,
    preset: str,
    seed: int,
    until_decided: UntilDecided | None = None,
) -> Lock:
    """State what a run will claim, from its configuration alone.

    Args:
        study: The study.
        config: Its configuration.
        preset: Name of the preset that the configuration comes from.
        seed: Seed of the run.
        until_decided: Stopping rule of a run that adds repetitions; None for a fixed number.

    Raises:
        InputError: The study needs measurements to say what it claims.

    Examples:
        ```python
        lock(study, study.presets["quick"], preset="quick", seed=0).claims[0].bar  # "> 0"
        ```
    """
    design: Design = "fixed" if until_decided is None else "sequential"
    try:
        with use_design(design):
            claims = study.claims(Results.of([]), config)
    except InputError:  # a configuration that the study refuses
        raise
    except (ValueError, LookupError, PolarsError) as error:
        raise InputError(
            f"study {study.name!r} cannot state its claims before anything is measured: its claims "
            f"must take empty results ({error})"
        ) from error
    return Lock(
        study=study.name,
        preset=preset,
        seed=seed,
        config=config.model_dump(mode="json"),
        design=design,
        stopping_rule=_stopping_rule(study, config, until_decided),
        repetitions=None if until_decided is None else study.repetitions,
        code=code_digest(),
        claims=[LockedClaim(id=each.id, claim=each.claim, bar=each.bar) for each in claims],
    )


def _stopping_rule(study: "Study[Any]", config: Any, until: UntilDecided | None) -> str:
    if until is None:
        return "after the repetitions of the configuration"
    start = getattr(config, str(study.repetitions))
    rule = f"when every claim is decided, or at {until.most(start)} repetitions"
    return rule if until.budget is None else f"{rule}, or after {until.budget:g} seconds of work"
