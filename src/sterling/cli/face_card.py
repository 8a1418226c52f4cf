"""`sterling face card`: a card for a liveness network that others trained."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sterling.cli.studies import JsonFlag, plain_console, show_json
from sterling.errors import InputError


def card(
    networks: Annotated[
        list[str],
        typer.Argument(
            help="ONNX files; several are averaged. Or one package.module:callable or address."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The card (.yaml), by default beside the first network.")
    ] = None,
    live: Annotated[
        Path | None, typer.Option(help="Photograph known to be bona fide, to check the card on.")
    ] = None,
    attack: Annotated[
        list[Path] | None, typer.Option(help="Photograph known to be an attack; may be repeated.")
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(help="Known networks: deeppixbis, two-class, faceplugin or silent-face."),
    ] = None,
    size: Annotated[int | None, typer.Option(min=1, help="Side of the input in pixels.")] = None,
    crop_scale: Annotated[
        list[float] | None,
        typer.Option(
            help="Side of the crop over the longer side of the face box; one per network."
        ),
    ] = None,
    border: Annotated[
        Literal["repeat", "shift"] | None, typer.Option(help="Crops that leave the picture.")
    ] = None,
    colour: Annotated[Literal["RGB", "BGR"] | None, typer.Option(help="Channel order.")] = None,
    values: Annotated[
        int | None, typer.Option("--range", help="Largest value of a pixel: 255 or 1.")
    ] = None,
    mean: Annotated[str | None, typer.Option(help="One number or three, comma-separated.")] = None,
    deviation: Annotated[str | None, typer.Option(help="One number or three.")] = None,
    layout: Annotated[Literal["NCHW", "NHWC"] | None, typer.Option(help="Axes.")] = None,
    output: Annotated[str | None, typer.Option(help="Name of the output that answers.")] = None,
    kind: Annotated[
        Literal["probabilities", "logits", "log odds", "score", "map"] | None,
        typer.Option(help="Meaning of the output."),
    ] = None,
    bona_fide: Annotated[
        str | None, typer.Option(help="Index of the class bona fide, or high or low.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Threshold that the maker states.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the weights.")] = None,
    as_json: JsonFlag = False,
) -> int:
    """Write the card of a network that others trained, and check it on a photograph.

    Size, layout and kind of the answer come from the graph. Colour order, range of values and class
    do not: --live shows whether the stated ones, and which others, call a bona fide photograph so.

    A function (package.module:callable) or an address gets a card of its name, size and crop.
    """
    from sterling.face.pad.detector.pretrained import is_scorer

    details: dict[str, Any] = {} if licence is None else {"licence": licence}
    if threshold is not None:
        details["threshold"] = {"value": threshold, "source": "the maker"}
    if any(is_scorer(one) for one in networks):
        wrong = {
            **{"--live": live, "--attack": attack, "--like": like, "--colour": colour},
            **{"--range": values, "--mean": mean, "--deviation": deviation, "--layout": layout},
            **{"--output": output, "--kind": kind, "--bona-fide": bona_fide},
        }
        if refused := [name for name, value in wrong.items() if value]:
            raise InputError(
                f"{refused[0]}: belongs to ONNX files; a function gets RGB from 0 to 255"
            )
        scale = crop_scale[0] if crop_scale else None
        crop = {"size": size, "border": border, "crop_scale": scale}
        details |= {name: value for name, value in crop.items() if value is not None}
        if len(networks) > 1 or len(crop_scale or []) > 1:
            raise InputError("give one function or address, with one --crop-scale, to a card")
        return _scorer_card(networks[0], out, details, as_json=as_json)
    return _network_card(
        [Path(one) for one in networks],
        out,
        live,
        attack or [],
        like,
        {
            **{"size": size, "crop_scale": crop_scale or None, "border": border, "colour": colour},
            **{"range": values, "mean": _three(mean, "mean"), "kind": kind, "output": output},
            **{"deviation": _three(deviation, "deviation"), "layout": layout},
            "bona_fide": int(bona_fide) if bona_fide and bona_fide.isdecimal() else bona_fide,
        },
        details,
        as_json=as_json,
    )


def _scorer_card(scorer: str, out: Path | None, details: dict[str, Any], *, as_json: bool) -> int:
    """Write the card of a function or an address."""
    from sterling.face.pad.detector.card import write_card_file
    from sterling.face.pad.detector.scorer import ScorerDetector

    if out is None:
        raise InputError(f"--out: name the card (.yaml) of {scorer}")
    detector = ScorerDetector.named(scorer, **details)
    write_card_file(detector.described, out)
    if as_json:
        show_json({"card": detector.described.model_dump(mode="json")})
        return 0
    made = detector.described
    typer.echo(f"{made.scorer}: {made.size} px, {detector.preprocessing.describe()}")
    typer.echo(detector.caution)
    next_one = f"sterling face calibrate {out} --data RECORDINGS --out DIR"
    typer.echo(f"card: {out}; next: {next_one}{detector.consent}")
    return 0


def _network_card(
    networks: list[Path],
    out: Path | None,
    live: Path | None,
    attack: list[Path],
    like: str | None,
    given: dict[str, Any],
    details: dict[str, Any],
    *,
    as_json: bool,
) -> int:
    """Write the card of ONNX files, and check it."""
    from sterling.face.evaluation.card_check import check_card, draft_card
    from sterling.face.pad.detector.card import template, write_card_file

    if attack and live is None:
        raise InputError("--attack needs --live, a photograph known to be bona fide")
    place = out if out is not None else networks[0].with_suffix(".yaml")
    draft = draft_card(
        networks,
        place,
        {name: value for name, value in given.items() if value is not None},
        like=None if like is None else template(like),
        details=details,
    )
    check = None if live is None else check_card(draft.card, place, live, attack)
    made = draft.card if check is None else check.card
    write_card_file(made, place)
    said = "NOT checked: give --live PHOTO, a photograph known to be bona fide"
    if check is not None and live is not None:
        said = check.line(live)
    if as_json:
        tried = () if check is None else check.combinations
        show_json(
            {
                "card": made.model_dump(mode="json"),
                "assumed": dict(draft.assumed),
                "combinations": [one.to_dict() for one in tried],
                "verdict": said,
            }
        )
    else:
        for network in made.networks:
            typer.echo(network.line())
        if draft.assumed:
            assumed = ", ".join(f"{name} {value}" for name, value in draft.assumed.items())
            typer.echo(f"assumed, as nothing tells: {assumed}")
        if check is not None:
            _show(check)
        typer.echo(said)
        typer.echo(
            f"card: {place}; next: sterling face calibrate {place} --data RECORDINGS --out DIR"
        )
    return 0 if check is None or check.passed else 1


def _three(text: str | None, name: str) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3):
        raise InputError(f"--{name} {text}: give one number or three, comma-separated")
    return numbers * 3 if len(numbers) == 1 else numbers


def _show(check: Any) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("settings", "live", "attacks", "passes"):
        table.add_column(title, no_wrap=title != "attacks")
    for one in check.combinations:
        changes = ", ".join(f"{name} {value}" for name, value in one.changes.items())
        table.add_row(
            changes or "the card",
            f"{one.live:.4f}",
            " ".join(f"{score:.4f}" for score in one.attacks),
            "yes" if one.accepts else "no",
        )
    plain_console().print(table)
