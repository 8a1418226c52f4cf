"""Prompts that a language model executes, judges and rewrites. The wording of all three is ours."""

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import special

from sterling.agent.prompts.comparison import Asked
from sterling.errors import InputError
from sterling.lm import GREEDY, Call, CallLedger, LanguageModel, LocalModel, Message, Sampling

EXECUTE = "{prompt}\n\n{question}"
JUDGE = "Two answers to one task. Which is more correct and more useful?\n\n"
JUDGE_TOGETHER = (
    "Two assistants, A and B, did the same tasks. Whose answers are more correct and more useful?"
    "\n\n"
)
SHOWN_ANSWERS = """Task: {question}

Answer A: {first}

Answer B: {second}

"""
PICK = "Reply with one letter, A or B."
GRADE = (
    "Reply with one number: 2 if A is much better, 1 if A is better, 0 if they are equal, -1 if B "
    "is better, -2 if B is much better."
)
REFINE = """An instruction is given to an assistant before each task. Here it did badly:

{examples}

The instruction: {prompt}

Write one better instruction. Reply with the instruction alone."""
SHOWN = 3  # examples that the optimiser sees
LONGEST = 400  # characters of a question or answer that judge and optimiser see


@dataclass
class LanguageTask:
    """Questions of a user, and the models that answer, judge and rewrite.

    A local judge is asked for the odds of its letters A and B; any other writes a grade from -2 to
    2, and what is no grade counts as a tie. An answer to a prompt and question is computed once.

    Attributes:
        pool: Questions, without their answers.
        executor: Model that answers.
        judge: Model that compares.
        optimiser: Model that rewrites.
        ledger: Ledger of all three.
        answer_tokens: Largest number of tokens of an answer.
        unread: Number of grades so far that were no grade.
    """

    pool: Sequence[str]
    executor: LanguageModel
    judge: LanguageModel
    optimiser: LanguageModel
    ledger: CallLedger
    answer_tokens: int = 48
    unread: int = 0
    _answers: dict[tuple[str, int], str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.pool:
            raise InputError("pool: holds no question; give at least one")
        for model in (self.executor, self.judge, self.optimiser):
            if model.ledger is not self.ledger:
                raise InputError(
                    f"model {model.name}: give it the task's ledger, or nothing counts"
                )

    @property
    def questions(self) -> int:
        """Size of the pool."""
        return len(self.pool)

    def answers(self, prompt: str, questions: Sequence[int]) -> list[str]:
        """Return the executor's answers under a prompt.

        Raises:
            BudgetExhaustedError: The budget is used up.
        """
        self._execute([(prompt, question) for question in questions])
        return [self._answers[prompt, question] for question in questions]

    def prefer(self, asked: Sequence[Asked]) -> list[float]:
        """Return how sure the judge is of the answer shown first, in [0, 1]."""
        self._execute(
            [
                (prompt, question)
                for one in asked
                for question in one.questions
                for prompt in (one.first, one.second)
            ]
        )
        texts = [self._judged(one) for one in asked]
        if isinstance(self.judge, LocalModel):
            return self._odds(self.judge, texts)
        return self._grades(texts)

    def refine(self, prompt: str, lost: Sequence[int], count: int, seed: int) -> list[str]:
        """Return versions that the optimiser writes, shown where the prompt did badly."""
        draw = np.random.default_rng(seed)
        shown = list(lost) or draw.permutation(len(self.pool)).tolist()
        shown = shown[:SHOWN]
        pairs = zip(shown, self.answers(prompt, shown), strict=True)
        examples = "\n\n".join(
            f"Task: {_cut(self.pool[question])}\nAnswer: {_cut(answer)}"
            for question, answer in pairs
        )
        asked = [_said(REFINE.format(examples=examples, prompt=prompt))] * count
        sampling = Sampling(96, temperature=0.9)
        written = self.optimiser.chat(asked, sampling, seed=seed, purpose="optimiser")
        return [text for one in written if (text := _instruction(one.text))]

    def _judged(self, asked: Asked) -> str:
        """Return the text of a judgement; several questions are shown one after the other."""
        shown = [
            SHOWN_ANSWERS.format(
                question=_cut(self.pool[question]),
                first=_cut(self._answers[asked.first, question]),
                second=_cut(self._answers[asked.second, question]),
            )
            for question in asked.questions
        ]
        return (JUDGE if len(shown) == 1 else JUDGE_TOGETHER) + "".join(shown)

    def _execute(self, wanted: Sequence[tuple[str, int]]) -> None:
        missing = [one for one in dict.fromkeys(wanted) if one not in self._answers]
        if not missing:
            return
        asked = [
            _said(EXECUTE.format(prompt=prompt, question=self.pool[question]))
            for prompt, question in missing
        ]
        sampling = replace(GREEDY, max_new_tokens=self.answer_tokens)
        written = self.executor.chat(asked, sampling, purpose="executor")
        self._answers.update(
            (key, one.text.strip()) for key, one in zip(missing, written, strict=True)
        )

    def _odds(self, judge: LocalModel, texts: Sequence[str]) -> list[float]:
        """Return P(A) of A and B as the judge's next token."""
        with self.ledger.reserve(len(texts)) as enter:
            begun = time.perf_counter()
            ids = [judge.conversation_ids(_said(text + PICK)) for text in texts]
            letters = [int(judge.encode(letter)[-1]) for letter in "AB"]
            sure = [math.nan] * len(texts)
            for one in judge.passes(ids):
                for place, row in enumerate(one.rows):
                    a, b = one.logits[place, len(ids[row]) - 1, letters].tolist()
                    sure[row] = float(special.expit(a - b))
            share = (time.perf_counter() - begun) / max(1, len(texts))
            enter(Call("judge", judge.name, len(row), 0, share) for row in ids)
        return sure

    def _grades(self, texts: Sequence[str]) -> list[float]:
        asked = [_said(text + GRADE) for text in texts]
        written = self.judge.chat(asked, replace(GREEDY, max_new_tokens=8), purpose="judge")
        return [self._grade(one.text) for one in written]

    def _grade(self, text: str) -> float:
        found = re.search(r"(?<![\d.])[-−+]?[0-2](?![\d.])", text)
        if found is None:
            self.unread += 1
            return 0.5
        return float(special.expit(int(found.group().replace("−", "-"))))


def _said(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _instruction(text: str) -> str:
    """Return the instruction in an optimiser's answer, without quotes and a heading."""
    bare = re.sub(r"^\s*(the\s+)?(new\s+|better\s+)?instruction\s*:\s*", "", text, flags=re.I)
    return bare.strip().strip("\"'“”").strip()
