"""Endpoints: what is sent, and what happens when they are slow, refuse, or mean harm."""

import asyncio
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import httpx2
import pytest

from sterling.errors import InputError
from sterling.lm import (
    Budget,
    BudgetExhaustedError,
    CallLedger,
    Endpoint,
    EndpointError,
    Message,
    Sampling,
    load,
)
from sterling.remote import retry_after

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

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("sterling.remote._sleep", sleep)
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

    with pytest.raises(InputError, match="status 401: no such key; check the API key"):
        endpoint(refuse).chat([[{"role": "user", "content": "x"}]])
    assert len(tried) == 1
    assert waits == []


@pytest.mark.parametrize(
    "content",
    [
        "<html>",
        "[]",
        '{"choices": []}',
        '{"choices": [{"message": {"content": null}}]}',
        '{"choices": [{"message": {"content": 5}}]}',
    ],
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
        load("HTTP://model.test/v1")
    with pytest.raises(InputError, match="begin the address of an endpoint with http://"):
        load("model.test:8000/v1", model=None)
    assert load("http://model.test/v1", model="tiny").name == "tiny"
    with pytest.raises(InputError, match="belong to an endpoint"):
        load("folder", model="tiny")


CHAT: list[list[Message]] = [[{"role": "user", "content": "x"}]]


def chat_answer(content: Any = "hello", **more: Any) -> dict[str, Any]:
    choice = {"message": {"content": content}, "finish_reason": "stop"}
    return {"choices": [{**choice, **more.pop("choice", {})}], **more}


def test_all_forms_of_retry_after_are_waited_for() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after("7") == 7
    assert retry_after(" 2.5 ") == 2.5
    assert 28 <= (retry_after(soon) or 0) <= 30
    assert retry_after("Fri, 31 Dec 1999 23:59:59 GMT") == 0
    for nonsense in ("", "soon", "-3", "nan", "inf", "1e9", "2.5 s", "٣", "Fri, 99 Foo 1999"):
        assert retry_after(nonsense) is None


def test_no_server_makes_us_wait_longer_than_a_minute(waits: list[float]) -> None:
    answers = iter([httpx2.Response(429, headers={"Retry-After": "86400"})])
    model = endpoint(lambda _request: next(answers, httpx2.Response(200, json=ANSWER)))
    model.generate(["x"])
    assert waits == [60]


def test_a_server_that_refuses_fields_is_asked_without_them() -> None:
    bodies: list[dict[str, Any]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        bodies.append(json.loads(request.content))
        for name in ("seed", "max_tokens"):
            if name in bodies[-1]:
                return httpx2.Response(422, json={"error": f"unsupported parameter: '{name}'"})
        return httpx2.Response(200, json=chat_answer())

    model = endpoint(answer, tries=1)
    assert model.chat(CHAT, Sampling(max_new_tokens=9))[0].text == "hello"
    assert len(bodies) == 3
    model.chat(CHAT, Sampling(max_new_tokens=9))
    assert len(bodies) == 4, "what was refused is not sent again"
    assert bodies[-1]["max_completion_tokens"] == 9
    assert not {"seed", "max_tokens"} & bodies[-1].keys()


def test_a_server_that_refuses_for_ever_is_given_up() -> None:
    sent: list[int] = []

    def answer(_request: httpx2.Request) -> httpx2.Response:
        sent.append(1)
        return httpx2.Response(400, text="seed max_tokens max_completion_tokens")

    with pytest.raises(EndpointError, match="status 400: seed max_tokens"):
        endpoint(answer, tries=1).chat(CHAT)
    assert len(sent) == 2


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 3, "completion_tokens": None}, 3),
        ({"prompt_tokens": -5, "completion_tokens": 2}, 2),
        ({"prompt_tokens": 10**30, "completion_tokens": "many"}, 0),
        (None, 0),
    ],
)
def test_counts_that_are_no_counts_are_not_entered(usage: Any, tokens: int) -> None:
    model = endpoint(lambda _request: httpx2.Response(200, json=chat_answer(usage=usage)))
    assert model.chat(CHAT)[0].text == "hello"
    assert model.ledger.tokens == tokens


def test_contents_in_parts_are_joined_and_an_answer_cut_before_it_began_is_explained() -> None:
    parts = [{"type": "text", "text": "he"}, {"type": "image"}, "?", {"text": "llo"}]
    model = endpoint(lambda _request: httpx2.Response(200, json=chat_answer(parts)))
    assert model.chat(CHAT)[0].text == "hello"
    silent = chat_answer(None, choice={"finish_reason": "length"})
    model = endpoint(lambda _request: httpx2.Response(200, json=silent))
    with pytest.raises(EndpointError, match=r"before it answered; raise the limit"):
        model.chat(CHAT)


