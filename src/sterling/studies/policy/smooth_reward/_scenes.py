"""Numeric questions on random rooms with exact answers: a stand-in for Numerical3D-50k.

A room holds axis-aligned boxes and a pinhole camera without pitch or roll. World axes: x to the
right, y into the room, z up, in metres. Camera axes: x right, y down, z forward. The eight kinds
of questions are our choice; the paper's taxonomy is not known to us.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.storage import write_atomically

Vector = NDArray[np.float64]
COLOURS = ("red", "blue", "green", "white")
KINDS = ("chair", "table", "shelf")
IMAGE = (640, 480)
FOCAL = 500.0  # pixels
MARGIN = 0.05  # metres between boxes
ATTEMPTS = 1000


@dataclass(frozen=True)
class Box:
    """Axis-aligned box.

    Attributes:
        name: Colour and kind, unique in its room.
        kind: Kind of object.
        centre: Centre in world coordinates.
        size: Edges along the world axes.
    """

    name: str
    kind: str
    centre: tuple[float, float, float]
    size: tuple[float, float, float]


@dataclass(frozen=True)
class Scene:
    """Room with boxes and a camera.

    Attributes:
        room: Edges of the room, whose corner is the origin.
        camera: Position of the camera.
        yaw: Turn of the camera to the right, in degrees; 0 looks along y.
        boxes: Boxes in the room.
    """

    room: tuple[float, float, float]
    camera: tuple[float, float, float]
    yaw: float
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Question:
    """Question about a scene.

    Attributes:
        task: Kind of question.
        text: The question, without the scene.
        facts: Facts of the scene that the answer depends on, as text; `describe` writes all of it.
        answer: Exact answer, not rounded.
        unit: Its unit: m, m2, degrees, or "" for a count.
        y_floor: Size of an answer below which errors are relative to this number instead.
    """

    task: str
    text: str
    facts: str
    answer: float
    unit: str
    y_floor: float


def draw_scene(rng: np.random.Generator, boxes: int = 4) -> Scene:
    """Draw a room whose boxes stand on its floor, apart from each other, before the camera.

    Args:
        rng: Source of randomness.
        boxes: Number of boxes, 2 to 6.

    Raises:
        InputError: The number of boxes is out of range.
    """
    check_numbers(at_least=2, at_most=6, boxes=boxes)
    names = rng.permutation(len(COLOURS) * len(KINDS))[:boxes]
    room = tuple(round(float(edge), 1) for edge in rng.uniform((4.0, 5.0, 2.4), (7.0, 9.0, 3.0)))
    camera = (round(room[0] / 2, 1), 0.2, round(float(rng.uniform(1.2, 1.8)), 1))
    yaw = float(rng.integers(-15, 16))
    placed: list[Box] = []
    for _ in range(ATTEMPTS):
        if len(placed) == boxes:
            return Scene((room[0], room[1], room[2]), camera, yaw, tuple(placed))
        name = names[len(placed)]
        size = np.round(rng.uniform(0.4, 1.2, 3), 1)
        low, high = size / 2, np.array(room) - size / 2
        low[1] = 1.5
        centre = np.round(rng.uniform(low, high), 1)
        centre[2] = size[2] / 2
        kind = KINDS[name % len(KINDS)]
        box = Box(f"{COLOURS[name // len(KINDS)]} {kind}", kind, _triple(centre), _triple(size))
        if not any(_overlap(box, other) for other in placed):
            placed.append(box)
    return draw_scene(rng, boxes)


def camera_coordinates(scene: Scene, point: Vector | tuple[float, float, float]) -> Vector:
    """Return a point of the world in the camera's axes: right, down, forward."""
    x, y, z = np.asarray(point, dtype=np.float64) - np.asarray(scene.camera)
    turn = math.radians(scene.yaw)
    right = x * math.cos(turn) - y * math.sin(turn)
    forward = x * math.sin(turn) + y * math.cos(turn)
    return np.array([right, -z, forward])


def pixel_of(scene: Scene, point: Vector | tuple[float, float, float]) -> tuple[float, float]:
    """Project a point in front of the camera onto the image: column and row."""
    right, down, forward = camera_coordinates(scene, point)
    return IMAGE[0] / 2 + FOCAL * right / forward, IMAGE[1] / 2 + FOCAL * down / forward


def depth_at(scene: Scene, column: float, row: float) -> float:
    """Return the distance along the optical axis to the first surface behind a pixel, in metres.

    Boxes are cut by the slab method; a ray that hits none ends at a wall, the floor or the ceiling.
    """
    turn = math.radians(scene.yaw)
    right, down = (column - IMAGE[0] / 2) / FOCAL, (row - IMAGE[1] / 2) / FOCAL
    # One unit along this ray is one metre of depth.
    ray = np.array(
        [
            right * math.cos(turn) + math.sin(turn),
            math.cos(turn) - right * math.sin(turn),
            -down,
        ]
    )
    start = np.asarray(scene.camera)
    _, depth = _slabs(start, ray, np.zeros(3), np.asarray(scene.room))
    for box in scene.boxes:
        half = np.asarray(box.size) / 2
        enter, leave = _slabs(start, ray, box.centre - half, box.centre + half)
        if 0 < enter <= leave:
            depth = min(depth, enter)
    return depth


def ask(scene: Scene, task: str, rng: np.random.Generator) -> Question:
    """Ask a question of a kind about a scene.

    Args:
        scene: The scene.
        task: One of `TASKS`.
        rng: Chooses the objects, pixel or axis.

    Raises:
        InputError: There is no such kind of question.
    """
    if task not in TASKS:
        raise InputError(f"task {task!r}: give one of {', '.join(TASKS)}")
    return TASKS[task](scene, rng)


