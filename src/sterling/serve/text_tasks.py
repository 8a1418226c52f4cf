"""Tasks of a worker process about texts."""

from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sterling.errors import InputError, NothingMeasuredError
from sterling.serve.calls import Arguments, Report
from sterling.serve.jobs import FILES
from sterling.storage import versioned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sterling.text.corpus.records import Corpus, TextRecord
    from sterling.text.detectors import CalibratedDetector

PACKAGED = 48
"""Passages of Python's manual, where no human text is given. Our choice."""

WORDS = 170
"""Words of such a passage: about as many tokens as the model's texts may have."""

WRITTEN = 200
"""Machine texts that are written at most. Our choice."""

LARGEST = 4_000_000
"""Letters of all texts that an attack may be tested on. Our choice."""


def machine_texts(given: Arguments, report: Report) -> dict[str, Any]:
    """List machine-written texts, as ``sterling text detect --json``; no score is kept."""
    from sterling.text.corpus.records import read_corpus
    from sterling.text.detectors import DetectorPlan, load_detector, untrained_detector
    from sterling.text.detectors.registry import UNTRAINED_TOKENS
    from sterling.text.evaluation.declaration import (
        declaration_document,
        declare_machine_written,
        describe,
    )

    asked, known = (read_corpus(Path(given[name])) for name in ("texts", "calibration"))
    for name, corpus in (("texts", asked), ("calibration", known)):
        if not corpus.records:
            raise NothingMeasuredError(f"{name}: holds no text that can be read")
    if (count := len(asked.records) + len(known.records)) > given["items"]:
        raise InputError(f"{count} texts: at most {given['items']}, calibration included")
    plan = DetectorPlan(given["model"], max_tokens=UNTRAINED_TOKENS)
    detector = (
        load_detector(Path(given["folder"]))
        if given["folder"]
        else untrained_detector(given["detector"], plan)
    )
    found = declare_machine_written(
        detector,
        asked.records,
        known.records,
        fdr=given["fdr"],
        procedure=given["procedure"],
        unread=asked.unread,
        report=report,
    )
    return versioned(declaration_document(found, known.unread, describe(detector)))


def ready_texts(given: Arguments, _report: Report) -> dict[str, Any]:
    """Load detectors of texts from their folders."""
    from sterling.text.detectors import load_detector

    for folder in given["folders"]:
        load_detector(Path(folder))
    return {}


def attacked_texts(given: Arguments, report: Report) -> dict[str, Any]:
    """Build a corpus, attack it, train a detector and test it before and after.

    The document is that of ``sterling text evaluate --json``. The corpus and the attacked copies
    are its files, from which ``sterling text train`` and ``text evaluate`` give the same figures.
    """
    from sterling.text.attacks import attack_records
    from sterling.text.corpus.records import to_jsonl
    from sterling.text.detectors import DetectorPlan, make_detector, train_detector
    from sterling.text.evaluation.assessment import assess

    corpus = _corpus(given, report)
    report(0, 0, "attack")
    copies = attack_records(
        corpus.records, given["attack"], share=given["share"], tools=_tools(given)
    )
    report(0, 0, "train")
    split = {
        name: [one for one in corpus.records if one.split == name]
        for name in ("train", "dev", "test")
    }
    detector = make_detector(given["detector"], DetectorPlan(given["model"]))
    trained = train_detector(detector, split["train"], split["dev"])
    found = assess(
        trained,
        split["test"],
        copies,
        fpr=given["fpr"],
        report=lambda done, total: report(done, total, "evaluate"),
    )
    return {
        **_evidence(given, found, trained),
        FILES: {"corpus.jsonl": to_jsonl(corpus.records), "attacked.jsonl": to_jsonl(copies)},
    }


