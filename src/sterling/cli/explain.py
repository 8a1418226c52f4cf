"""`sterling explain neurons`: names for the units of a network of one's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sterling.cli._run import OutOption, evidence_folder, leave_evidence
from sterling.cli.studies import JsonFlag, show_evidence
from sterling.errors import InputError
from sterling.shown import shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

app = typer.Typer(no_args_is_help=True, help="Explanations: what the units of a network see.")


@app.callback()
def group() -> None:
    """Keep `neurons` a subcommand although it is the only one."""


@app.command()
def neurons(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(help="Function that makes the network: package.module:factory.")
    ],
    images: Annotated[Path, typer.Option(help="Folder of pictures.")],
    layer: Annotated[str, typer.Option(help="Name of the module whose units are named.")],
    phrases: Annotated[Path, typer.Option(help="Vocabulary: text file, one phrase a line.")],
    encoder: Annotated[
        str, typer.Option(help="Folder of a CLIP or SigLIP model, or captions, or class-names.")
    ] = "captions",
    weights: Annotated[
        Path | None, typer.Option(help="Weights of the network, .safetensors.")
    ] = None,
    units: Annotated[
        str | None, typer.Option(help="Numbers of units, as 0-15,40; all by default.")
    ] = None,
    size: Annotated[int, typer.Option(min=16, help="Side of the network's pictures.")] = 224,
    mean: Annotated[str, typer.Option(help="Mean of each channel that is subtracted.")] = "0,0,0",
    std: Annotated[str, typer.Option(help="Deviation of each channel, divided by.")] = "1,1,1",
    top: Annotated[int, typer.Option(min=2, help="Patches of each unit.")] = 20,
    alpha: Annotated[
        float, typer.Option(min=0, max=1, help="Share of wrong names allowed among named units.")
    ] = 0.05,
    draws: Annotated[int, typer.Option(min=1, help="Random sets of patches of the test.")] = 5000,
    seed: Annotated[int, typer.Option(help="Seed of random patches.")] = 0,
    out: OutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Name a layer's units by the pictures that excite them; units without evidence get no name."""
    import torch

    from sterling.cli._explain_report import neuron_findings
    from sterling.explain import explain_units
    from sterling.explain.neurons.choice import choose_encoder
    from sterling.explain.neurons.phrases import read_phrases
    from sterling.explain.neurons.picture_folder import read_pictures

    out = evidence_folder(out, "explain-neurons")
    shift, scale = (
        torch.tensor(_three(name, text)) for name, text in (("mean", mean), ("std", std))
    )
    vocabulary = read_phrases(phrases)
    chosen = None if units is None else _numbers(units)
    network = _network(model, weights)
    embeds = choose_encoder(encoder)
    pictures, names, refused = read_pictures(images, size)
    for line in refused:
        typer.echo(f"not read: {shown(line)}", err=True)
    found = explain_units(
        network,
        layer,
        pictures,
        vocabulary,
        embeds,
        units=chosen,
        prepare=lambda batch: (batch - shift[:, None, None]) / scale[:, None, None],
        top=top,
        alpha=alpha,
        draws=draws,
        seed=seed,
    )
    evidence = leave_evidence(
        context,
        out,
        "explain-neurons",
        lambda: neuron_findings(found, pictures, names, len(refused), len(vocabulary), alpha, out),
        seed=seed,
    )
    if as_json:
        show_evidence(evidence)
        return
    alive = [one for one in found if not one.dead]
    named = [one for one in alive if one.name is not None]
    for one in named:
        typer.echo(f"unit {one.unit}\t{', '.join(one.names)}\tp = {one.p_value:.2g}")
    typer.echo(
        f"{len(named)} of {len(found)} units have a name, {len(alive) - len(named)} none, "
        f"{len(found) - len(alive)} are dead. Report: {out / 'report.html'}"
    )


def _network(model: str, weights: Path | None) -> "nn.Module":
    """Call the factory, and load its weights."""
    from torch import nn

    from sterling.plugins import named_object

    factory = named_object(model, "MODEL")
    try:
        network = factory()
    except Exception as error:  # foreign code raises anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"MODEL {model}: calling it failed: {reason}") from error
    if not isinstance(network, nn.Module):
        raise InputError(f"MODEL {model}: returned {type(network).__name__}, no torch module")
    if weights is not None:
        _load(network, weights)
    return network


def _load(network: "nn.Module", weights: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{weights}: no safetensors file that can be read") from error
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        line = " ".join(str(error).split())[:200]
        raise InputError(f"{weights}: weights of another network ({line})") from error


def _three(option: str, text: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 3 or (option == "std" and min(values) <= 0):
        raise InputError(f"--{option} {text}: give three numbers, as 0.485,0.456,0.406")
    return values


def _numbers(text: str) -> "NDArray[np.intp]":
    """Numbers from ``0-15,40``."""
    import numpy as np

    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InputError(f"--units {text}: give numbers and ranges, as 0-15,40")
        found += range(int(first), int(last or first) + 1)
    return np.array(found, dtype=np.intp)
