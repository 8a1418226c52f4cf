"""Write the names of ImageNet's classes, and their places in WordNet, from timm's wheel.

Run ``python -m tools.gather_imagenet_names timm-1.0.31-py3-none-any.whl`` after
``pip download --no-deps timm==1.0.31``. The wheel's SHA-256 must be the one in the file's record.
"""

import argparse
import hashlib
import json
import sys
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "src/sterling/explain/neurons"
INFO = "timm/data/_info"


def main() -> None:
    """Check the wheel and write names and synsets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("wheel", type=Path)
    wheel = parser.parse_args().wheel
    record = json.loads((FOLDER / "imagenet_names.json").read_text())
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != record["source_sha256"]:
        sys.exit(f"{wheel}: not the wheel of the record ({record['source_sha256']})")
    with zipfile.ZipFile(wheel) as archive:
        synsets = archive.read(f"{INFO}/imagenet_synsets.txt").decode().split()
        lines = archive.read(f"{INFO}/imagenet_synset_to_lemma.txt").decode().splitlines()
    lemmas = dict(line.split("\t", 1) for line in lines)
    names = "".join(f"{lemmas[synset]}\n" for synset in synsets)
    (FOLDER / "imagenet_names.txt").write_text(names, encoding="utf-8")
    (FOLDER / "imagenet_synsets.txt").write_text("".join(f"{one}\n" for one in synsets))


if __name__ == "__main__":
    main()
