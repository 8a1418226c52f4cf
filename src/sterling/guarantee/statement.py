"""The statement of a guarantee, its assumptions, and which of them were checked."""

from dataclasses import dataclass

from sterling.display import html_table, line


class ResolutionWarning(UserWarning):
    """The calibration set is too small for the level: the statement holds but says little."""


@dataclass(frozen=True)
class Assumption:
    """One condition of a guarantee.

    Attributes:
        text: The condition.
        checked: Check and its result; None when it was not checked.
        met: Whether the check found it met; None where it could not tell, or was not checked.
    """

    text: str
    checked: str | None = None
    met: bool | None = None


EXCHANGEABLE = Assumption("calibration and test items are exchangeable")
INDEPENDENT = Assumption("calibration and later items are independent draws of one kind")
UNSEEN = Assumption("the model was fitted without the calibration items")


@dataclass(frozen=True)
class Guarantee:
    """A statement that holds in finite samples, with everything it rests on.

    Attributes:
        statement: One sentence.
        assumptions: All conditions; without them the statement is empty.
        n: Number of calibration items behind it.
        level: The number in the statement: the least coverage, or the largest error rate.
        confidence: Probability, over the draw of the calibration set, that the statement holds;
            None when the statement averages over that draw.
    """

    statement: str
    assumptions: tuple[Assumption, ...]
    n: int
    level: float
    confidence: float | None = None

    def __repr__(self) -> str:
        broken = sum(one.met is False for one in self.assumptions)
        return line(
            self,
            self.statement.rstrip("."),
            f"{self.n} calibration items",
            f"{len(self.assumptions)} assumptions" + (f" ({broken} not met)" if broken else ""),
        )

    def _repr_html_(self) -> str:
        return html_table(["guarantee", ""], self.rows())

    def rows(self) -> list[list[str | int | float | None]]:
        """Return the guarantee as a table of two columns, name and content."""
        assumed: list[list[str | int | float | None]] = [
            ["assumes", f"{one.text} ({one.checked or 'not checked'})"] for one in self.assumptions
        ]
        return [["statement", self.statement], *assumed, ["calibration items", self.n]]
