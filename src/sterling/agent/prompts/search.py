"""UPA: a search for a better prompt without labels, with its confidence.

"UPA: Unsupervised Prompt Agent via Tree-Based Search and Selection" (arXiv 2601.23273). Nodes are
prompts, edges are refinements; each child is compared with its parent alone. Afterwards the path
posteriors choose finalists, and a tournament among them under Bradley-Terry-Luce ranks them.
Selection rule, priors, budgets and stopping rule could not be established: they are ours.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from sterling.agent.prompts.comparison import EdgePosterior, PromptTask, compare
from sterling.checks import Count, Range, check_fields
from sterling.errors import InputError
from sterling.lm import BudgetExhaustedError
from sterling.measure import BradleyTerry, Interval, fit_bradley_terry

Chance = Annotated[float, Range(0.5, 1, open_high=True)]


@dataclass(frozen=True)
class SearchSettings:
    """Size of a search and its stopping rule. All are ours.

    Attributes:
        expansions: Number of nodes that get children.
        children: Number of children of an expansion.
        questions: Number of questions of each comparison of a child with its parent.
        depth: Largest depth of the tree.
        exploration: Constant c of the selection rule "descend".
        finalists: Number of finalists of the tournament, besides the root.
        confidence: P(better than the root) that a finalist must reach.
        round_questions: Number of questions of a round of the tournament.
        judged: Largest number of comparisons of the tournament, each on one question.
        settled: P(best > second) at which the tournament stops.
        swap: Compare in both orders.
        filtered: Choose finalists by their path posteriors; else at random (an ablation).
        selection: Rule that chooses the node to expand. "descend" goes down from the root to the
            most promising child once a node has enough children, even if all of them lost to it.
            "strongest" takes the node with the largest mean strength of the whole tree, so that a
            parent competes with its children.
    """

    expansions: Count = 20
    children: Count = 2
    questions: Count = 3
    depth: Count = 5
    exploration: float = 0.3
    finalists: Count = 5
    confidence: Chance = 0.5
    round_questions: int = 2
    judged: Count = 120
    settled: Chance = 0.95
    swap: bool = True
    filtered: bool = True
    selection: Literal["descend", "strongest"] = "descend"

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass
class Node:
    """A prompt in the tree.

    Attributes:
        prompt: Text of the prompt.
        parent: Row of the parent; None at the root.
        depth: Depth in the tree, 0 at the root.
        edge: Posterior of the comparison with the parent.
        mean: Mean of the strength above the root, the sum over edges of the path.
        variance: Variance of that strength.
        lost: Questions where it lost against its parent.
        visits: Number of expansions below or at it.
        children: Rows of the children.
    """

    prompt: str
    parent: int | None = None
    depth: int = 0
    edge: EdgePosterior = field(default_factory=EdgePosterior)
    mean: float = 0.0
    variance: float = 0.0
    lost: tuple[int, ...] = ()
    visits: int = 0
    children: list[int] = field(default_factory=list)

    @property
    def cautious(self) -> float:
        """The mean less one deviation."""
        return float(self.mean - np.sqrt(self.variance))


@dataclass(frozen=True)
class Standing:
    """A prompt's place in the tournament.

    Attributes:
        prompt: Text of the prompt.
        strength: Strength in logits; only differences mean something.
        interval: 95 % interval of the strength.
    """

    prompt: str
    strength: float
    interval: Interval


@dataclass(frozen=True)
class Search:
    """Result of a search.

    Attributes:
        best: The prompt to use.
        ranking: Finalists, strongest first; empty where the budget ended before the tournament.
        sure: P(best is stronger than the second); None without a tournament.
        tree: Every prompt that was tried.
        ended: Reason of the end: the tournament was "settled", all its comparisons were "judged",
            or the "budget" was used up.
        position_bias: Mean position bias of the judge over comparisons.
    """

    best: str
    ranking: tuple[Standing, ...]
    sure: float | None
    tree: tuple[Node, ...]
    ended: Literal["settled", "judged", "budget"]
    position_bias: float


def upa(
    task: PromptTask, start: str, settings: SearchSettings | None = None, *, seed: int = 0
) -> Search:
    """Search from a prompt.

    When the budget of the task's ledger ends in the middle, the best prompt so far comes back: by
    the tournament as far as it got, or by the cautious estimates of the tree.

    Args:
        task: Task with judge and optimiser.
        start: First prompt; not empty.
        settings: Size of the search and stopping rule.
        seed: Seed of questions and refinements.

    Raises:
        InputError: The start is empty, or a comparison has more questions than the task.
    """
    chosen = settings or SearchSettings()
    if not start.strip():
        raise InputError("start: is empty; give the prompt that is to be improved")
    if chosen.questions > task.questions:
        raise InputError(
            f"questions {chosen.questions}: the task has {task.questions}; give more or ask fewer"
        )
    search = _Search(task, chosen, np.random.default_rng(seed), [Node(start)])
    try:
        search.grow()
    except BudgetExhaustedError:
        best = max(search.tree, key=lambda node: node.cautious)
        return search.result(best.prompt, (), None, "budget")
    return search.tournament()


class _Search:
    def __init__(
        self,
        task: PromptTask,
        settings: SearchSettings,
        draw: np.random.Generator,
        tree: list[Node],
    ) -> None:
        self.task, self.settings, self.draw, self.tree = task, settings, draw, tree
        self.biases: list[float] = []

    def result(
        self,
        best: str,
        ranking: Sequence[Standing],
        sure: float | None,
        ended: Literal["settled", "judged", "budget"],
    ) -> Search:
        bias = float(np.mean(self.biases)) if self.biases else 0.0
        return Search(best, tuple(ranking), sure, tuple(self.tree), ended, bias)

    def _compare(
        self, first: str, second: str, count: int
    ) -> tuple[tuple[float, ...], tuple[int, ...]]:
        questions = self.draw.choice(self.task.questions, count, replace=False).tolist()
        swap = self.settings.swap
        found = compare(self.task, first, second, questions, swap=swap)
        self.biases.append(found.position_bias)
        return found.wins, found.lost

    # The tree

    def grow(self) -> None:
        """Expand node after node."""
        for number in range(self.settings.expansions):
            row = self._selected()
            self._expand(row, number)

    def _selected(self) -> int:
        """Return the row of the node to expand.

        "strongest" takes the node with the largest mean M. "descend" goes down from the root: a
        node takes children while they are fewer than `children` times √visits; below, the child
        with the largest M + c √(V + ln(visits of the parent) / (1 + own visits)) is next.
        """
        if self.settings.selection == "strongest":
            return max(self._open(range(len(self.tree))), key=lambda row: self.tree[row].mean)
        row = 0
        while True:
            node = self.tree[row]
            allowed = self.settings.children * np.sqrt(node.visits + 1)
            full = len(node.children) + self.settings.children > allowed
            below = self._open(node.children)
            if not full or not below:
                return row
            row = max(below, key=lambda child: self._promise(child, node.visits))

    def _open(self, rows: Iterable[int]) -> list[int]:
        """Return the rows whose nodes are not yet as deep as the tree may be."""
        return [row for row in rows if self.tree[row].depth < self.settings.depth]

    def _promise(self, row: int, parent_visits: int) -> float:
        node = self.tree[row]
        unknown = node.variance + np.log(max(1, parent_visits)) / (1 + node.visits)
        return float(node.mean + self.settings.exploration * np.sqrt(unknown))

    def _expand(self, row: int, number: int) -> None:
        parent = self.tree[row]
        prompts = self.task.refine(parent.prompt, parent.lost, self.settings.children, number)
        known = {node.prompt for node in self.tree}
        for prompt in dict.fromkeys(prompts):
            if not prompt.strip() or prompt in known:
                continue  # nothing is paid for a prompt that is not new
            wins, lost = self._compare(prompt, parent.prompt, self.settings.questions)
            edge = EdgePosterior().after(wins)
            parent.children.append(len(self.tree))
            self.tree.append(
                Node(
                    prompt,
                    row,
                    parent.depth + 1,
                    edge,
                    parent.mean + edge.mean,
                    parent.variance + edge.variance,
                    lost,
                )
            )
        above: int | None = row
        while above is not None:
            self.tree[above].visits += 1
            above = self.tree[above].parent

    # The tournament

    def _finalists(self) -> list[str]:
        """The root, and those that are likely better, most cautious estimate first."""
        others = self.tree[1:]
        if self.settings.filtered:
            others = [
                node
                for node in others
                if stats.norm.cdf(node.mean / np.sqrt(node.variance)) >= self.settings.confidence
            ]
            others.sort(key=lambda node: -node.cautious)
        else:
            others = [others[row] for row in self.draw.permutation(len(others))]
        return [self.tree[0].prompt, *(node.prompt for node in others[: self.settings.finalists])]

    def tournament(self) -> Search:
        """Compare finalists, the least known pair next, until one is settled."""
        prompts = self._finalists()
        wins = np.zeros((len(prompts), len(prompts)))
        count = min(self.settings.round_questions, self.task.questions)
        ended: Literal["settled", "judged", "budget"] = "judged"
        pairs = list(combinations(range(len(prompts)), 2))
        judged = 0
        try:
            for first, second in pairs:
                judged += self._round(prompts, wins, first, second, count)
            while judged < self.settings.judged and pairs:
                fitted = fit_bradley_terry(wins)
                if _settled(fitted, self.settings.settled):
                    ended = "settled"
                    break
                first, second = max(pairs, key=lambda pair: _informative(fitted, *pair))
                judged += self._round(prompts, wins, first, second, count)
        except BudgetExhaustedError:
            ended = "budget"
        return self._ranked(prompts, wins, ended if pairs else "settled")

    def _round(
        self, prompts: Sequence[str], wins: NDArray[np.float64], first: int, second: int, count: int
    ) -> int:
        won, _ = self._compare(prompts[first], prompts[second], count)
        wins[first, second] += sum(won)
        wins[second, first] += count - sum(won)
        return count

    def _ranked(
        self,
        prompts: Sequence[str],
        wins: NDArray[np.float64],
        ended: Literal["settled", "judged", "budget"],
    ) -> Search:
        fitted = fit_bradley_terry(wins)
        # Among equals the shorter prompt is the better one.
        order = sorted(
            range(len(prompts)), key=lambda row: (-fitted.strengths[row], len(prompts[row]))
        )
        ranking = [
            Standing(prompts[row], float(fitted.strengths[row]), fitted.interval(row))
            for row in order
        ]
        sure = fitted.probability_above(*order[:2]) if len(order) > 1 else None
        return self.result(prompts[order[0]], ranking, sure, ended)


def _settled(fitted: BradleyTerry, level: float) -> bool:
    best, second = fitted.order()[:2]
    return fitted.probability_above(best, second) >= level


def _informative(fitted: BradleyTerry, first: int, second: int) -> float:
    """Var(θ_i - θ_j) p (1 - p): unknown, and not foregone."""
    mean, variance = fitted.difference(first, second)
    chance = special.expit(mean)
    return float(variance * chance * (1 - chance))
