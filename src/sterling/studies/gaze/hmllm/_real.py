"""Checks on real data: questions of Video-SME, and an EEG recording."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sterling.errors import InputError
from sterling.gaze import Segment, indicators, read_recording
from sterling.measure import Rate
from sterling.runs import Cell, Row
from sterling.studies.gaze.hmllm._cells import AUDIENCE, PROFILE, TESTED, HmllmConfig
from sterling.study import row
from sterling.tables import decode, read_bytes

ALL_USERS = "all users"
CALM, SCENE = 60, 10  # seconds
LABELLED = {
    "engagement": (("non-cognitive", r"non[- _]?cognitive"), ("cognitive", r"cognitive")),
    "valence": (
        ("presumably negative", r"negative"),
        ("neutral", r"neutral"),
        ("positive", r"positive"),
    ),
    "eye movement": (
        ("partially attended", r"partially[- _]attended"),
        ("fully attended", r"fully[- _]attended"),
    ),
}
_GENDER = re.compile(r"\b(female|male|women|woman|men|man)s?\b", re.IGNORECASE)
_AGE = re.compile(r"\b(?:under 20|(?:21|26|31|36|41|46)\s*(?:-|–|to)\s*\d\d)\b", re.IGNORECASE)
_FEMALE = ("female", "women", "woman")


@dataclass(frozen=True)
class Question:
    """A question about a video, and its answer.

    Attributes:
        video: Name of the video.
        group: Gender and age that the question names, or "all users".
        answer: Text of the answer.
        labels: Class of each indicator that the answer names; none for an objective question.
    """

    video: str
    group: str
    answer: str
    labels: dict[str, str]

    @property
    def protocol(self) -> str:
        """P1 for the whole audience, P2 for a group."""
        return AUDIENCE if self.group == ALL_USERS else PROFILE


def read_questions(path: Path) -> list[Question]:
    """Read questions of Video-SME: a list of ``{"video": …, "QA": [{"i": …, "q": …, "a": …}]}``.

    A question that names a gender or an age is of protocol P2, another one of P1. The file's layout
    is that of the released reader; how its sentences name groups and classes is known from examples
    alone.

    Args:
        path: A JSON file, or a folder of them.

    Raises:
        InputError: A file has another layout, or no answer names a class.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    questions = [one for file in files for one in _read_file(file)]
    if not any(one.labels for one in questions):
        raise InputError(
            f"{path}: none of {len(questions)} answers in {len(files)} .json files names a class, "
            'such as "cognitive" or "fully attended"; give the files of subjective questions'
        )
    return questions


def _read_file(file: Path) -> list[Question]:
    try:
        content = json.loads(decode(file, read_bytes(file)))
    except json.JSONDecodeError as error:
        raise InputError(f"{file}: not JSON ({error}); give Video-SME's files") from error
    if not isinstance(content, list) or not content:
        raise InputError(f'{file}: no list of {{"video", "QA"}}; give a file of Video-SME')
    return [one for number, item in enumerate(content, 1) for one in _read_item(file, number, item)]


def _read_item(file: Path, number: int, item: Any) -> list[Question]:
    known = isinstance(item, dict) and isinstance(item.get("video"), str)
    asked = item.get("QA") if known else None
    if not isinstance(asked, list):
        raise InputError(f'{file}, item {number}: no "video" with a list "QA"')
    questions = []
    for one in asked:
        question, answer = (one.get("q"), one.get("a")) if isinstance(one, dict) else (None, None)
        if not isinstance(question, str) or not isinstance(answer, str):
            raise InputError(f'{file}, item {number}: a question without text "q" and "a"')
        questions.append(Question(item["video"], _group(question), answer, _labels(answer)))
    return questions


def _group(question: str) -> str:
    gender, age = _GENDER.search(question), _AGE.search(question)
    named = []
    if gender:
        named.append("female" if gender[1].lower() in _FEMALE else "male")
    if age:
        named.append(re.sub(r"\s*(-|–|to)\s*", "-", age[0].lower()))
    return ", ".join(named) or ALL_USERS


def _labels(answer: str) -> dict[str, str]:
    """First class of each indicator that matches; engagement tries the negated one first."""
    found = {}
    for indicator, patterns in LABELLED.items():
        for label, pattern in patterns:
            if re.search(rf"\b{pattern}\b", answer, re.IGNORECASE):
                found[indicator] = label
                break
    return found


def video_sme(_: HmllmConfig, questions: list[Question], cell: Cell) -> list[Row]:
    """Accuracy of the majority class, overall and of the group, on held-out videos."""
    videos = np.array(sorted({one.video for one in questions}))
    count = max(1, round(TESTED * len(videos)))
    tested = set(np.random.default_rng(cell.seed).permutation(videos)[:count].tolist())
    rows = [
        row("videos", len(videos), source="Video-SME"),
        row("objective questions", sum(not one.labels for one in questions), source="Video-SME"),
    ]
    for protocol in (AUDIENCE, PROFILE):
        for indicator in LABELLED:
            here = [
                one for one in questions if one.protocol == protocol and indicator in one.labels
            ]
            train = [one for one in here if one.video not in tested]
            test = [one for one in here if one.video in tested]
            if not train or not test:
                continue
            whole = Counter(one.labels[indicator] for one in train)
            by_group = {
                group: Counter(one.labels[indicator] for one in train if one.group == group)
                for group in {one.group for one in train}
            }
            for name, right in (
                ("majority", [_first(whole) == one.labels[indicator] for one in test]),
                (
                    "majority of the group",
                    [
                        _first(by_group.get(one.group, whole)) == one.labels[indicator]
                        for one in test
                    ],
                ),
            ):
                at = {"protocol": protocol, "indicator": indicator, "baseline": name}
                rows.append(row("real accuracy", Rate(sum(right), len(right)), **at))
    return rows


def _first(counts: Counter[str]) -> str:
    return counts.most_common(1)[0][0]


def recorded(config: HmllmConfig, cell: Cell) -> list[Row]:
    """Indicators of a real recording: its first minute as baseline, then scenes of ten seconds."""
    assert config.data is not None
    recording = read_recording(config.data)
    onsets = np.arange(CALM, recording.seconds - SCENE, SCENE)
    if not len(onsets):
        raise InputError(
            f"{config.data}: lasts {recording.seconds:.0f} s; a check needs {CALM + 2 * SCENE} s"
        )
    scenes = [Segment(f"{onset:.0f} s", float(onset), SCENE) for onset in onsets]
    found = indicators(recording, [Segment("calm", 0, CALM), *scenes], baseline="calm")
    return [
        {**row(f"recorded {name}", value), "repetition": index}
        for name in ("engagement", "valence")
        for index, value in enumerate(found[name].to_list(), start=cell.repetition)
    ]
