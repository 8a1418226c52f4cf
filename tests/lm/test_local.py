"""Local models: the fast path equals the plain path, and the seed decides everything."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.lm import (
    GREEDY,
    Budget,
    BudgetExhaustedError,
    CallLedger,
    LocalModel,
    Sampling,
    SignalStore,
    token_stats,
)

TEXTS = ["the cat sat on the mat.", "a bird", "the dog ate the fish of the cat. a bird sang", "x"]


def test_batched_statistics_equal_those_of_one_text_at_a_time(small_model: LocalModel) -> None:
    batched = small_model.stats(TEXTS)
    for text, stats in zip(TEXTS, batched, strict=True):
        ids = small_model.encode(text)
        if len(ids) < 2:
            assert len(stats.log_prob) == 0
            continue
        logits = small_model.model(input_ids=ids[None]).logits
        plain = token_stats(logits[:, :-1], ids[None, 1:])
        torch.testing.assert_close(stats.log_prob, plain.log_prob[0].detach(), atol=1e-5, rtol=1e-5)
        assert torch.equal(stats.rank, plain.rank[0])
        assert stats.mask.all()


def test_passes_cover_every_text_once_and_predict_the_next_token(small_model: LocalModel) -> None:
    ids = [torch.arange(1, 2 + length) for length in (3, 300, 1, 299, 40)]
    seen = []
    for one in small_model.passes(ids):
        assert one.logits.shape == (*one.ids.shape, small_model.vocabulary)
        for place, row in enumerate(one.rows):
            assert torch.equal(one.ids[place][one.mask[place]], ids[row])
        seen += one.rows
    assert sorted(seen) == list(range(5))


def test_no_second_pass_is_run_over_a_text_in_the_store(
    small_model: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SignalStore(tmp_path / "signals")
    first = small_model.stats(TEXTS[:2], store=store)
    given: list[int] = []
    forward = type(small_model.model).forward

    def counted(self: torch.nn.Module, input_ids: Tensor, **options: object) -> object:
        given.append(len(input_ids))
        return forward(self, input_ids, **options)

    monkeypatch.setattr(type(small_model.model), "forward", counted)
    second = small_model.stats(TEXTS, store=store)
    assert given == [1]  # the third text; the fourth has one token and needs none
    for before, after in zip(first, second, strict=False):
        assert all(
            torch.equal(a, b)
            for a, b in zip(vars(before).values(), vars(after).values(), strict=True)
        )
    # Other weights are another model.
    assert store.path("other", "token_stats", b"") != store.path(
        small_model.fingerprint, "token_stats", b""
    )


def test_batches_at_a_time_change_nothing_and_leave_the_threads_as_they_were(
    small_model: LocalModel,
) -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["the", "cat", "sat", "on"], size=n)) for n in range(30, 300, 9)]
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        together = small_model.stats(texts)
        assert torch.get_num_threads() == 3
        torch.set_num_threads(1)
        one_by_one = small_model.stats(texts)
    finally:
        torch.set_num_threads(before)
    for a, b in zip(together, one_by_one, strict=True):
        torch.testing.assert_close(a.log_prob, b.log_prob)
        assert torch.equal(a.mask, b.mask)


def test_a_damaged_signal_is_computed_again(small_model: LocalModel, tmp_path: Path) -> None:
    store = SignalStore(tmp_path)
    whole = small_model.stats(TEXTS[:1], store=store)
    (file,) = tmp_path.rglob("*.safetensors")
    content = file.read_bytes()
    for damaged in (content[:20], content[:-30] + bytes([content[-30] ^ 1]) + content[-29:]):
        file.write_bytes(damaged)
        assert store.get(file) is None
        assert torch.equal(small_model.stats(TEXTS[:1], store=store)[0].rank, whole[0].rank)
        assert file.read_bytes() == content


def test_greedy_generation_takes_the_most_probable_token(small_model: LocalModel) -> None:
    (generation,) = small_model.generate(["the cat"], replace(GREEDY, max_new_tokens=10))
    ids = small_model.encode("the cat").tolist()
    for token in generation.token_ids:
        logits = small_model.model(input_ids=torch.tensor([ids])).logits
        assert token == int(logits[0, -1].argmax())
        ids.append(token)
    assert generation.text == small_model.decode(generation.token_ids)
    assert generation.prompt_tokens == len(small_model.encode("the cat"))


def test_the_seed_and_the_place_decide_what_is_drawn(small_model: LocalModel) -> None:
    sampling = Sampling(max_new_tokens=12, temperature=1.5, top_p=1)
    state = torch.get_rng_state()
    once = small_model.generate(["the cat", "the cat"], sampling, seed=3)
    assert once == small_model.generate(["the cat", "the cat"], sampling, seed=3)
    assert once[0].token_ids != once[1].token_ids
    assert once[0].token_ids != small_model.generate(["the cat"], sampling, seed=4)[0].token_ids
    assert torch.equal(state, torch.get_rng_state())


def test_tokens_are_drawn_with_their_probability(small_model: LocalModel) -> None:
    one = Sampling(max_new_tokens=1, temperature=2.0, top_p=1)
    drawn = small_model.generate(["the"] * 2000, one, seed=0)
    ends = small_model.tokenizer.eos_token_id
    tokens = [row.token_ids[0] if row.token_ids else ends for row in drawn]
    logits = small_model.model(input_ids=small_model.encode("the")[None]).logits[0, -1]
    expected = (logits.double() / 2).softmax(-1).detach().numpy()
    share = np.bincount(tokens, minlength=len(expected)) / len(tokens)
    deviations = np.sqrt(expected * (1 - expected) / len(tokens))
    top = expected.argsort()[-5:]
    assert (np.abs(share - expected)[top] < 4 * deviations[top]).all()


def test_what_shares_the_batch_does_not_change_a_text(small_model: LocalModel) -> None:
    sampling = replace(GREEDY, max_new_tokens=8)
    alone = small_model.generate(["a bird"], sampling)[0]
    together = small_model.generate(
        ["the mat was red and the fish was old. the", "a bird"], sampling
    )
    assert together[1] == alone


def test_top_k_of_one_is_greedy_and_processors_are_asked(small_model: LocalModel) -> None:
    greedy = small_model.generate(["the dog"], replace(GREEDY, max_new_tokens=6))
    narrow = Sampling(max_new_tokens=6, temperature=5, top_k=1)
    assert small_model.generate(["the dog"], narrow, seed=9) == greedy
    banned = greedy[0].token_ids[0]

    def ban(_ids: Tensor, scores: Tensor) -> Tensor:
        return scores.index_fill(1, torch.tensor([banned]), -torch.inf)

    other = small_model.generate(["the dog"], narrow, processors=[ban])
    assert banned not in other[0].token_ids


def test_a_chat_is_the_template_gone_on_with(small_model: LocalModel) -> None:
    sampling = replace(GREEDY, max_new_tokens=5)
    (answer,) = small_model.chat([[{"role": "user", "content": "the cat"}]], sampling)
    assert answer.token_ids == small_model.generate(["user: the cat\n"], sampling)[0].token_ids
    plain = replace_template(small_model, None)
    with pytest.raises(InputError, match="chat template"):
        plain.chat([[{"role": "user", "content": "the cat"}]])


def replace_template(model: LocalModel, template: str | None) -> LocalModel:
    from copy import copy

    tokenizer = copy(model.tokenizer)
    tokenizer.chat_template = template
    return replace(model, tokenizer=tokenizer)


def test_the_ledger_counts_and_the_budget_ends(small_model: LocalModel) -> None:
    model = replace(small_model, ledger=CallLedger(Budget(calls=3)))
    sampling = replace(GREEDY, max_new_tokens=4)
    model.generate(["the cat", "a bird"], sampling, purpose="try")
    sums = model.ledger.by_purpose()["try"]
    assert sums["calls"] == 2
    assert sums["prompt_tokens"] == sum(len(small_model.encode(t)) for t in ("the cat", "a bird"))
    with pytest.raises(BudgetExhaustedError, match="2 of 3"):
        model.generate(["the cat", "a bird"], sampling)
    assert len(model.ledger.calls) == 2
    tight = replace(small_model, ledger=CallLedger(Budget(tokens=1)))
    tight.generate(["the cat"], sampling)
    with pytest.raises(BudgetExhaustedError, match="1 tokens are used"):
        tight.generate(["the cat"], sampling)


@pytest.mark.parametrize("text", ["", "a", "​​", "‮ טקסט", "\x00", "é" * 3])
def test_odd_texts_are_scored_or_have_no_token(small_model: LocalModel, text: str) -> None:
    (stats,) = small_model.stats([text])
    assert len(stats.log_prob) == max(0, len(small_model.encode(text)) - 1)
    assert stats.log_prob.isfinite().all()


def test_of_a_huge_text_only_the_beginning_is_read(small_model: LocalModel) -> None:
    text = "the cat sat on the mat. " * 400_000
    ids = small_model.encode(text, 64)
    assert torch.equal(ids, small_model.encode(text[:4000])[:64])


@pytest.mark.parametrize("gap", ["", " " * 50, "x" * 5000])
def test_a_limit_gives_the_first_tokens_of_the_whole_text(
    small_model: LocalModel, gap: str
) -> None:
    text = f"the cat{gap} sat on the mat. " * 30
    for limit in (1, 5, 40):
        assert torch.equal(small_model.encode(text, limit), small_model.encode(text)[:limit])


def test_bad_input_is_named(small_model: LocalModel) -> None:
    with pytest.raises(InputError, match="surrogate"):
        small_model.encode("the \ud800 cat")
    with pytest.raises(InputError, match="prompt 1 is empty"):
        small_model.generate(["the", ""])
    with pytest.raises(InputError, match="max_new_tokens 512"):
        small_model.generate(["the"], Sampling(max_new_tokens=512))
    with pytest.raises(InputError, match="text 0: 513 tokens"):
        next(small_model.passes([torch.zeros(513, dtype=torch.int64)]))
    for wrong in ({"temperature": -1}, {"top_p": 0}, {"top_k": -1}, {"max_new_tokens": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Sampling(**wrong)


def test_the_fingerprint_is_of_the_weights(small_model: LocalModel) -> None:
    from copy import deepcopy

    other = deepcopy(small_model.model)
    assert replace(small_model, model=other).fingerprint == small_model.fingerprint
    with torch.no_grad():
        next(other.parameters()).view(-1)[0] += 1
    assert replace(small_model, model=other).fingerprint != small_model.fingerprint
