"""`sterling text …`: corpora, attacks on them, and detectors of machine-generated text."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sterling.cli import text_build, text_detect, text_watermark
from sterling.cli._run import OutOption, evidence_folder, leave_evidence
from sterling.cli.studies import JsonFlag, show_evidence, show_json, show_metrics
from sterling.cli.text_build import EndpointModelOption, SeedOption, tell_unread, writer_of
from sterling.errors import NothingMeasuredError

if TYPE_CHECKING:
    from sterling.study import Findings

app = typer.Typer(
    no_args_is_help=True,
    help="Texts: was this written by a machine, and with what error rate?",
)

app.add_typer(text_watermark.app, name="watermark")
app.command("build")(text_build.build)
app.command("detect")(text_detect.detect)

CorpusArgument = Annotated[
    Path, typer.Argument(help="A .jsonl file of records, as text build writes it.")
]
DetectorArgument = Annotated[Path, typer.Argument(help="Folder of a trained detector.")]
ModelOption = Annotated[
    str, typer.Option(help="smollm2, or a folder that transformers wrote.", show_default=True)
]


def _likelihoods(model: Any, texts: Any) -> list[float]:
    return [float(one.log_prob.mean()) for one in model.stats(texts)]


def _corpus(path: Path) -> Any:
    """A corpus that holds at least one record; what could not be read is told."""
    from sterling.text.corpus.records import read_corpus

    corpus = read_corpus(path)
    tell_unread(corpus.unread)
    if not corpus.records:
        raise NothingMeasuredError(f"{path} holds no text that can be read")
    return corpus


def _in_splits(corpus: Any, seed: int) -> list[Any]:
    """Records in their splits; an undivided corpus is divided by group."""
    from sterling.text.corpus.records import split_by_group

    if any(record.split for record in corpus.records):
        return list(corpus.records)
    return split_by_group(corpus.records, seed)


@app.command()
def attack(
    corpus: CorpusArgument,
    name: Annotated[
        list[str], typer.Option("--attack", help="Name of an attack, several times; or: free.")
    ],
    out: Annotated[Path, typer.Option(help="A .jsonl file of attacked copies.")] = Path(
        "runs/attacked.jsonl"
    ),
    share: Annotated[float, typer.Option(help="Share of a text's words to attack.")] = 0.2,
    variants: Annotated[int, typer.Option(help="Copies of every text.")] = 1,
    split: Annotated[str, typer.Option(help="Corpus whose machine texts are attacked.")] = "test",
    model: Annotated[
        str | None, typer.Option(help="For attacks that ask a model; as in text build.")
    ] = None,
    endpoint_model: EndpointModelOption = None,
    wordnet: Annotated[Path | None, typer.Option(help="Folder of WordNet's files.")] = None,
    research_use: Annotated[
        bool, typer.Option("--research-use", help="For humanize, which only evades detectors.")
    ] = False,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Attacked copies of machine texts, each with its parent's id.

    Free attacks need neither a model nor WordNet: --attack free takes all of them.
    """
    from sterling.lm import LocalModel
    from sterling.text.attacks import FREE_ATTACKS, AttackTools, attack_records
    from sterling.text.corpus.records import write_records

    records = _in_splits(_corpus(corpus), seed)
    names = [one for given in name for one in (FREE_ATTACKS if given == "free" else (given,))]
    writer = None if model is None else writer_of(model, endpoint_model)

    tools = AttackTools(
        model=writer,
        wordnet=wordnet,
        score=partial(_likelihoods, writer) if isinstance(writer, LocalModel) else None,
        research_use=research_use,
    )
    made = []
    counts: dict[str, dict[str, int]] = {}
    for one in dict.fromkeys(names):
        copies = attack_records(
            records, one, share=share, variants=variants, seed=seed, tools=tools, splits=(split,)
        )
        unchanged = sum(copy.meta["changed"] == 0 for copy in copies)
        counts[one] = {"copies": len(copies), "unchanged": unchanged}
        made += copies
    write_records(out, made)
    if as_json:
        show_json({"attacked": str(out), "attacks": counts})
        return
    for one, count in counts.items():
        typer.echo(f"{one}: {count['copies']} copies, {count['unchanged']} of them unchanged")
    typer.echo(f"next: sterling text evaluate DETECTOR {corpus} --attacked {out}")


