"""`sterling face …`: liveness and recognition on the user's own photographs."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sterling.cli import (
    face_attack,
    face_calibrate,
    face_card,
    face_challenge,
    face_data,
    face_evaluate,
    face_recognition,
)
from sterling.cli._crops import PatternOption, crops_of
from sterling.cli._face_sources import ANY_DETECTOR, DataOption, ProtocolOption, changed
from sterling.cli.studies import JsonFlag, show_json, show_table
from sterling.errors import InputError

app = typer.Typer(
    no_args_is_help=True,
    help="Faces: liveness (train, evaluate, predict, ...) and recognition (verify, identify, ...).",
)
app.add_typer(face_challenge.app, name="challenge")
app.add_typer(face_data.app, name="data")
app.command()(face_card.card)
app.command()(face_attack.attack)
app.command()(face_evaluate.evaluate)
app.command()(face_calibrate.calibrate)
for verb in (
    face_recognition.embed,
    face_recognition.verify,
    face_recognition.identify,
    face_recognition.threshold,
):
    app.command()(verb)

JUDGED = 400
"""Test captures, at most, on which `train` shows what the new detector judges. Our choice."""

CroppedFlag = Annotated[
    bool, typer.Option("--cropped", help="The pictures are face crops already.")
]


def _judges(detector: Any, manifest: Any, out: Path, seed: int) -> None:
    """Show and write what a new detector judges, on test captures, if it takes single pictures."""
    from sterling.cli._face_robustness import interventions_table
    from sterling.errors import NothingMeasuredError
    from sterling.face.evaluation.robustness import some_of
    from sterling.storage import write_atomically

    test = some_of(manifest.where(split="test"), JUDGED)
    single = detector.model.modalities == ("rgb",) and detector.model.frames == 1
    if not single or not len(test):
        return
    try:
        faces = crops_of(test, detector.model, detector.preprocessing).faces
        table = interventions_table(changed(detector, faces, seed))
    except NothingMeasuredError as error:  # the detector is there all the same
        typer.echo(f"what the detector judges: not measured ({error})")
        return
    write_atomically(out / "interventions.json", table.model_dump_json(indent=1) + "\n")
    show_table(table)


def _network(model: str, assignments: list[str], size: int, seed: int) -> Any:
    """The network that was asked for: a name, or a file that holds its description."""
    import json

    from sterling.face.pad import build_network, small_arguments

    if model.endswith(".json"):
        try:
            stored = json.loads(Path(model).read_text(encoding="utf-8"))
            name, arguments = stored.pop("name"), stored
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"--model {model}: not a network's description, a JSON object with 'name' ({error})"
            ) from error
    else:
        name, arguments = model, small_arguments(model, size)
    for assignment in assignments:
        key, sign, value = assignment.partition("=")
        if not sign:
            raise InputError(f"--set {assignment}: write it as argument=value")
        try:
            arguments[key] = json.loads(value)
        except json.JSONDecodeError:
            arguments[key] = value.split(",") if "," in value or key == "modalities" else value
    return build_network({"name": name, **arguments, "seed": seed})


@app.command()
def models(
    size: Annotated[int, typer.Option(min=32, help="Side of the pictures, divisible by 32.")] = 64,
    published: Annotated[
        bool, typer.Option("--published", help="At the published widths, which takes longer.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Every architecture: modalities, frames, parameters, multiply-adds, time on this machine."""
    from sterling.face.pad import MODELS, build_network, small_arguments
    from sterling.face.pad.detector.describe import describe
    from sterling.runs import track

    rows: list[dict[str, Any]] = []
    with track("timing", len(MODELS)) as advance:
        for name in MODELS:
            small = small_arguments(name, size)
            if published:  # only what a transformer is built for stays
                small = {key: small[key] for key in ("size", "patch") if key in small}
            network = build_network({"name": name, **small}).eval()
            rows.append({"name": name, **describe(network, size)})
            advance()
    if as_json:
        show_json({"size": size, "models": rows})
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("model", "modalities", "frames", "answer", "parameters", "M mult-adds", "ms"):
        text = title in ("model", "modalities", "answer")
        table.add_column(
            title, justify="left" if text else "right", no_wrap=title in ("model", "parameters")
        )
    for row in rows:
        table.add_row(
            row["name"],
            ("any of " if row["any_subset"] else "") + ", ".join(row["modalities"]),
            str(row["frames"]),
            row["answer"],
            f"{row['parameters']:,}",
            f"{row['multiply_adds'] / 1e6:,.1f}",
            f"{row['milliseconds']:.1f}",
        )
    Console().print(table)
    typer.echo(f"one presentation of {size}×{size} pixels; train with --model NAME --set key=value")


