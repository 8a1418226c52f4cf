"""Pack the drawings of the npm package simple-icons into the one file that ships.

    npm pack simple-icons@16.37.0
    python -m tools.pack_logos simple-icons-16.37.0.tgz

Drawings with a licence of their own other than CC0 are left out. Of drawings that have one title or
look alike (overlap of their ink above `ALIKE`) the first one by name is kept: two brands with one
logo cannot be told apart.
"""

import argparse
import hashlib
import json
import lzma
import re
import tarfile
from pathlib import Path

import numpy as np

from sterling.image.logos.brands import PACK, logo_mask
from sterling.storage import write_atomically

VERSION = "16.37.0"
PUBLISHED = "cd9faf0e6faa8a8fdd15e9632ab4c86fcae4b986fe552b87673149847f2f671d"
"""SHA-256 of the package as published."""
ALIKE = 0.85


def read_package(path: Path) -> tuple[list[tuple[str, str]], str, int]:
    """Return name and path data of each drawing, the licence's text, and how many were left out."""
    with tarfile.open(path) as package:

        def text(name: str) -> str:
            member = package.extractfile(f"package/{name}")
            assert member is not None
            return member.read().decode()

        brands: dict[str, str] = {}
        own_licence = 0
        for icon in json.loads(text("data/simple-icons.json")):
            if icon.get("license", {"type": "CC0-1.0"})["type"] != "CC0-1.0":
                own_licence += 1
                continue
            found = re.search(r' d="([^"]+)"', text(f"icons/{icon['slug']}.svg"))
            assert found is not None
            brands.setdefault(icon["title"], found[1])
        return sorted(brands.items()), text("LICENSE.md"), own_licence


def without_lookalikes(brands: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Keep the first of drawings whose ink overlaps by more than `ALIKE` (intersection/union)."""
    ink = np.stack([logo_mask(path, 48).ravel() for _, path in brands]).astype(np.float32) / 255
    both = ink @ ink.T
    area = ink.sum(axis=1)
    overlap = both / (area[:, None] + area[None] - both)
    kept: list[int] = []
    for one in range(len(brands)):
        if not kept or overlap[one, kept].max() <= ALIKE:
            kept.append(one)
    return [brands[one] for one in kept]


def main() -> None:
    """Write the pack, its provenance and its licence."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("package", type=Path, help="simple-icons-16.37.0.tgz of npm pack")
    parser.add_argument("--out", type=Path, default=PACK)
    given = parser.parse_args()
    if hashlib.sha256(given.package.read_bytes()).hexdigest() != PUBLISHED:
        raise SystemExit(f"{given.package}: not simple-icons {VERSION}, its SHA-256 is another")
    every, licence, own_licence = read_package(given.package)
    brands = without_lookalikes(every)
    text = json.dumps(brands, ensure_ascii=False, separators=(",", ":"))
    content = lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)
    card = {
        "name": "Simple Icons",
        "purpose": "vector drawings of brands' logos, to train and measure logo recognition",
        "origin": f"npm package simple-icons {VERSION}, https://github.com/simple-icons/simple-icons",
        "published_sha256": PUBLISHED,
        "changed": "title and path data alone, sorted by title (tools/pack_logos.py)",
        "brands": len(brands),
        "left_out": {
            "with a licence of their own other than CC0": own_licence,
            f"ink overlaps another's by more than {ALIKE:g}": len(every) - len(brands),
        },
        "licence": "CC0-1.0 (simple_icons.LICENSE); trade marks stay with their owners, and using "
        "a drawing grants no right to the mark",
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    write_atomically(given.out, content)
    beside = given.out.with_name(given.out.name.partition(".")[0])
    write_atomically(beside.with_suffix(".LICENSE"), licence)
    write_atomically(beside.with_suffix(".json"), json.dumps(card, indent=2) + "\n")
    print(f"{len(brands)} brands, {len(content):,} bytes")


if __name__ == "__main__":
    main()
