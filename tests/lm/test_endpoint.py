"""Endpoints: what is sent, and what happens when they are slow, refuse or answer nonsense."""

import json
from collections.abc import Callable

import httpx2
import pytest

from sterling.errors import InputError
from sterling.lm import (
    Budget,
    BudgetExhaustedError,
    CallLedger,
    Endpoint,
    EndpointError,
    Sampling,
    load,
)

ANSWER = {
    "choices": [{"message": {"content": "Paris"}, "text": "Paris", "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2},
}


def endpoint(
    answer: Callable[[httpx2.Request], httpx2.Response], calls: int | None = None, tries: int = 3
) -> Endpoint:
    return Endpoint(
        "http://model.test/v1/",
        "tiny",
        api_key="secret",
        ledger=CallLedger(Budget(calls=calls)),
        tries=tries,
        workers=2,
        transport=httpx2.MockTransport(answer),
    )


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited for, without waiting."""
    slept: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", slept.append)
    return slept


def test_what_is_sent_and_what_comes_back() -> None:
    requests: list[tuple[str, str, dict[str, object]]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        requests.append((str(request.url), request.headers["Authorization"], body))
        return httpx2.Response(200, json=ANSWER)

    model = endpoint(answer)
    sampling = Sampling(max_new_tokens=9, temperature=0.5, top_p=0.9)
    (text,) = model.generate(["The capital is"], sampling, seed=5, purpose="ask")
    (said,) = model.chat([[{"role": "user", "content": "Capital?"}]], sampling)
    assert text == said
    assert (text.text, text.prompt_tokens, text.finished) == ("Paris", 7, True)
    url, key, body = requests[0]
    assert (url, key) == ("http://model.test/v1/completions", "Bearer secret")
    assert body == {
        "model": "tiny",
        "prompt": "The capital is",
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 5,
    }
    assert requests[1][0] == "http://model.test/v1/chat/completions"
    assert requests[1][2]["messages"] == [{"role": "user", "content": "Capital?"}]
    assert model.ledger.by_purpose()["ask"]["new_tokens"] == 2
    assert "secret" not in repr(model)


def test_answers_keep_the_order_of_the_prompts() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(
            200, json={"choices": [{"text": json.loads(request.content)["prompt"]}]}
        )

    prompts = [f"prompt {i}" for i in range(20)]
    assert [one.text for one in endpoint(answer).generate(prompts)] == prompts


def test_a_call_put_off_is_made_again_after_what_the_server_asks(waits: list[float]) -> None:
    answers = iter(
        [
            httpx2.Response(429, headers={"Retry-After": "7"}),
            httpx2.Response(503),
            httpx2.Response(200, json=ANSWER),
        ]
    )
    model = endpoint(lambda _request: next(answers))
    assert model.generate(["x"])[0].text == "Paris"
    assert waits == [7.0, 2.0]
    assert len(model.ledger.calls) == 1


def test_a_slow_endpoint_is_given_up_after_the_tries(waits: list[float]) -> None:
    tried = []

    def slow(request: httpx2.Request) -> httpx2.Response:
        tried.append(request)
        raise httpx2.ReadTimeout("too slow", request=request)

    model = endpoint(slow)
    with pytest.raises(EndpointError, match=r"ReadTimeout.*3 tries"):
        model.generate(["x"])
    assert len(tried) == 3
    assert waits == [1.0, 2.0]
    assert model.ledger.calls == []


def test_a_refusal_is_not_repeated(waits: list[float]) -> None:
    tried = []

    def refuse(request: httpx2.Request) -> httpx2.Response:
        tried.append(request)
        return httpx2.Response(401, text="no such key")

    with pytest.raises(EndpointError, match="status 401: no such key"):
        endpoint(refuse).chat([[{"role": "user", "content": "x"}]])
    assert len(tried) == 1
    assert waits == []


@pytest.mark.parametrize(
    "content", ["<html>", "[]", '{"choices": []}', '{"choices": [{"message": {"content": null}}]}']
)
def test_nonsense_is_no_completion(content: str) -> None:
    model = endpoint(lambda _request: httpx2.Response(200, text=content))
    with pytest.raises(EndpointError, match="not a completion"):
        model.generate(["x"])


def test_calls_before_a_failure_stay_in_the_ledger() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        good = json.loads(request.content)["prompt"] == "good"
        return httpx2.Response(200, json=ANSWER) if good else httpx2.Response(400)

    model = endpoint(answer)
    model.workers = 1
    with pytest.raises(EndpointError, match="status 400"):
        model.generate(["good", "bad"])
    assert len(model.ledger.calls) == 1


def test_nothing_is_sent_beyond_the_budget() -> None:
    sent = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json=ANSWER)

    with pytest.raises(BudgetExhaustedError, match="3 more"):
        endpoint(answer, calls=2).generate(["a", "b", "c"])
    assert sent == []


def test_what_the_protocol_does_not_know_is_refused() -> None:
    model = endpoint(lambda _request: httpx2.Response(200, json=ANSWER))
    with pytest.raises(InputError, match="top_k"):
        model.generate(["x"], Sampling(top_k=5))
    with pytest.raises(InputError, match=r"model=\.\.\."):
        load("http://model.test/v1")
    assert load("http://model.test/v1", model="tiny").name == "tiny"
    with pytest.raises(InputError, match="belong to an endpoint"):
        load("folder", model="tiny")
