"""Our few layers in a viewer: found, made when they are needed, never piled up."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from histoloom.gui.label_colors import LabelColors
from histoloom.gui.tissue_layer import tissue_layer_options
from histoloom.layouts import Layout

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Layer, Points, Shapes

ROLE_KEY = "histoloom_role"
"""Key in a layer's metadata that says what it is to us."""

LAYOUT, SKETCH, CENTROIDS, WOVEN, TILE = "layout", "sketch", "centroids", "woven", "tile"
STRUCTURE, PREVIEW = "structure", "training preview"
TISSUE, AGREEMENT = "tissue", "agreement"
PREDICTION, IGNORE = "prediction", "ignore"
WEIGHTS, JUDGED = "weights", "judged tile"
REFINING = "view of refining"
_BOTTOM_TO_TOP = (
    TILE, WOVEN, REFINING, PREVIEW, JUDGED, WEIGHTS, STRUCTURE, TISSUE, IGNORE, LAYOUT, PREDICTION, AGREEMENT, SKETCH,
    CENTROIDS,
)  # fmt: skip
_OF_OWN_SIZE = frozenset({TILE, PREVIEW, TISSUE, AGREEMENT, PREDICTION, WEIGHTS, JUDGED})
_FEW_DIFFERENCES = 0.02
_FOUND = (0.0, 1.0, 0.0, 1.0)
_LEFT_OUT = (0.35, 0.35, 0.35, 1.0)
"""Green, as Hou et al. (2019) outline what is found, and grey: no nucleus on the canvas has these."""


