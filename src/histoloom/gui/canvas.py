"""The canvas: one per viewer, owner of the layout, of its one history, and of our few layers."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from histoloom.conditions import AcceptedStructure
from histoloom.gui.brush import Brush
from histoloom.gui.canvas_commands import LayoutCommand, ReplaceCommand
from histoloom.gui.canvas_layers import CENTROIDS, LAYOUT, SKETCH, TISSUE, WOVEN, CanvasLayers, LayoutRaster
from histoloom.gui.centroids import Centroids
from histoloom.gui.comparison import Comparison
from histoloom.gui.edit_session import EditSession
from histoloom.gui.preferences import blank_layout
from histoloom.gui.select_tool import SelectTool
from histoloom.gui.shortcuts import bind_shortcuts
from histoloom.gui.sketch import Sketch
from histoloom.gui.stamp_tool import StampTool
from histoloom.gui.tissue_brush import TissueBrush
from histoloom.gui.tools import Tool
from histoloom.layouts import CommandHistory, Layout, LayoutEdit
from histoloom.layouts.edits import Command
from histoloom.tiles.tile import Tile
from histoloom.window import Window

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Layer

    from histoloom.gui.autosave import Autosave

DEFAULT_SHAPE = (1024, 1024)

_canvases: weakref.WeakKeyDictionary[Any, Canvas] = weakref.WeakKeyDictionary()


def canvas_of(viewer: ViewerModel) -> Canvas:
    """Return the canvas of a viewer, made at the first call; it goes when the viewer goes."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # napari hands plugins a proxy that is new each time
    canvas = _canvases.get(viewer)
    if canvas is None:
        canvas = _canvases[viewer] = Canvas(viewer)
    return canvas


