"""What the Select tool does to whole nuclei: pure functions from a layout and ids to changed rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from histoloom.layouts import Layout, Nucleus
from histoloom.layouts.nucleus import seed_of_id
from histoloom.window import Window

Changes = Mapping[int, Nucleus | None]


def moved(layout: Layout, ids: Iterable[int], dy: float, dx: float) -> Changes:
    """Return the nuclei moved by ``(dy, dx)`` pixels."""
    return {key: layout.nuclei[key].moved(dy, dx) for key in ids}


def rotated(layout: Layout, ids: Iterable[int], angle: float) -> Changes:
    """Return the nuclei turned by ``angle`` radians, each about its own centre."""
    return {key: layout.nuclei[key].rotated(angle) for key in ids}


def scaled(layout: Layout, ids: Iterable[int], factor: float) -> Changes:
    """Return the nuclei enlarged by ``factor``, each about its own centre."""
    return {key: layout.nuclei[key].scaled(factor) for key in ids}


def reclassed(layout: Layout, ids: Iterable[int], class_name: str) -> Changes:
    """Return the nuclei with another class."""
    return {key: layout.nuclei[key].reclassed(class_name) for key in ids}


def duplicated(layout: Layout, ids: Iterable[int], dy: float, dx: float) -> Changes:
    """Return copies of the nuclei, moved by ``(dy, dx)`` pixels, on top, each with a texture of its own."""
    first, z_order = layout.next_id(), layout.next_z_order()
    copies = {}
    for offset, nucleus in enumerate(_stacked(layout, ids)):
        key = first + offset
        moved_copy = nucleus.moved(dy, dx)
        copies[key] = replace(moved_copy, id=key, z_order=z_order + offset, texture_seed=seed_of_id(key))
    return copies


def brought_to_front(layout: Layout, ids: Iterable[int]) -> Changes:
    """Return the nuclei above all others, in the order that they had."""
    first = layout.next_z_order()
    return {each.id: replace(each, z_order=first + i) for i, each in enumerate(_stacked(layout, ids))}


def sent_to_back(layout: Layout, ids: Iterable[int]) -> Changes:
    """Return the nuclei below all others, in the order that they had."""
    chosen = _stacked(layout, ids)
    first = min((each.z_order for each in layout.nuclei.values()), default=0) - len(chosen)
    return {each.id: replace(each, z_order=first + i) for i, each in enumerate(chosen)}


def deleted(ids: Iterable[int]) -> Changes:
    """Return the rows that delete nuclei."""
    return dict.fromkeys(ids)


def ids_inside(layout: Layout, window: Window) -> frozenset[int]:
    """Return the nuclei that lie wholly inside a window."""
    return frozenset(each.id for each in layout.nuclei_in(window) if window.contains(each.outline.window))


def counted(verb: str, count: int) -> str:
    """Return a title such as "Move 3 nuclei"."""
    return f"{verb} a nucleus" if count == 1 else f"{verb} {count} nuclei"


def _stacked(layout: Layout, ids: Iterable[int]) -> list[Nucleus]:
    return sorted((layout.nuclei[key] for key in ids), key=lambda each: (each.z_order, each.id))