class CanvasLayers:
    """The layers of one canvas by role.

    Parameters
    ----------
    viewer
        Where they live; held weakly.
    on_created
        Called with (role, layer) whenever a layer had to be made, so that tools can attach to it.
    """

    def __init__(self, viewer: ViewerModel, on_created: Callable[[str, Layer], None]) -> None:
        self._viewer = weakref.ref(viewer)
        self._on_created = on_created
        self._layers: dict[str, Layer] = {}

    def find(self, role: str) -> Any:
        """Return the layer of a role, or None if it is not in the viewer (not yet, or the user deleted it)."""
        layer = self._layers.get(role)
        viewer = self._viewer()
        if layer is None or viewer is None or layer not in viewer.layers:
            self._layers.pop(role, None)
            return None
        return layer

    @property
    def existing(self) -> dict[str, Layer]:
        """Our layers that are in the viewer now, by role."""
        return {role: layer for role in _BOTTOM_TO_TOP if (layer := self.find(role)) is not None}

    def layout(self, layout: Layout, label_map: NDArray[np.int32] | None = None) -> Labels:
        """Return the Layout layer, made from the layout (or its ready label map) if it is missing."""

        def make(viewer: ViewerModel) -> Labels:
            data = layout.rasterize() if label_map is None else label_map
            layer = viewer.add_labels(data, name="Layout", opacity=0.8, **self._placing(layout, LAYOUT))
            layer.preserve_labels = True
            layer.brush_size = max(round(2.0 / layout.pixel_size), 1)
            return layer

        return self._reused(LAYOUT, make)

    def sketch(self, layout: Layout) -> Shapes:
        """Return the Sketch layer."""
        return self._reused(
            SKETCH,
            lambda viewer: viewer.add_shapes(
                name="Sketch",
                edge_color="cyan",
                face_color="transparent",
                edge_width=1.5,
                ndim=2,
                **self._placing(layout, SKETCH),
            ),
        )

    def centroids(self, layout: Layout) -> Points:
        """Return the Centroids layer."""
        return self._reused(
            CENTROIDS,
            lambda viewer: viewer.add_points(
                name="Centroids",
                ndim=2,
                size=2.5 / layout.pixel_size,
                face_color="cyan",
                border_color="black",
                symbol="disc",
                **self._placing(layout, CENTROIDS),
            ),
        )

    def woven(self, layout: Layout) -> Image:
        """Return the Woven layer, of the canvas's size: RGB uint8 that may be written in place."""
        layer = self.find(WOVEN)
        if layer is not None and tuple(layer.data.shape[:2]) != layout.shape:
            layer.data = _white(layout)
        return self._reused(
            WOVEN,
            lambda viewer: viewer.add_image(_white(layout), name="Woven", rgb=True, **self._placing(layout, WOVEN)),
        )

    def refining(self, pixels: NDArray[np.uint8], layout: Layout, name: str) -> Image:
        """Show a view of what refining does, RGB uint8 of the canvas's size, in the one layer for it, over Woven."""
        layer = self.find(REFINING)
        if layer is not None:
            layer.data, layer.name = pixels, name
            return layer
        options = self._placing(layout, REFINING) | {"name": name, "rgb": True}
        return self._reused(REFINING, lambda viewer: viewer.add_image(pixels, **options))

    def structure(self, layout: Layout) -> Labels:
        """Return the Structure layer, uint8 of the canvas's size: 0 background, 1 nucleus, 2 edge."""
        layer = self.find(STRUCTURE)
        if layer is not None and tuple(layer.data.shape) != layout.shape:
            layer.data = np.zeros(layout.shape, np.uint8)

        def make(viewer: ViewerModel) -> Labels:
            blank = np.zeros(layout.shape, np.uint8)
            layer = viewer.add_labels(blank, name="Structure", opacity=0.7, **self._placing(layout, STRUCTURE))
            layer.brush_size = 2
            return layer

        return self._reused(STRUCTURE, make)

    def tissue(self, layout: Layout) -> Labels:
        """Return the Tissue layer, uint8 with a pixel for each cell of the layout's tissue map."""
        return self._reused(
            TISSUE,
            lambda viewer: viewer.add_labels(**self._placing(layout, TISSUE) | tissue_layer_options(layout)),
        )

    def tile(self, levels: list[Any], pixel_size: float, name: str) -> Image:
        """Show a real tile, in the one layer that tiles have."""
        data = levels if len(levels) > 1 else levels[0]
        old = self.find(TILE)
        viewer = self._viewer()
        if old is not None and not old.multiscale and len(levels) == 1:
            # Several times faster than another layer, which is felt when going from tile to tile.
            old.data, old.name, old.scale = data, name, (pixel_size, pixel_size)
            return old
        if old is not None and viewer is not None:
            # A pyramid cannot take the place of a plain picture in one layer.
            viewer.layers.remove(old)
        options = _placing(pixel_size, TILE) | {"multiscale": len(levels) > 1, "rgb": True, "name": name}
        return self._reused(TILE, lambda viewer: viewer.add_image(data, **options))

    def preview(self, pixels: NDArray[np.uint8], pixel_size: float, left: float) -> Image:
        """Show what a training weaves, RGB uint8 of any size, in the one layer for it; its left edge in µm."""
        layer = self.find(PREVIEW)
        if layer is not None:
            layer.data, layer.scale, layer.translate = pixels, (pixel_size, pixel_size), (0.0, left)
            return layer
        options = _placing(pixel_size, PREVIEW) | {"name": "Training preview", "rgb": True, "translate": (0.0, left)}
        return self._reused(PREVIEW, lambda viewer: viewer.add_image(pixels, **options))

    def agreement(self, values: NDArray[np.uint8], placing: Mapping[str, Any]) -> Labels:
        """Show where two label maps agree, uint8 ``(H, W)`` of any size, in the one layer for it.

        Parameters
        ----------
        values
            What is shown; copied.
        placing
            ``scale``, ``translate`` and ``units``, as napari's layers have them.
        """
        layer = self.find(AGREEMENT)
        if layer is not None and tuple(layer.data.shape) == values.shape:
            _write_differences(layer, values)
        elif layer is not None:
            layer.data = values.copy()
        else:
            options = {"axis_labels": ("y", "x"), "metadata": {ROLE_KEY: AGREEMENT}, "opacity": 0.6, **placing}
            layer = self._reused(
                AGREEMENT, lambda viewer: viewer.add_labels(values.copy(), name="Agreement", **options)
            )
            layer.editable = False
        _put(layer, placing)
        return layer

    def weights(self, weights: NDArray[np.float32], placing: Mapping[str, Any]) -> Image:
        """Show how much each place of a picture counts, float32 ``(H, W)`` of any size, in the one layer for it.

        Parameters
        ----------
        weights
            What is shown; copied.
        placing
            ``scale``, ``translate`` and ``units``, as napari's layers have them.
        """
        layer = self.find(WEIGHTS)
        if layer is not None and tuple(layer.data.shape) == weights.shape:
            np.copyto(layer.data, weights)
            layer.refresh(thumbnail=False, extent=False, highlight=False)
        elif layer is not None:
            layer.data = weights.copy()
        else:
            options = {"axis_labels": ("y", "x"), "metadata": {ROLE_KEY: WEIGHTS}, "opacity": 0.75, **placing}
            layer = self._reused(WEIGHTS, lambda viewer: viewer.add_image(weights.copy(), name="Weights", **options))
        _put(layer, placing)
        return layer

    def judged(self, pixels: NDArray[np.uint8], placing: Mapping[str, Any], name: str) -> Image:
        """Show a woven tile of a folder, RGB uint8 of any size, in the one layer for it; see `weights`."""
        layer = self.find(JUDGED)
        if layer is not None:
            layer.data, layer.name = pixels, name
            _put(layer, placing)
            return layer
        options = {"axis_labels": ("y", "x"), "metadata": {ROLE_KEY: JUDGED}, "name": name, "rgb": True, **placing}
        return self._reused(JUDGED, lambda viewer: viewer.add_image(pixels, **options))

    def prediction(self, label_map: NDArray[np.int32], pixel_size: float, corner: tuple[int, int]) -> Labels:
        """Show what a network that is trained finds, as outlines in the one layer for it.

        Parameters
        ----------
        label_map
            ``int32 (H, W)`` of a part of the tile.
        pixel_size
            Of the tile, in µm.
        corner
            Row and column of the part's first pixel.
        """
        corner_at = tuple(pixel_size * each for each in corner)
        layer = self.find(PREDICTION)
        if layer is not None:
            layer.data, layer.scale, layer.translate = label_map, (pixel_size, pixel_size), corner_at
            return layer

        def make(viewer: ViewerModel) -> Labels:
            options = _placing(pixel_size, PREDICTION) | {"translate": corner_at, "colormap": one_color(_FOUND)}
            layer = viewer.add_labels(label_map, name="Prediction", opacity=1.0, **options)
            layer.contour = 2
            layer.editable = False
            return layer

        return self._reused(PREDICTION, make)

    def ignored(self, layout: Layout, regions: NDArray[np.uint8] | None = None) -> Labels:
        """Return the Ignore layer, uint8 of the canvas's size: not 0 where nothing is learnt or scored.

        Parameters
        ----------
        layout
            What is on the canvas.
        regions
            What the layer shall hold, ``uint8 (H, W)``; None for what it holds already, or nothing.
        """
        layer = self.find(IGNORE)
        if layer is not None:
            if regions is not None or tuple(layer.data.shape) != layout.shape:
                layer.data = np.zeros(layout.shape, np.uint8) if regions is None else regions
            return layer

        def make(viewer: ViewerModel) -> Labels:
            blank = np.zeros(layout.shape, np.uint8) if regions is None else regions
            options = self._placing(layout, IGNORE) | {"colormap": one_color(_LEFT_OUT)}
            layer = viewer.add_labels(blank, name="Ignore", opacity=0.6, **options)
            layer.brush_size = max(round(10.0 / layout.pixel_size), 1)
            return layer

        return self._reused(IGNORE, make)

    def place(self, layout: Layout) -> None:
        """Give our layers on the canvas the layout's pixel size."""
        for role, layer in self.existing.items():
            if role not in _OF_OWN_SIZE and tuple(layer.scale) != (layout.pixel_size,) * 2:
                layer.scale = (layout.pixel_size,) * 2

    def _placing(self, layout: Layout, role: str) -> dict[str, Any]:
        return _placing(layout.pixel_size, role)

    def _reused(self, role: str, make: Callable[[ViewerModel], Any]) -> Any:
        layer = self.find(role)
        if layer is not None:
            return layer
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("The viewer of this canvas has been closed.")
        active = viewer.layers.selection.active
        layer = make(viewer)
        self._layers[role] = layer
        self._sort(viewer, layer, role)
        if active is not None and active in viewer.layers:
            viewer.layers.selection.active = active
        self._on_created(role, layer)
        return layer

    def _sort(self, viewer: ViewerModel, layer: Layer, role: str) -> None:
        above = [self._layers[other] for other in _BOTTOM_TO_TOP[_BOTTOM_TO_TOP.index(role) + 1 :] if self.find(other)]
        if above:
            target = min(viewer.layers.index(other) for other in above)
            viewer.layers.move(viewer.layers.index(layer), target)


