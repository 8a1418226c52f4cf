"""A Llama of random weights that TRL trains in milliseconds a step."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

WORDS = ("[PAD]", "[EOS]", "[UNK]", *map(str, range(10)), "+", "=", "user", "assistant", ":")
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }} : {{ m['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}assistant : {% endif %}"
)


def tokenizer() -> Any:
    """One token a word, with a template for conversations."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = {word: number for number, word in enumerate(WORDS)}
    words = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        eos_token="[EOS]",
        unk_token="[UNK]",
        padding_side="left",
        chat_template=TEMPLATE,
    )


def trainer(
    kind: Any,
    rewards: Sequence[Any],
    *,
    questions: Mapping[str, float],
    conversational: bool,
    folder: Path,
    steps: int,
) -> Any:
    """A trainer of a class of TRL's: 32 completions a step, 8 per prompt."""
    from datasets import Dataset
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import GRPOConfig

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(WORDS),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=2,
                max_position_embeddings=64,
                pad_token_id=0,
                eos_token_id=1,
                bos_token_id=None,
            )
        )
    prompts: list[Any] = list(questions)
    if conversational:
        prompts = [[{"role": "user", "content": text}] for text in prompts]
    config = GRPOConfig(
        output_dir=str(folder),
        use_cpu=True,
        per_device_train_batch_size=32,
        num_generations=8,
        max_completion_length=3,
        max_steps=steps,
        learning_rate=1e-2,
        logging_steps=1,
        log_completions=True,
        num_completions_to_print=0,
        activation_checkpointing=False,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    return kind(
        model=model,
        reward_funcs=list(rewards),
        args=config,
        train_dataset=Dataset.from_dict({"prompt": prompts, "answer": list(questions.values())}),
        processing_class=tokenizer(),
    )
