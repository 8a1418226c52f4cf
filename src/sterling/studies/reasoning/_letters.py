"""A small transformer that reads and writes letters, for problems that are solved in writing."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.lm.small_transformer import SmallTransformer


@dataclass(frozen=True)
class Letters:
    """An alphabet, and a length that texts are filled to.

    Attributes:
        alphabet: Letters of the texts; the last one ends a text and fills the rest.
        length: Letters of the longest text, its end included.
    """

    alphabet: str
    length: int

    @property
    def end(self) -> int:
        """Number of the letter that ends a text."""
        return len(self.alphabet) - 1

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Numbers of the letters of each text, (N, length)."""
        rows = torch.full((len(texts), self.length), self.end)
        for row, text in zip(rows, texts, strict=True):
            row[: len(text)] = torch.tensor([self.alphabet.index(one) for one in text])
        return rows

    def decode(self, rows: Tensor) -> list[str]:
        """Texts up to their ends."""
        return ["".join(self.alphabet[i] for i in row).split("\n")[0] for row in rows.tolist()]

    def train(
        self,
        texts: Sequence[str],
        *,
        steps: int,
        width: int,
        seed: int,
        batch: int = 64,
        rate: float = 3e-3,
        skip: int = 0,
    ) -> SmallTransformer:
        """Train a transformer of two layers on texts.

        Args:
            texts: Training texts.
            steps: Number of steps.
            width: Width of the residual stream.
            seed: Seed of weights and batches.
            batch: Texts of a step.
            rate: Largest learning rate of a one-cycle schedule.
            skip: Number of letters at the start whose prediction is not learned.
        """
        tokens = self.encode(texts)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # torch draws initial weights from the global state
            network = SmallTransformer(
                len(self.alphabet), context=self.length, width=width, layers=2
            )
        optimizer = torch.optim.AdamW(network.parameters(), lr=rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
        draws = torch.Generator().manual_seed(seed)
        for _ in range(steps):
            rows = tokens[torch.randint(len(tokens), (batch,), generator=draws)]
            logits = network(rows[:, :-1])[:, skip:]
            loss = F.cross_entropy(logits.flatten(0, 1), rows[:, skip + 1 :].flatten())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        return network.eval()

    @torch.no_grad()
    def continue_greedily(self, network: SmallTransformer, starts: Sequence[str]) -> list[str]:
        """Most likely continuation of starts that have one length."""
        length = len(starts[0])
        rows = self.encode(starts)[:, :length]
        while rows.shape[1] < self.length:
            following = network(rows)[:, -1].argmax(-1, keepdim=True)
            rows = torch.cat([rows, following], dim=1)
        return self.decode(rows[:, length:])
