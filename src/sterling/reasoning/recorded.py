"""Solutions that others recorded, and solutions drawn from a language model, as questions."""

import json
from collections.abc import Sequence
from pathlib import Path

from sterling.errors import InputError
from sterling.lm import LanguageModel, Sampling
from sterling.policy import last_number
from sterling.reasoning.samples import Question
from sterling.tables import read_lines

GSM8K = "model_solutions_part.jsonl"
MATH = "math_cot_8samples_with_rm_scores.jsonl"
PROMPT = "{question}\nWrite each step as an equation, then the answer after 'A:'.\n"


def read_recorded(folder: Path) -> list[Question]:
    """Read recorded solutions: of GSM8K by four models, or of MATH by one with reward scores.

    Args:
        folder: Holds ``model_solutions_part.jsonl``, lines as in OpenAI's release of model
            solutions of GSM8K, or ``math_cot_8samples_with_rm_scores.jsonl``, lines as in
            Qwen2.5-Math's evaluation; the first that is there is read.

    Raises:
        InputError: Neither is there, or a line lacks a field.

    Examples:
        >>> read_recorded(Path("gsm8k"))
    """
    for name, read in ((GSM8K, _gsm8k), (MATH, _math)):
        path = folder / name
        if path.exists():
            found = []
            for number, line in enumerate(read_lines(path), 1):
                try:
                    found.append(read(line))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise InputError(
                        f"{path}, line {number}: not a question with recorded solutions ({error})"
                    ) from error
            return found
    raise InputError(f"{folder} holds neither {GSM8K} nor {MATH}")


def draw_solutions(
    model: LanguageModel,
    questions: Sequence[tuple[str, str]],
    solutions: int,
    sampling: Sampling,
    *,
    prompt: str = PROMPT,
    seed: int = 0,
) -> list[Question]:
    """Draw solutions of questions from a language model, independently.

    Args:
        model: Local or behind an address.
        questions: Texts with their right answers.
        solutions: Number of solutions of each.
        sampling: Temperature and length; at temperature 0 all solutions are equal.
        prompt: Text around ``{question}``.
        seed: Seed of the draws.

    Returns:
        Questions; the last number of a solution is its answer.

    Examples:
        >>> draw_solutions(model, [("2 + 3?", "5")], 8, Sampling(temperature=1.2, top_p=0.85))
    """
    prompts = [prompt.format(question=text) for text, _ in questions for _ in range(solutions)]
    drawn = [one.text for one in model.generate(prompts, sampling, seed=seed, purpose="solutions")]
    made = []
    for row, (text, gold) in enumerate(questions):
        traces = tuple(drawn[row * solutions : (row + 1) * solutions])
        answers = tuple("" if (n := last_number(one)) is None else f"{n:g}" for one in traces)
        made.append(Question(text, traces, answers, gold=gold))
    return made


def _gsm8k(line: str) -> Question:
    stored = json.loads(line)
    models = [one for name, one in stored.items() if name not in ("question", "ground_truth")]
    traces = tuple(str(one["solution"]) for one in models)
    answers = tuple(trace.rsplit("A:", 1)[-1].strip() for trace in traces)
    gold = str(stored["ground_truth"]).rsplit("A:", 1)[-1].strip()
    return Question(str(stored["question"]), traces, answers, gold=gold)


def _math(line: str) -> Question:
    stored = json.loads(line)
    traces = tuple(map(str, stored["response"] or stored["code"]))
    scores = tuple(float(one[0] if isinstance(one, list) else one) for one in stored["pred_score"])
    answers = tuple(map(str, stored["pred"]))
    if not len(traces) == len(scores) == len(answers):
        raise ValueError("fields differ in length")
    level = str(stored.get("level", ""))
    return Question(str(stored["question"]), traces, answers, scores, str(stored["gt"]), level)
