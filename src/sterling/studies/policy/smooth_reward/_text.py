"""The text policy: a tiny Llama that answers numeric 3-D questions, trained by TRL's GRPOTrainer.

It reads the facts that a question depends on, and the question. Questions for the depth at a pixel
depend on the whole room and are too long for it, so it is asked the other seven kinds.
"""

import copy
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch

from sterling.policy.activations import Floats
from sterling.policy.adapters import AdvantageMixin, trl_reward
from sterling.policy.parsers import last_number
from sterling.policy.rewards import texts_of
from sterling.runs import Cell, Coordinate, Row
from sterling.studies.policy.smooth_reward._rewards import (
    AP,
    GRPO,
    SHAPES,
    SNRA,
    THRESHOLD,
    Shape,
    Signal,
    SmoothRewardConfig,
    accuracy_rows,
    mean_relative_accuracy,
)
from sterling.studies.policy.smooth_reward._scenes import (
    COLOURS,
    KINDS,
    TASKS,
    Question,
    ask,
    draw_scene,
    shown_answer,
)
from sterling.study import row

ASKED = tuple(task for task in TASKS if task != "depth")
SYSTEMS = ((THRESHOLD, GRPO), (SNRA, GRPO), (SNRA, AP))
WARM, WARM_BATCH, WARM_RATE = 1000, 32, 3e-3
BATCH, SIZE, RATE = 32, 8, 3e-4
LONGEST = 6  # tokens of an answer
WORDS = (
    *("[PAD]", "[EOS]", *COLOURS, *KINDS, *"0123456789", *".-?"),
    *("angle", "area", "at", "camera", "distance", "down", "edge", "forward", "from", "how"),
    *("longest", "many", "of", "right", "room", "size", "to", "yaw"),
)
PAD, EOS = WORDS[:2]


def draw_questions(rng: np.random.Generator, count: int) -> list[Question]:
    """Draw questions, the kinds in turn, each about a room of its own with three boxes."""
    return [ask(draw_scene(rng, 3), ASKED[place % len(ASKED)], rng) for place in range(count)]


def prompt_of(question: Question) -> str:
    """Text that the policy reads."""
    return f"{question.facts} {question.text}"


