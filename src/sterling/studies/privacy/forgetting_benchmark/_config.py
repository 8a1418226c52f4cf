"""Configuration of the benchmark."""

from pydantic import Field

from sterling.study import Config


class ForgettingBenchmarkConfig(Config):
    """Configuration of the study.

    Attributes:
        grid: Pairs of architecture and forget set; "class" forgets a whole class. SISA and
            amnesiac unlearning, which train models of their own, run on "random" and its first
            architecture only.
        methods: Names of unlearning methods; empty for all.
        seeds: Number of repetitions, with other records and other weights.
        models: Shadow models of each cell, even.
        pool: Records of which each model learns, and forgets, its own half.
        base: Records that every model retains.
        epochs: Epochs of training the classifiers.
        steps: Steps of the unlearning methods that descend.
        learning_rate: Learning rate of unlearning, by Adam.
        requests: Deletion requests, one after another; 0 leaves the sequence out.
        sequence: Methods that run along the sequence, beside retraining.
        authors: Invented authors for the language model: retained, forgotten, never seen, read
            only; 0 retained leaves the language model out.
        language_steps: Steps of training, of unlearning and of attacks that descend.
        research_use: Adds the reconstruction of deleted records and prompts that make the language
            model tell, on models trained here.
    """

    grid: tuple[tuple[str, str], ...] = (
        ("mlp", "random"),
        ("mlp", "outliers"),
        ("mlp", "mislabelled"),
        ("mlp", "duplicates"),
        ("mlp", "canaries"),
        ("mlp", "groups"),
        ("mlp", "sub-population"),
        ("mlp", "class"),
        ("cnn", "random"),
    )
    methods: tuple[str, ...] = ()
    seeds: int = Field(default=5, ge=1)
    models: int = Field(default=8, ge=6, multiple_of=2)
    pool: int = Field(default=60, ge=8, multiple_of=2)
    base: int = Field(default=300, ge=20)
    epochs: int = Field(default=40, ge=1)
    steps: int = Field(default=50, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    requests: int = Field(default=4, ge=0)
    sequence: tuple[str, ...] = ("GradDiff", "random label", "NPO", "SCRUB")
    authors: tuple[int, int, int, int] = (30, 8, 8, 200)
    language_steps: tuple[int, int, int] = (400, 40, 20)
    research_use: bool = False
