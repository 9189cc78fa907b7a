"""The viewer's scale bar, which moved in napari 0.9."""

from __future__ import annotations

from typing import Any


def scale_bar_of(viewer: Any) -> Any:
    """Return a viewer's scale bar from its place in this napari; the old place warns in new ones."""
    canvas = getattr(viewer, "canvas", None)
    overlays = getattr(canvas, "overlays", None)
    return viewer.scale_bar if overlays is None else overlays.scale_bar


def show_scale_bar(viewer: Any) -> None:
    """Switch the scale bar on."""
    scale_bar_of(viewer).visible = True
