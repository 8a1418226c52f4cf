"""Characters drawn from fonts: many classes of small pictures without any file of data.

A class is a character, an item is that character in one of several faces, moved, turned, scaled and
with a thinner or thicker stroke. Stands in for Omniglot (Lake et al., Science 2015), whose classes
are characters too, where no copy of that is at hand.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.image.labelled_images import LabelledImages

FACES = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
)
# Every face has them, and once fitted into a box no two are alike (mean cosine over faces <= 0.87).
ALPHABET = (
    "+0123457<=>ABCDFHIJKLMNOQRTUVWXYZabdefjkmnpqrstuy|~ƁƄƆƇƊƐƑƒƔƕƖƛƜƝƢƣƤƥƦƧƩƪƫƳƴƸƺƾǁ"
    "ǂǶȜȠȡȤȴȵȸȹȺȻȾȿɀɁɍɑɕɖɗɚɝɟɠɡɢɤɦɧɬɭɮɰɱɲɳɶɷɸɹɺɻɼɾɿʁʂʆʇʉʍʎʐʑʔʕʗʞʤʦʧʨʩʪʫʬʭʮʯΞΦΨζκνπςφχ"
    "ωϗϘϞϟϠϡϷϻЂЉЋЏДЖЛЧЩЫЮЯимтфцъыњћѢѣҐҔҗҘҚҢҤҪҭҲҺӄӇӋӔӕӶԳԵԶԷԸԹԺԻԽԾԿՀՂՃՄՆՇՈՊՌՎՐՒՔՖէթխծմն"
    "չջაბგდეზიკლორსტუფქწჭჯჱჲჳჴჶჹჺ←→↕↖↗↘↙↜↝↟↢↣↫↬↯↰↱↲↳↴↵↶↷↸↹↺↻↼↽↾↿⇄⇅⇆⇋⇐⇑⇒⇓⇖⇗⇘⇙⇚⇟⇤⇥⇫⇰⇱⇲⇵"
    "⇶⇹⇿∀∂∆∇∈∋∏∓∕∗∘∙√∛∝∞∟∠∧∩∪∸∹∺∽≃≐≑≒≓≡≤≥⊂⊃⊆⊇⊏⊐⊓⊔⊘⊞⊢⊣⊤⊥⋄"
)
CANVAS = 64  # side of the square that a character is first drawn in, pixels


def draw_glyphs(
    classes: int = len(ALPHABET), per_class: int = 20, *, size: int = 28, seed: int = 0
) -> LabelledImages:
    """Draw characters.

    Moved by up to 1/12 of the side, turned by up to 15 degrees, scaled by 0.9 to 1.4, and smoothed
    and cut so that strokes are thinner or thicker: all of it ours.

    Args:
        classes: Number of characters, a random choice of `ALPHABET`.
        per_class: Number of items of each character.
        size: Side of the pictures, pixels.
        seed: Seed of the choice and the drawing.

    Returns:
        Grey pictures (N, 1, size, size), ink 1 on 0.

    Raises:
        InputError: More classes than characters, or the fonts (matplotlib's) are not installed.
    """
    check_numbers(at_least=1, at_most=len(ALPHABET), classes=classes)
    check_numbers(at_least=1, per_class=per_class)
    check_numbers(at_least=8, size=size)
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.choice(len(ALPHABET), classes, replace=False).tolist())
    pictures = [
        _jittered(_drawn(ALPHABET[one], FACES[face]), size, rng)
        for one in chosen
        for face in rng.integers(len(FACES), size=per_class).tolist()
    ]
    return LabelledImages(
        images=torch.from_numpy(np.stack(pictures)[:, None]),
        labels=np.repeat(np.arange(classes), per_class),
        names=tuple(ALPHABET[one] for one in chosen),
        source=f"characters drawn from {len(FACES)} faces of DejaVu",
    )


@cache
def _font(face: str) -> ImageFont.FreeTypeFont:
    found = find_spec("matplotlib")  # found, not imported: only its fonts are used
    if found is None or found.origin is None:
        raise InputError("glyphs: their fonts come with matplotlib; pip install 'sterling[report]'")
    path = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / f"{face}.ttf"
    return ImageFont.truetype(str(path), CANVAS * 2 // 3)


@cache
def _drawn(character: str, face: str) -> NDArray[np.uint8]:
    """Draw the character in the middle of a square."""
    image = Image.new("L", (CANVAS, CANVAS))
    middle = (CANVAS / 2, CANVAS / 2)
    ImageDraw.Draw(image).text(middle, character, fill=255, font=_font(face), anchor="mm")
    return np.asarray(image)


def _jittered(drawn: NDArray[np.uint8], size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    middle = (CANVAS / 2, CANVAS / 2)
    turn = cv2.getRotationMatrix2D(middle, rng.uniform(-15, 15), rng.uniform(0.9, 1.4))
    turn = turn + np.pad(rng.uniform(-1 / 12, 1 / 12, (2, 1)) * CANVAS, ((0, 0), (2, 0)))
    moved = cv2.warpAffine(drawn, turn, (CANVAS, CANVAS))
    smooth = cv2.GaussianBlur(moved, (0, 0), 1.5).astype(np.float32) / 255
    # A low cut takes in the blurred rim, a high one keeps the core: stroke widths differ by it.
    inked = np.clip((smooth - rng.uniform(0.15, 0.4)) / 0.2, 0, 1)
    return cv2.resize(inked, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
