"""`sterling face …`: liveness and recognition on the user's own photographs."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sterling.cli import face_attack, face_card, face_challenge, face_data, face_recognition
from sterling.cli._crops import PatternOption, crops_of, judged_crops
from sterling.cli.studies import JsonFlag, show_evidence, show_json, show_metrics, show_table
from sterling.errors import InputError

app = typer.Typer(
    no_args_is_help=True,
    help="Faces: liveness (train, evaluate, predict, ...) and recognition (verify, identify, ...).",
)
app.add_typer(face_challenge.app, name="challenge")
app.add_typer(face_data.app, name="data")
app.command()(face_card.card)
app.command()(face_attack.attack)
for verb in (
    face_recognition.embed,
    face_recognition.verify,
    face_recognition.identify,
    face_recognition.threshold,
):
    app.command()(verb)

JUDGED = 400
"""Test captures, at most, on which `train` shows what the new detector judges. Our choice."""

ANY_DETECTOR = (
    "Folder of a trained detector, .onnx file, .yaml card, package.module:callable, http:// "
    "address, or compact."
)
AnyDetectorArgument = Annotated[str, typer.Argument(help=ANY_DETECTOR)]
DataOption = Annotated[
    Path,
    typer.Option(
        help="Folder with live/ and spoof/<species>/, of a public data set (see: sterling face "
        "data check), or a manifest (.csv, .parquet)."
    ),
]
ProtocolOption = Annotated[
    str | None, typer.Option(help="Official protocol of the public data set in --data, as 4.1.")
]
ResearchFlag = Annotated[
    bool, typer.Option("--research-use", help="Attack a detector that you trained yourself.")
]
CroppedFlag = Annotated[
    bool, typer.Option("--cropped", help="The pictures are face crops already.")
]


def _degraded(detector: Any, faces: Any, manifest: Any, seed: int) -> Any:
    """Error rates on degraded copies of the test pictures, and on wider and narrower crops."""
    from sterling.face.evaluation.robustness import CROP_FACTORS, STRENGTHS, recropped, sweep
    from sterling.runs import track

    with track("degraded copies", sum(map(len, STRENGTHS.values()))) as advance:
        points = sweep(detector, faces, seed=seed, progress=advance)
    own = detector.preprocessing
    if own.crop_scale is None:  # pictures that are crops already cannot be cut otherwise
        return points
    crops = {
        factor: crops_of(manifest, detector.model, own.scaled(factor)).faces
        for factor in CROP_FACTORS
    }
    return points + recropped(detector, crops)


def _shares(rates: Any) -> dict[str, Any]:
    """Shares of one reason by class, as JSON."""
    return {
        label: {
            "count": rate.errors,
            "presented": rate.trials,
            "share": rate.value,
            "low": rate.interval().low,
            "high": rate.interval().high,
        }
        for label, rate in rates.items()
    }


def _changed(detector: Any, faces: Any, seed: int) -> Any:
    """Error rates on crops from which one cue is taken."""
    from sterling.face.evaluation.robustness import interventions, possible
    from sterling.runs import track

    with track("interventions", len(possible(detector))) as advance:
        return interventions(detector, faces, seed=seed, progress=advance)


def _judges(detector: Any, manifest: Any, out: Path, seed: int) -> None:
    """Show and write what a new detector judges, on test captures, if it takes single pictures."""
    from sterling.cli._face_report import interventions_table
    from sterling.errors import NothingMeasuredError
    from sterling.face.evaluation.robustness import some_of
    from sterling.storage import write_atomically

    test = some_of(manifest.where(split="test"), JUDGED)
    single = detector.model.modalities == ("rgb",) and detector.model.frames == 1
    if not single or not len(test):
        return
    try:
        faces = crops_of(test, detector.model, detector.preprocessing).faces
        table = interventions_table(_changed(detector, faces, seed))
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
def evaluate(
    detector: AnyDetectorArgument,
    data: DataOption,
    subject_pattern: PatternOption = None,
    protocol: ProtocolOption = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Also on degraded copies and on other crops.")
    ] = False,
    interventions: Annotated[
        bool,
        typer.Option(
            "--interventions", help="Also what the detector judges: crops without one cue each."
        ),
    ] = False,
    patch: Annotated[
        float | None,
        typer.Option(
            help="Also on attacks that wear an adversarial patch, this share of the crop's side; "
            "needs --research-use and the split dev."
        ),
    ] = None,
    research_use: ResearchFlag = False,
    guarantee: Annotated[
        str | None,
        typer.Option(
            help="bpcer=0.05[,confidence=0.95][,unit=subject]: choose the threshold on the split "
            "dev so that the BPCER is bounded with confidence."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Annotated[Path, typer.Option(help="Run folder for evidence and report.")] = Path(
        "runs/face-evaluate"
    ),
    as_json: JsonFlag = False,
) -> None:
    """Error rates per attack species with exact intervals, and a report.

    Of a manifest with splits the test split is evaluated; otherwise everything is.
    """
    from sterling.cli._face_report import detector_findings
    from sterling.face.data.source import read_source
    from sterling.face.evaluation.bounded_threshold import Promise, bounded_threshold
    from sterling.face.evaluation.evaluate import evaluate_detector, scores_of, write_scores
    from sterling.face.evaluation.robustness import patch_points
    from sterling.face.pad import load_detector
    from sterling.research_use import require_research_use
    from sterling.runs import open_run
    from sterling.study import finish_run
    from sterling.study.report import render_report

    trained = load_detector(detector)
    everything = read_source(
        data, protocol, subject_pattern=subject_pattern, clips=trained.model.frames > 1
    )
    has_test = everything.matches(split="test").any()
    manifest = everything.where(split="test") if has_test else everything
    config = {
        "detector": str(detector),
        "data": str(data),
        "protocol": protocol,
        "robustness": robustness,
        "interventions": interventions,
        "patch": patch,
        "guarantee": guarantee,
    }
    wanted = None if guarantee is None else Promise.parse(guarantee)
    if patch is not None:
        require_research_use(research_use)
        if not all(everything.matches(split=name).any() for name in ("train", "dev", "test")):
            raise InputError(f"--patch: {data} needs captures of splits 'train', 'dev' and 'test'")
    if wanted and not (has_test and everything.matches(split="dev").any()):
        raise InputError(
            f"--guarantee: {data} needs captures of split 'dev' to calibrate on and of split "
            "'test'; give a manifest with both"
        )
    identity = {"study": "face-evaluate", "seed": seed, "config": config}
    with open_run(out, identity=identity, seed=seed) as run:
        loaded = judged_crops(manifest, trained)
        development = None
        if has_test and everything.matches(split="train").any():
            known = judged_crops(everything.where(split=("train", "dev")), trained).faces
            development = (known.split("train"), known.split("dev"))
        promise = None
        if wanted:
            held_out = judged_crops(everything.where(split="dev"), trained).faces
            scores = scores_of(
                trained.score(held_out.images, present=held_out.present), held_out.manifest
            )
            threshold, promise = bounded_threshold(
                scores,
                wanted,
                source=f"{data}, split dev",
                held_out="they are of the split 'dev'",
                seed=seed,
            )
            trained = trained.with_threshold(threshold)
        evaluation = evaluate_detector(
            trained,
            loaded.faces,
            non_responses=loaded.non_responses,
            manifest=manifest,
            development=development,
        )
        write_scores([evaluation.table()], out)
        patched = []
        if patch is not None and development is not None:
            patched = patch_points(
                trained,
                development[1],
                loaded.faces,
                share=patch,
                research_use=research_use,
                seed=seed,
            )
        findings = detector_findings(
            evaluation,
            trained,
            data=manifest.source,
            guarantee=promise,
            degraded=_degraded(trained, loaded.faces, manifest, seed) if robustness else (),
            changed=_changed(trained, loaded.faces, seed) if interventions else (),
            patched=patched,
        )
        evidence = finish_run(
            run,
            findings,
            study="face-evaluate",
            command=f"sterling face evaluate {detector} --data {data} --seed {seed}"
            + (f" --protocol {protocol}" if protocol else "")
            + (" --robustness" if robustness else "")
            + (" --interventions" if interventions else "")
            + (f" --patch {patch:g} --research-use" if patch is not None else "")
            + (f" --guarantee {guarantee}" if guarantee else ""),
            config=config,
        )
    render_report([out], out / "report.html")
    if as_json:
        show_evidence(evidence)
        return
    show_metrics(evidence.metrics)
    for claim in evidence.claims:
        verdict = {"holds": "agree", "does not hold": "DISAGREE"}.get(claim.verdict, "undecided")
        typer.echo(f"{claim.claim} Test captures: {verdict}.")
    if interventions:
        show_table(next(one for one in evidence.tables if one.name == "interventions"))
    if trained.caution:
        typer.echo(trained.caution)
    typer.echo(f"report: {out / 'report.html'}")


@app.command()
def calibrate(
    detector: AnyDetectorArgument,
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Folder that receives the calibrated detector.")],
    bpcer: Annotated[float, typer.Option(help="Share of bona fides rejected, at most.")] = 0.05,
    confidence: Annotated[
        float, typer.Option(help="Probability that the bound holds, over the draw of recordings.")
    ] = 0.95,
    unit: Annotated[
        Literal["capture", "subject"],
        typer.Option(help="What counts as a trial: each recording, or one of each subject."),
    ] = "capture",
    subject_pattern: PatternOption = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: JsonFlag = False,
) -> None:
    """A threshold for your own camera: a bound on its BPCER, and the APCER to expect.

    Give recordings made with that camera; of a manifest with splits the split dev is taken.
    """
    import json

    from sterling.face.data.source import read_source
    from sterling.face.evaluation.bounded_threshold import Promise
    from sterling.face.evaluation.calibration import calibrate as choose
    from sterling.face.evaluation.evaluate import count_reasons, rates_by_reason
    from sterling.face.pad import load_detector
    from sterling.storage import write_atomically

    promise = Promise(bpcer, confidence, unit)
    trained = load_detector(detector)
    manifest = read_source(data, subject_pattern=subject_pattern)
    if any(manifest.column("split")):
        if not manifest.matches(split="dev").any():
            raise InputError(f"{data} has splits and none is 'dev', which calibration takes")
        manifest = manifest.where(split="dev")
    loaded = judged_crops(manifest, trained)
    found = choose(trained, loaded.faces, promise, source=str(data), seed=seed)
    missing = rates_by_reason(loaded.non_responses, loaded.faces.manifest, manifest)
    document = {
        **found.to_dict(),
        "not scored": count_reasons(loaded.non_responses),
        "not scored by reason": {reason: _shares(rates) for reason, rates in missing.items()},
        "caution": trained.caution or None,
    }
    # The record first: no calibrated detector lies there without it.
    write_atomically(out / "calibration.json", json.dumps(document, indent=1) + "\n")
    found.detector.save_pretrained(out)
    if as_json:
        show_json(document)
        return
    for line in found.lines():
        typer.echo(line)
    typer.echo(f"not scored: {count_reasons(loaded.non_responses)}")
    for reason, rates in missing.items():
        for label, rate in rates.items():
            low, high = rate.interval().low, rate.interval().high
            typer.echo(
                f"  {reason}: {rate.errors} of {rate.trials} {label}, a share of {rate.value:.3f} "
                f"({low:.3f} … {high:.3f})"
            )
    if missing:
        typer.echo("  the promise holds for presentations that are scored")
    if trained.caution:
        typer.echo(trained.caution)
    typer.echo(f"next: sterling face predict PHOTOGRAPH --detector {out}{trained.consent}")


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
    from sterling.face.evaluation.prediction import advice, predict_sources, standing
    from sterling.face.pad import load_detector

    trained = load_detector(detector)
    answers = predict_sources(trained, sources, frames=frames, largest=largest, boxes=boxes)
    threshold, calibrated = trained.threshold, bool(trained.promise)
    next_step = advice(trained, detector)
    if as_json:
        origin = {} if threshold is None else {"rule": threshold.rule, "source": threshold.source}
        document: dict[str, Any] = {
            "detector": {
                "name": detector,
                "trained on": trained.provenance.data,
                "caution": trained.caution or None,
            },
            "calibrated": calibrated,
            "standing": standing(trained),
            "threshold": {**origin, "advice": next_step or None},
            "answers": [answer.to_dict() for answer in answers],
        }
        show_json(document)
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