def test_the_key_is_never_shown() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.headers["Authorization"] == "Bearer sk-hidden"
        return httpx2.Response(401, text="Incorrect API key provided: sk-hidden")

    model = Endpoint("http://a.test/v1", "m", api_key="sk-hidden\n")
    model.transport = httpx2.MockTransport(answer)
    with pytest.raises(InputError) as caught:
        model.chat(CHAT)
    assert "provided: ***; check the API key" in str(caught.value)
    assert caught.value.__suppress_context__, "a traceback in a log shows no cause"
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(403, text="no"))
    with pytest.raises(InputError, match=r"^http://a\.test/v1: status 403"):
        Endpoint("http://me:word@a.test/v1?key=secret", "m", transport=transport).chat(CHAT)
    for key in ("sk-hid\nden", "sk-hid den", "sk-hidén", "sk\x00hidden"):
        with pytest.raises(InputError, match="API key: it holds a line break") as refused:
            Endpoint("http://a.test/v1", "m", api_key=key)
        assert "hid" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "said", "remedy"),
    [
        ("http://a.test", "Not Found", "add /v1 to the address"),
        ("http://a.test/v1", "model 'm' does not exist", "check the address and the model's name"),
        ("http://a.test/v1", "this is a chat model", "the model only chats: give --system"),
    ],
)
def test_a_wrong_address_says_how_to_mend_it(address: str, said: str, remedy: str) -> None:
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(404, text=said))
    with pytest.raises(InputError, match=remedy):
        Endpoint(address, "m", transport=transport).generate(["x"])
    with pytest.raises(InputError, match="begin the address with http://"):
        Endpoint(address[7:], "m")


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "socks://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_named(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(InputError, match=r"proxy in .*ALL_PROXY.* unset the variable, or list"):
        Endpoint("http://127.0.0.1:9/v1", "m", tries=1).generate(["x"])


def test_the_budget_holds_under_threads() -> None:
    sent: list[int] = []

    def answer(_request: httpx2.Request) -> httpx2.Response:
        sent.append(1)
        time.sleep(0.001)
        return httpx2.Response(200, json=ANSWER)

    model = endpoint(answer, calls=40)

    def spend() -> None:
        for _ in range(10):
            try:
                model.generate(["a", "b", "c"])
            except BudgetExhaustedError:
                return

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == len(model.ledger.calls) == 39


def test_calls_that_fail_are_free_again_and_the_rest_of_their_batch_is_not_made() -> None:
    sent: list[int] = []

    def answer(_request: httpx2.Request) -> httpx2.Response:
        sent.append(1)
        return httpx2.Response(400 if len(sent) == 1 else 200, json=ANSWER)

    model = endpoint(answer, calls=10)
    with pytest.raises(EndpointError):
        model.generate(["x"] * 10)
    assert len(sent) == 1
    model.generate(["x"] * (10 - len(model.ledger.calls)))
    assert len(model.ledger.calls) == 10


def test_tokens_are_a_budget_within_a_batch_too() -> None:
    model = endpoint(lambda _request: httpx2.Response(200, json=ANSWER))
    model.ledger, model.workers = CallLedger(Budget(tokens=20)), 1
    with pytest.raises(BudgetExhaustedError, match="27 of 20 tokens"):
        model.generate(["x"] * 100)
    assert len(model.ledger.calls) == 3


def test_it_works_inside_an_event_loop() -> None:
    async def notebook() -> str:
        model = endpoint(lambda _request: httpx2.Response(200, json=ANSWER))
        return model.generate(["x"])[0].text

    assert asyncio.run(notebook()) == "Paris"


@contextmanager
def hostile(talk: Callable[[StreamRequestHandler], object]) -> Iterator[str]:
    """Address of a server that answers a connection by `talk`."""

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            self.connection.recv(65536)
            try:
                talk(self)
            except OSError:
                return  # we hung up

    class Server(ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()


def drip(head: bytes) -> Callable[[StreamRequestHandler], object]:
    def talk(handler: StreamRequestHandler) -> None:
        handler.wfile.write(head)
        for _ in range(600):
            handler.wfile.write(b" ")
            time.sleep(0.05)

    return talk


def answered(body: bytes, *headers: bytes) -> Callable[[StreamRequestHandler], object]:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers, b"", b""]
    return lambda handler: handler.wfile.write(b"\r\n".join(lines) + body)


@pytest.mark.parametrize(
    ("talk", "message"),
    [
        (drip(b"HTTP/1.1 200 OK\r\nX: "), "no whole answer within the deadline of 1 s"),
        (drip(b"HTTP/1.1 200 OK\r\n\r\n"), "no whole answer within the deadline of 1 s"),
        (answered(b" " * 3000), "the answer is longer than 2,000 bytes"),
        (
            answered(gzip.compress(b" " * 10**6), b"Content-Encoding: gzip"),
            "the answer is longer than 2,000 bytes",
        ),
        (answered(b"x", b"Content-Encoding: zstd"), "the answer is packed as 'zstd'"),
        (answered(b"no gzip at all", b"Content-Encoding: gzip"), "DecodingError"),
        (lambda handler: handler.wfile.write(b"\x00" * 99), "RemoteProtocolError"),
        (lambda _handler: None, "RemoteProtocolError"),
    ],
    ids=["headers drip", "body drips", "long", "bomb", "zstd", "no gzip", "no HTTP", "silent"],
)
def test_a_hostile_server_costs_little_time_and_memory(
    talk: Callable[[StreamRequestHandler], object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sterling.remote.LARGEST_ANSWER", 2000)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    begun = time.monotonic()
    with hostile(talk) as address, pytest.raises(EndpointError, match=message):
        Endpoint(address, "m", tries=1, deadline=1).generate(["x"])
    assert time.monotonic() - begun < 20
