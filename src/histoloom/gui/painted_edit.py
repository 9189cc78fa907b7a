"""From painted pixels to nuclei: what a brush, an eraser or a fill has done to the table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from histoloom.layouts import Layout, Nucleus, Outline
from histoloom.window import Window


def painted_changes(
    layout: Layout,
    before: NDArray[np.int32],
    after: NDArray[np.int32],
    window: Window,
    class_name: str,
) -> dict[int, Nucleus | None]:
    """Return the rows of the table that give the painted picture.

    Pixels that change to 0 are taken from the nucleus that was visible there; pixels that change to an id are given to
    that nucleus, which is created if the table lacks it. A nucleus that is painted over keeps its whole outline and now
    lies below. A nucleus erased to nothing is deleted; one split into pieces stays one nucleus with several rings.

    Parameters
    ----------
    layout
        The table before.
    before, after
        Label maps ``int32 (h, w)`` of ``window`` before and after painting.
    window
        Where on the canvas they lie.
    class_name
        Class of nuclei that are new.

    Returns
    -------
    dict
        Changed nuclei by id; None for those that are gone.
    """
    changed = before != after
    changes: dict[int, Nucleus | None] = {}
    gone = changed & (after == 0)
    for label in np.unique(before[gone]).tolist():
        nucleus = layout.nuclei.get(label)
        if nucleus is not None:
            loss, place = _cropped(gone & (before == label), window)
            changes[label] = _without(nucleus, loss, place)
    gained = changed & (after != 0)
    z_order = layout.next_z_order()
    for label in np.unique(after[gained]).tolist():
        gain, place = _cropped(gained & (after == label), window)
        nucleus = changes[label] if label in changes else layout.nuclei.get(label)
        if nucleus is None:
            outline = Outline.from_mask(gain, (place.y0, place.x0))
            changes[label] = Nucleus.create(label, outline, class_name, z_order)
        else:
            covers = bool(before[gained & (after == label)].any())
            changes[label] = _with(nucleus, gain, place, z_order if covers else nucleus.z_order)
    return changes


def _cropped(mask: NDArray[np.bool_], window: Window) -> tuple[NDArray[np.bool_], Window]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    place = Window(window.y0 + y0, window.x0 + x0, window.y0 + y1, window.x0 + x1)
    return mask[y0:y1, x0:x1], place


def _without(nucleus: Nucleus, loss: NDArray[np.bool_], place: Window) -> Nucleus | None:
    whole = nucleus.outline.window.union(place)
    mask = nucleus.outline.mask(whole)
    mask[place.relative_to(whole).slices] &= ~loss
    if not mask.any():
        return None
    return nucleus.reshaped(Outline.from_mask(mask, (whole.y0, whole.x0)))


def _with(nucleus: Nucleus, gain: NDArray[np.bool_], place: Window, z_order: int) -> Nucleus:
    whole = nucleus.outline.window.union(place)
    mask = nucleus.outline.mask(whole)
    mask[place.relative_to(whole).slices] |= gain
    return replace(nucleus, outline=Outline.from_mask(mask, (whole.y0, whole.x0)), z_order=z_order)
