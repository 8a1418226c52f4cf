"""`sterling text …`: corpora, attacks on them, and detectors of machine-generated text."""

import os
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sterling.cli import text_detect, text_watermark
from sterling.cli._run import OutOption, evidence_folder, leave_evidence
from sterling.cli.studies import JsonFlag, show_evidence, show_json, show_metrics
from sterling.errors import NothingMeasuredError
from sterling.shown import shown

if TYPE_CHECKING:
    from sterling.study import Findings

app = typer.Typer(
    no_args_is_help=True,
    help="Texts: was this written by a machine, and with what error rate?",
)

app.add_typer(text_watermark.app, name="watermark")
app.command("detect")(text_detect.detect)

API_KEY = "STERLING_API_KEY"

CorpusArgument = Annotated[
    Path, typer.Argument(help="A .jsonl file of records, as text build writes it.")
]
DetectorArgument = Annotated[Path, typer.Argument(help="Folder of a trained detector.")]
ModelOption = Annotated[
    str, typer.Option(help="smollm2, or a folder that transformers wrote.", show_default=True)
]
WriterOption = Annotated[
    str,
    typer.Option(
        help="smollm2, a folder, or the address of an OpenAI-compatible endpoint "
        f"(key in ${API_KEY})."
    ),
]
EndpointModelOption = Annotated[
    str | None, typer.Option(help="Name of the endpoint's model; only with an address.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="The same seed gives the same texts.")]


def _writer(source: str, endpoint_model: str | None) -> Any:
    from sterling.lm import is_address, load

    if is_address(source):
        return load(source, model=endpoint_model, api_key=os.environ.get(API_KEY))
    return load(source, model=endpoint_model)


def _likelihoods(model: Any, texts: Any) -> list[float]:
    return [float(one.log_prob.mean()) for one in model.stats(texts)]


def _corpus(path: Path) -> Any:
    """A corpus that holds at least one record; what could not be read is told."""
    from sterling.text.corpus.records import read_corpus

    corpus = read_corpus(path)
    _tell_unread(corpus.unread)
    if not corpus.records:
        raise NothingMeasuredError(f"{path} holds no text that can be read")
    return corpus


def _tell_unread(unread: Any) -> None:
    for one in unread:
        typer.echo(shown(f"not used: {one.source}: {one.reason}"), err=True)


def _in_splits(corpus: Any, seed: int) -> list[Any]:
    """Records in their splits; an undivided corpus is divided by group."""
    from sterling.text.corpus.records import split_by_group

    if any(record.split for record in corpus.records):
        return list(corpus.records)
    return split_by_group(corpus.records, seed)


@app.command()
def build(
    human: Annotated[
        Path, typer.Option(help="Texts of people: a folder of text files, or a .jsonl file.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the corpus.")] = Path("runs/corpus"),
    model: WriterOption = "smollm2",
    endpoint_model: EndpointModelOption = None,
    prefix_tokens: Annotated[int, typer.Option(help="Words of a text that begin the prompt.")] = 64,
    template: Annotated[str, typer.Option(help="Around the beginning, as {prefix}.")] = "{prefix}",
    system: Annotated[str | None, typer.Option(help="System prompt; makes it a chat.")] = None,
    mode: Annotated[
        Literal["prompt_plus", "continuation"],
        typer.Option(help="Keep the beginning before the machine's text, or leave it out of both."),
    ] = "prompt_plus",
    max_new_tokens: Annotated[int, typer.Option(help="Tokens of a machine's text.")] = 128,
    temperature: Annotated[float, typer.Option()] = 0.8,
    top_p: Annotated[float, typer.Option()] = 0.95,
    top_k: Annotated[int, typer.Option()] = 0,
    repetition_penalty: Annotated[float, typer.Option()] = 1.0,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Seven settings of the sampling for every text.")
    ] = False,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Human texts, and what a model makes of their beginnings, divided 8 : 1 : 1 by origin.

    An interrupted build resumes with the same --out.
    """
    from sterling.lm import Sampling
    from sterling.text.corpus.build import BuildPlan, build_corpus
    from sterling.text.corpus.build import sweep as sampling_sweep
    from sterling.text.corpus.records import read_corpus

    one = Sampling(max_new_tokens, temperature, top_p, top_k, repetition_penalty)
    plan = BuildPlan(
        prefix_tokens=prefix_tokens,
        template=template,
        system=system,
        mode=mode,
        samplings=sampling_sweep(max_new_tokens) if sweep else (one,),
        seed=seed,
    )
    corpus = build_corpus(read_corpus(human), _writer(model, endpoint_model), plan, out)
    _tell_unread(corpus.unread)
    counts = {
        split: {
            kind: sum(one.split == split and one.label == label for one in corpus.records)
            for label, kind in enumerate(("human", "machine"))
        }
        for split in ("train", "dev", "test")
    }
    path = out / "corpus.jsonl"
    if as_json:
        unread = [asdict(one) for one in corpus.unread]
        show_json({"corpus": str(path), "records": counts, "not_used": unread})
        return
    for split, count in counts.items():
        typer.echo(f"{split}: {count['human']} human, {count['machine']} machine texts")
    typer.echo(f"{len(corpus.unread)} texts not used")
    typer.echo(f"next: sterling text train {path} --out {out / 'detector'}")


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
    writer = None if model is None else _writer(model, endpoint_model)

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
    model: ModelOption = "smollm2",
    seed: SeedOption = 0,
    out: OutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Effectiveness, robustness and efficiency on the split test, with intervals and a report.

    A text that cannot be scored counts as a wrong answer.
    """
    from sterling.cli._text_report import assessment_findings, prediction_lines, score_table
    from sterling.runs import SCORES_FILE
    from sterling.storage import write_atomically, write_parquet
    from sterling.text.evaluation.assessment import assess

    out = evidence_folder(out, "text-evaluate")
    records = [one for one in _in_splits(_corpus(corpus), seed) if one.split == "test"]
    copies = [one for path in attacked or [] for one in _corpus(path).records]
    judge = _detector(detector, model)

    def find() -> "Findings":
        found = assess(judge, records, copies, seed=seed)
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