def describe(scene: Scene) -> str:
    """Write a scene as text, in metres and degrees."""
    boxes = " ".join(f"{_place(box)[:-1]} size {_numbers(box.size)}." for box in scene.boxes)
    return f"room {_numbers(scene.room)}. {_camera(scene)} {boxes}"


def shown_answer(question: Question) -> str:
    """Write the answer as a model should: one decimal for metres, whole degrees and counts."""
    return f"{question.answer:.1f}" if question.unit.startswith("m") else f"{question.answer:.0f}"


def write_questions(path: Path, count: int, *, seed: int, boxes: int = 4) -> None:
    """Write questions as JSONL, the kinds in turn: scene, prompt, answer, unit, y_floor.

    Args:
        path: File to write.
        count: Number of questions, each about a room of its own.
        seed: The same seed writes the same file.
        boxes: Boxes in each room, 2 to 6.
    """
    rng = np.random.default_rng(seed)
    lines = []
    for number in range(count):
        scene = draw_scene(rng, boxes)
        question = ask(scene, list(TASKS)[number % len(TASKS)], rng)
        record: dict[str, Any] = {
            "id": number,
            "prompt": f"{describe(scene)} {question.text}",
            **asdict(question),
            "scene": asdict(scene),
        }
        lines.append(json.dumps(record) + "\n")
    write_atomically(path, "".join(lines))


def _camera_distance(scene: Scene, rng: np.random.Generator) -> Question:
    box = _one(scene, rng)
    text = f"distance camera to {box.name}?"
    facts = f"camera {_numbers(scene.camera)}. {_place(box)}"
    return Question("camera distance", text, facts, math.dist(box.centre, scene.camera), "m", 0.1)


def _object_distance(scene: Scene, rng: np.random.Generator) -> Question:
    one, other = _two(scene, rng)
    text, facts = f"distance {one.name} to {other.name}?", f"{_place(one)} {_place(other)}"
    return Question("object distance", text, facts, math.dist(one.centre, other.centre), "m", 0.1)


def _size(scene: Scene, rng: np.random.Generator) -> Question:
    box = _one(scene, rng)
    facts = f"{box.name} size {_numbers(box.size)}."
    return Question("size", f"longest edge of {box.name}?", facts, max(box.size), "m", 0.1)


def _area(scene: Scene, _: np.random.Generator) -> Question:
    facts = f"room {_numbers(scene.room)}."
    return Question("area", "area of room?", facts, scene.room[0] * scene.room[1], "m2", 0.5)


def _count(scene: Scene, rng: np.random.Generator) -> Question:
    kind = _one(scene, rng).kind
    facts = " ".join(f"{box.name}." for box in scene.boxes)
    answer = float(sum(box.kind == kind for box in scene.boxes))
    return Question("count", f"how many {kind}?", facts, answer, "", 1.0)


def _depth(scene: Scene, rng: np.random.Generator) -> Question:
    column, row = (int(rng.integers(edge)) for edge in IMAGE)
    text = f"depth at pixel {column} {row}?"
    return Question("depth", text, describe(scene), depth_at(scene, column, row), "m", 0.1)


def _coordinate(scene: Scene, rng: np.random.Generator) -> Question:
    box, axis = _one(scene, rng), int(rng.integers(3))
    text = f"{('right', 'down', 'forward')[axis]} of {box.name} from camera?"
    facts = f"{_camera(scene)} {_place(box)}"
    answer = float(camera_coordinates(scene, box.centre)[axis])
    return Question("coordinate", text, facts, answer, "m", 0.1)


def _angle(scene: Scene, rng: np.random.Generator) -> Question:
    one, other = _two(scene, rng)
    a, b = (camera_coordinates(scene, box.centre) for box in (one, other))
    answer = math.degrees(math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b)))
    text = f"angle from {one.name} to {other.name}?"
    facts = f"camera {_numbers(scene.camera)}. {_place(one)} {_place(other)}"
    return Question("angle", text, facts, answer, "degrees", 1.0)


TASKS: dict[str, Callable[[Scene, np.random.Generator], Question]] = {
    "camera distance": _camera_distance,
    "object distance": _object_distance,
    "size": _size,
    "area": _area,
    "count": _count,
    "depth": _depth,
    "coordinate": _coordinate,
    "angle": _angle,
}
"""Kinds of questions."""


def _one(scene: Scene, rng: np.random.Generator) -> Box:
    return scene.boxes[int(rng.integers(len(scene.boxes)))]


def _two(scene: Scene, rng: np.random.Generator) -> tuple[Box, Box]:
    one, other = rng.permutation(len(scene.boxes))[:2]
    return scene.boxes[one], scene.boxes[other]


def _camera(scene: Scene) -> str:
    return f"camera {_numbers(scene.camera)} yaw {scene.yaw:.0f}."


def _place(box: Box) -> str:
    return f"{box.name} at {_numbers(box.centre)}."


def _overlap(one: Box, other: Box) -> bool:
    """Whether two boxes on the floor come closer than the margin."""
    return all(
        abs(one.centre[axis] - other.centre[axis])
        < (one.size[axis] + other.size[axis]) / 2 + MARGIN
        for axis in (0, 1)
    )


def _slabs(start: Vector, ray: Vector, low: Vector, high: Vector) -> tuple[float, float]:
    """Return the positions at which a ray enters and leaves a box, in multiples of the ray."""
    with np.errstate(divide="ignore", invalid="ignore"):
        near, far = (low - start) / ray, (high - start) / ray
    return float(np.fmax.reduce(np.fmin(near, far))), float(np.fmin.reduce(np.fmax(near, far)))


def _triple(values: Vector) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 2) for value in values)
    return x, y, z


def _numbers(values: tuple[float, float, float]) -> str:
    return " ".join(f"{value:g}" for value in values)
