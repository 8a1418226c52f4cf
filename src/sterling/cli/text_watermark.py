"""`sterling text watermark …`: make a key, generate marked texts, test texts for the mark."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sterling.cli._run import leave_evidence
from sterling.cli.studies import JsonFlag, show_json
from sterling.errors import InputError, NothingMeasuredError
from sterling.extras import require
from sterling.shown import shown

app = typer.Typer(
    no_args_is_help=True,
    help="Watermark texts while they are generated; test texts for a mark whose key you have. "
    "Only keys made here can be tested: of HATS, KGW and Unigram marks. A mark of ChatGPT or of "
    "Google's SynthID cannot be tested without its owner's key, here or anywhere.",
)

KeyArgument = Annotated[Path, typer.Argument(help="The key's file; keep it secret.")]
ModelOption = Annotated[
    str, typer.Option(help="smollm2, or a folder that transformers wrote.", show_default=True)
]


@app.command()
def key(
    path: KeyArgument,
    model: ModelOption = "smollm2",
    ratios: Annotated[
        tuple[float, float, float], typer.Option(help="Shares of green, yellow and red.")
    ] = (0.5, 0.25, 0.25),
    context: Annotated[int, typer.Option(min=0, help="Tokens that decide colours.")] = 1,
    bias: Annotated[float, typer.Option(min=0, help="Added to the logits of green tokens.")] = 0.0,
) -> None:
    """Make a new secret key for the tokenizer of a model."""
    from sterling.lm import load_tokenizer
    from sterling.text.watermark.watermark_key import WatermarkKey

    made = WatermarkKey.new(load_tokenizer(model), ratios=ratios, context=context, bias=bias)
    made.write(path)
    typer.echo(f"{path}: new key for the tokenizer of {model}")


@app.command()
def generate(
    path: KeyArgument,
    prompts: Annotated[Path, typer.Argument(help="A text file, one prompt a line.")],
    out: Annotated[Path, typer.Option(help="File of the texts, .jsonl.")] = Path(
        "runs/watermarked.jsonl"
    ),
    model: ModelOption = "smollm2",
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of a text.")] = 200,
    temperature: Annotated[float, typer.Option(min=0)] = 1.0,
    top_p: Annotated[float, typer.Option()] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same texts.")] = 0,
) -> None:
    """Continue prompts with a local model, and mark what it writes."""
    from sterling.lm import Sampling, load_local
    from sterling.tables import read_lines
    from sterling.text.corpus.records import TextRecord, write_records
    from sterling.text.watermark.watermark_key import WatermarkKey

    held = WatermarkKey.read(path)
    writer = load_local(model)
    held.check(writer.tokenizer, model)
    lines = [line for line in read_lines(prompts) if line.strip()]
    if not lines:
        raise InputError(f"{prompts}: holds no prompt; write one a line")
    processor = held.watermark.processor()
    sampling = Sampling(max_new_tokens, temperature, top_p)
    texts = writer.generate(lines, sampling, seed=seed, processors=[processor])
    records = [
        TextRecord(
            id=f"{prompts.stem}-{row}",
            text=one.text,
            label=1,
            group=f"{prompts.stem}-{row}",
            model=model,
            meta={"prompt": prompt},
        )
        for row, (prompt, one) in enumerate(zip(lines, texts, strict=True))
    ]
    write_records(out, records)
    share = processor.unmarked / max(1, processor.steps)
    typer.echo(f"{out}: {len(records)} texts; {share:.1%} of their tokens were left unmarked")


@app.command()
def detect(
    context: typer.Context,
    path: KeyArgument,
    texts: Annotated[Path, typer.Argument(help="A text file, a folder of them, or .jsonl.")],
    model: ModelOption = "smollm2",
    level: Annotated[float, typer.Option(help="Share of unmarked texts that may be found.")] = 0.01,
    combine: Annotated[
        Literal["brown", "exact", "fisher", "green"],
        typer.Option(help="Combination of green and red; fisher accuses more often than it says."),
    ] = "brown",
    out: Annotated[
        Path | None, typer.Option(help="Run folder for evidence and a report; none by default.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Test texts for a key's mark, each by itself; the model's weights are not needed.

    The key is one that `sterling text watermark key` made. A text without its mark may carry
    another one: ChatGPT's or SynthID's cannot be tested without its owner's key.
    """
    from sterling.cli._text_report import marks_findings
    from sterling.lm import load_tokenizer
    from sterling.text.corpus.records import read_corpus
    from sterling.text.watermark.marks import CAUTION, examine_marks, marks_document
    from sterling.text.watermark.watermark_key import WatermarkKey

    if out is not None:
        require("report", "--out")
    held = WatermarkKey.read(path)
    tokenizer = load_tokenizer(model)
    held.check(tokenizer, model)
    corpus = read_corpus(texts)
    for one in corpus.unread:
        typer.echo(shown(f"not used: {one.source}: {one.reason}"), err=True)
    rows = examine_marks(held, tokenizer, corpus.records, level=level, combine=combine)
    if not any(row.get("tokens_scored") for row in rows):
        raise NothingMeasuredError(f"{texts} holds no text that is long enough to test")
    if out is not None:
        leave_evidence(context, out, "text-watermark-detect", lambda: marks_findings(rows, level))
    if as_json:
        show_json(marks_document(rows, level))
        return
    for row in rows:
        if row["not_scored"]:
            typer.echo(f"not scored: {row['id']}: {row['not_scored']}")
            continue
        verdict = {True: "marked", False: "no mark found", None: "too short to test"}[row["marked"]]
        typer.echo(
            f"{shown(row['id'])}\t{verdict}\tp {row['p_value']:.3g}\t"
            f"{row['tokens_scored']} tokens: {row['green']} green "
            f"(z {row['z_green']:.1f}), {row['red']} red (z {row['z_red']:.1f})"
        )
    typer.echo(
        f"each at a level of {level:g}, for the mark of {path} alone; a verdict is {CAUTION}"
    )
