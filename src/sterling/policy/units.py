"""Units of length, area, angle and time, as completions write them."""

import re
from dataclasses import dataclass
from math import pi

from sterling.errors import unknown_name


@dataclass(frozen=True)
class Unit:
    """A unit.

    Attributes:
        kind: Quantity that it measures: "length", "area", "angle", "time", "mass", or "other".
        size: Size in metres, square metres, degrees, seconds or kilograms.
    """

    kind: str
    size: float


# Masses are here so that "5 kg" is not taken for 5 metres.
_NAMES: dict[str, dict[tuple[str, ...], float]] = {
    "length": {
        ("nm", "nanometer", "nanometre"): 1e-9,
        ("µm", "μm", "um", "micrometer", "micrometre", "micron"): 1e-6,
        ("mm", "millimeter", "millimetre"): 1e-3,
        ("cm", "centimeter", "centimetre"): 1e-2,
        ("dm", "decimeter", "decimetre"): 1e-1,
        ("m", "meter", "metre"): 1.0,
        ("km", "kilometer", "kilometre"): 1e3,
        ("in", "inch", "inches"): 0.0254,
        ("ft", "foot", "feet"): 0.3048,
        ("yd", "yard"): 0.9144,
        ("mi", "mile"): 1609.344,
    },
    "area": {
        ("ha", "hectare"): 1e4,
        ("acre",): 4046.8564224,
        ("sqm",): 1.0,
        ("sqft",): 0.3048**2,
    },
    "angle": {
        ("deg", "°", "degree"): 1.0,
        ("rad", "radian"): 180 / pi,
        ("arcmin",): 1 / 60,
        ("arcsec",): 1 / 3600,
    },
    "time": {
        ("µs", "μs", "us", "microsecond"): 1e-6,
        ("ms", "millisecond"): 1e-3,
        ("s", "sec", "second"): 1.0,
        ("min", "minute"): 60.0,
        ("h", "hr", "hour"): 3600.0,
        ("day",): 86400.0,
        ("week",): 604800.0,
    },
    "mass": {
        ("g", "gram"): 1e-3,
        ("kg", "kilogram"): 1.0,
        ("lb", "pound"): 0.45359237,
        ("oz", "ounce"): 0.028349523125,
    },
}
_WRITTEN_OUT = 3  # names of more letters, and these abbreviations, have a plural with s
_PLURAL = ("yd", "mi", "deg", "rad", "sec", "min", "hr", "lb")


def _by_name() -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for kind, sizes in _NAMES.items():
        for names, size in sizes.items():
            unit = Unit(kind, size)
            for name in names:
                units[name] = unit
                if len(name) > _WRITTEN_OUT or name in _PLURAL:
                    units[f"{name}s"] = unit
    for name in [name for name, unit in units.items() if unit.kind == "length"]:
        area = Unit("area", units[name].size ** 2)
        for squared in (f"{name}2", f"{name}^2", f"square {name}", f"sq {name}", f"{name} squared"):
            units[squared] = area
    return units


UNITS = _by_name()

_AFTER = re.compile(
    r"\s?-?(?:\\(?:text|mathrm)\{\s*|\\[,; ]\s?)*"
    r"(?:(?P<circle>\^?\{?\\circ\}?)"
    r"|(?P<square>(?:square|sq\.?)\s)?(?P<name>°|[a-zµμ]{1,12})\}?"
    r"(?P<power>\^?\{?[23](?![0-9])\}?|²|³|\ssquared|\scubed)?)",
    re.IGNORECASE,
)
_PER = re.compile(r"\s?(?:/\s?[a-zµμ]|per\b)", re.IGNORECASE)
# "5 in" is inches at the end of a phrase, but "5 in total" is not.
_WORD_IN = re.compile(r"\.?\s*(?:$|[,;:)\]}<!?\\*]|\.(?:\s|$)|[0-9]|long\b|wide\b|high\b|tall\b)")
_OTHER = Unit("other", 1.0)


def find_unit(name: str) -> Unit:
    """Return the unit of a name, such as ``m``, ``square feet``, ``deg`` or ``min``.

    Raises:
        InputError: Nobody knows the unit; the message lists those that exist.
    """
    plain = " ".join(name.split()).lower().replace("²", "2")
    if plain not in UNITS:
        raise unknown_name("unit", name, UNITS)
    return UNITS[plain]


def unit_after(text: str, position: int) -> tuple[Unit | None, int]:
    """Return the unit that stands at a position of a text, and where it ends.

    Returns:
        The unit, or None where the next word is no unit. Speeds and volumes are units of the
        kind "other".
    """
    match = _AFTER.match(text, position)
    if match is None:
        return None, position
    end = match.end()
    if match["circle"]:
        return UNITS["deg"], end
    name = match["name"].lower()
    if name == "in" and not match["power"] and not _WORD_IN.match(text, end):
        return None, position
    unit = UNITS.get(name)
    if unit is None or (end < len(text) and (text[end].isalnum() and not match["power"])):
        return None, position
    power = match["power"] or ""
    if "3" in power or "³" in power or "cubed" in power or _PER.match(text, end):
        return _OTHER, end
    if match["square"] or power:
        return UNITS.get(f"{name}2", _OTHER), end
    return unit, end
