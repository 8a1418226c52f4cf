"""Requirements on an evaluation, such as ``apcer<=0.1``."""

import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

from sterling.errors import InputError, unknown_name

RequiredMetric = Literal["apcer", "bpcer", "acer", "auc", "apnrr", "bpnrr"]


@dataclass(frozen=True)
class Requirement:
    """A bar for one figure of an evaluation.

    Attributes:
        metric: ``"apcer"`` (every species), ``"bpcer"``, ``"acer"``, ``"auc"``, or the shares of
            presentations without a score, ``"apnrr"`` (every species) and ``"bpnrr"``.
        at_most: Whether the figure may be at most the bar; else it must be at least the bar.
        bar: The bar, 0 to 1.
    """

    metric: RequiredMetric
    at_most: bool
    bar: float

    @classmethod
    def parse(cls, text: str) -> "Requirement":
        """Read ``metric<=bar`` or ``metric>=bar``.

        Raises:
            InputError: The text is none of these, the metric is unknown, or the bar is no rate.

        Examples:
            >>> str(Requirement.parse("apcer <= 0.1"))
            'apcer <= 0.1'
        """
        found = re.fullmatch(r"\s*(\w+)\s*(<=|>=)\s*(\S+)\s*", text)
        if not found:
            raise InputError(f"--require {text}: write it as apcer<=0.1 or auc>=0.95")
        metric = found[1].lower()
        if metric not in get_args(RequiredMetric):
            raise unknown_name("metric to require", metric, get_args(RequiredMetric))
        try:
            bar = float(found[3])
        except ValueError:
            bar = math.nan
        if not 0 <= bar <= 1:
            raise InputError(f"--require {text}: give a number from 0 to 1 after {found[2]}")
        return cls(metric, found[2] == "<=", bar)  # type: ignore[arg-type]  # checked above

    def __str__(self) -> str:
        return f"{self.metric} {'<=' if self.at_most else '>='} {self.bar:g}"
