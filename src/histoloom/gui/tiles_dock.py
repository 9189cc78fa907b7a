"""The Tiles dock: browse a folder of tiles, and put one with its labels on the canvas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.history import update_open_history
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QKeySequence, QShortcut
from qtpy.QtWidgets import QFileDialog, QLabel, QVBoxLayout, QWidget
from superqt import QCollapsible

from histoloom.errors import HistoloomError
from histoloom.gui.canvas import canvas_of
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.nuclei_panel import NucleiPanel
from histoloom.gui.question_card import QuestionCard
from histoloom.gui.sample_buttons import SampleButtons
from histoloom.gui.slide_view import SlideView
from histoloom.gui.split_controls import SplitControls
from histoloom.gui.status_card import Level, StatusCard
from histoloom.gui.tile_buttons import FolderButtons, TileButtons
from histoloom.gui.tile_list import TileListModel
from histoloom.gui.tile_opening import ListedFolder, OpenedTile, list_path, open_listed_tile
from histoloom.gui.tile_placing import Placement, TilePlacer
from histoloom.gui.tile_views import TileViews
from histoloom.layouts.split_files import save_split
from histoloom.layouts.tile_folders import TileFolder
from histoloom.tiles.sentences import one_line
from histoloom.tiles.tile import Tile
from histoloom.window import Window

if TYPE_CHECKING:
    from napari.viewer import Viewer

PREVIOUS_KEY, NEXT_KEY = "Ctrl+PgUp", "Ctrl+PgDown"

_EMPTY = "Drop a folder of tiles or a picture here,\nor choose one above."


class TilesDock(QWidget):
    """Browses a folder with thumbnails and puts tile and layout on the canvas.

    Parameters
    ----------
    napari_viewer
        The viewer whose canvas is used.
    """

    look_chosen = Signal(Tile, str)
    """(tile, name): a tile shall lend its look to what is woven."""
    split_changed = Signal(dict)
    """Ids of each part of the split; empty while nothing is split."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.canvas = canvas_of(napari_viewer)
        self.slide = SlideView(self.canvas.viewer)
        self.folder: TileFolder | None = None
        self.status = StatusCard()
        self.question = QuestionCard()
        self.placer = TilePlacer(self.canvas, self.slide, self.question, self)
        self._listing, self._opening, self._look = LatestCall(self), LatestCall(self), LatestCall(self)
        self._shown: OpenedTile | None = None
        self._wanted = ""
        self._build()
        self._connect()
        self.setAcceptDrops(True)
        self.status.show_status(Level.OK, "Choose a folder of tiles, or one of the samples.")
        self._enable()

    def open_path(self, path: str | Path) -> None:
        """List a folder, or list and open a single picture; both are read in the background."""
        path = Path(path).expanduser()
        self._forget_opening()
        self.status.show_status(Level.WORKING, f"Looking into '{path.name}'…")
        self._listing.start(lambda: list_path(path), lambda listed: self._on_listed(path, listed), self._on_error)

    def open_tile(self, key: str) -> None:
        """Open a tile of the listed folder by its id, and its labels if that is ticked."""
        folder = self._folder_as_read
        if folder is None or not key:
            self.status.show_status(Level.ATTENTION, "No tile is selected; choose a folder and click a tile first.")
            return
        with_labels = self.buttons.with_labels
        self._forget_opening()
        self._wanted = key
        self.views.select(key)
        self.status.show_status(Level.WORKING, f"Opening '{key}'…")
        self._opening.start(
            lambda: open_listed_tile(folder, key, with_labels=with_labels),
            lambda opened: self._on_opened(opened, keeps_layout=not with_labels),
            self._on_error,
        )

    def step(self, by: int) -> None:
        """Open the next tile (1) or the previous one (-1) of those that pass the filter."""
        ids = self.views.shown_ids
        if not ids:
            self.status.show_status(Level.ATTENTION, "There are no tiles to go through; choose a folder first.")
            return
        current = self._wanted if self._wanted in ids else self.views.selected_id
        place = ids.index(current) + by if current in ids else 0
        if 0 <= place < len(ids):
            self.open_tile(ids[place])
        else:
            end = "last" if by > 0 else "first"
            self.status.show_status(Level.OK, f"'{current}' is the {end} of {len(ids)} tiles.")

    def use_as_look(self) -> None:
        """Offer the selected tile as look; of the slide that is shown, the region in view."""
        key, folder, slide, shown = self.views.selected_id, self._folder_as_read, self.slide.tile, self._shown
        if slide is not None and self.slide.layer is not None and key in {"", self.slide.name}:
            window = self.slide.visible_window(self.buttons.region_side)
            self._start_look(lambda: _region(slide, window, self.slide.name))
        elif shown is not None and not shown.is_slide and key in {"", shown.name}:
            self._on_look(shown)
        elif folder is not None and key:
            self._start_look(lambda: open_listed_tile(folder, key, with_labels=False))
        else:
            self.status.show_status(Level.ATTENTION, "No tile is selected; click the one whose look you want.")

    def crop_view(self) -> None:
        """Make the part of the slide that is in view the canvas."""
        slide = self.slide.tile
        if slide is None or self.slide.layer is None:
            self.status.show_status(Level.ATTENTION, "No slide is shown; open one and go to the tissue that you want.")
            return
        window = self.slide.visible_window(self.buttons.region_side)
        name = f"{self.slide.name} at {window.y0}, {window.x0}"
        self._forget_opening()
        self.status.show_status(Level.WORKING, "Reading the region in view…")
        self._opening.start(
            lambda: _region(slide, window, name),
            lambda opened: self.placer.offer(Placement(opened, region=window)),
            self._on_error,
        )

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept folders and files."""
        if _dropped_path(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped."""
        path = _dropped_path(event)
        if path is not None:
            event.acceptProposedAction()
            self.open_path(path)

    @property
    def _folder_as_read(self) -> TileFolder | None:
        """The folder with the pixel size that is set in the dock."""
        size = self.buttons.pixel_size
        return self.folder if self.folder is None or size is None else replace(self.folder, pixel_size=size)

    def _build(self) -> None:
        self.model = TileListModel(parent=self)
        self.views = TileViews(self.model, _EMPTY)
        self.folder_buttons = FolderButtons()
        self.buttons = TileButtons(PREVIOUS_KEY, NEXT_KEY)
        self.nuclei = NucleiPanel(self.canvas)
        self.split = SplitControls()
        self.samples = SampleButtons()
        self.description = QLabel()
        self.description.setTextFormat(Qt.TextFormat.PlainText)
        self.description.setWordWrap(True)
        self.description.hide()
        folded = QCollapsible("Split for training")
        folded.setDuration(0)
        folded.addWidget(self.split)
        column = QVBoxLayout(self)
        column.addWidget(self.folder_buttons)
        column.addWidget(self.description)
        column.addWidget(self.views, 1)
        column.addWidget(self.buttons)
        column.addWidget(self.nuclei)
        column.addWidget(folded)
        column.addWidget(self.samples)
        column.addWidget(self.question)
        column.addWidget(self.status)

    def _connect(self) -> None:
        self.folder_buttons.chosen.connect(self.open_path)
        self.views.activated.connect(self.open_tile)
        self.views.selected.connect(lambda _key: self._enable())
        self.buttons.previous.clicked.connect(lambda: self.step(-1))
        self.buttons.open.clicked.connect(lambda: self.open_tile(self.views.selected_id))
        self.buttons.next.clicked.connect(lambda: self.step(1))
        self.buttons.look.clicked.connect(self.use_as_look)
        self.buttons.crop.clicked.connect(self.crop_view)
        self.nuclei.told.connect(self.status.show_status)
        self.split.changed.connect(self._on_split)
        self.split.save_asked.connect(self._on_save_split)
        self.samples.said.connect(lambda text: self.status.show_status(Level.WORKING, text))
        self.samples.stopped.connect(lambda text: self.status.show_status(Level.OK, text))
        self.samples.opened.connect(self._on_sample)
        self.samples.fetched.connect(self.open_path)
        self.samples.failed.connect(self._on_error)
        self.placer.placed.connect(self._on_placed)
        self.placer.declined.connect(self._on_declined)
        self.placer.asked.connect(
            lambda: self.status.show_status(Level.ATTENTION, "Nothing is replaced until you answer the question above.")
        )
        for key, by in ((PREVIOUS_KEY, -1), (NEXT_KEY, 1)):
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.activated.connect(lambda by=by: self.step(by))

    def _enable(self) -> None:
        self.buttons.enable(
            tile=bool(self.views.selected_id),
            tiles=bool(self.model.pairs),
            look=bool(self.views.selected_id) or self._shown is not None,
            slide=self.slide.layer is not None,
        )

    def _forget_opening(self) -> None:
        self._opening.cancel()
        self.placer.forget()

    def _on_listed(self, path: Path, listed: ListedFolder) -> None:
        folder = self.folder = listed.folder
        self._wanted = ""
        self.model.show_folder(folder, listed.stamps)
        update_open_history(f"{folder.path}/")
        self.description.setText(f"{path.name}: {folder.description}.")
        self.description.show()
        unlabelled = all(pair.labels is None for pair in folder.pairs)
        if not path.is_dir():
            self.open_tile(folder.ids[0])
        elif unlabelled:
            self.status.show_status(
                Level.ATTENTION,
                f"None of the {len(folder.pairs)} pictures has labels of the same name, so tiles open with an empty "
                "layout; labels belong into folders 'images' and 'labels'.",
            )
        else:
            self.status.show_status(Level.OK, "Double-click a tile to put it on the canvas.")
        self._on_split()
        self._enable()

    def _on_split(self) -> None:
        split: dict[str, list[str]] = {}
        try:
            split = self.split.split(self.folder)
        except HistoloomError as error:
            self.status.show_status(Level.ATTENTION, str(error))
        if split:
            parts = ", ".join(f"{len(ids)} {part}" for part, ids in split.items())
            self.status.show_status(Level.OK, f"Split into {parts}.")
        self.model.show_split(split)
        self.split_changed.emit(split)

    def _on_save_split(self) -> None:
        folder = self.folder
        if folder is None:
            self.status.show_status(Level.ATTENTION, "There is nothing to split; choose a folder first.")
            return
        try:
            split = self.split.split(folder)
            suggested = str(folder.path.with_name(f"{folder.path.name}_split.csv"))
            name, _ = QFileDialog.getSaveFileName(self, "Save the split", suggested, "Tables (*.csv)")
            if name:
                saved = save_split(folder, split, name)
                self.status.show_status(Level.OK, f"The split was saved as '{saved.name}'.")
        except HistoloomError as error:
            self._on_error(error)

    def _on_sample(self, tile: Tile, name: str) -> None:
        self._forget_opening()
        self._wanted = ""
        self.views.select("")
        self.placer.offer(Placement(OpenedTile(tile, name)))

    def _on_opened(self, opened: OpenedTile, *, keeps_layout: bool) -> None:
        if not opened.is_slide:
            self.placer.offer(Placement(opened, keeps_layout))
            return
        self.placer.show_slide(opened)
        self._shown = opened
        height, width = opened.tile.shape
        self.status.show_status(
            Level.OK,
            f"'{opened.name}' is a slide of {height:,} × {width:,} pixels; go to the tissue that you want and click "
            "'Crop view to canvas'.",
        )
        self._enable()

    def _on_placed(self, placement: Placement) -> None:
        opened = self._shown = placement.opened
        layout = opened.layout
        height, width = opened.tile.shape
        if layout is not None:
            self.model.set_count(opened.name, len(layout.nuclei))
        if opened.problem:
            self.status.show_status(Level.ATTENTION, opened.problem)
        elif placement.keeps_layout and self.canvas.layout.shape != opened.tile.shape:
            rows, columns = self.canvas.layout.shape
            self.status.show_status(
                Level.ATTENTION,
                f"'{opened.name}' has {height} × {width} pixels and the layout, which was kept, {rows} × {columns}; "
                "tick the labels and open it again for a layout that fits.",
            )
        else:
            nuclei = f", {len(layout.nuclei):,} nuclei" if layout is not None else ""
            size = opened.tile.pixel_size
            scale = f"{size:.3g} µm per pixel" if size else f"{self.canvas.layout.pixel_size} µm per pixel assumed"
            self.status.show_status(Level.OK, f"'{opened.name}': {height} × {width} pixels, {scale}{nuclei}.")
        self._enable()

    def _on_declined(self, placement: Placement) -> None:
        self.status.show_status(Level.OK, f"The canvas was kept as it is; '{placement.opened.name}' was not opened.")

    def _on_error(self, error: Exception) -> None:
        known = isinstance(error, HistoloomError)
        text = str(error) if known else f"That failed unexpectedly ({type(error).__name__}: {one_line(error)})."
        self.status.show_status(Level.ERROR, text)

    def _start_look(self, opening: Callable[[], OpenedTile]) -> None:
        self.status.show_status(Level.WORKING, "Reading the look…")
        self._look.start(opening, self._on_look, self._on_error)

    def _on_look(self, opened: OpenedTile) -> None:
        if opened.is_slide:
            self.status.show_status(
                Level.ATTENTION,
                f"'{opened.name}' is a slide; open it and go to typical tissue, whose look is then taken.",
            )
            return
        self.status.show_status(Level.OK, f"The look of '{opened.name}' is used for weaving.")
        self.look_chosen.emit(opened.tile, opened.name)
        self.canvas.look_requested.emit(opened.tile, opened.name)


def _region(slide: Tile, window: Window, name: str) -> OpenedTile:
    return OpenedTile(Tile((slide.read(window),), slide.pixel_size, slide.provenance), name)


def _dropped_path(event: QDropEvent) -> Path | None:
    paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
    return paths[0] if paths else None