def _corpus(given: Arguments, report: Report) -> "Corpus":
    """The texts of both kinds, in splits: those given, else packaged and written."""
    from sterling.lm import load
    from sterling.text.corpus.build import BuildPlan, build_corpus
    from sterling.text.corpus.given import divide, join_texts
    from sterling.text.corpus.records import Corpus, read_corpus

    report(0, 0, "build")
    human = read_corpus(Path(given["human"])) if "human" in given else _packaged()
    _check_size(human.records, given)
    if "machine" in given:
        machine = read_corpus(Path(given["machine"]))
        _check_size([*human.records, *machine.records], given)
        return join_texts(human, machine)
    if not any(one.label for one in human.records):
        if len(human.records) > WRITTEN:
            raise InputError(
                f"human: {len(human.records)} texts; the model continues at most {WRITTEN}, so "
                "give fewer, or give the machine's texts as well"
            )
        human = build_corpus(
            human,
            load(given["model"]),
            BuildPlan(),
            Path("corpus"),
            lambda done, total: report(done, total, "build"),
        )
    elif all(one.split for one in human.records):
        return human
    return Corpus(tuple(divide(human.records)), human.unread)


def _packaged() -> "Corpus":
    from sterling.text.corpus.prose import Passage, human_prose
    from sterling.text.corpus.records import Corpus, TextRecord

    topics: dict[str, list[Passage]] = {}
    for one in human_prose("manual", WORDS):
        topics.setdefault(one.source, []).append(one)
    # The first of every topic, then the second: passages of one topic are not independent.
    in_turn = [one for each in zip_longest(*topics.values()) for one in each if one is not None]
    passages = in_turn[:PACKAGED]
    return Corpus(
        tuple(
            TextRecord(f"manual-{row}", one.text, 0, one.source, domain=one.domain)
            for row, one in enumerate(passages, start=1)
        )
    )


def _check_size(records: "Sequence[TextRecord]", given: Arguments) -> None:
    if not records:
        raise NothingMeasuredError("human: holds no text that can be read")
    if len(records) > given["items"]:
        raise InputError(f"{len(records)} texts: at most {given['items']}, of both kinds")
    if (size := sum(len(one.text) for one in records)) > LARGEST:
        raise InputError(f"{size} letters in all texts: at most {LARGEST}; give fewer or shorter")


def _tools(given: Arguments) -> Any:
    from sterling.lm import load_local
    from sterling.text.attacks import MODEL_ATTACKS, AttackTools

    if given["attack"] not in MODEL_ATTACKS:
        return AttackTools()
    model = load_local(given["model"])

    def likelihoods(texts: "Sequence[str]") -> list[float]:
        return [float(one.log_prob.mean()) for one in model.stats(texts)]

    return AttackTools(model=model, score=likelihoods, research_use=given["research_use"])


def _evidence(given: Arguments, found: Any, trained: "CalibratedDetector") -> dict[str, Any]:
    from sterling.findings.text import assessment_findings
    from sterling.runs import open_run
    from sterling.study import finish_run

    chosen = {name: given[name] for name in ("attack", "share", "detector", "fpr")}
    config = {**chosen, "calibration": trained.describe()}
    with open_run(Path("run"), identity={"config": config}, seed=0) as run:
        evidence = finish_run(
            run,
            assessment_findings(found),
            study="text-evaluate",
            command="sterling text evaluate detector corpus.jsonl --attacked attacked.jsonl "
            f"--fpr {given['fpr']:g}",
            config=config,
        )
    return versioned(evidence.model_dump(mode="json"))


def marks(given: Arguments, _report: Report) -> dict[str, Any]:
    """Test texts for a key's mark, as ``sterling text watermark detect --json``."""
    from sterling.lm import load_tokenizer
    from sterling.text.corpus.records import read_corpus
    from sterling.text.watermark.marks import examine_marks, marks_document
    from sterling.text.watermark.watermark_key import WatermarkKey

    key, tokenizer = WatermarkKey.read(Path(given["key"])), load_tokenizer(given["model"])
    key.check(tokenizer, given["model"])
    rows = examine_marks(
        key, tokenizer, read_corpus(Path(given["texts"])).records, level=given["level"]
    )
    if not any(row.get("tokens_scored") for row in rows):
        raise NothingMeasuredError("texts: none is long enough to test")
    return versioned(marks_document(rows, given["level"]))
