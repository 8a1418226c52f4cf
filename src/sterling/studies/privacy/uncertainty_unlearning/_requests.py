"""The deletion requests that are compared: attacks, and references that plan nothing."""

from collections.abc import Mapping
from functools import partial
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.privacy.targets.convex import ConvexModel
from sterling.privacy.unlearning_attacks.deletion_requests import (
    SoftSetSize,
    attack_loss,
    plan_by_queries,
    plan_deletions,
    plan_verified_deletions,
)
from sterling.studies.privacy.uncertainty_unlearning._repetition import Repetition

WHITE_BOX = "white box, own records"
ANY_RECORD = "white box, any record"
SET_SIZE = "set size, any record"
CAPPED = "white box, capped to a third"
LABEL_ATTACK = "label attack, any record"
SURROGATES, FIRST_ORDER, BY_NES = "surrogates", "first order", "NES queries"
OWN_RANDOM, ANY_RANDOM = "random, own records", "random, any records"


def baseline(system: str) -> str:
    """The random deletions that a request is compared with: of the records it may choose from."""
    return ANY_RANDOM if "any record" in system else OWN_RANDOM


def random_requests(
    drawn: Repetition, budget: int, draws: int, rng: np.random.Generator
) -> dict[str, list[Tensor]]:
    """Draw random deletions of the adversary's own records, and of any records."""
    candidates = {OWN_RANDOM: drawn.owned, ANY_RANDOM: torch.arange(len(drawn.model.features))}
    return {
        name: [rows[torch.from_numpy(rng.permutation(len(rows))[:budget])] for _ in range(draws)]
        for name, rows in candidates.items()
    }


def harmless_clusters(model: ConvexModel, budget: int, rng: np.random.Generator) -> list[Tensor]:
    """Draw ten requests that a user might make: a record and those nearest to it."""
    starts = torch.from_numpy(rng.choice(len(model.features), 10, replace=False))
    distance = torch.cdist(model.features[starts], model.features)
    return list(distance.topk(budget, largest=False).indices)


def plan_requests(
    drawn: Repetition,
    direction: Literal["over", "under"],
    *,
    budget: int,
    queries: int,
    research_use: bool,
    seed: int,
) -> Mapping[str, Tensor]:
    """Plan what every system asks to delete, as rows of the training set.

    Args:
        drawn: The repetition's model and adversary.
        direction: Whether the adversary wants more or less confidence.
        budget: Records that a request deletes.
        queries: Queries of the black-box attacks without a surrogate.
        research_use: See `sterling.research_use`.
        seed: Seed of surrogates and queries.
    """
    aim, model, owned = drawn.aim(direction), drawn.model, drawn.owned
    everything = torch.arange(len(model.features))
    before = model.logits(aim.reference)
    verified = partial(plan_verified_deletions, model, research_use=research_use)
    planned = partial(plan_deletions, aim=aim, budget=budget, research_use=research_use)

    def observe(chosen: Tensor) -> float:
        """The service retrains and answers the adversary's questions."""
        return float(attack_loss(model.without(owned[chosen]).logits, before, aim))

    def by_queries(estimator: Literal["NES", "SPSA"]) -> Tensor:
        return owned[
            plan_by_queries(
                observe,
                len(owned),
                budget,
                torch.Generator().manual_seed(seed),
                research_use=research_use,
                estimator=estimator,
                queries=queries,
            )
        ]

    losses = F.cross_entropy(
        model.logits(model.features[owned]), model.labels[owned], reduction="none"
    )
    distance = torch.cdist(model.features[owned], drawn.watched.targets).amin(1)
    sizes = SoftSetSize(*drawn.watched.calibration, alpha=drawn.watched.alpha)
    return {
        WHITE_BOX: verified(owned, aim, budget),
        ANY_RECORD: verified(everything, aim, budget),
        SET_SIZE: verified(everything, drawn.aim(direction, sizes), budget),
        CAPPED: verified(owned, aim, budget // 3),
        FIRST_ORDER: owned[planned([model], [owned], order="first")],
        SURROGATES: owned[planned(*drawn.surrogates(seed))],
        BY_NES: by_queries("NES"),
        "SPSA queries": by_queries("SPSA"),
        LABEL_ATTACK: verified(everything, drawn.aim("flip"), budget),
        "largest loss": owned[losses.topk(budget).indices],
        "closest to targets": owned[distance.topk(budget, largest=False).indices],
    }
