"""What can be judged in a viewer: the woven tissue on the canvas, or any picture in a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import ImportanceError
from histoloom.gui.canvas_layers import WOVEN
from histoloom.gui.compared_labels import Placing
from histoloom.gui.live import live_weaving_of
from histoloom.gui.writers import pixel_size_of
from histoloom.importance.references import rescaled_reference
from histoloom.jobs.tile_references import CanvasLook
from histoloom.layouts import Layout
from histoloom.tiles.looks import Look

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

_MOST_SIDE = 8192


@dataclass(frozen=True)
class CanvasPicture:
    """The woven tissue on the canvas."""

    @property
    def title(self) -> str:
        """What people call it."""
        return "The woven tissue on the canvas"

    def layer(self, canvas: Canvas) -> Any:
        """Return the layer that shows it.

        Raises
        ------
        ImportanceError
            If nothing is woven.
        """
        layer = canvas.layers.find(WOVEN)
        if layer is None:
            raise ImportanceError(
                "There is no woven tissue on the canvas yet; weave some in the Weave dock, or choose a layer or a "
                "folder of woven tiles."
            )
        return layer


@dataclass(frozen=True)
class LayerPicture:
    """A picture in a layer of the viewer."""

    image: Any

    @property
    def title(self) -> str:
        """What people call it."""
        return str(self.image.name)

    def layer(self, canvas: Canvas) -> Any:
        """Return the layer; raises `ImportanceError` if it is gone."""
        if self.image not in canvas.viewer.layers:
            raise ImportanceError(f"The layer '{self.title}' has been deleted; choose other tissue to judge.")
        return self.image


JudgedPicture = CanvasPicture | LayerPicture


def pixels_of(layer: Any) -> NDArray[np.uint8]:
    """Return the pixels of a layer, RGB ``uint8 (H, W, 3)``, without a copy where that can be.

    Raises
    ------
    ImportanceError
        If they are of another kind, or too many.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    if max(data.shape[:2]) > _MOST_SIDE:
        raise ImportanceError(
            f"'{layer.name}' has {data.shape[0]:,} × {data.shape[1]:,} pixels, too many to judge here; cut tiles out "
            "of it, and use 'histoloom weigh' on their folder."
        )
    if data.dtype != np.uint8:
        raise ImportanceError(f"'{layer.name}' is no picture of 8 bits a colour; convert it, or choose another layer.")
    return np.asarray(data[..., :3], np.uint8)


def pixel_size_of_layer(layer: Any) -> float:
    """Return the µm per pixel of a layer, or 0.25 where its units are no lengths."""
    return pixel_size_of({"scale": tuple(layer.scale), "units": tuple(layer.units)})


def placing_of(layer: Any) -> Placing:
    """Return where a picture lies."""
    return {
        "scale": tuple(layer.scale)[-2:],
        "translate": tuple(layer.translate)[-2:],
        "units": tuple(layer.units)[-2:],
    }


def layout_of_picture(picture: JudgedPicture, layer: Any, canvas: Canvas) -> Layout | None:
    """Return the nuclei that a picture was woven from: the canvas's, where it is of their size."""
    layout = canvas.layout
    fits = (
        tuple(layer.data.shape[:2]) == layout.shape and abs(pixel_size_of_layer(layer) / layout.pixel_size - 1) < 0.01
    )
    is_ours = isinstance(picture, CanvasPicture) or canvas.is_open
    return layout if is_ours and fits and not layer.multiscale else None


def canvas_reference(canvas: Canvas, pixel_size: float) -> NDArray[np.uint8] | None:
    """Return the real picture that the canvas's tissue shall be like, RGB ``uint8 (H, W, 3)``, or None.

    It is the look that the tissue was woven with, where that has pixels; else the real tile on the canvas, where it is
    no slide. The same picture is the same array.

    Parameters
    ----------
    canvas
        The canvas.
    pixel_size
        µm per pixel that it is rescaled to where it has others.
    """
    source = _canvas_source(canvas)
    return None if source is None else reference_pixels(*source, pixel_size)


def canvas_look(canvas: Canvas, pixel_size: float, *, is_for_all: bool = False) -> CanvasLook | None:
    """Return the same with what records know it by, for the tiles of a folder.

    Parameters
    ----------
    canvas, pixel_size
        As of `canvas_reference`.
    is_for_all
        As of `CanvasLook`.
    """
    source = _canvas_source(canvas)
    if source is None:
        return None
    look = live_weaving_of(canvas).look
    tile = None if isinstance(look, Look) else source[0]
    return CanvasLook(reference_pixels(*source, pixel_size), "" if look is None else look.sha256, tile, is_for_all)


def _canvas_source(canvas: Canvas) -> tuple[NDArray[np.uint8], float] | None:
    look, tile = live_weaving_of(canvas).look, canvas.tile
    if isinstance(look, Look):
        return look.pixels, look.pixel_size
    if tile is None or max(tile.shape) > _MOST_SIDE:
        return None
    level = tile.levels[0]
    if not isinstance(level, np.ndarray):
        level = tile.read()
    return level, tile.pixel_size or canvas.layout.pixel_size


def reference_pixels(pixels: NDArray[np.uint8], pixel_size: float, wanted: float) -> NDArray[np.uint8]:
    """Return a reference at another pixel size (µm), or itself where that is about the same."""
    key = id(pixels), round(pixel_size / wanted, 4)
    if key not in _rescaled:
        _rescaled.clear()
        # The picture is kept as well, so that its id stays its own.
        _rescaled[key] = pixels, rescaled_reference(pixels, pixel_size, wanted)
    return _rescaled[key][1]


_rescaled: dict[tuple[int, float], tuple[NDArray[np.uint8], NDArray[np.uint8]]] = {}
"""The latest reference that was rescaled: it is asked for with every stroke."""
