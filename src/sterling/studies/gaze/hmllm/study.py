"""HMLLM: does a hypergraph of viewers, scenes and indicators predict responses to advertisements?

HMLLM (arXiv 2407.08150) links demographics, video elements, EEG and gaze by a hypergraph. Its data
and the file of its model are not public: graph, network and losses here are ours. Simulated videos
are seen by 14 profiles, whose raw EEG and gaze carry their responses; networks predict the classes
of three indicators for videos that they were not trained on.
"""

from collections.abc import Mapping
from typing import Any

from sterling.runs import Run
from sterling.studies.gaze.hmllm._cells import (
    ACCURACY,
    AUDIENCE,
    BY_PROFILE,
    CLIQUES,
    COPIED,
    GAIN,
    HYPERGRAPH,
    INDUCTIVE,
    LOGISTIC,
    MACRO_F1,
    MAJORITY,
    MEANS,
    MLP,
    PROFILE,
    HmllmConfig,
    compare,
    settings_of,
)
from sterling.studies.gaze.hmllm._language import ANSWERED, answer
from sterling.studies.gaze.hmllm._real import read_questions, recorded, video_sme
from sterling.studies.registry import ENTRIES
from sterling.study import Claim, Column, Metric, Results, Study, Views, at_least, positive, within

SYSTEMS = (MAJORITY, BY_PROFILE, LOGISTIC, MLP, MEANS, CLIQUES, HYPERGRAPH, INDUCTIVE)
SWEPT = (BY_PROFILE, LOGISTIC, MLP, MEANS, HYPERGRAPH)
MAIN: Mapping[str, Any] = {"interaction": 1.0, "mood": 1.0}
MARGIN = 0.03  # ours: the smallest difference of accuracies that matters


def measure(config: HmllmConfig, run: Run) -> Results:
    """Compare systems in every setting and repetition; then real data, where there are some."""
    rows = []
    if config.data is not None:
        if config.data.is_dir() or config.data.suffix.lower() == ".json":
            questions = read_questions(config.data)
            rows += run.map(video_sme, [{"repetition": 0}], config, questions, seed="real")
        else:
            rows += run.map(recorded, [{"repetition": 0}], config, seed="real")
    grid = [
        {"interaction": interaction, "mood": mood, "repetition": index}
        for index in range(config.seeds)
        for interaction, mood in settings_of(config)
    ]
    rows += run.map(compare, grid, config, seed="hmllm/{repetition}")
    if config.language_model:
        rows += run.map(answer, [{"repetition": 0}], config, seed="hmllm/{repetition}")
    return Results.of(rows)


def claims(results: Results, config: HmllmConfig) -> list[Claim]:
    """Test the gain from the hypergraph, and from telling profiles apart."""
    mean = results.averaged("indicator")  # repetitions are the independent units
    accuracy = mean.series(ACCURACY, protocol=PROFILE, **MAIN)
    strongest = max(interaction for interaction, _ in settings_of(config))
    found = [
        accuracy.higher(
            "better_than_majority_of_profile",
            "On new videos the hypergraph predicts a profile's responses better than the profile's "
            "most common class (accuracy, mean of three indicators).",
            HYPERGRAPH,
            than=BY_PROFILE,
        ),
        at_least(
            "better_than_mlp",
            "The hypergraph predicts better by 3 points or more than the same network without it "
            "(difference of accuracies).",
            accuracy.gain(HYPERGRAPH, than=MLP),
            MARGIN,
            paper="abstract: hypergraphs link demographics, video elements, EEG and gaze",
        ),
        within(
            "inductive_as_good",
            "Attaching test videos after training costs at most 3 points of accuracy, against "
            "training with their unlabelled records in the graph.",
            accuracy.gain(INDUCTIVE, than=HYPERGRAPH),
            -MARGIN,
            MARGIN,
        ),
        positive(
            "profiles_pay",
            f"With tastes of strength {strongest:g}, the hypergraph's predictions for profiles are "
            "right more often than its prediction for the audience copied to all profiles.",
            mean.values(GAIN, system=HYPERGRAPH, interaction=strongest, mood=1.0),
        ),
    ]
    if 0.0 in config.interaction:
        found.append(
            within(
                "no_gain_without_tastes",
                "Where all profiles respond alike, they are not: the gain is within 3 points of 0.",
                mean.values(GAIN, system=HYPERGRAPH, interaction=0.0, mood=1.0),
                -MARGIN,
                MARGIN,
            )
        )
    return found


