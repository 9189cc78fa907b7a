"""A slide in the viewer: a pyramid far larger than any canvas, of which a region becomes one."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from histoloom.gui.canvas_layers import ROLE_KEY
from histoloom.gui.comparison import camera_of
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE
from histoloom.tiles.tile import Tile
from histoloom.window import Window

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

SLIDE = "slide"

LEAST_REGION_SIDE = 64


class SlideView:
    """The one slide that a viewer shows.

    Canvases begin at the origin of the world, so the slide is shifted until the chosen region lies there: the canvas
    then has its true surroundings.

    Parameters
    ----------
    viewer
        Where it is shown; held weakly.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._layer: Image | None = None
        self.tile: Tile | None = None
        self.name = ""

    @property
    def layer(self) -> Image | None:
        """The slide's layer, or None if there is none (any more)."""
        viewer = self._viewer()
        if self._layer is not None and (viewer is None or self._layer not in viewer.layers):
            self._layer = self.tile = None
        return self._layer

    def show(self, tile: Tile, name: str) -> Image:
        """Show a slide beneath everything else, in place of a former one; pixels are read as they come into view."""
        self.remove()
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("The viewer of this slide has been closed.")
        layer = viewer.add_image(
            list(tile.levels) if len(tile.levels) > 1 else tile.levels[0],
            multiscale=len(tile.levels) > 1,
            rgb=True,
            name=name,
            scale=(self._pixel_size(tile),) * 2,
            axis_labels=("y", "x"),
            units=("micrometer", "micrometer"),
            metadata={ROLE_KEY: SLIDE},
        )
        viewer.layers.move(viewer.layers.index(layer), 0)
        self._layer, self.tile, self.name = layer, tile, name
        return layer

    def remove(self) -> None:
        """Take the slide out of the viewer."""
        layer, viewer = self.layer, self._viewer()
        if layer is not None and viewer is not None:
            viewer.layers.remove(layer)
        self._layer = self.tile = None

    def visible_window(self, most: int) -> Window:
        """Return the pixels of the full size about the centre of the view: what is seen, at most ``most`` a side."""
        layer, viewer = self.layer, self._viewer()
        if layer is None or viewer is None or self.tile is None:
            return Window(0, 0, 0, 0)
        center = layer.world_to_data(tuple(camera_of(viewer).center)[-2:])
        return region_around(
            (float(center[-2]), float(center[-1])), _seen(layer), self.tile.shape, most, LEAST_REGION_SIDE
        )

    def put_at_origin(self, window: Window) -> None:
        """Shift the slide until a region of it lies where canvases lie; the view keeps showing the same tissue."""
        layer, viewer = self.layer, self._viewer()
        if layer is None or viewer is None:
            return
        before = np.asarray(layer.translate, float)[-2:]
        after = -np.array([window.y0, window.x0], float) * np.asarray(layer.scale, float)[-2:]
        layer.translate = after
        camera = camera_of(viewer)
        center = np.array(camera.center, float)
        center[-2:] += after - before
        camera.center = tuple(center)

    def _pixel_size(self, tile: Tile) -> float:
        return tile.pixel_size or DEFAULT_PIXEL_SIZE


def region_around(
    center: tuple[float, float], seen: tuple[float, float], shape: tuple[int, int], most: int, least: int
) -> Window:
    """Return a window about a centre that lies inside a picture.

    Parameters
    ----------
    center
        ``(y, x)`` in pixels; one outside the picture is moved to its rim.
    seen
        Height and width that are wanted.
    shape
        Height and width of the picture.
    most, least
        Limits of the window's sides in pixels; a smaller picture has the last word.
    """
    bounds = []
    for middle, wanted, length in zip(center, seen, shape, strict=True):
        side = min(max(round(wanted), least), most, length)
        start = min(max(round(middle - side / 2), 0), length - side)
        bounds.append((start, start + side))
    (y0, y1), (x0, x1) = bounds
    return Window(y0, x0, y1, x1)


def _seen(layer: Any) -> tuple[float, float]:
    """Return height and width of what napari has drawn of a layer, in pixels of its full size."""
    corners = np.asarray(layer.corner_pixels, float)[:, :2]
    factors = np.asarray(layer.downsample_factors, float)[layer.data_level][:2] if layer.multiscale else np.ones(2)
    height, width = (corners[1] - corners[0] + 1) * factors
    return float(height), float(width)
