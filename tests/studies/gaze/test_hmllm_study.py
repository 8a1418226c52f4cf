"""The study: its signals, its graph, its networks, its questions, and the real recording."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.studies.smoke import run_smoke

from sterling.errors import InputError
from sterling.gaze import Hypergraph, smooth
from sterling.lm import train_small
from sterling.studies.gaze.hmllm._audience import (
    LABELS,
    PROFILES,
    Audience,
    measure_responses,
    simulate,
    with_labels,
)
from sterling.studies.gaze.hmllm._cells import (
    ACCURACY,
    AUDIENCE,
    BY_PROFILE,
    GAIN,
    MAJORITY,
    PROFILE,
    HmllmConfig,
    scored,
    split,
)
from sterling.studies.gaze.hmllm._language import (
    answer_of,
    language_loss,
    prompt_of,
    train_soft_tokens,
    write,
)
from sterling.studies.gaze.hmllm._network import (
    ResponseNetwork,
    smooth_cliques,
    train,
)
from sterling.studies.gaze.hmllm._real import read_questions
from sterling.studies.gaze.hmllm._records import Records, records_of


@pytest.fixture(scope="module")
def audience() -> Audience:
    drawn = simulate(videos=14, scenes=2, interaction=1, mood=1, seed=0, eeg=False)
    return with_labels(drawn, drawn.video >= 3)


@pytest.fixture(scope="module")
def records(audience: Audience) -> Records:
    return records_of(audience, audience.video >= 3)


def test_signals_carry_the_responses() -> None:
    """Indicators of raw EEG and gaze follow the latent responses; shuffled ones do not."""
    pytest.importorskip("mne", reason="pip install 'sterling[gaze]'")
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(40, 2, 3))
    values = measure_responses(latent, np.arange(40) // 4, rng)
    for index in range(3):
        truth, found = latent[..., index].ravel(), values[..., index].ravel()
        assert np.corrcoef(truth, found)[0, 1] > 0.6
        assert abs(np.corrcoef(truth, rng.permutation(found))[0, 1]) < 0.4
    apart = np.corrcoef(latent[..., 0].ravel(), values[..., 1].ravel())[0, 1]
    assert abs(apart) < 0.4


def test_without_tastes_profiles_differ_by_noise_alone() -> None:
    """Between profiles the variance of a scene is that of the noise, 0.49; tastes add theirs."""
    plain = simulate(videos=100, scenes=2, interaction=0, mood=1, seed=1, eeg=False)
    spread = plain.values.var(axis=1, ddof=1).mean()
    assert 0.45 < spread < 0.53
    tastes = simulate(videos=100, scenes=2, interaction=1, mood=1, seed=1, eeg=False)
    assert tastes.values.var(axis=1, ddof=1).mean() > 0.7


def test_classes_are_equal_among_training_scenes(audience: Audience) -> None:
    for index, names in enumerate(LABELS.values()):
        shares = np.bincount(audience.labels[audience.video >= 3][..., index].ravel())
        assert len(shares) == len(names)
        assert shares / shares.sum() == pytest.approx(1 / len(names), abs=0.01)


def test_no_video_trains_and_is_tested() -> None:
    config = HmllmConfig(videos=83, scenes=2)
    video = np.repeat(np.arange(83), 2)
    training = split(config, video, seed=0)
    assert not set(video[training]) & set(video[~training])
    assert len(set(video[~training])) == 12  # 72 of 498


def test_edges_join_what_they_should(audience: Audience, records: Records) -> None:
    names = [*records.graph.kinds]
    counts = np.bincount(records.graph.kind, minlength=len(names))
    per_scene = len(PROFILES) * len(LABELS)
    assert dict(zip(names, counts.tolist(), strict=True)) == {
        "video": 14,
        "scene": 28,
        "gender": 2,
        "age": 7,
        "gender × age": 14,
        "indicator": 3,
        "content": 28 * per_scene,
    }
    members = records.graph.members(int(counts[:-1].sum()))  # first edge of content
    assert len(members) == 9
    assert len({(int(records.profile[one]), int(records.indicator[one])) for one in members}) == 1
    videos = audience.video[records.scene[members]]
    assert (videos == 0).sum() == 1


def test_leaking_labels_are_refused(audience: Audience, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check looks at what is built: an embedding that holds a label is found."""
    from sterling.studies.gaze.hmllm import _records

    build = _records._build

    def leaking(seen: Audience) -> tuple[np.ndarray, Hypergraph]:
        features, graph = build(seen)
        return np.hstack([features, seen.labels.reshape(-1, 1)]), graph

    monkeypatch.setattr(_records, "_build", leaking)
    with pytest.raises(InputError, match="depend on held-out labels"):
        records_of(audience, audience.video >= 3)


