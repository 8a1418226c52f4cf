"""A small policy: scores each element for a click or a text, which it copies from the goal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from sterling.agent.browser.actions import Action
from sterling.agent.browser.features import (
    ATTRIBUTES,
    ELEMENT_NUMBERS,
    TAGS,
    TOKEN_NUMBERS,
    WORDS,
    Encoded,
    encode,
    find_span,
)
from sterling.agent.browser.observation import Observation
from sterling.errors import InputError

CLICK, FILL = 0, 1
HISTORY = 3
"""Earlier actions that the policy sees, as in the method's card."""


@dataclass(frozen=True)
class Choice:
    """An action in the network's terms.

    Attributes:
        element: Index of the element.
        operation: `CLICK` or `FILL`.
        start, end: First and last token of the copied text; 0 for a click.
    """

    element: int
    operation: int
    start: int = 0
    end: int = 0


@dataclass(frozen=True, eq=False)
class Batch:
    """Several encoded observations, padded; see `Encoded`."""

    words: Tensor
    word_numbers: Tensor
    tags: Tensor
    labels: Tensor
    classes: Tensor
    numbers: Tensor
    allowed: Tensor
    token_mask: Tensor
    element_mask: Tensor

    @classmethod
    def of(cls, items: Sequence[Encoded]) -> "Batch":
        """Pad observations to one size."""

        def pad(name: str) -> Tensor:
            return pad_sequence([getattr(item, name) for item in items], batch_first=True)

        def mask(name: str) -> Tensor:
            parts = [torch.ones(len(getattr(item, name)), dtype=torch.bool) for item in items]
            return pad_sequence(parts, batch_first=True)

        return cls(
            words=pad("words"),
            word_numbers=pad("word_numbers"),
            tags=pad("tags"),
            labels=pad("labels"),
            classes=pad("classes"),
            numbers=pad("numbers"),
            allowed=pad("allowed"),
            token_mask=mask("words"),
            element_mask=mask("numbers"),
        )


@dataclass(frozen=True, eq=False)
class Scores:
    """Log-probabilities of the network.

    Attributes:
        actions: ln p of element and operation, (B, E, 2).
        tokens: Vectors of the goal's words, (B, T, D).
        elements: Vectors of the elements, (B, E, D).
        token_mask: True for words, (B, T).
    """

    actions: Tensor
    tokens: Tensor
    elements: Tensor
    token_mask: Tensor


