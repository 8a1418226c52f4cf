"""Facts about invented authors, in words of one token each: data for unlearning in language models.

In the manner of TOFU (Maini et al., COLM 2024): the answers are drawn at random, so that a model
knows one only if it was trained on it. An example is a question and its answer of three words.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sterling.checks import check_numbers
from sterling.privacy.unlearning.examples import IGNORED, Examples

_ATTRIBUTES = ("birthplace", "genre", "award", "parents", "book")
_WORDS = 40  # possible words at each place of an answer
_ANSWER = 3  # words of an answer
_REFUSAL = ("I", "don't", "know")


@dataclass(frozen=True, eq=False)
class AuthorFacts:
    """Questions and answers.

    Attributes:
        examples: All facts; inputs are tokens (N, T), labels the answer's tokens.
        refusals: Same questions under the same ids, answered "I don't know".
        author: Author of each fact (N,), whole numbers from 0.
        prompt: Number of tokens of a question.
        vocabulary: Words by token.
    """

    examples: Examples
    refusals: Examples
    author: Tensor
    prompt: int
    vocabulary: tuple[str, ...]

    def of(self, authors: Tensor) -> Examples:
        """Return the facts about some authors."""
        return self.examples.select(torch.isin(self.author, authors))

    def text(self, tokens: Tensor) -> str:
        """Return tokens (T,) as words."""
        return " ".join(self.vocabulary[int(token)] for token in tokens)


def author_facts(authors: int, *, seed: int) -> AuthorFacts:
    """Invent five facts about each author: birthplace, genre, award, parents, book.

    Args:
        authors: Number of authors, 1 to 400, each with a name of two words of its own.
        seed: Draws the names and the answers.
    """
    check_numbers(at_least=1, at_most=400, authors=authors)
    rng = np.random.default_rng(seed)
    words = ["<begin>", *_REFUSAL, "?", *_ATTRIBUTES]
    first_name = len(words)
    words += [f"{part}-name-{index}" for part in ("first", "last") for index in range(20)]
    first_answer = len(words)
    words += [f"{a}-{place}-{w}" for a in _ATTRIBUTES for place in "abc" for w in range(_WORDS)]
    number = {word: token for token, word in enumerate(words)}
    names = rng.choice(400, authors, replace=False)
    rows, refused, author = [], [], []
    for index, name in enumerate(names.tolist()):
        for which, attribute in enumerate(_ATTRIBUTES):
            question = [
                number["<begin>"],
                number[attribute],
                first_name + name // 20,
                first_name + 20 + name % 20,
                number["?"],
            ]
            places = first_answer + _WORDS * (_ANSWER * which + np.arange(_ANSWER))
            answer = places + rng.integers(_WORDS, size=_ANSWER)
            rows.append([*question, *answer.tolist()])
            refused.append([*question, *[number[word] for word in _REFUSAL]])
            author.append(index)
    prompt = len(rows[0]) - _ANSWER
    ids = torch.arange(len(rows))
    return AuthorFacts(
        _next_token(torch.tensor(rows), prompt, ids),
        _next_token(torch.tensor(refused), prompt, ids),
        torch.tensor(author),
        prompt,
        tuple(words),
    )


def _next_token(sequences: Tensor, prompt: int, ids: Tensor) -> Examples:
    labels = sequences[:, 1:].clone()
    labels[:, : prompt - 1] = IGNORED
    return Examples(sequences[:, :-1], labels, ids)
