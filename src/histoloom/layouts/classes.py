"""Classes of nuclei: names, display colours and typical sizes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from histoloom.keyed_random import keyed_uniform


@dataclass(frozen=True)
class NucleusClass:
    """One class of nuclei.

    Parameters
    ----------
    name
        Lower-case name, as files carry it.
    color
        Display colour, RGB in 0..255.
    """

    name: str
    color: tuple[int, int, int]


DEFAULT_CLASSES: tuple[NucleusClass, ...] = (
    NucleusClass("nucleus", (240, 228, 66)),
    NucleusClass("epithelial", (0, 158, 115)),
    NucleusClass("inflammatory", (230, 159, 0)),
    NucleusClass("spindle", (86, 180, 233)),
    NucleusClass("tumor", (213, 94, 0)),
    NucleusClass("other", (204, 121, 167)),
)
"""Classes of a new layout; colours after Okabe and Ito, which colour-blind people can tell apart."""

DEFAULT_CLASS = DEFAULT_CLASSES[0].name


def classes_for(names: Iterable[str]) -> tuple[NucleusClass, ...]:
    """Return a class for each name, in order and without repeats; unknown names get a colour of their own."""
    known = {each.name: each for each in DEFAULT_CLASSES}
    return tuple(known.get(name) or NucleusClass(name, _color_of(name)) for name in dict.fromkeys(names))


def _color_of(name: str) -> tuple[int, int, int]:
    key = int.from_bytes(name.encode("utf-8")[:7].ljust(7, b"\0"), "little")
    red, green, blue = (int(64 + 176 * keyed_uniform(key, channel)) for channel in range(3))
    return red, green, blue