class LayoutRaster:
    """The label map that the Layout layer shows, kept in step with the table at the least cost.

    Parameters
    ----------
    layer
        The Labels layer.
    """

    def __init__(self, layer: Labels) -> None:
        self.layer = layer
        self.colors = LabelColors(layer)

    def write(self, label_map: NDArray[np.int32], place: tuple[slice, slice]) -> None:
        """Write a part of the label map, and show it."""
        data = self.layer.data
        target = data[place]
        rows, columns = np.nonzero(target != label_map)
        if not len(rows):
            return
        if self.layer.visible and label_map.size * 2 < data.size:
            # napari's only public way to send a part of a Labels layer to the graphics card.
            self.layer.data_setitem(
                (rows + place[0].start, columns + place[1].start),
                label_map[rows, columns],
            )
        else:
            target[:] = label_map
            self.layer.refresh(extent=False, highlight=False)


def _write_differences(layer: Labels, values: NDArray[np.uint8]) -> None:
    # Several times faster than `nonzero` of two dimensions.
    rows, columns = np.divmod(np.flatnonzero(layer.data != values), values.shape[1])
    if layer.visible and 0 < len(rows) < _FEW_DIFFERENCES * values.size:
        # napari then sends a part of the picture to the graphics card.
        layer.data_setitem((rows, columns), values[rows, columns])
    elif len(rows):
        np.copyto(layer.data, values)
        layer.refresh(extent=False, highlight=False)


def _put(layer: Layer, placing: Mapping[str, Any]) -> None:
    for name, value in placing.items():
        # Units are objects in a layer and may be names here.
        if [str(each) for each in getattr(layer, name)] != [str(each) for each in value]:
            setattr(layer, name, value)


def one_color(color: tuple[float, float, float, float]) -> Any:
    """Return a colormap that shows all labels in one colour."""
    from napari.utils.colormaps import DirectLabelColormap

    return DirectLabelColormap(color_dict={0: (0.0, 0.0, 0.0, 0.0), None: color})


def _placing(pixel_size: float, role: str) -> dict[str, Any]:
    return {
        "scale": (pixel_size, pixel_size),
        "axis_labels": ("y", "x"),
        "units": ("micrometer", "micrometer"),
        "metadata": {ROLE_KEY: role},
    }


def _white(layout: Layout) -> NDArray[np.uint8]:
    return np.full((*layout.shape, 3), 255, np.uint8)
