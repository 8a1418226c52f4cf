"""Shared fixtures: real data when it is there, and one rule for the whole suite: no network."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from sterling.lm import LocalModel, train_small

# Times on a shared machine say nothing; and what CI judges must not depend on its dice, which roll
# at every other place.
settings.register_profile("sterling", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("sterling")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data: ``$STERLING_SHARED_DATA``, or ``shared/data`` beside the checkout."""
    folder = Path(os.environ.get("STERLING_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not present at {folder}; set STERLING_SHARED_DATA to use it")
    return folder


def _is_this_machine(host: str) -> bool:
    """Processes of this machine may talk to each other: an address is ours if we can bind it."""
    try:
        socket.create_server((host, 0)).close()
    except OSError:
        return False
    return True


@pytest.fixture(autouse=True)
def _no_plugin_of_an_earlier_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget after each test the modules that ``--plugin`` named, which live in the environment."""
    monkeypatch.setenv("STERLING_PLUGINS", "")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def refuse(own: socket.socket, address: Any) -> None:
        if own.family != socket.AF_UNIX and not _is_this_machine(address[0]):
            message = f"a test tried to reach {address!r}"
            raise AssertionError(message)
        connect(own, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="session")
def small_model() -> LocalModel:
    """A tiny language model with a chat template, trained on a few sentences."""
    sentences = [
        "the cat sat on the mat.",
        "the dog ate the fish of the cat.",
        "a bird sang to the dog and slept.",
        "the mat was red and the fish was old.",
    ]
    model = train_small([" ".join(sentences[i:] + sentences[:i]) for i in range(4)], steps=60)
    model.tokenizer.chat_template = (
        "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    )
    return model
