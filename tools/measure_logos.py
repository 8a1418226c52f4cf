"""Measure the logo networks that ship, on rendered scenes and on photographs.

    python -m tools.measure_logos [--photographs DIR]

Scenes show brands that nothing was trained on; a hundred of these are enrolled as drawn, and as
many others are not. Photographs are in LogoHunter's layout: clean logos in ``test_brands``, the
other folders named after their brand. Only the brand of a photograph is known there, not its boxes.
"""

import argparse
import re
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.image.logos import (
    LogoGallery,
    LogoModels,
    crop_boxes,
    enroll,
    identify,
    load_brands,
    load_models,
    render_scenes,
    trained_brands,
)
from sterling.image.logos.localiser import overlaps
from sterling.measure import Rate

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="{}"/></svg>'
ENROLLED, SCENES, LEAST = 100, 150, 0.3
SIZES = ((16, 32), (32, 64), (64, 111))


def draw_gallery(brands: NDArray[np.int64], models: LogoModels) -> LogoGallery:
    """Enrol drawings of brands under their numbers."""
    with tempfile.TemporaryDirectory() as folder:
        for one in brands.tolist():
            Path(folder, f"{one}.svg").write_text(SVG.format(load_brands()[one].path))
        return enroll(Path(folder), models)


def measure_scenes(models: LogoModels) -> None:
    """Print what is found and named in rendered scenes."""
    first = trained_brands()
    known = np.arange(first, first + ENROLLED)
    gallery = draw_gallery(known, models)
    scenes = render_scenes(SCENES, np.arange(first, first + 2 * ENROLLED), seed=99)
    rows = []
    extra = 0
    for image, boxes, brands in zip(scenes.images, scenes.boxes, scenes.brands, strict=True):
        picture = np.ascontiguousarray(image.numpy().transpose(1, 2, 0))
        found = models.localiser.find(picture, least=LEAST)
        crops = crop_boxes(picture, found.boxes, models.network.design)
        names, alike = gallery.match(models.network.embed(crops).numpy())
        over = overlaps(found.boxes, boxes)
        extra += int((over.max(axis=1, initial=0) <= 0.5).sum())
        for column, (box, brand) in enumerate(zip(boxes, brands.tolist(), strict=True)):
            hit = int(over[:, column].argmax()) if len(found) else -1
            located = hit >= 0 and over[hit, column] > 0.5
            named = names[hit] if located and alike[hit] >= gallery.threshold.value else None
            nearest = names[hit] if located else None
            rows.append((float(max(box[2:] - box[:2])), brand, located, nearest, named))
    print(f"{len(rows)} logos in {SCENES} scenes; boxes elsewhere per scene: {extra / SCENES:.2f}")
    for low, high in SIZES:
        some = [row for row in rows if low <= row[0] < high]
        mated = [row for row in some if row[1] < first + ENROLLED and row[2]]
        others = [row for row in some if row[1] >= first + ENROLLED and row[2]]
        print(f"{low} to {high} pixels:")
        shown("box found (IoU > 0.5)", [row[2] for row in some])
        shown("  enrolled: nearest is right", [row[3] == str(row[1]) for row in mated])
        shown("  enrolled: named right", [row[4] == str(row[1]) for row in mated])
        shown("  enrolled: named wrong", [row[4] not in (None, str(row[1])) for row in mated])
        shown("  not enrolled: named", [row[4] is not None for row in others])


def measure_photographs(folder: Path, models: LogoModels) -> None:
    """Print how often the brand of a photograph is named in it."""

    def plain(name: str) -> str:
        return re.sub(r"\d+$", "", name.removeprefix("test_")).replace("_", "").casefold()

    gallery = enroll(folder / "test_brands", models)
    known = {plain(name) for name in gallery.names}
    for brand in sorted(folder.iterdir()):
        if plain(brand.name) not in known:
            continue
        seen = identify(gallery, sorted(brand.iterdir()), models, least=LEAST)
        found = [one for one in seen.values() if not isinstance(one, InputError)]
        wanted = plain(brand.name)
        print(f"{brand.name}, {len(gallery.names)} examples of {len(known)} brands enrolled:")
        shown("any box", [len(one) > 0 for one in found])
        nearest = [max(one, key=lambda sight: sight.similarity, default=None) for one in found]
        right = [one is not None and plain(one.nearest) == wanted for one in nearest]
        shown("most similar box and example are right", right)
        shown("brand named", [any(plain(s.name or "") == wanted for s in one) for one in found])
        wrong = [any(s.name and plain(s.name) != wanted for s in one) for one in found]
        shown("another brand named", wrong)


def shown(what: str, happened: list[bool]) -> None:
    """Print a share with its exact 95 % interval."""
    if not happened:
        print(f"  {what}: nothing to count")
        return
    rate = Rate(sum(happened), len(happened))
    ends = rate.interval()
    print(
        f"  {what}: {rate.value:.3f} ({ends.low:.3f} … {ends.high:.3f}), {rate.errors} of "
        f"{rate.trials}"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photographs", type=Path)
    given = parser.parse_args()
    models = load_models()
    measure_scenes(models)
    if given.photographs is not None:
        measure_photographs(given.photographs, models)


if __name__ == "__main__":
    main()
