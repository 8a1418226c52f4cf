"""`sterling text build`: a corpus of human texts and machine texts."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sterling.cli.studies import JsonFlag, show_json
from sterling.shown import shown

API_KEY = "STERLING_API_KEY"

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


def writer_of(source: str, endpoint_model: str | None) -> Any:
    """Return the language model of a folder, of an address, or the packaged one."""
    from sterling.lm import is_address, load

    if is_address(source):
        return load(source, model=endpoint_model, api_key=os.environ.get(API_KEY))
    return load(source, model=endpoint_model)


def tell_unread(unread: Any) -> None:
    """Name on standard error every text that could not be used."""
    for one in unread:
        typer.echo(shown(f"not used: {one.source}: {one.reason}"), err=True)


def build(
    human: Annotated[
        Path, typer.Option(help="Texts of people: a folder of text files, or a .jsonl file.")
    ],
    machine: Annotated[
        Path | None,
        typer.Option(help="Texts of a machine, as files like --human; then no model writes."),
    ] = None,
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

    An interrupted build resumes with the same --out. Texts of --machine are taken as they are, and
    divided 2 : 1 : 1; files of the same name in both folders stay together.
    """
    from sterling.lm import Sampling
    from sterling.text.corpus.build import BuildPlan, build_corpus
    from sterling.text.corpus.build import sweep as sampling_sweep
    from sterling.text.corpus.given import join_texts
    from sterling.text.corpus.records import read_corpus, write_records

    one = Sampling(max_new_tokens, temperature, top_p, top_k, repetition_penalty)
    plan = BuildPlan(
        prefix_tokens=prefix_tokens,
        template=template,
        system=system,
        mode=mode,
        samplings=sampling_sweep(max_new_tokens) if sweep else (one,),
        seed=seed,
    )
    if machine is None:
        corpus = build_corpus(read_corpus(human), writer_of(model, endpoint_model), plan, out)
    else:
        corpus = join_texts(read_corpus(human), read_corpus(machine))
        write_records(out / "corpus.jsonl", corpus.records)
    tell_unread(corpus.unread)
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
