"""A small transformer that writes reasoning about the readings of a synthetic study."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.reasoning import (
    ReasoningCase,
    ReasoningTemplate,
    builtin_templates,
    measurements,
    places,
)

BINS = 24  # values of a measurement that the policy can tell
LONGEST = 36  # tokens of a completion: eleven steps and an answer

DISEASES = tuple(builtin_templates())
MEASUREMENTS = tuple(measurements())
PLACES = tuple(places())
END, BEGIN = 0, 1
FIRST_BIN = 2
FIRST_PLACE = FIRST_BIN + BINS
FIRST_MEASUREMENT = FIRST_PLACE + len(PLACES)
FIRST_DISEASE = FIRST_MEASUREMENT + len(MEASUREMENTS)
VOCABULARY = FIRST_DISEASE + len(DISEASES)

_IMPLICATIONS = {
    step.measurement: step.implication
    for template in builtin_templates().values()
    for step in template.steps
}


def bin_of(position: float) -> int:
    """Number of the bin of a position in [0, 1]."""
    return min(max(int(position * BINS), 0), BINS - 1)


def write_tokens(template: ReasoningTemplate, case: ReasoningCase) -> list[int]:
    """Tokens of the template filled with the values of a case, with the end."""
    tokens = []
    for step in template.steps:
        measured = measurements()[step.measurement]
        tokens += [
            FIRST_PLACE + PLACES.index(measured.place),
            FIRST_MEASUREMENT + MEASUREMENTS.index(step.measurement),
            FIRST_BIN + bin_of(measured.position(case.values[step.measurement])),
        ]
    return [*tokens, FIRST_DISEASE + DISEASES.index(template.disease), END]


def read_tokens(tokens: Sequence[int]) -> str:
    """Text of a completion: three tokens make a step; tokens out of place make broken lines."""
    lines = ["<think>"]
    rest = list(tokens)
    while rest and rest[0] != END:
        place, name, value = (*rest[:3], END, END)[:3]
        if rest[0] >= FIRST_DISEASE:
            lines += ["</think>", f"<answer>{DISEASES[rest.pop(0) - FIRST_DISEASE]}</answer>"]
        elif (
            FIRST_PLACE <= place < FIRST_MEASUREMENT <= name < FIRST_DISEASE
            and FIRST_BIN <= value < FIRST_PLACE
        ):
            lines.append(_written(place, name, value))
            rest = rest[3:]
        else:
            lines.append("?")
            rest.pop(0)
    return "\n".join(lines)


def _written(place: int, name: int, value: int) -> str:
    measured = measurements()[MEASUREMENTS[name - FIRST_MEASUREMENT]]
    view, _, modality = PLACES[place - FIRST_PLACE].partition("/")
    stated = measured.at((value - FIRST_BIN + 0.5) / BINS)
    finding = measured.step.measurement
    shown = f"{stated} {measured.step.unit}".strip()
    return f"[{view}][{modality}] {finding} = {shown}; {_IMPLICATIONS[finding]}"


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.from_heads = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor, past: Tensor | None, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        n, length, width = x.shape
        qkv = self.to_qkv(self.norm_attention(x)).view(n, length, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        kept = torch.stack([key, value])
        if past is not None:
            kept = torch.cat([past, kept], dim=3)
        attended = F.scaled_dot_product_attention(query, kept[0], kept[1], attn_mask=mask)
        x = x + self.from_heads(attended.transpose(1, 2).reshape(n, length, width))
        return x + self.mlp(self.norm_mlp(x)), kept


class StepPolicy(nn.Module):
    """Policy from readings of a study (N, measurements) to tokens of reasoning.

    A reading enters as the sum of the vectors of its measurement and of its bin, so that a value
    is found by the name of its measurement.

    Args:
        width: Width of the residual stream.
        layers: Number of blocks.
        heads: Number of attention heads.
        seed: Seed of the initial weights.
    """

    def __init__(self, width: int, layers: int, *, heads: int = 4, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.tokens = nn.Embedding(VOCABULARY, width)
            self.positions = nn.Embedding(LONGEST, width)
            self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
            self.norm = nn.LayerNorm(width)
            self.head = nn.Linear(width, VOCABULARY, bias=False)
        nn.init.normal_(self.tokens.weight, std=0.3, generator=torch.Generator().manual_seed(seed))

    def _read(self, readings: Tensor) -> Tensor:
        names = torch.arange(len(MEASUREMENTS)) + FIRST_MEASUREMENT
        vectors: Tensor = self.tokens(readings + FIRST_BIN) + self.tokens(names)
        return vectors

    def forward(self, readings: Tensor, tokens: Tensor) -> Tensor:
        """Return logits (N, T, V) of each token of a completion (N, T), given those before it."""
        before = F.pad(tokens[:, :-1], (1, 0), value=BEGIN)
        written = self.tokens(before) + self.positions.weight[: before.shape[1]]
        x = torch.cat([self._read(readings), written], dim=1)
        prompt, length = len(MEASUREMENTS), x.shape[1]
        # Readings have no order: they see each other, and what is written sees what was before.
        mask = torch.ones(length, length, dtype=torch.bool).tril()
        mask[:prompt, :prompt] = True
        for block in self.blocks:
            x, _ = block(x, None, mask)
        logits: Tensor = self.head(self.norm(x[:, prompt:]))
        return logits

    def log_probabilities(self, readings: Tensor, tokens: Tensor) -> Tensor:
        """Return the log-probability (N, T) of each token of completions (N, T)."""
        logits = self(readings, tokens).log_softmax(-1)
        chosen: Tensor = logits.gather(-1, tokens[..., None])[..., 0]
        return chosen

    @torch.no_grad()
    def write(self, readings: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Write completions, with a cache of keys and values.

        Args:
            readings: Readings, (N, measurements).
            generator: Source of random numbers; None takes the most likely token each time.

        Returns:
            Tokens (N, LONGEST), zero after the end, and which of them were written, the first end
            among them.
        """
        caches: list[Tensor | None] = []
        x = self._read(readings)
        for block in self.blocks:
            x, cache = block(x, None, None)
            caches.append(cache)
        token = torch.full((len(readings),), BEGIN)
        open_ = torch.ones(len(readings), dtype=torch.bool)
        written, mask = [], []
        for place in range(LONGEST):
            x = (self.tokens(token) + self.positions.weight[place])[:, None]
            for index, block in enumerate(self.blocks):
                x, caches[index] = block(x, caches[index], None)
            logits = self.head(self.norm(x[:, 0]))
            if generator is None:
                token = logits.argmax(-1)
            else:
                token = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
            token = torch.where(open_, token, END)
            written.append(token)
            mask.append(open_)
            open_ = open_ & (token != END)
            if not bool(open_.any()):
                break
        missing = LONGEST - len(written)
        return (
            F.pad(torch.stack(written, 1), (0, missing), value=END),
            F.pad(torch.stack(mask, 1), (0, missing), value=False),
        )