class Canvas:
    """Where people draw. The layout here is the truth; layers only show it and may be deleted without loss.

    Use `canvas_of` to get one.

    Attributes
    ----------
    layout
        The layout as it is now, provisional changes of a stroke or drag included.
    history
        Every edit in any of our layers, for undo and redo.
    accepted_structure
        What a person has accepted in the Structure dock, or None.
    """

    layout_edited = Signal(LayoutEdit, bool)
    """(edit, final): rows before and after since the signal was last sent; final is False while a stroke or drag is
    under way. The last one of a stroke or drag has True, and may be empty."""
    layout_replaced = Signal(Layout)
    """Another layout lies on the canvas: opened, generated, or back by undo."""
    selection_changed = Signal(frozenset)
    """The ids that are selected now."""
    tool_changed = Signal(Tool)
    class_changed = Signal(str)
    outlines_changed = Signal(bool)
    stamp_changed = Signal()
    history_changed = Signal()
    tile_changed = Signal()
    structure_accepted = Signal(AcceptedStructure)
    """Somebody wants this structure as the condition of what is woven."""
    look_requested = Signal(Tile, str)
    """(tile, name): somebody wants this tile as the look of what is woven."""
    message = Signal(str)
    """A sentence for the person who draws."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self.layout = blank_layout(DEFAULT_SHAPE)
        self.history = CommandHistory()
        self.layers = CanvasLayers(viewer, self._on_layer_created)
        self.tile: Tile | None = None
        self.accepted_structure: AcceptedStructure | None = None
        self.autosave: Autosave | None = None
        self._is_open = False
        self._selection: frozenset[int] = frozenset()
        self._class_name = self.layout.classes[0].name
        self._session: EditSession | None = None
        self._raster: LayoutRaster | None = None
        self._outlines_only = True
        self._tool = Tool.PAN
        self.brush: Brush = Brush(self)
        self.select_tool: SelectTool = SelectTool(self)
        self.stamp_tool: StampTool = StampTool(self)
        self.sketch: Sketch = Sketch(self)
        self.centroids: Centroids = Centroids(self)
        self.tissue: TissueBrush = TissueBrush(self)
        self.comparison: Comparison = Comparison(self)
        bind_shortcuts(self, viewer, None)

    @property
    def viewer(self) -> ViewerModel:
        """The viewer; RuntimeError once it has been closed and forgotten."""
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("The viewer of this canvas has been closed.")
        return viewer

    @property
    def is_open(self) -> bool:
        """Whether a layout has been put on the canvas."""
        return self._is_open

    def open_layout(
        self, layout: Layout, label_map: NDArray[np.int32] | None = None, *, keeps_curves: bool = True
    ) -> None:
        """Put another layout on the canvas; the history starts anew.

        Parameters
        ----------
        layout
            The new layout.
        label_map
            Its rasterization, ``int32 (H, W)``, where that is at hand.
        keeps_curves
            False for a caller who has asked whether the drawn curves may go as well.
        """
        self.sketch.settle()
        self.history.clear()
        self.show_layout(layout, label_map)
        if not keeps_curves:
            self.sketch.clear()
        self.centroids.clear()
        self.history_changed.emit()

    def replace_layout(self, title: str, layout: Layout, label_map: NDArray[np.int32] | None = None) -> None:
        """Put another layout on the canvas as one step of the history.

        Parameters
        ----------
        title
            What the history calls it.
        layout
            The new layout.
        label_map
            Its rasterization, ``int32 (H, W)``, where that has been made in another thread already.
        """
        self.brush.flush()
        self.tissue.flush()
        self.sketch.settle()
        self.push(ReplaceCommand(self, title, self.layout, layout))
        self.show_layout(layout, label_map)

    def show_layout(self, layout: Layout, label_map: NDArray[np.int32] | None = None) -> None:
        """Take another layout over, into our layers and the ears of all listeners."""
        self._cancel_session()
        self.layout = layout
        self._is_open = True
        names = [each.name for each in layout.classes]
        if self._class_name not in names:
            self._class_name = names[0]
        self._selection = frozenset()
        self.layers.place(layout)
        layer = self.layers.find(LAYOUT)
        if layer is None:
            self.layers.layout(layout, label_map)
        else:
            label_map = layout.rasterize() if label_map is None else label_map
            self._recolor()
            if layer.data.shape == label_map.shape:
                layer.data[:] = label_map
                layer.refresh(extent=False, highlight=False)
            else:
                layer.data = label_map
        self.brush.get_ready()
        if self.layers.find(WOVEN) is not None:
            self.layers.woven(layout)
        self.layout_replaced.emit(layout)
        self.selection_changed.emit(self._selection)

    def set_tile(self, tile: Tile, name: str) -> Image:
        """Show a real tile beneath the layout; an untouched canvas takes its size and pixel size."""
        pixel_size = tile.pixel_size or self.layout.pixel_size
        layer = self.layers.tile(list(tile.levels), pixel_size, name)
        self.tile = tile
        fits = (tile.shape, pixel_size) == (self.layout.shape, self.layout.pixel_size)
        if not self.layout.nuclei and not self.history.undoable and not fits:
            self.open_layout(blank_layout(tile.shape, pixel_size))
        self.tile_changed.emit()
        return layer

    def accept_structure(self, accepted: AcceptedStructure) -> None:
        """Keep structure that a person has accepted as the condition for generators that see it."""
        self.accepted_structure = accepted
        self.structure_accepted.emit(accepted)

    def layout_layer(self) -> Labels:
        """Return the Layout layer; one that the user deleted is made again from the table."""
        self._is_open = True
        return self.layers.layout(self.layout)

    def woven_layer(self) -> Image:
        """Return the Woven layer, RGB uint8 of the canvas's size, made (white) if missing."""
        return self.layers.woven(self.layout)

    def begin(self, title: str, draws: bool = True) -> EditSession:
        """Start an edit that is previewed while it is made, such as a drag; see `EditSession`.

        Parameters
        ----------
        title
            What the history will call it.
        draws
            Whether previews are shown in the Layout layer (not where napari has painted already).
        """
        self._cancel_session()
        self._session = EditSession(self, title, draws)
        return self._session

    def apply(
        self,
        edit: LayoutEdit,
        select: Iterable[int] | None = None,
        label_map: NDArray[np.int32] | None = None,
    ) -> None:
        """Make an edit as one step of the history.

        Parameters
        ----------
        edit
            What is done.
        select
            Ids to select afterwards; None leaves the selection.
        label_map
            The whole canvas after the edit, ``int32 (H, W)``, where it has been rasterized in another thread already.
        """
        self.brush.flush()
        if edit.is_empty:
            return
        self._cancel_session()
        self.push_edit(edit)
        self.show_edit(edit, True, label_map=label_map)
        if select is not None:
            self.select(select)

    def change(self, title: str, changes: Mapping[int, Any], select: Iterable[int] | None = None) -> None:
        """Make changes to rows of the table as one step of the history; None deletes a nucleus."""
        self.apply(LayoutEdit.of(title, self.layout, changes), select)

    def push(self, command: Command) -> None:
        """Record a command that has just been made."""
        self.history.push(command)
        self.history_changed.emit()

    def push_edit(self, edit: LayoutEdit) -> None:
        """Record an edit of the layout."""
        self.push(LayoutCommand(self, edit))

    def undo(self) -> None:
        """Take back the latest edit in any of our layers, or the drag that is under way."""
        self._step(self.history.undo, "Undone: {}.", "There is nothing to undo.")

    def redo(self) -> None:
        """Make the latest undone edit again."""
        self._step(self.history.redo, "Done again: {}.", "There is nothing to redo.")

    @property
    def selection(self) -> frozenset[int]:
        """Ids of the selected nuclei; setting it shows them."""
        return self._selection

    def select(self, ids: Iterable[int]) -> None:
        """Select nuclei, and show them in cyan."""
        selection = frozenset(ids) & self.layout.nuclei.keys()
        if selection == self._selection:
            return
        self._selection = selection
        if self._raster is not None and self.layers.find(LAYOUT) is not None:
            self._raster.colors.select(self.layout, self._class_name, selection)
        self.selection_changed.emit(selection)

    @property
    def class_name(self) -> str:
        """Class of the nuclei that are drawn next."""
        return self._class_name

    @class_name.setter
    def class_name(self, name: str) -> None:
        if name == self._class_name or name not in {each.name for each in self.layout.classes}:
            return
        self._class_name = name
        self._recolor()
        self.class_changed.emit(name)

    @property
    def outlines_only(self) -> bool:
        """Whether nuclei are drawn as outlines, so that the tissue inside stays visible."""
        return self._outlines_only

    @outlines_only.setter
    def outlines_only(self, value: bool) -> None:
        if value == self._outlines_only:
            return
        self._outlines_only = value
        layer = self.layers.find(LAYOUT)
        if layer is not None:
            layer.contour = _contour(value)
        self.outlines_changed.emit(value)

    @property
    def tool(self) -> Tool:
        """What a click does; setting it chooses the layer and napari's mode that go with it."""
        return self._tool

    @tool.setter
    def tool(self, tool: Tool) -> None:
        layer: Any
        if tool in {Tool.SKETCH, Tool.CURVE}:
            layer = self.layers.sketch(self.layout)
        elif tool is Tool.CENTROIDS:
            layer = self.layers.centroids(self.layout)
        elif tool is Tool.TISSUE:
            layer = self.tissue.layer()
        else:
            layer = self.layout_layer()
        self._tool = tool  # before the mode, which would otherwise choose a tool of its own
        layer.visible = True
        self.viewer.layers.selection.active = layer
        layer.mode = tool.napari_mode
        self._on_tool_changed()

    def edit_message(self, text: str) -> None:
        """Say something to the person who draws, in the viewer's status bar and to whoever listens."""
        viewer = self._viewer()
        if viewer is not None:
            viewer.status = text
        self.message.emit(text)

    def show_edit(
        self,
        edit: LayoutEdit,
        final: bool,
        draws: bool = True,
        label_map: NDArray[np.int32] | None = None,
    ) -> None:
        """Take an edit over into the layout, the Layout layer and the ears of all listeners."""
        self.layout = edit.applied_to(self.layout)
        if draws:
            self.redraw(edit.window, label_map)
        if self._raster is not None:
            gone = self._selection - self.layout.nuclei.keys()
            if gone:
                self.select(self._selection - gone)
            self._raster.colors.update(self.layout, edit.after, self._class_name, self._selection)
        self.layout_edited.emit(edit, final)

    def redraw(self, window: Window, label_map: NDArray[np.int32] | None = None) -> None:
        """Rasterize a window again from the table (or take it from a ready label map); only differences are sent on."""
        window = window.intersection(self.layout.window)
        layer = self.layers.find(LAYOUT)
        if layer is None:
            self.layout_layer()
        elif layer.data.shape != self.layout.shape:
            layer.data = self.layout.rasterize()
        elif not window.is_empty and self._raster is not None:
            with self.brush.ignoring_paint():
                part = self.layout.rasterize(window) if label_map is None else label_map[window.slices]
                self._raster.write(part, window.slices)

    def label_at(self, position: tuple[float, float]) -> int:
        """Return the id of the visible nucleus at a position in canvas pixels, or 0."""
        y, x = round(position[0]), round(position[1])
        layer = self.layers.find(LAYOUT)
        height, width = self.layout.shape
        if layer is None or not (0 <= y < height and 0 <= x < width):
            return 0
        return int(layer.data[y, x])

    def end_session(self, session: EditSession) -> None:
        """Forget a session that has been committed or cancelled."""
        if self._session is session:
            self._session = None

    def _cancel_session(self) -> None:
        if self._session is not None:
            self._session.cancel()

    def _step(self, step: Callable[[], str | None], done: str, nothing: str) -> None:
        self.brush.flush()
        self.tissue.flush()
        self.sketch.finish_drawing()
        if self._session is not None and self._session.is_previewed:
            self._cancel_session()
            return
        self._cancel_session()
        title = step()
        self.edit_message(nothing if title is None else done.format(title))
        self.history_changed.emit()

    def _recolor(self) -> None:
        if self._raster is not None and self.layers.find(LAYOUT) is not None:
            self._raster.colors.show(self.layout, self._class_name, self._selection)

    def _on_layer_created(self, role: str, layer: Layer) -> None:
        if role == LAYOUT:
            self._raster = LayoutRaster(layer)
            self._recolor()
            layer.contour = _contour(self._outlines_only)
            self.brush.attach(layer)
            self.select_tool.attach(layer)
            self.stamp_tool.attach(layer)
            layer.events.mode.connect(self._on_layout_mode)
        elif role == SKETCH:
            self.sketch.attach(layer)
        elif role == CENTROIDS:
            self.centroids.attach(layer)
        elif role == TISSUE:
            self.tissue.attach(layer)
        bind_shortcuts(self, layer, self._tool)

    def _on_layout_mode(self, event: Any) -> None:
        # The user may have used napari's own buttons.
        tool = Tool.of_napari_mode(str(event.source.mode))
        if tool is not None and tool.napari_mode != self._tool.napari_mode:
            self._tool = tool
            self._on_tool_changed()

    def _on_tool_changed(self) -> None:
        layout_layer = self.layers.find(LAYOUT)
        if layout_layer is not None:
            bind_shortcuts(self, layout_layer, self._tool)
        self.brush.get_ready()
        self.tool_changed.emit(self._tool)


def _contour(outlines_only: bool) -> int:
    return 2 if outlines_only else 0
