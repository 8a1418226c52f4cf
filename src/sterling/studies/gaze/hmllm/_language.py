"""Answers of a frozen language model that reads a record of the hypergraph as soft tokens."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.lm import LocalModel, load_local, train_small
from sterling.measure import Rate
from sterling.runs import Cell, Row
from sterling.studies.gaze.hmllm._audience import LABELS, PROFILES
from sterling.studies.gaze.hmllm._cells import HYPERGRAPH, HmllmConfig, draw
from sterling.studies.gaze.hmllm._network import ResponseNetwork, graph_loss, train
from sterling.studies.gaze.hmllm._records import Records
from sterling.study import row

SOFT_TOKENS, BATCH, RATE = 4, 16, 5e-3
GRAPH_WEIGHT = 0.1
ANSWERED = "answers right"
TEXT, SWAPPED, CLASSES = "text", "text, soft tokens of another record", "classes"


class SoftTokens(nn.Module):
    """Project records to four tokens of the scale of a model's embeddings.

    Args:
        width: Width of a record's vector.
        embeddings: Embeddings of the language model, (V, D).
        seed: Seed of the weights.
    """

    def __init__(self, width: int, embeddings: Tensor, *, seed: int) -> None:
        super().__init__()
        self.size = embeddings.shape[1]
        self.scale = float(embeddings.std())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.project = nn.Linear(width, SOFT_TOKENS * self.size)

    def forward(self, hidden: Tensor) -> Tensor:
        """Soft tokens of records, (B, 4, D)."""
        tokens = self.project(hidden).view(-1, SOFT_TOKENS, self.size)
        return self.scale * F.layer_norm(tokens, (self.size,))


def prompt_of(records: Records, index: int) -> str:
    """Question about the class of a record."""
    gender, age = PROFILES[records.profile[index]]
    name = list(LABELS)[int(records.indicator[index])]
    return f"Viewer: {gender}, {age}. {name}: {' or '.join(LABELS[name])}?\nAnswer:"


def answer_of(records: Records, index: int) -> str:
    """Class of a record in words."""
    names = list(LABELS.values())[int(records.indicator[index])]
    return names[int(records.labels[index])]


def answer(config: HmllmConfig, cell: Cell) -> list[Row]:
    """Share of test records whose class is answered rightly, as text and by the class head."""
    audience, training, records = draw(config, cell.seed, (1.0, 1.0))
    known, video = training[records.scene], audience.video[records.scene]
    network = train(
        *(records, known, video, "hypergraph"),
        width=config.width,
        steps=config.steps,
        seed=cell.seed,
    )
    model = _model(config, records, np.flatnonzero(known), cell.seed)
    soft = train_soft_tokens(
        *(model, network, records, np.flatnonzero(known)),
        steps=config.answer_steps,
        seed=cell.seed,
    )
    rng = np.random.default_rng([cell.seed, 2])
    tested = rng.permutation(np.flatnonzero(~known))[: config.answers]
    with torch.no_grad():
        hidden = network.represent(records.features, records.graph)
        logits, _ = network.heads(hidden, records.indicator)
    truth = [answer_of(records, index) for index in tested]
    texts = write(model, soft(hidden[tested]), [prompt_of(records, index) for index in tested])
    others = write(
        model,
        soft(hidden[np.roll(tested, 1)]),
        [prompt_of(records, index) for index in tested],
    )
    allowed = {name for names in LABELS.values() for name in names}
    heads = (logits.argmax(-1) == records.labels)[tested].tolist()
    found = {
        TEXT: [one == right for one, right in zip(texts, truth, strict=True)],
        SWAPPED: [one == right for one, right in zip(others, truth, strict=True)],
        CLASSES: heads,
    }
    rows = [
        row(ANSWERED, Rate(sum(right), len(right)), system=HYPERGRAPH, form=form)
        for form, right in found.items()
    ]
    return [
        *rows,
        row("answers that name a class", Rate(sum(t in allowed for t in texts), len(texts))),
    ]


def train_soft_tokens(
    model: LocalModel,
    network: ResponseNetwork,
    records: Records,
    training: Sequence[int] | np.ndarray,
    *,
    steps: int,
    seed: int,
) -> SoftTokens:
    """Train projection and hypergraph by the frozen model's loss plus 0.1 times the graph's.

    Args:
        model: Language model; its weights stay as they are.
        network: Trained network, changed in place.
        records: Records.
        training: Records that train.
        steps: Steps of AdamW, of 16 records each.
        seed: Seed of weights and batches.
    """
    model.model.requires_grad_(False)
    soft = SoftTokens(
        network.enter.out_features, model.model.get_input_embeddings().weight, seed=seed
    )
    chosen = torch.as_tensor(np.asarray(training))
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW([*soft.parameters(), *network.parameters()], RATE)
    for _ in range(steps):
        batch = chosen[torch.randint(len(chosen), (BATCH,), generator=generator)]
        hidden = network.represent(records.features, records.graph)
        logits, scalars = network.heads(hidden[chosen], records.indicator[chosen])
        on_graph = graph_loss(logits, scalars, records.labels[chosen], records.values[chosen])
        prompts = [prompt_of(records, int(index)) for index in batch]
        answers = [answer_of(records, int(index)) for index in batch]
        loss = language_loss(model, soft(hidden[batch]), prompts, answers)
        optimizer.zero_grad()
        (loss + GRAPH_WEIGHT * on_graph).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return soft


def language_loss(
    model: LocalModel, soft: Tensor, prompts: Sequence[str], answers: Sequence[str]
) -> Tensor:
    """Mean negative log-likelihood of the answers' tokens after soft tokens and prompt.

    Args:
        model: Language model.
        soft: Soft tokens, (B, T, D).
        prompts: Prompts.
        answers: Answers; an end of text is added.
    """
    end = int(model.tokenizer.eos_token_id)
    asked = [_ids(model, text) for text in prompts]
    told = [[*_ids(model, f" {text}"), end] for text in answers]
    length = max(len(a) + len(b) for a, b in zip(asked, told, strict=True))
    ids = torch.full((len(asked), length), end)
    labels = torch.full((len(asked), soft.shape[1] + length), -100)
    mask = torch.zeros_like(labels)
    for place, (a, b) in enumerate(zip(asked, told, strict=True)):
        start, stop = soft.shape[1] + len(a), soft.shape[1] + len(a) + len(b)
        ids[place, : len(a) + len(b)] = torch.tensor([*a, *b])
        labels[place, start:stop] = torch.tensor(b)
        mask[place, :stop] = 1
    embedded = torch.cat([soft, model.model.get_input_embeddings()(ids)], 1)
    found: Tensor = model.model(inputs_embeds=embedded, attention_mask=mask, labels=labels).loss
    return found


def write(model: LocalModel, soft: Tensor, prompts: Sequence[str], most: int = 8) -> list[str]:
    """First lines that the model writes after soft tokens and prompts, by greedy decoding.

    Args:
        model: Language model.
        soft: Soft tokens, (B, T, D).
        prompts: Prompts.
        most: Most tokens of an answer.
    """
    end = int(model.tokenizer.eos_token_id)
    embed = model.model.get_input_embeddings()
    texts = []
    for tokens, prompt in zip(soft.detach(), prompts, strict=True):
        ids = _ids(model, prompt)
        written: list[int] = []
        while len(written) < most:
            sequence = torch.tensor([ids + written])
            with torch.no_grad():
                embedded = torch.cat([tokens[None], embed(sequence)], 1)
                new = int(model.model(inputs_embeds=embedded).logits[0, -1].argmax())
            if new == end:
                break
            written.append(new)
        texts.append(model.decode(written).strip().split("\n")[0].strip())
    return texts


def _ids(model: LocalModel, text: str) -> list[int]:
    ids: list[int] = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _model(config: HmllmConfig, records: Records, training: np.ndarray, seed: int) -> LocalModel:
    if config.language_model != "small":
        return load_local(config.language_model, device="cpu")
    texts = [f"{prompt_of(records, index)} {answer_of(records, index)}" for index in training]
    return train_small(texts, seed=seed, steps=30)
