"""What is wrong with a drawn layout, and the edit that mends it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from histoloom.layouts import Layout, LayoutEdit, Nucleus, Outline
from histoloom.layouts.layout import first_free_id
from histoloom.layouts.nucleus import seed_of_id

_SPECK_UM2 = 2.0
"""Smaller than any nucleus cut by a section."""


@dataclass(frozen=True)
class LayoutCheck:
    """What was found in a layout.

    Parameters
    ----------
    sentences
        One for each kind of finding; none if all is well.
    repair
        The edit that mends what can be mended.
    """

    sentences: tuple[str, ...]
    repair: LayoutEdit


def check_layout(layout: Layout) -> LayoutCheck:
    """Look for specks, nuclei in pieces, and nuclei that cannot be seen.

    Returns
    -------
    LayoutCheck
        Specks (below 2 µm²) and nuclei outside the canvas are deleted by the repair, pieces become nuclei of their own.
        Nuclei wholly hidden under others are named and kept: they come back when what covers them is moved.
    """
    changes: dict[int, Nucleus | None] = {}
    least = _SPECK_UM2 / layout.pixel_size**2
    specks = [key for key, each in layout.nuclei.items() if each.outline.area < least]
    outside = [
        key
        for key, each in layout.nuclei.items()
        if key not in specks and each.outline.window.intersection(layout.window).is_empty
    ]
    changes.update(dict.fromkeys([*specks, *outside]))
    split = [key for key in layout.nuclei if key not in changes and _split(layout, key, least, changes)]
    visible = set(np.unique(layout.rasterize()).tolist())
    hidden = [key for key in layout.nuclei if key not in visible and key not in changes]
    sentences = [
        _said(specks, "smaller than 2 µm²", "repair deletes"),
        _said(outside, "outside the canvas", "repair deletes"),
        _said(split, "in several pieces", "repair makes separate nuclei of"),
        _said(hidden, "wholly hidden under others", "move what covers"),
    ]
    return LayoutCheck(tuple(filter(None, sentences)), LayoutEdit.of("Repair the layout", layout, changes))


def _split(layout: Layout, key: int, least: float, changes: dict[int, Nucleus | None]) -> bool:
    nucleus = layout.nuclei[key]
    if len(nucleus.outline.rings) == 1:
        return False
    from scipy.ndimage import label

    window = nucleus.outline.window
    pieces, count = label(nucleus.outline.mask(window), np.ones((3, 3)))
    if count < 2:
        return False
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    origin = (window.y0, window.x0)
    next_id = first_free_id([*layout.nuclei, *changes])
    for rank, piece in enumerate(np.argsort(-sizes, kind="stable")):
        outline = Outline.from_mask(pieces == piece + 1, origin)
        if rank == 0:
            changes[key] = nucleus.reshaped(outline)
        elif sizes[piece] >= least:
            changes[next_id] = replace(nucleus, id=next_id, outline=outline, texture_seed=seed_of_id(next_id))
            next_id += 1
    return True


def _said(ids: list[int], what: str, remedy: str) -> str:
    if not ids:
        return ""
    if len(ids) == 1:
        return f"Nucleus {ids[0]} is {what}; {remedy} it."
    return f"{len(ids)} nuclei are {what}; {remedy} them."
