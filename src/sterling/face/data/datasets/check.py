"""Count and name what a folder has of a public data set, and what is wrong with it."""

import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sterling.errors import InputError, unknown_name
from sterling.face.data.datasets.account import Account, Count, Kind, Problem
from sterling.face.data.datasets.registry import (
    DATASETS,
    WITHOUT_LAYOUT,
    astray,
    matching_files,
    named_without_layout,
    without_layout,
)
from sterling.face.data.datasets.scan import (
    Listing,
    Tree,
    first_file,
    incomplete,
    list_folder,
    misplaced,
    number_of_media,
    placed,
    read_list,
    scan,
)
from sterling.face.data.datasets.spec import Dataset, own_split
from sterling.face.data.images import IMAGE_SUFFIXES, call_picture
from sterling.face.data.manifest import ATTACK, BONA_FIDE, SPLITS
from sterling.face.data.video import VIDEO_SUFFIXES, call_numbered, is_video
from sterling.sandbox import Call, sandbox

_SHOWN = 5


def check_dataset(
    folder: str | os.PathLike[str], *, taken_as: str | None = None, open_files: bool = False
) -> Account:
    """See which public data set a folder holds, and what of it is missing, doubled or damaged.

    Args:
        folder: The folder.
        taken_as: Key of the set to check against; None: the set that most file names fit.
        open_files: Also decode the first frame of every video, and every picture. Without, a
            damaged file passes unless it is empty.

    Raises:
        InputError: The folder is missing, holds nothing named as in `taken_as` or any data set, or
            `taken_as` is unknown.
    """
    said = None if taken_as is None else _said(taken_as)
    listing = list_folder(folder)
    matching = matching_files(listing)
    if said is not None:
        matching.sort(key=lambda pair: pair[0] is not said)  # stable: it first, then by number
        if not matching or matching[0][0] is not said:
            raise InputError(
                f"{listing[0][0]}: nothing is named as in {said.title}; the layout is {said.layout}"
            )
    if not matching:
        raise _unrecognised(listing)
    (best, number), *others = matching
    tree = scan(best, listing)
    counts = tuple(_counts(tree))
    media = number_of_media(listing)
    return Account(
        dataset=best.key,
        title=best.title,
        folder=tree.folder,
        why=f"{number:,} of {media:,} pictures and videos are named as in {best.title}",
        layout=best.layout,
        counts=counts,
        species=dict(sorted(Counter(known.species for known in tree.presentations).items())),
        problems=(
            *_misnaming(tree),
            *_missing(tree, counts),
            *_damaged(tree, open_files=open_files),
            *_lists(tree),
            *(
                Problem(
                    "other_set", number, f"files named as in {other.title}: two sets in one folder"
                )
                for other, number in others
            ),
        ),
        notes=tuple(_notes(tree, counts)),
        unknown=(
            *best.unknown,
            *(f"protocol {name}: {it.note}" for name, it in best.protocols.items() if it.note),
        ),
        opened=open_files,
    )


def _said(key: str) -> Dataset:
    """The data set of that key; an error where there is none, or no reader of it."""
    if key in WITHOUT_LAYOUT:
        raise without_layout(WITHOUT_LAYOUT[key])
    if key not in DATASETS:
        raise unknown_name("data set", key, (*DATASETS, *WITHOUT_LAYOUT))
    return DATASETS[key]


def _unrecognised(listing: Listing) -> InputError:
    alike = astray(listing)
    if alike is not None:
        dataset, path = alike
        return InputError(
            f"{path}: named as in {dataset.title}, but its folder is not; the layout is "
            f"{dataset.layout}"
        )
    if (title := named_without_layout(listing[0][0])) is not None:
        return without_layout(title)
    titles = ", ".join(dataset.title for dataset in DATASETS.values())
    return InputError(
        f"{listing[0][0]}: no file is named as in any of {titles} (the layout of "
        f"{' and '.join(WITHOUT_LAYOUT.values())} is not known); give the folder as it was "
        "distributed, or sort your own into live/ and spoof/<species>/"
    )


def _named(kind: Kind, detail: str, names: Sequence[str]) -> Iterator[Problem]:
    if names:
        yield Problem(kind, len(names), detail, tuple(names[:_SHOWN]))


def _counts(tree: Tree) -> Iterator[Count]:
    """Yield found and published numbers by split and label, of subjects and of protocols."""
    dataset = tree.dataset
    presentations: Counter[tuple[str, str]] = Counter()
    pictures: Counter[tuple[str, str]] = Counter()
    for one in tree.found.values():
        known = one.presentation
        moments = len(set().union(*one.files.values()))
        for key in {(s, label) for s in (known.split, "") for label in (known.label, "")}:
            presentations[key] += 1
            pictures[key] += moments
    pairs = {(one.split, one.subject) for one in tree.presentations}
    people = Counter((split, "") for split, _ in pairs)
    people["", ""] = len({subject for _, subject in pairs})
    told = any(one.split for one in tree.presentations)
    published_people = {(split, ""): number for split, number in dataset.subjects.items()}
    for of, found, published in (
        ("presentations", presentations, dataset.counts),
        ("pictures", pictures, dataset.pictures),
        ("subjects", people, published_people),
    ):
        for split, label in itertools.product((*SPLITS, ""), (BONA_FIDE, ATTACK, "")):
            number = _published(published, split, label) if told or not split else None
            shown = of == "presentations" if label else of == "subjects"
            if number is not None or (shown and found[split, label]):
                yield Count(of, split, label, found[split, label], number)
    for name, protocol in dataset.protocols.items():
        sizes = Counter(split for split, _ in placed(tree, protocol))
        for split in SPLITS:
            if split in protocol.published or sizes[split]:
                number = protocol.published.get(split)
                yield Count(f"protocol {name}", split, "", sizes[split], number)