@cache
def tokenizer() -> Any:
    """One token a word, a digit or a sign."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}))
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex(r"[0-9.?\-]"), behavior="isolated"),
        ]
    )
    words.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token=PAD, eos_token=EOS, padding_side="left"
    )


def warm_start(questions: Sequence[Question], *, steps: int, seed: int) -> Any:
    """Train a tiny Llama on questions and their answers, with the loss on the answers.

    Args:
        questions: Training questions.
        steps: Number of steps, of 32 questions each.
        seed: Seed of weights and batches.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # transformers draws initial weights from the global state
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(WORDS),
                hidden_size=64,
                intermediate_size=128,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=4,
                max_position_embeddings=128,
                pad_token_id=0,
                eos_token_id=1,
                bos_token_id=None,
            )
        )
    rng = np.random.default_rng([seed, 1])
    optimizer = torch.optim.AdamW(model.parameters(), WARM_RATE)
    words = tokenizer()
    for _ in range(steps):
        batch = [questions[place] for place in rng.integers(len(questions), size=WARM_BATCH)]
        ends = [[*words(shown_answer(one))["input_ids"], words.eos_token_id] for one in batch]
        starts = [words(prompt_of(one))["input_ids"] for one in batch]
        whole = words.pad(
            {"input_ids": [begin + end for begin, end in zip(starts, ends, strict=True)]},
            return_tensors="pt",
        )
        labels = torch.full_like(whole["input_ids"], -100)
        for place, end in enumerate(ends):
            labels[place, -len(end) :] = torch.tensor(end)
        loss = model(**whole, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@torch.no_grad()
def answer(model: Any, questions: Sequence[Question]) -> Floats:
    """Most likely answers, (N,); NaN where there is no number."""
    words, model = tokenizer(), model.eval()
    found: list[float] = []
    for start in range(0, len(questions), 100):
        given = words(
            [prompt_of(one) for one in questions[start : start + 100]],
            return_tensors="pt",
            padding=True,
            return_token_type_ids=False,
        )
        made = model.generate(**given, max_new_tokens=LONGEST, do_sample=False, pad_token_id=0)
        texts = words.batch_decode(made[:, given["input_ids"].shape[1] :], skip_special_tokens=True)
        found += [np.nan if (value := last_number(text)) is None else value for text in texts]
    return np.array(found, dtype=np.float64)


def relative_errors(numbers: Floats, targets: Floats) -> Floats:
    """Error relative to the target or its floor (N,); infinite without a number.

    Args:
        numbers: Answers, (N,); NaN where there is none.
        targets: Right answers and y_floor, (N, 2).
    """
    errors = np.abs(numbers - targets[:, 0]) / np.maximum(np.abs(targets[:, 0]), targets[:, 1])
    return np.nan_to_num(errors, nan=np.inf)


def target_of(question: Question) -> list[float]:
    """Answer and y_floor, as a column of the data set."""
    return [question.answer, question.y_floor]


@dataclass
class TextReward:
    """Reward of texts, which remembers the errors of the last batch.

    Attributes:
        shape: From relative errors to rewards.
        steps: Number of training steps.
        errors: Relative errors of the last batch, (N,).
    """

    shape: Shape
    steps: int
    errors: Floats

    def __call__(
        self, completions: Sequence[Any], targets: Any, *, step: int | None = None
    ) -> Floats:
        """Score completions against answers with their floors, (N, 2)."""
        values = [last_number(text) for text in texts_of(completions)]
        numbers = np.array([np.nan if value is None else value for value in values])
        self.errors = relative_errors(numbers, np.asarray(targets, dtype=np.float64))
        return self.shape(self.errors, self.shape.sharpness(self.steps), step or 0)


def improve(
    model: Any, questions: Sequence[Question], reward: str, advantage: str, *, steps: int, seed: int
) -> Signal:
    """Train a model in place with TRL: 32 completions a step, 8 per question.

    Args:
        model: The model.
        questions: Questions to sample from.
        reward: Name of the reward.
        advantage: Name of the advantage.
        steps: Number of steps.
        seed: Seed of the trainer.
    """
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import GRPOConfig, GRPOTrainer

    signal = Signal()
    scored = TextReward(SHAPES[reward], steps, np.zeros(0))

    class Trainer(AdvantageMixin, GRPOTrainer):  # type: ignore[misc]
        advantage_options: ClassVar[dict[str, Any]] = {
            "kind": "ap_grpo" if advantage == AP else "grpo"
        }

        def _note_advantages(self, found: Any) -> None:
            signal.add(scored.errors, found)

    rows = {
        "prompt": [prompt_of(one) for one in questions],
        "target": [target_of(one) for one in questions],
    }
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # TRL 1.16 calls methods of transformers by names that are deprecated.
        warnings.filterwarnings("ignore", ".*gradient_checkpointing.*", FutureWarning)
        trainer = Trainer(
            model=model,
            reward_funcs=trl_reward(scored, column="target"),
            args=GRPOConfig(
                output_dir=folder,
                use_cpu=True,
                per_device_train_batch_size=BATCH,
                num_generations=SIZE,
                max_completion_length=LONGEST,
                max_steps=steps,
                learning_rate=RATE,
                lr_scheduler_type="constant",
                loss_type="grpo",
                activation_checkpointing=False,
                logging_strategy="no",
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
                seed=seed,
            ),
            train_dataset=Dataset.from_dict(rows),
            processing_class=tokenizer(),
        )
        trainer.remove_callback(PrinterCallback)  # standard output is the command's
        trainer.train()
    return signal


def text_cell(config: SmoothRewardConfig, cell: Cell) -> list[Row]:
    """One warm start, and every system from it."""
    rng = np.random.default_rng([cell.seed, 0])
    known, fresh = draw_questions(rng, WARM), draw_questions(rng, config.text_steps * BATCH)
    tests = draw_questions(rng, config.text_tests)
    targets = np.array([target_of(one) for one in tests])
    start = warm_start(known, steps=config.text_warm, seed=cell.seed)
    begin = mean_relative_accuracy(relative_errors(answer(start, tests), targets))
    rows = [row("MRA at the start", begin, policy="text")]
    for reward, advantage in SYSTEMS:
        model = copy.deepcopy(start)
        with torch.random.fork_rng(devices=[]):
            signal = improve(
                model, fresh, reward, advantage, steps=config.text_steps, seed=cell.seed
            )
        at: dict[str, Coordinate] = {"policy": "text", "reward": reward, "advantage": advantage}
        errors = relative_errors(answer(model, tests), targets)
        rows += [*accuracy_rows(errors, **at), *signal.rows(**at)]
    return rows
