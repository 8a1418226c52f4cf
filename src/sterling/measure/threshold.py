"""A decision threshold that remembers the rule and the items it was chosen on."""

import json
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from sterling.display import line, number
from sterling.errors import InputError
from sterling.measure.scores import Direction, Scores


def digest_items(items: Iterable[str]) -> frozenset[str]:
    """Return digests of item ids, 16 hexadecimal digits each: they recognise items unnamed."""
    return frozenset(blake2b(item.encode(), digest_size=8).hexdigest() for item in items)


@dataclass(frozen=True)
class Threshold:
    """A decision threshold, and how it was chosen.

    An item is accepted as positive when its score is **at or beyond** the threshold:
    ``score >= value`` with direction ``"up"``, ``score <= value`` with ``"down"``.

    Attributes:
        value: Finite, in the scores' own scale and direction.
        direction: Direction of the scores it applies to.
        rule: Rule it was chosen by, in words.
        source: Name of the data it was chosen on.
        n: Number of items the rule counted.
        items: Digests of the items it was chosen on; empty for a threshold set by hand.
        resolved: False when the data was too small for the rule's target (fewer than 1/target
            items), so that the nearest safe side was taken instead.
    """

    value: float
    direction: Direction = "up"
    rule: str = "set by hand"
    source: str = ""
    n: int = 0
    items: frozenset[str] = frozenset()
    resolved: bool = True

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise InputError(f"threshold {self.value}: give a finite number")
        if self.direction not in ("up", "down"):
            raise InputError(f"threshold direction {self.direction!r}: use 'up' or 'down'")

    def __repr__(self) -> str:
        chosen = f"chosen on {self.n} of {self.source or 'unnamed data'}" if self.items else ""
        unresolved = "" if self.resolved else "too few items for the target"
        return line(self, self.decision, self.rule, chosen, unresolved)

    @property
    def decision(self) -> str:
        """The rule that accepts an item, such as ``score >= 0.5``."""
        return f"score {'>=' if self.direction == 'up' else '<='} {number(self.value)}"

    def overlap(self, scores: Scores) -> int:
        """Return the number of scored items that the threshold was chosen on."""
        if not self.items:
            return 0
        return len(self.items & digest_items(scores.item.tolist()))

    def require_unseen(self, items: Collection[str]) -> None:
        """Refuse to score items that the threshold was chosen on.

        Raises:
            InputError: It was chosen on some of them.
        """
        shared = len(self.items & digest_items(items))
        if shared:
            raise InputError(
                f"{shared} of {len(items)} scored items were used to choose the threshold; score "
                "held-out items (with item ids of their own) or say in_sample=True"
            )

    def accept(self, scores: Scores, in_sample: bool = False) -> NDArray[np.bool_]:
        """Return which items are accepted as positive, bool (N,).

        Args:
            scores: Scores of the same direction as the threshold.
            in_sample: Allow items that the threshold was chosen on. Error rates on such items
                are optimistic.

        Raises:
            InputError: When the directions differ, or when scored items were used to choose the
                threshold and ``in_sample`` is false.
        """
        if scores.direction != self.direction:
            raise InputError(
                f"threshold of direction {self.direction!r} on scores of direction "
                f"{scores.direction!r}; positives must lie on the same side of both"
            )
        if self.items and not in_sample:
            self.require_unseen(scores.item.tolist())
        if self.direction == "up":
            return scores.values >= self.value
        return scores.values <= self.value

    def to_json(self) -> str:
        """Return the threshold as one JSON object; ``from_json`` gives back an equal threshold."""
        return json.dumps({**vars(self), "items": sorted(self.items)})

    @classmethod
    def from_json(cls, text: str) -> "Threshold":
        """Read what ``to_json`` wrote.

        Raises:
            InputError: When the text is not such an object.
        """
        try:
            fields = json.loads(text)
            return cls(
                value=float(fields["value"]),
                direction=fields["direction"],
                rule=str(fields["rule"]),
                source=str(fields["source"]),
                n=int(fields["n"]),
                items=frozenset(map(str, fields["items"])),
                resolved=bool(fields["resolved"]),
            )
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"not a threshold in JSON ({error!r}); write it with to_json"
            ) from error
