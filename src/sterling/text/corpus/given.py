"""A corpus of texts that exist: those of people and those of machines, joined and divided."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from sterling.errors import InputError, quoted
from sterling.text.corpus.records import Corpus, TextRecord, content_id, split_by_group

SHARES = (2, 1, 1)
"""Shares of train, dev and test: 8 : 1 : 1 leaves too few of some dozen texts to test on. Ours."""


def join_texts(human: Corpus, machine: Corpus) -> Corpus:
    """Label texts by who wrote them, and divide them into splits.

    Texts of the same group (for text files the same name in both folders) stay together.

    Args:
        human: Texts of people; those labelled as a machine's are refused.
        machine: Texts of machines, whatever their label says.

    Returns:
        Records named ``human/…`` and ``machine/…``, two of four in "train", one each in "dev" and
        "test", people's and machines' alike.

    Raises:
        InputError: A human text is labelled as a machine's, or is also a machine's text.
    """
    named = [replace(one, id=f"human/{one.id}", split="") for one in human.records]
    for one in human.records:
        if one.label:
            raise InputError(
                f"human: text {quoted(one.id)} is labelled as a machine's; give texts of people"
            )
    known = {content_id(one.text): one.id for one in human.records}
    for one in machine.records:
        if (same := known.get(content_id(one.text))) is not None:
            raise InputError(
                f"machine: text {quoted(one.id)} is the human text {quoted(same)}; give other texts"
            )
        writer = "unknown machine" if one.model == "human" else one.model
        named.append(replace(one, id=f"machine/{one.id}", label=1, model=writer, split=""))
    return Corpus(tuple(divide(named)), (*human.unread, *machine.unread))


def divide(records: Sequence[TextRecord], seed: int = 0) -> list[TextRecord]:
    """Divide groups of people's texts, of machines' texts and of both by `SHARES`, each apart.

    Args:
        records: Records in any order; splits they have are forgotten.
        seed: Seed of the order of the groups.
    """
    labels: dict[str, set[int]] = defaultdict(set)
    for one in records:
        labels[one.group].add(one.label)
    kinds: dict[tuple[int, ...], list[TextRecord]] = defaultdict(list)
    for one in records:
        kinds[tuple(sorted(labels[one.group]))].append(one)
    placed = {
        one.id: one for own in kinds.values() for one in split_by_group(own, seed, shares=SHARES)
    }
    return [placed[one.id] for one in records]