@app.command()
def train(
    corpus: CorpusArgument,
    detector: Annotated[str, typer.Option(help="Name of a detector.")] = "fast_detect_gpt",
    out: Annotated[Path, typer.Option(help="Folder of the detector.")] = Path("runs/detector"),
    model: Annotated[
        str,
        typer.Option(help="smollm2 or a folder; the classifier's for classifier_folder."),
    ] = "smollm2",
    threshold: Annotated[
        Literal["accuracy", "f1", "low_fpr"], typer.Option(help="Aim of the threshold.")
    ] = "accuracy",
    max_tokens: Annotated[int, typer.Option(help="The first so many of a text count.")] = 512,
    copies: Annotated[
        int, typer.Option(help="Copies of a text, for detect_gpt, npr, dna_gpt and raidar.")
    ] = 10,
    store: Annotated[
        Path | None, typer.Option(help="Folder in which passes are kept for the next detector.")
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Fit a detector on the split train, calibrate it and choose its threshold on the split dev."""
    from sterling.text.detectors import DetectorPlan, make_detector, train_detector

    records = _in_splits(_corpus(corpus), seed)
    plan = DetectorPlan(model, max_tokens, copies, seed, store)
    trained = train_detector(
        make_detector(detector, plan),
        [one for one in records if one.split == "train" and not one.attack],
        [one for one in records if one.split == "dev" and not one.attack],
        threshold,
    )
    trained.save(out)
    if as_json:
        show_json(trained.describe())
        return
    own = trained.development
    typer.echo(
        f"{detector}: AUROC {own['auroc']:.4f} and accuracy {own['accuracy']:.4f} on the "
        f"{own['human']} human and {own['machine']} machine texts that calibrated it "
        f"(in sample); {own['not_scored']} not scored"
    )
    if not trained.threshold.resolved:
        typer.echo(
            f"warning: {own['human']} human development texts are too few for 1 % false positives; "
            f"expect up to {1 / (own['human'] + 1):.1%}",
            err=True,
        )
    typer.echo(f"next: sterling text evaluate {out} {corpus}")


def _detector(folder: Path, model: str) -> Any:
    from sterling.lm import load_local
    from sterling.text.detectors import load_detector

    return load_detector(folder, None if model == "smollm2" else load_local(model))


@app.command()
def evaluate(
    context: typer.Context,
    detector: DetectorArgument,
    corpus: CorpusArgument,
    attacked: Annotated[
        list[Path] | None, typer.Option(help="Attacked copies, as text attack writes them.")
    ] = None,
    fpr: Annotated[
        float, typer.Option(help="False positive rate at which attacks are compared.")
    ] = 0.05,
    model: ModelOption = "smollm2",
    seed: SeedOption = 0,
    out: OutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Effectiveness, robustness and efficiency on the split test, with intervals and a report.

    A text that cannot be scored counts as a wrong answer.
    """
    from sterling.cli._text_report import prediction_lines, score_table
    from sterling.findings.text import assessment_findings
    from sterling.runs import SCORES_FILE
    from sterling.storage import write_atomically, write_parquet
    from sterling.text.evaluation.assessment import assess

    out = evidence_folder(out, "text-evaluate")
    records = [one for one in _in_splits(_corpus(corpus), seed) if one.split == "test"]
    copies = [one for path in attacked or [] for one in _corpus(path).records]
    judge = _detector(detector, model)

    def find() -> "Findings":
        found = assess(judge, records, copies, fpr=fpr, seed=seed)
        lines = "".join(prediction_lines(one) for one in found.judged)
        write_atomically(out / "predictions.jsonl", lines)
        write_parquet(out / SCORES_FILE, score_table(found.judged[0], judge))
        return assessment_findings(found)

    evidence = leave_evidence(
        context, out, "text-evaluate", find, seed=seed, calibration=judge.describe()
    )
    if as_json:
        show_evidence(evidence)
        return
    show_metrics(evidence.metrics)
    typer.echo(f"Report: {out / 'report.html'}")