@app.command()
def train(
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder that receives the detector.")],
    model: Annotated[
        str, typer.Option(help="Architecture (see: sterling face models), or a .json description.")
    ] = "cdcn",
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", help="Argument of the network, as width=32 or modalities=rgb,depth."),
    ] = None,
    subject_pattern: PatternOption = None,
    protocol: ProtocolOption = None,
    cropped: CroppedFlag = False,
    size: Annotated[int, typer.Option(min=32, help="Side of the face crop in pixels.")] = 64,
    crop_scale: Annotated[
        float, typer.Option(min=0.5, max=10, help="Side of the crop over that of the face box.")
    ] = 1.3,
    border: Annotated[
        Literal["repeat", "shift"],
        typer.Option(help="Crops that leave the picture: repeat its edge, or shift."),
    ] = "repeat",
    epochs: Annotated[int, typer.Option(min=1)] = 15,
    learning_rate: Annotated[float, typer.Option()] = 1e-3,
    drop_modality: Annotated[
        float,
        typer.Option(help="Probability that a modality but the first is left out (training)."),
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Train a network on labelled photographs; the threshold is chosen on held-out subjects."""
    from dataclasses import replace

    from sterling.face.data import FaceDetector, split_by_subject
    from sterling.face.data.source import read_source
    from sterling.face.evaluation.evaluate import count_reasons, scores_of
    from sterling.face.evaluation.familiarity import described
    from sterling.face.evaluation.presentations import require_both
    from sterling.face.pad import Detector, Preprocessing, Provenance, TrainConfig, TrainingError
    from sterling.face.pad.training.fit import fit, stages
    from sterling.measure import threshold_at_eer
    from sterling.runs import track

    network = _network(model, assignments or [], size, seed)
    manifest = read_source(
        data, protocol, subject_pattern=subject_pattern, clips=network.frames > 1
    )
    if not manifest.matches(split=("train", "dev")).any():
        manifest = split_by_subject(manifest, seed=seed)
    for split in ("train", "dev"):  # before faces are searched
        require_both(manifest.where(split=split).bona_fide, f"{data}, split {split}")
    preprocessing = (
        Preprocessing(size=size)
        if cropped
        else Preprocessing(size, crop_scale, FaceDetector().name, border=border)
    )
    loaded = crops_of(manifest.where(split=("train", "dev")), network, preprocessing)
    training, development = loaded.faces.split("train"), loaded.faces.split("dev")
    config = TrainConfig(
        epochs=epochs, learning_rate=learning_rate, drop_modality=drop_modality, seed=seed
    )
    with track("training", epochs * stages(network)) as advance:
        history = fit(
            network,
            training,
            config,
            # The ellipsoid is that of a face in a crop of 1.3 times its box.
            label="constant" if cropped or crop_scale != 1.3 else "ellipsoid",
            checkpoint=out / "training.safetensors",
            progress=lambda _record: advance(),
        )
    if network.has_map and history.collapsed:
        raise TrainingError(
            "training ended with maps of 0, of no use: lower --learning-rate or change --seed"
        )
    provenance = Provenance(str(data), False, "unknown", seed, history.items, history.digest)
    detector = Detector(network, preprocessing, provenance)
    values = detector.score(development.images, present=development.present)
    threshold = threshold_at_eer(
        scores_of(values, development.manifest), source=f"{data}, development subjects"
    )
    detector, said = described(replace(detector, threshold=threshold), development, seed=seed)
    detector.save_pretrained(out)
    manifest.write(out / "manifest.csv")
    _judges(detector, manifest, out, seed)
    typer.echo(said)
    typer.echo(f"not scored: {count_reasons(loaded.non_responses)}")
    typer.echo(f"next: sterling face evaluate {out} --data {out / 'manifest.csv'}")


@app.command()
def predict(
    sources: Annotated[
        list[str], typer.Argument(help="Photographs, folders, videos, or a camera's number.")
    ],
    detector: Annotated[str, typer.Option(help=ANY_DETECTOR)] = "compact",
    boxes: Annotated[Path | None, typer.Option(help="Folder for pictures with boxes.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames read of a video or camera.")] = 8,
    largest: Annotated[
        bool, typer.Option("--largest", help="Only the largest face of a picture: faster.")
    ] = False,
    as_json: JsonFlag = False,
) -> int:
    """One verdict per source: bona fide, attack, or cannot tell, with reason, score and threshold.

    The largest face of a picture decides, and every face is answered; a clip's score is the mean
    over its frames.
    """
    from sterling.face.evaluation.prediction import (
        advice,
        predict_sources,
        prediction_document,
        standing,
    )
    from sterling.face.pad import load_detector

    trained = load_detector(detector)
    answers = predict_sources(trained, sources, frames=frames, largest=largest, boxes=boxes)
    threshold, next_step = trained.threshold, advice(trained, detector)
    if as_json:
        show_json(prediction_document(trained, detector, answers))
    else:
        typer.echo(standing(trained))
        for answer in answers:
            for line in answer.lines():
                typer.echo(line)
        if threshold is not None:
            typer.echo(f"threshold: {threshold.value:.4f}, {threshold.rule}, {threshold.source}")
        if next_step:
            typer.echo(next_step)
        if trained.caution:
            typer.echo(trained.caution)
    return 0 if any(answer.score is not None for answer in answers) else 3


@app.command()
def export(
    detector: Annotated[Path, typer.Argument(help="Folder of a trained detector.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The ONNX file.")],
    int8: Annotated[bool, typer.Option(help="Quantise; needs --calibration.")] = False,
    calibration: Annotated[
        Path | None, typer.Option(help="Folder or manifest of photographs to calibrate on.")
    ] = None,
) -> None:
    """One ONNX file with preprocessing inside, checked against PyTorch before it appears."""
    from dataclasses import replace

    from sterling.face.data.source import read_source
    from sterling.face.pad import Detector, export_onnx

    trained = Detector.from_pretrained(detector)
    if int8 and calibration is None:
        raise InputError("--int8 needs --calibration with photographs of the kind to be judged")
    if int8 and trained.reference is not None:
        typer.echo("8 bits change the features: the file does not tell what is unfamiliar")
        trained = replace(trained, reference=None)
    images = None
    if calibration is not None:
        images = crops_of(
            read_source(calibration), trained.model, trained.preprocessing
        ).faces.images
    report = export_onnx(trained, out, int8=int8, calibration=images)
    typer.echo(
        f"{report.path}: {report.size / 1e6:.2f} MB, largest score difference to PyTorch "
        f"{report.max_difference:.2g} on {report.compared} images"
    )