class ElementScorer(nn.Module):
    """Transformer over the goal's words and the page's elements, with a pointer that copies text.

    It has about 0.13 million weights.

    Args:
        width: Width of the vectors.
        seed: Seed of the initial weights.
    """

    def __init__(self, width: int = 64, *, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.word = nn.Embedding(WORDS, 32, padding_idx=0)
            self.before = nn.Embedding(WORDS, 16, padding_idx=0)
            self.tag = nn.Embedding(TAGS, 16, padding_idx=0)
            self.attribute = nn.Embedding(ATTRIBUTES, 16, padding_idx=0)
            self.from_token = nn.Linear(32 + 16 + TOKEN_NUMBERS, width)
            self.from_element = nn.Linear(32 + 32 + 16 + ELEMENT_NUMBERS, width)
            layer = nn.TransformerEncoderLayer(
                width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True
            )
            self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.norm = nn.LayerNorm(width)
            self.action = nn.Linear(width, 2)
            self.start_query, self.end_query = nn.Linear(width, width), nn.Linear(2 * width, width)
            self.start_key, self.end_key = nn.Linear(width, width), nn.Linear(width, width)
        self.width = width

    def forward(self, batch: Batch) -> Scores:
        """Score every element and operation."""
        words = torch.cat(
            [self.word(batch.words[..., 0]), self.before(batch.words[..., 1]), batch.word_numbers],
            dim=-1,
        )
        elements = torch.cat(
            [
                self.word(batch.labels).mean(dim=-2),
                self.tag(batch.tags).flatten(-2),
                self.attribute(batch.classes).mean(dim=-2),
                batch.numbers,
            ],
            dim=-1,
        )
        both = torch.cat([self.from_token(words), self.from_element(elements)], dim=1)
        mask = torch.cat([batch.token_mask, batch.element_mask], dim=1)
        hidden = self.norm(self.body(both, src_key_padding_mask=~mask))
        count = batch.token_mask.shape[1]
        tokens, items = hidden[:, :count], hidden[:, count:]
        usable = batch.allowed & batch.element_mask[..., None]
        logits = self.action(items).masked_fill(~usable, -1e9)
        actions = logits.flatten(1).log_softmax(dim=1).view_as(logits)
        return Scores(actions, tokens, items, batch.token_mask)

    def starts(self, scores: Scores, element: Tensor) -> Tensor:
        """Return ln p of the first copied token, (B, T), for the chosen elements, (B,)."""
        chosen = scores.elements[torch.arange(len(element)), element]
        query = self.start_query(chosen)
        return self._point(self.start_key(scores.tokens), query, scores.token_mask)

    def ends(self, scores: Scores, element: Tensor, start: Tensor) -> Tensor:
        """Return ln p of the last copied token, (B, T), which is not before the first."""
        rows = torch.arange(len(element))
        pair = torch.cat([scores.elements[rows, element], scores.tokens[rows, start]], dim=1)
        after = torch.arange(scores.token_mask.shape[1])[None] >= start[:, None]
        mask = scores.token_mask & after
        return self._point(self.end_key(scores.tokens), self.end_query(pair), mask)

    def _point(self, keys: Tensor, query: Tensor, mask: Tensor) -> Tensor:
        logits: Tensor = torch.einsum("btd,bd->bt", keys, query) / self.width**0.5
        return logits.masked_fill(~mask, -1e9).log_softmax(dim=1)

    def log_probs(self, scores: Scores, rows: Tensor, choices: Sequence[Choice]) -> Tensor:
        """Return ln p of the parts of each choice, (N, 3): action, first and last token.

        Args:
            scores: Scores of a batch.
            rows: Row of each choice in the batch, (N,).
            choices: The choices; a click copies nothing, so that its later parts are 0.
        """
        element, operation, start, end = (
            torch.tensor([getattr(one, name) for one in choices])
            for name in ("element", "operation", "start", "end")
        )
        own = Scores(
            scores.actions[rows],
            scores.tokens[rows],
            scores.elements[rows],
            scores.token_mask[rows],
        )
        at = torch.arange(len(choices))
        action = own.actions[at, element, operation]
        filled = (operation == FILL).float()
        first = self.starts(own, element)[at, start] * filled
        last = self.ends(own, element, start)[at, end] * filled
        return torch.stack([action, first, last], dim=1)

    @torch.no_grad()
    def choose(self, items: Sequence[Encoded], draw: Callable[[Tensor], Tensor]) -> list[Choice]:
        """Choose an action for each observation.

        Args:
            items: Observations, each with at least one element.
            draw: Takes log-probabilities (B, N) and returns indices (B,): `greedy` or a sampler.
        """
        scores = self(Batch.of(items))
        flat = draw(scores.actions.flatten(1))
        element, operation = flat // 2, flat % 2
        start = draw(self.starts(scores, element))
        end = draw(self.ends(scores, element, start))
        rows = zip(*(one.tolist() for one in (element, operation, start, end)), strict=True)
        return [Choice(e, o, *((s, t) if o == FILL else (0, 0))) for e, o, s, t in rows]

    def save_pretrained(self, folder: Path) -> None:
        """Write the weights as ``model.safetensors``."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state_dict(), folder / "model.safetensors")

    @classmethod
    def from_pretrained(cls, folder: Path) -> "ElementScorer":
        """Read what `save_pretrained` wrote.

        Raises:
            InputError: The folder holds no such weights.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = folder / "model.safetensors"
        if not path.is_file():
            raise InputError(f"{folder}: holds no model.safetensors; give a folder of a scorer")
        try:
            weights = load_file(path)
            model = cls(len(weights["norm.weight"]))
            model.load_state_dict(weights)
        except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
            raise InputError(f"{path}: no weights of a scorer; train it again") from error
        return model


def greedy(log_probs: Tensor) -> Tensor:
    """Return the most probable index of each row."""
    return log_probs.argmax(dim=1)


def sampler(generator: torch.Generator) -> Callable[[Tensor], Tensor]:
    """Return a function that draws an index from each row."""

    def draw(log_probs: Tensor) -> Tensor:
        return torch.multinomial(log_probs.exp(), 1, generator=generator)[:, 0]

    return draw


def action_of(choice: Choice, encoded: Encoded, seen: Observation) -> Action:
    """Turn a choice into an action; an option of a list is selected rather than clicked."""
    ref = encoded.refs[choice.element]
    element = seen.find(ref)
    if choice.operation == FILL:
        first, last = encoded.tokens[choice.start], encoded.tokens[choice.end]
        return Action("fill", ref=ref, text=encoded.goal[first.start : last.end])
    if element is not None and element.tag == "option" and element.text:
        return Action("select", ref=ref, text=element.text)
    return Action("click", ref=ref)


def choice_of(action: Action, encoded: Encoded) -> Choice | None:
    """Turn an action into a choice; None where the network has no such choice."""
    if action.ref not in encoded.refs:
        return None
    element = encoded.refs.index(action.ref)
    if action.kind == "fill":
        span = find_span(encoded, action.text)
        return None if span is None else Choice(element, FILL, *span)
    return Choice(element, CLICK) if action.kind in ("click", "select") else None


class ScorerPolicy:
    """A policy that takes the scorer's most probable action, or draws one.

    Args:
        model: The scorer.
        draw: `greedy`, or a `sampler`.

    Examples:
        ```python
        run_episodes(envs, jobs, lambda: ScorerPolicy(model))
        ```
    """

    def __init__(self, model: ElementScorer, draw: Callable[[Tensor], Tensor] = greedy) -> None:
        self._model, self._draw = model, draw
        self._history: tuple[Action, ...] = ()

    def begin(self, task: str, seed: int) -> None:
        """Forget the earlier actions."""
        del task, seed
        self._history = ()

    def act(self, seen: Observation) -> tuple[Action, Any]:
        """Choose an action; the record is the encoded observation and the choice."""
        encoded = encode(seen, self._history)
        if not encoded.refs or not encoded.tokens:
            return Action("wait"), None
        (choice,) = self._model.choose([encoded], self._draw)
        action = action_of(choice, encoded, seen)
        self._history = (*self._history, action)[-HISTORY:]
        return action, (encoded, choice)