def views(results: Results, config: HmllmConfig) -> Views:
    """Systems by indicator, the sweep over tastes, and real data."""
    mean = results.averaged("indicator")
    columns = [
        Column(f"{name}, {indicator}", metric, {"protocol": protocol, "indicator": indicator})
        for indicator in results.select(GAIN).names("indicator")
        for name, metric, protocol in (
            ("P1", ACCURACY, AUDIENCE),
            ("P2", ACCURACY, PROFILE),
            ("P2 macro F1", MACRO_F1, PROFILE),
        )
    ]
    by_indicator = results.select(**MAIN).table(
        "systems",
        "Accuracy and macro F1 on new videos, by indicator",
        "system",
        columns,
        order=SYSTEMS,
        caption="SIMULATED. Tastes and moods of strength 1. P1: class of the profiles' mean "
        "response to a scene. P2: class of each profile's response.",
    )
    personal = mean.select(**MAIN).table(
        "personal",
        "Gain from telling profiles apart",
        "system",
        [
            Column("P2 accuracy", ACCURACY, {"protocol": PROFILE}, show="interval"),
            Column("P1 copied to profiles", ACCURACY, {"protocol": COPIED}),
            Column("gain", GAIN, show="interval"),
        ],
        order=SYSTEMS,
        caption="Means of three indicators and of repetitions.",
    )
    sweep = mean.select(mood=1.0).lines(
        "sweep",
        "Accuracy by the strength of tastes",
        "P2, mean of three indicators; 0: all profiles respond alike.",
        ACCURACY,
        x="interaction",
        labels=("strength of tastes", "accuracy"),
        system=SWEPT,
        protocol=PROFILE,
    )
    metrics = [
        *(
            mean.metric(
                f"P2 accuracy, {system}", ACCURACY, "rate", system=system, protocol=PROFILE, **MAIN
            )
            for system in SYSTEMS
        ),
        *(
            _difference(mean, than, interaction, mood)
            for interaction, mood in settings_of(config)
            for than in (MLP, MEANS)
        ),
    ]
    tables = [by_indicator, personal]
    if config.language_model:
        tables.append(
            results.select(ANSWERED).table(
                "answers",
                f"Classes answered by {config.language_model} from soft tokens",
                "form",
                [Column("right", ANSWERED, {"system": HYPERGRAPH}, show="rate")],
                caption=f"{config.answers} test records of one repetition; records of one video "
                "are not independent, so intervals are too short. The model is frozen; the "
                "projection and the hypergraph learn.",
            )
        )
    baselines = results.select("real accuracy")
    if baselines.names("baseline"):
        tables.append(
            baselines.table(
                "Video-SME",
                "Majority classes on held-out videos of Video-SME",
                ("protocol", "indicator", "baseline"),
                [Column("accuracy", "real accuracy", show="rate")],
                caption="Accuracy that a model has to beat; the videos themselves are not read.",
            )
        )
        metrics += [
            results.metric(name, name, "", source="Video-SME")
            for name in ("videos", "objective questions")
        ]
    metrics += [
        results.metric(
            f"real recording, {name}", f"recorded {name}", "z-score", over="scenes of 10 s"
        )
        for name in ("engagement", "valence")
        if results.values(f"recorded {name}")
    ]
    return Views(metrics, tables, [sweep])


def _difference(mean: Results, than: str, interaction: float, mood: float) -> Metric:
    """Accuracy of the hypergraph less that of another system, in one setting."""
    accuracy = mean.series(ACCURACY, protocol=PROFILE, interaction=interaction, mood=mood)
    gains = Results.of(
        {"repetition": index, "metric": GAIN, "value": value}
        for index, value in enumerate(accuracy.gain(HYPERGRAPH, than=than))
    )
    return gains.metric(
        f"hypergraph less {than}, tastes {interaction:g}, mood {mood:g}", GAIN, "rate difference"
    )


def scope(config: HmllmConfig) -> str:
    """Return the scope of the figures."""
    real = "" if config.data is None else f"; and a check on {config.data.name}"
    return (
        f"SIMULATED: {config.videos} videos of {config.scenes} scenes, 14 profiles, EEG and gaze "
        f"synthesised{real}. Nothing here was measured on the paper's viewers."
    )


STUDY = Study(
    ENTRIES["hmllm"],
    presets={
        "smoke": HmllmConfig(
            seeds=2,
            videos=14,
            scenes=1,
            width=8,
            steps=10,
            interaction=(0.0,),
            language_model="small",
            answers=4,
            answer_steps=2,
        ),
        "quick": HmllmConfig(),
        "paper": HmllmConfig(
            seeds=20,
            videos=120,
            scenes=6,
            width=128,
            steps=300,
            interaction=(0.0, 0.5, 2.0, 4.0),
            language_model="smollm2",
            answers=1000,
            answer_steps=1000,
        ),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
