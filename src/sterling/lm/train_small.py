"""Training of a tiny language model, for tests and for runs of seconds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from sterling.errors import InputError
from sterling.extras import needs
from sterling.lm.ledger import CallLedger
from sterling.lm.local import LocalModel

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

END = "<end>"
BATCH, WINDOW, RATE = 16, 64, 3e-3


def train_small(
    texts: Sequence[str],
    *,
    seed: int = 0,
    steps: int = 200,
    vocabulary: int = 512,
    width: int = 64,
    layers: int = 2,
    context: int = 512,
) -> LocalModel:
    """Train a Llama of two layers on texts: byte-level pairs, next-token loss, AdamW.

    Args:
        texts: Training texts, together longer than one window of 64 tokens.
        seed: Seed of weights and batches.
        steps: Number of steps, of 16 windows each.
        vocabulary: Largest number of tokens, 257 or more.
        width: Width of the residual stream, a multiple of 16.
        layers: Number of layers.
        context: Largest number of tokens of a pass.

    Raises:
        InputError: The texts are too short, or transformers is not installed.
    """
    with needs("lm", "train_small"):
        from transformers import LlamaConfig, LlamaForCausalLM
    tokenizer = _tokenizer(texts, vocabulary)
    end = tokenizer.eos_token_id
    stream = torch.tensor(
        [token for text in texts for token in (*tokenizer(text)["input_ids"], end)]
    )
    if len(stream) <= WINDOW:
        raise InputError(f"texts: {len(stream)} tokens; one window alone has {WINDOW}")
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 16,
        max_position_embeddings=context,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=end,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # transformers draws initial weights from the global state
        model = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    for _ in range(steps):
        starts = torch.randint(len(stream) - WINDOW, (BATCH, 1), generator=generator)
        windows = stream[starts + torch.arange(WINDOW)]
        optimizer.zero_grad()
        model(input_ids=windows, labels=windows).loss.backward()
        optimizer.step()
        schedule.step()
    return LocalModel(f"small-{seed}", model.eval(), tokenizer, CallLedger())


def _tokenizer(texts: Sequence[str], vocabulary: int) -> "PreTrainedTokenizerFast":
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    pairs = Tokenizer(models.BPE())
    pairs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pairs.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pairs.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=pairs, eos_token=END, pad_token=END)