def test_cliques_are_smoothed_without_listing_pairs() -> None:
    columns = {"a": [0, 0, 1, 1, 1, 2], "b": [0, 1, 0, 1, 0, 3]}
    graph = Hypergraph.from_columns(columns, ["a", "b"])
    features = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    weights = torch.tensor([1.0, 2.0])
    found = smooth_cliques(features, graph, weights)
    assert torch.allclose(found, smooth(features, graph.cliques, weights), atol=1e-6)
    assert not torch.allclose(found, smooth(features, graph, weights), atol=1e-2)
    assert (found[5] == 0).all()  # without an edge


def test_without_mixing_a_record_is_alone(records: Records) -> None:
    """Changed features of one record change no other without mixing, and others with it."""
    changed = records.features.clone()
    changed[0] += 1
    moved = {}
    for mixing in ("none", "cliques", "hypergraph"):
        network = ResponseNetwork(changed.shape[1], records.graph.kinds, mixing, width=8, seed=0)
        with torch.no_grad():
            before = network.represent(records.features, records.graph)
            after = network.represent(changed, records.graph)
        moved[mixing] = int(((before - after).abs() > 1e-6).any(1).sum())
    assert moved["none"] == 1
    assert moved["cliques"] > 50
    assert moved["hypergraph"] > 50


def test_test_labels_do_not_change_a_network(audience: Audience, records: Records) -> None:
    known = (audience.video >= 3)[records.scene]
    video = audience.video[records.scene]
    other = replace(
        records,
        labels=torch.where(torch.from_numpy(known), records.labels, 0),
        values=torch.where(torch.from_numpy(known), records.values, 9.0),
    )
    one, two = (
        train(each, known, video, "hypergraph", width=8, steps=10, seed=0)
        for each in (records, other)
    )
    assert np.array_equal(one.probabilities(records), two.probabilities(records))
    third = replace(records, labels=torch.zeros_like(records.labels))
    network = train(third, known, video, "hypergraph", width=8, steps=10, seed=0)
    assert not np.array_equal(one.probabilities(records), network.probabilities(records))


def test_inductive_training_sees_no_test_record(audience: Audience, records: Records) -> None:
    known = (audience.video >= 3)[records.scene]
    alone = records.among(known)
    assert alone.graph.nodes == len(alone.labels) == int(known.sum())
    assert set(alone.scene) == set(records.scene[known])


def test_classes_that_an_indicator_lacks_get_no_probability(
    audience: Audience, records: Records
) -> None:
    known = (audience.video >= 3)[records.scene]
    network = train(
        records, known, audience.video[records.scene], "none", width=8, steps=10, seed=0
    )
    probabilities = network.probabilities(records)
    assert (probabilities[records.indicator.numpy() != 1, 2] == 0).all()
    assert probabilities.sum(1) == pytest.approx(1)


def test_protocols_are_scored_as_defined(records: Records) -> None:
    """An oracle of profiles is right everywhere, and gains where profiles differ."""
    shape = (28, len(PROFILES), 3)
    truth = records.labels.numpy()
    oracle = np.eye(3)[truth]
    average = oracle.reshape(*shape, 3).mean(1).argmax(-1)
    tested = np.arange(28) < 6
    rows = scored({"oracle": oracle, "constant": np.eye(3)[truth * 0]}, records, average, tested)
    values = {
        (one["system"], one["indicator"], one.get("protocol"), one["metric"]): one["value"]
        for one in rows
    }
    for name in LABELS:
        assert values["oracle", name, PROFILE, ACCURACY] == 1
        assert values["oracle", name, AUDIENCE, ACCURACY] == 1
        assert 0 < values["oracle", name, None, GAIN] < 1
        assert values["constant", name, None, GAIN] == 0