def _published(counts: Mapping[tuple[str, str], int], split: str, label: str) -> int | None:
    """Published item counts, per split or in total; None if not published."""
    parts = {place: number for (place, kind), number in counts.items() if kind == label}
    every = {place for place, _ in counts}
    whole = sum(parts.values()) if parts and parts.keys() == every and not split else None
    return parts.get(split, whole)


def _missing(tree: Tree, counts: Sequence[Count]) -> Iterator[Problem]:
    named = [name for name in tree.dataset.expected(tree.presentations) if name not in tree.found]
    short = {
        of: _shortage([count for count in counts if count.of == of])
        for of in ("presentations", "pictures", "subjects")
    }
    number = max(len(named), short["presentations"])
    if number:
        which = "the first:" if len(named) == number else f"{len(named)} of them can be named:"
        detail = f"presentations, {which if named else 'which ones the names do not tell'}"
        yield Problem("missing", number, detail, tuple(named[:_SHOWN]))
    for of in ("pictures", "subjects"):
        if short[of]:
            yield Problem("missing", short[of], of)


def _shortage(counts: Sequence[Count]) -> int:
    """Number of missing items, per split where counts are per split, otherwise in total."""
    short = {
        (count.split, count.kind): max(count.published - count.found, 0)
        for count in counts
        if count.published is not None
    }
    split = sum(number for (place, _), number in short.items() if place)
    return max(split, sum(number for (place, _), number in short.items() if not place))


def _misnaming(tree: Tree) -> Iterator[Problem]:
    found = tree.found.values()
    yield from _named(
        "doubled", "files that say the same as another one", [path for path, _ in tree.doubled]
    )
    yield from _named(
        "misnamed", f"files in its folders, without a name of {tree.dataset.title}", tree.misnamed
    )
    yield from _named(
        "misplaced",
        "presentations in the folder of another split than their subject's",
        [first_file(one) for one in found if misplaced(one.presentation)],
    )
    yield from _named(
        "incomplete",
        "pictures, or a camera, that a presentation lacks",
        [lack for one in found for lack in incomplete(one, tree.dataset.cameras)],
    )


def _damaged(tree: Tree, *, open_files: bool) -> Iterator[Problem]:
    paths = [
        path
        for one in tree.found.values()
        for files in one.files.values()
        for path in files.values()
    ]
    empty = [path for path in paths if os.path.getsize(path) == 0]  # noqa: PTH202 - many files
    yield from _named("empty", "files of no bytes", empty)
    if open_files:
        hollow = set(empty)
        tried = [
            path
            for path in paths
            if path not in hollow and Path(path).suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES
        ]
        unreadable = [
            path for path, whole in zip(tried, _readable(tried), strict=True) if not whole
        ]
        yield from _named("unreadable", "files that cannot be decoded", unreadable)


def _readable(paths: Sequence[str]) -> Iterator[bool]:
    """Whether each file can be decoded, which a child process tries."""
    with sandbox() as box:
        for path, answer in zip(paths, box.map(map(_opening, paths)), strict=True):
            # A video without a frame 0 gives its number of frames only.
            yield not isinstance(answer, InputError) and len(answer) > is_video(path)


def _opening(path: str) -> Call:
    return call_numbered(path, [0]) if is_video(path) else call_picture(path)


def _lists(tree: Tree) -> Iterator[Problem]:
    """Yield the contradictions between list files and names."""
    for path, kind, groups in tree.lists:
        try:
            entries = read_list(path, kind, groups)
        except InputError as error:
            yield Problem("list_unreadable", 1, str(error), (path,))
            continue
        protocol = kind.protocol(groups)
        rule = tree.dataset.protocol(protocol).rule if protocol else own_split
        absent = [
            entry.name if entry.frame is None else f"{entry.name} picture {entry.frame}"
            for entry in entries
            if entry.name not in tree.found
            or entry.frame not in (None, *next(iter(tree.found[entry.name].files.values())))
        ]
        yield from _named("listed_absent", f"names in {path} without a file", absent)
        present = [
            (entry, tree.found[entry.name].presentation)
            for entry in entries
            if entry.name in tree.found
        ]
        other = [
            entry.name
            for entry, known in present
            if entry.split != rule(known) or entry.label not in ("", known.label)
        ]
        yield from _named(
            "list_contradicts", f"names to which {path} gives another split or label", other
        )
        published = tree.dataset.protocols[protocol].published if protocol else {}
        for split in {entry.split for entry in entries} & published.keys():
            number = len({entry.name for entry in entries if entry.split == split})
            if number != published[split]:
                detail = f"{path} has {number:,} names of {split}; {published[split]:,} published"
                yield Problem("list_contradicts", abs(published[split] - number), detail, (path,))


def _notes(tree: Tree, counts: Sequence[Count]) -> Iterator[str]:
    if tree.companions:
        yield f"{tree.companions:,} files beside the presentations belong to the set"
    if tree.lists:
        yield f"{len(tree.lists)} list files were compared with the names"
    elif tree.dataset.lists:
        yield "no list files were found" + (
            ": the splits are unknown without them" if tree.dataset.splits_from_lists else ""
        )
    folders = Counter(str(Path(path).parent) for path in tree.elsewhere)
    for folder, number in folders.most_common(_SHOWN):
        yield f"{number:,} pictures or videos in {folder}, which is no folder of the set"
    if len(folders) > _SHOWN:
        yield f"and pictures or videos in {len(folders) - _SHOWN} more folders"
    for count in counts:
        if count.of == "presentations" and count.published is not None:
            more = count.found - count.published
            if more > 0:
                where = f" of split {count.split}" if count.split else ""
                yield f"{more:,} {count.kind} presentations{where} more than were published"
