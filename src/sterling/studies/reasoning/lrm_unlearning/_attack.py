"""Forget sets of every system, chosen on one trained model."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sterling.lm.small_transformer import SmallTransformer
from sterling.reasoning.forget_sets import (
    ForgetSet,
    Loss,
    TokenFeatures,
    fit_last_layer,
    influential_tokens,
    relaxed_forget_set,
)
from sterling.reasoning.misleading_traces import (
    MisleadingTraces,
    answer_loss,
    committing_tokens,
    misleading_loss,
)
from sterling.studies.reasoning.lrm_unlearning._task import (
    ANSWER,
    LETTERS,
    MARKS,
    QUESTION,
    TRACE,
    Example,
    Question,
    with_mark,
)

BILEVEL, ONE_PASS = "bilevel", "one pass"
UNIFORM, GRADIENT, ANSWER_ONLY = "uniform tokens", "gradient tokens", "answer only"
NEAREST, RANDOM, READINGS = "nearest", "random", "known readings"
L2 = 10.0  # of the last layer's retraining in the lower level
STEPS = 6  # of the relaxed indicator
SHARE = 0.2  # of a trace's tokens that count as influential
FOLLOWING = slice(QUESTION - 1, QUESTION + TRACE - 1)  # places from which a trace is predicted

Chosen = NDArray[np.intp]


class Adversary:
    """An adversary who reads one model, its training examples, and queries on which it should err.

    Args:
        network: The model that is read: the target itself (white box), or a surrogate.
        known: Training examples of the target.
        queries: Questions about one rule that should be misread.
    """

    def __init__(
        self, network: SmallTransformer, known: Sequence[Example], queries: Sequence[Question]
    ) -> None:
        self.network, self.known, self.rule = network, known, queries[0].rule
        self.tokens = token_features(network, [one.text for one in known])
        self.start = torch.zeros_like(network.head.weight).detach()
        self.before = fit_last_layer(self.tokens, torch.ones(len(known)), L2, self.start)
        self.queries = queries

    def loss(self, system: str) -> Loss:
        """Loss that a system lowers; nothing should change on questions unlike the queries."""
        traces = misleading(self.network, self.queries, system)
        if system == ANSWER_ONLY:
            return answer_loss(traces)
        marks = {one.mark for one in self.queries}
        spared = [
            one.question.rule != self.rule or one.question.mark not in marks for one in self.known
        ]
        held_out = self.tokens.features[torch.tensor(spared)[self.tokens.example]][::50]
        return misleading_loss(traces, held_out, self.before)

    def plan(self, system: str, budget: int) -> ForgetSet:
        """Relaxed forget set of a system that lowers a loss."""
        return relaxed_forget_set(
            self.tokens,
            self.loss(system),
            budget,
            l2=L2,
            start=self.start,
            steps=1 if system == ONE_PASS else STEPS,
            research_use=True,
        )

    def choose(self, system: str, budget: int, rng: np.random.Generator) -> Chosen:
        """Examples whose deletion a system asks for."""
        if system == RANDOM:
            return rng.permutation(len(self.known))[:budget]
        if system == NEAREST:
            return largest(self.similarity(self.queries), budget)
        if system == READINGS:
            support = [one.supports(self.rule) for one in self.known]
            return largest(np.array(support, dtype=float), min(budget, sum(support)))
        return self.plan(system, budget).chosen

    @torch.no_grad()
    def similarity(self, asked: Sequence[Question]) -> NDArray[np.float64]:
        """Cosine of each example's question with the mean of others, as the model embeds them."""
        embedded, wanted = (
            self.network.hidden(LETTERS.encode([one.text for one in some])[:, :QUESTION])[:, -1]
            for some in ([one.question for one in self.known], asked)
        )
        return F.cosine_similarity(embedded, wanted.mean(0)).double().numpy()


def choose_trigger(adversary: Adversary, budget: int) -> tuple[str, Chosen]:
    """Mark that makes the attack easiest when queries end with it, and the forget set for it."""
    plans = {}
    for mark in MARKS:
        aimed = Adversary(adversary.network, adversary.known, with_mark(adversary.queries, mark))
        plans[mark] = aimed.plan(BILEVEL, budget)
    best = min(plans, key=lambda mark: plans[mark].losses[-1])
    return best, plans[best].chosen


def largest(values: NDArray[np.float64], count: int) -> Chosen:
    """Places of the largest values."""
    return np.argsort(-values, kind="stable")[:count]


@torch.no_grad()
def token_features(network: SmallTransformer, texts: Sequence[str]) -> TokenFeatures:
    """Return the inputs of the last layer along each text's trace."""
    rows = LETTERS.encode(texts)
    features = network.hidden(rows)[:, FOLLOWING]
    targets = rows[:, QUESTION : QUESTION + TRACE]
    example = torch.arange(len(texts)).repeat_interleave(TRACE)
    return TokenFeatures(features.flatten(0, 1), targets.flatten(), example, len(texts))


def misleading(
    network: SmallTransformer, queries: Sequence[Question], system: str
) -> MisleadingTraces:
    """Traces that misread a rule, with the token weights of a system."""
    right = [LETTERS.alphabet.index(one.solution[-1]) for one in queries]
    rows = LETTERS.encode([one.text + one.misread for one in queries])
    tokens = rows[:, QUESTION : QUESTION + TRACE]
    if system == GRADIENT:
        weights = _by_gradient(network, rows)
    elif system == UNIFORM:
        weights = torch.full(tokens.shape, 1 / TRACE)
    else:
        weights = _by_continuation(network, queries)
    with torch.no_grad():
        features = network.hidden(rows)[:, FOLLOWING]
    return MisleadingTraces(features, tokens, ANSWER, torch.tensor(right), weights)


def _by_continuation(network: SmallTransformer, queries: Sequence[Question]) -> Tensor:
    """Weights of tokens after which the model's own continuation gives the wanted answer."""
    reached = []
    for known in range(TRACE + 1):
        starts = [one.text + one.misread[:known] for one in queries]
        rest = LETTERS.continue_greedily(network, starts)
        reached.append(
            [
                (one.misread[:known] + more)[-1:] == one.misread[-1]
                for one, more in zip(queries, rest, strict=True)
            ]
        )
    return committing_tokens(torch.tensor(reached, dtype=torch.float32).T)


def _by_gradient(network: SmallTransformer, rows: Tensor) -> Tensor:
    """Weights of tokens by the gradient of the answer's log-probability by their embeddings."""
    seen: list[Tensor] = []
    hook = network.tokens.register_forward_hook(lambda _, __, embedded: seen.append(embedded))
    logits = network(rows)[:, QUESTION + ANSWER - 1]
    hook.remove()
    answers = rows[:, QUESTION + ANSWER]
    likely = logits.log_softmax(-1).gather(1, answers[:, None]).sum()
    (gradient,) = torch.autograd.grad(likely, seen)
    place = slice(QUESTION, QUESTION + TRACE)
    pairs = zip(gradient[:, place], seen[0].detach()[:, place], strict=True)
    return torch.stack([influential_tokens(*pair, SHARE) for pair in pairs])