def test_soft_tokens_tell_a_frozen_model_the_class(audience: Audience, records: Records) -> None:
    """Training lowers the loss of the answers, and the model's weights stay."""
    few = np.flatnonzero((audience.video >= 3)[records.scene])[:6]
    prompts = [prompt_of(records, index) for index in few]
    answers = [answer_of(records, index) for index in few]
    texts = [f"{one} {other}" for one, other in zip(prompts, answers, strict=True)]
    model = train_small(texts * 4, steps=60)
    before = [one.clone() for one in model.model.parameters()]
    network = ResponseNetwork(
        records.features.shape[1], records.graph.kinds, "hypergraph", width=8, seed=0
    )

    def loss(soft: torch.nn.Module) -> float:
        with torch.no_grad():
            hidden = network.represent(records.features, records.graph)[few]
            return float(language_loss(model, soft(hidden), prompts, answers))

    start = loss(train_soft_tokens(model, network, records, few, steps=1, seed=0))
    soft = train_soft_tokens(model, network, records, few, steps=60, seed=0)
    assert loss(soft) < start - 0.03
    same = zip(before, model.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in same)
    hidden = network.represent(records.features, records.graph)[few]
    assert len(write(model, soft(hidden), prompts, most=2)) == 6


QUESTIONS = [
    {
        "video": f"{number}.mp4",
        "QA": [
            {"i": "", "q": "How do women aged 21-25 respond?", "a": "They are non-cognitive."},
            {"i": "", "q": "How does the audience respond?", "a": "Cognitive, fully attended."},
            {"i": "", "q": "What is advertised?", "a": "A car."},
        ],
    }
    for number in range(8)
]


def test_questions_are_read(tmp_path: Path) -> None:
    (tmp_path / "test.json").write_text(json.dumps(QUESTIONS))
    questions = read_questions(tmp_path)
    group, whole, objective = questions[:3]
    assert (group.protocol, group.group) == (PROFILE, "female, 21-25")
    assert group.labels == {"engagement": "non-cognitive"}
    assert (whole.protocol, objective.labels) == (AUDIENCE, {})
    assert whole.labels == {"engagement": "cognitive", "eye movement": "fully attended"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("{}", "no list"),
        ('[{"QA": []}]', 'item 1: no "video"'),
        ('[{"video": "a", "QA": [{"q": "b"}]}]', 'without text "q" and "a"'),
        ('[{"video": "a", "QA": [{"q": "b", "a": "c"}]}]', "none of 1 answers"),
    ],
)
def test_other_layouts_are_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "test.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_questions(tmp_path / "test.json")


@pytest.mark.smoke
def test_a_run_checks_questions(tmp_path: Path) -> None:
    pytest.importorskip("mne", reason="pip install 'sterling[gaze]'")
    (tmp_path / "test.json").write_text(json.dumps(QUESTIONS))
    evidence = run_smoke(
        "hmllm", tmp_path, f"data={tmp_path}/test.json", "seeds=2", "interaction=[]"
    )
    assert evidence.scope.startswith("SIMULATED")
    values = {metric.name: metric.value for metric in evidence.metrics}
    assert values["videos"] == values["objective questions"] == 8
    assert f"P2 accuracy, {MAJORITY}" in values
    assert f"P2 accuracy, {BY_PROFILE}" in values


@pytest.mark.smoke
def test_a_real_recording_is_measured(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("mne", reason="pip install 'sterling[gaze]'")
    recording = shared_data / "eeg" / "eeglab" / "eeglab_data.set"
    if not recording.is_file():
        pytest.skip(f"no EEG recording at {recording}")
    evidence = run_smoke("hmllm", tmp_path, f"data={recording}", "interaction=[]")
    found = [metric for metric in evidence.metrics if metric.name.startswith("real recording")]
    assert [metric.n for metric in found] == [17, 17]  # of 238 s less a minute
    assert all(metric.value is not None and abs(metric.value) < 10 for metric in found)
