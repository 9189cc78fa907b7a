"""The Tiles dock, on small folders made here."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from PIL import Image
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent

from histoloom.errors import LayoutError
from histoloom.gui import sample_buttons, tile_buttons, tile_opening, tiles_dock
from histoloom.gui.canvas import Canvas, canvas_of
from histoloom.gui.canvas_layers import TILE
from histoloom.gui.latest_call import LatestCall
from histoloom.gui.scale_bar import scale_bar_of
from histoloom.gui.slide_view import region_around
from histoloom.gui.status_card import Level
from histoloom.gui.thumbnails import ThumbnailLoader, count_nuclei, make_thumbnail
from histoloom.gui.tile_list import CAPTION_ROLE, PART_ROLE
from histoloom.gui.tiles_dock import TilesDock
from histoloom.layouts import Layout, Nucleus, Outline
from histoloom.layouts.label_formats import LabelSource
from histoloom.layouts.tile_folders import TilePair, open_tile_folder
from histoloom.tiles.samples import PUBLIC_SAMPLES
from histoloom.tiles.tile import Tile
from histoloom.window import Window

SHAPE = (48, 64)
COUNTED = ["1 nucleus", "2 nuclei", "3 nuclei", "4 nuclei"]


def tissue(seed: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).integers(120, 255, (*shape, 3), np.uint8)


def label_map(nuclei: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    labels = np.zeros(shape, np.uint16)
    for index in range(nuclei):
        labels[4:10, 4 + 10 * index : 10 + 10 * index] = index + 1
    return labels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four tiles of two patients with 1, 2, 3 and 4 nuclei."""
    root = tmp_path / "tiles"
    for name in ("images", "labels", "types"):
        (root / name).mkdir(parents=True)
    rows = ["id,patient"]
    for index in range(1, 5):
        name = f"tile_{index}"
        Image.fromarray(tissue(index)).save(root / "images" / f"{name}.png")
        tifffile.imwrite(root / "labels" / f"{name}.tif", label_map(index))
        classes = {str(label): "epithelial" for label in range(1, index + 1)}
        (root / "types" / f"{name}.json").write_text(json.dumps(classes))
        rows.append(f"{name},{'AB'[index % 2]}")
    (root / "meta.csv").write_text("\n".join(rows))
    return root


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """napari's list of recent folders, for this test alone."""
    recent: list[str] = []
    monkeypatch.setattr(tiles_dock, "update_open_history", recent.append)
    monkeypatch.setattr(tile_buttons, "get_open_history", lambda: [each.rstrip("/") for each in recent] or ["/"])
    return recent


@pytest.fixture
def dock(qtbot: Any, viewer: ViewerModel, history: list[str]) -> TilesDock:
    dock = TilesDock(viewer)  # type: ignore[arg-type]
    qtbot.addWidget(dock)
    dock.resize(420, 800)
    dock.show()
    return dock


@pytest.fixture
def listed(qtbot: Any, dock: TilesDock, folder: Path) -> TilesDock:
    """The dock with the folder of four tiles."""
    dock.open_path(folder)
    qtbot.waitUntil(lambda: len(dock.model.pairs) == 4)
    return dock


def canvas(dock: TilesDock) -> Canvas:
    return dock.canvas


def open_and_wait(qtbot: Any, dock: TilesDock, key: str) -> None:
    with qtbot.waitSignal(dock.placer.placed):
        dock.open_tile(key)


def draw(canvas: Canvas) -> None:
    key = canvas.layout.next_id()
    canvas.change("Draw a nucleus", {key: Nucleus.create(key, Outline.ellipse((30.0, 30.0), (5.0, 4.0)))})


def captions(dock: TilesDock) -> list[list[str]]:
    return [dock.model.data(dock.model.index(row, 0), CAPTION_ROLE) for row in range(dock.model.rowCount())]


def test_a_folder_is_listed_and_its_format_is_said(listed: TilesDock, folder: Path, history: list[str]) -> None:
    assert listed.views.shown_ids == ["tile_1", "tile_2", "tile_3", "tile_4"]
    assert listed.description.text().startswith("tiles: 4 tiles with label maps (TIFF), classes from JSON, 2 patients")
    assert listed.status.level is Level.OK
    assert history == [f"{folder}/"]


def test_thumbnails_and_counts_of_nuclei_arrive_by_themselves(qtbot: Any, listed: TilesDock) -> None:
    qtbot.waitUntil(lambda: [each[1] for each in captions(listed)] == COUNTED)
    icon = listed.model.data(listed.model.index(0, 0), Qt.ItemDataRole.DecorationRole)
    assert icon.availableSizes()[0].width() == SHAPE[1]
    assert captions(listed)[0][2] == "patient B"
    qtbot.waitUntil(lambda: listed.model.loader.waiting == 0)


def test_opening_puts_tile_and_layout_on_the_canvas(qtbot: Any, listed: TilesDock, viewer: ViewerModel) -> None:
    open_and_wait(qtbot, listed, "tile_3")
    layout = canvas(listed).layout
    assert len(layout.nuclei) == 3
    assert {each.class_name for each in layout.nuclei.values()} == {"epithelial"}
    assert np.array_equal(canvas(listed).layers.find(TILE).data, tissue(3))
    assert np.array_equal(canvas(listed).layout_layer().data, label_map(3))
    assert not canvas(listed).history.undoable
    assert scale_bar_of(viewer).visible
    assert "48 × 64 pixels" in listed.status.text
    assert "3 nuclei" in listed.status.text


def test_the_tile_layer_is_reused_from_tile_to_tile(qtbot: Any, listed: TilesDock, viewer: ViewerModel) -> None:
    open_and_wait(qtbot, listed, "tile_1")
    layers = list(viewer.layers)
    open_and_wait(qtbot, listed, "tile_2")
    assert list(viewer.layers) == layers
    assert canvas(listed).layers.find(TILE).name == "tile_2"


def test_a_double_click_opens_a_tile(qtbot: Any, listed: TilesDock) -> None:
    grid = listed.views.grid
    qtbot.waitUntil(lambda: grid.visualRect(listed.views.proxy.index(1, 0)).isValid())
    center = grid.visualRect(listed.views.proxy.index(1, 0)).center()
    with qtbot.waitSignal(listed.placer.placed):
        qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=center)
        qtbot.mouseDClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=center)
        qtbot.mouseRelease(grid.viewport(), Qt.MouseButton.LeftButton, pos=center)
    assert canvas(listed).layers.find(TILE).name == "tile_2"


def test_next_and_previous_follow_the_filter_and_stop_at_the_ends(qtbot: Any, listed: TilesDock) -> None:
    open_and_wait(qtbot, listed, "tile_1")
    listed.views.filter_box.setText("B")
    assert listed.views.shown_ids == ["tile_1", "tile_3"]
    assert listed.views.count_label.text() == "2 of 4"
    with qtbot.waitSignal(listed.placer.placed):
        listed.buttons.next.click()
    assert listed.views.selected_id == "tile_3"
    listed.step(1)
    assert "'tile_3' is the last of 2 tiles" in listed.status.text
    with qtbot.waitSignal(listed.placer.placed):
        listed.buttons.previous.click()
    assert listed.views.selected_id == "tile_1"


def test_of_many_quick_steps_only_the_last_tile_is_placed(qtbot: Any, listed: TilesDock) -> None:
    placed: list[str] = []
    listed.placer.placed.connect(lambda each: placed.append(each.opened.name))
    for _ in range(4):
        listed.step(1)
    qtbot.waitUntil(lambda: bool(placed))
    qtbot.wait(100)
    assert placed == ["tile_4"]


def test_edits_are_replaced_only_after_a_question(qtbot: Any, listed: TilesDock) -> None:
    open_and_wait(qtbot, listed, "tile_1")
    draw(canvas(listed))
    drawn = canvas(listed).layout
    listed.open_tile("tile_2")
    qtbot.waitUntil(lambda: bool(listed.question.text))
    assert "1 edit, the latest 'Draw a nucleus'" in listed.question.text
    assert canvas(listed).layout is drawn
    assert canvas(listed).layers.find(TILE).name == "tile_1"

    listed.question.no.click()
    assert canvas(listed).layout is drawn
    assert not listed.question.isVisible()
    assert "kept" in listed.status.text

    listed.open_tile("tile_2")
    qtbot.waitUntil(lambda: bool(listed.question.text))
    listed.question.yes.click()
    assert len(canvas(listed).layout.nuclei) == 2
    assert canvas(listed).layers.find(TILE).name == "tile_2"


def test_a_newer_tile_withdraws_an_unanswered_question(qtbot: Any, listed: TilesDock) -> None:
    open_and_wait(qtbot, listed, "tile_1")
    draw(canvas(listed))
    listed.open_tile("tile_2")
    qtbot.waitUntil(lambda: "tile_2" in listed.question.text)
    listed.open_tile("tile_4")
    assert listed.question.text == ""
    qtbot.waitUntil(lambda: "tile_4" in listed.question.text)
    listed.question.yes.click()
    assert len(canvas(listed).layout.nuclei) == 4


def test_without_its_labels_a_tile_leaves_the_layout_alone(qtbot: Any, listed: TilesDock) -> None:
    open_and_wait(qtbot, listed, "tile_1")
    draw(canvas(listed))
    drawn = canvas(listed).layout
    listed.buttons.labels_box.setChecked(False)
    open_and_wait(qtbot, listed, "tile_2")
    assert canvas(listed).layout is drawn
    assert canvas(listed).layers.find(TILE).name == "tile_2"
    assert not listed.question.text


def test_labels_of_another_size_are_said_and_the_tile_still_opens(qtbot: Any, listed: TilesDock, folder: Path) -> None:
    tifffile.imwrite(folder / "labels" / "tile_1.tif", label_map(1, (20, 20)))
    open_and_wait(qtbot, listed, "tile_1")
    assert listed.status.level is Level.ATTENTION
    assert "without its labels" in listed.status.text
    assert "20 x 20" in listed.status.text
    assert canvas(listed).layers.find(TILE).name == "tile_1"
    assert not canvas(listed).layout.nuclei
    assert canvas(listed).layout.shape == SHAPE


def test_labels_that_do_not_fit_are_seen_in_the_list(qtbot: Any, dock: TilesDock, folder: Path) -> None:
    tifffile.imwrite(folder / "labels" / "tile_1.tif", label_map(1, (20, 20)))
    dock.open_path(folder)
    qtbot.waitUntil(lambda: bool(captions(dock)) and captions(dock)[0][1] == "labels unusable")
    assert "20 x 20" in dock.model.data(dock.model.index(0, 0), Qt.ItemDataRole.ToolTipRole)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.mkdir(), "holds no tiles"),
        (lambda path: None, "does not exist"),
    ],
)
def test_a_folder_without_tiles_is_explained(
    qtbot: Any, listed: TilesDock, tmp_path: Path, make: Callable[[Path], None], sentence: str
) -> None:
    make(tmp_path / "empty")
    listed.open_path(tmp_path / "empty")
    qtbot.waitUntil(lambda: listed.status.level is Level.ERROR)
    assert sentence in listed.status.text
    assert len(listed.model.pairs) == 4


def test_a_folder_with_no_pairs_says_so_and_is_listed(qtbot: Any, dock: TilesDock, tmp_path: Path) -> None:
    Image.fromarray(tissue(1)).save(tmp_path / "alone.png")
    dock.open_path(tmp_path)
    qtbot.waitUntil(lambda: dock.status.level is Level.ATTENTION)
    assert "None of the 1 pictures has labels" in dock.status.text
    assert dock.views.shown_ids == ["alone"]


def test_a_damaged_picture_is_one_sentence_and_the_canvas_stays(qtbot: Any, listed: TilesDock, folder: Path) -> None:
    open_and_wait(qtbot, listed, "tile_1")
    path = folder / "images" / "tile_2.png"
    path.write_bytes(path.read_bytes()[:300])
    before = canvas(listed).layout
    listed.open_tile("tile_2")
    qtbot.waitUntil(lambda: listed.status.level is Level.ERROR)
    assert "damaged or cut off" in listed.status.text
    assert canvas(listed).layout is before


def test_a_single_file_is_listed_and_opened(qtbot: Any, dock: TilesDock, folder: Path) -> None:
    with qtbot.waitSignal(dock.placer.placed):
        dock.open_path(folder / "images" / "tile_2.png")
    assert dock.views.shown_ids == ["tile_2"]
    assert canvas(dock).layout.shape == SHAPE


def test_a_dropped_folder_is_listed(qtbot: Any, dock: TilesDock, folder: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder))])
    buttons = (Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, data, *buttons)
    dock.dragEnterEvent(enter)
    assert enter.isAccepted()
    dock.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, *buttons))
    qtbot.waitUntil(lambda: len(dock.model.pairs) == 4)


def test_recent_folders_can_be_chosen_again(qtbot: Any, listed: TilesDock, folder: Path) -> None:
    listed.model.show_folder(None)
    listed.folder_buttons.menu.aboutToShow.emit()
    actions = listed.folder_buttons.menu.actions()
    assert [each.text() for each in actions] == [str(folder)]
    actions[0].trigger()
    qtbot.waitUntil(lambda: len(listed.model.pairs) == 4)


def test_the_split_is_shown_for_every_tile(listed: TilesDock) -> None:
    heard: list[dict[str, list[str]]] = []
    listed.split_changed.connect(heard.append)
    listed.split.way.setCurrentIndex(2)
    assert listed.folder is not None
    fractions = {"train": 0.7, "validation": 0.15, "test": 0.15}
    assert heard[-1] == listed.folder.split("tile", fractions, 0)
    parts = {
        each.id: listed.model.data(listed.model.index(row, 0), PART_ROLE) for row, each in enumerate(listed.model.pairs)
    }
    assert parts == {key: part for part, ids in heard[-1].items() for key in ids}
    listed.views.filter_box.setText("validation")
    assert listed.views.shown_ids == heard[-1]["validation"]
    listed.split.seed.setValue(3)
    assert heard[-1] == listed.folder.split("tile", fractions, 3)


def test_a_split_that_cannot_be_is_explained(listed: TilesDock) -> None:
    listed.split.way.setCurrentIndex(1)
    assert listed.status.level is Level.ATTENTION
    assert "2 patients cannot be split into 3 parts" in listed.status.text
    listed.split.shares["test"].setValue(0)
    assert listed.status.level is Level.OK


def test_the_table_sorts_by_number_of_nuclei(qtbot: Any, listed: TilesDock) -> None:
    qtbot.waitUntil(lambda: [each[1] for each in captions(listed)] == COUNTED)
    listed.views.table_button.setChecked(True)
    listed.views.table.sortByColumn(3, Qt.SortOrder.DescendingOrder)
    assert listed.views.shown_ids == ["tile_4", "tile_3", "tile_2", "tile_1"]


def test_a_pixel_size_can_be_given_where_files_have_none(qtbot: Any, listed: TilesDock) -> None:
    listed.buttons.size_box.setValue(0.5)
    open_and_wait(qtbot, listed, "tile_1")
    assert canvas(listed).layout.pixel_size == 0.5
    assert tuple(canvas(listed).layers.find(TILE).scale) == (0.5, 0.5)


def test_the_selected_tile_is_offered_as_look_without_opening_it(qtbot: Any, listed: TilesDock) -> None:
    heard: list[tuple[Tile, str]] = []
    listed.look_chosen.connect(lambda tile, name: heard.append((tile, name)))
    listed.views.select("tile_2")
    listed.buttons.look.click()
    qtbot.waitUntil(lambda: bool(heard))
    assert heard[0][1] == "tile_2"
    assert np.array_equal(heard[0][0].read(), tissue(2))
    assert canvas(listed).tile is None


def test_the_colon_sample_opens_under_its_honest_name(qtbot: Any, dock: TilesDock) -> None:
    with qtbot.waitSignal(dock.placer.placed, timeout=20_000):
        dock.samples.colon.click()
    assert canvas(dock).layers.find(TILE).name == "Colon, haematoxylin and DAB recoloured as eosin"
    assert canvas(dock).layout.shape == (512, 512)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A local server of the sample that goes on only when the event is set."""
    gate = threading.Event()
    root = tmp_path / "served"
    root.mkdir()
    name = sample_buttons.FETCHED_SAMPLE
    tifffile.imwrite(root / name, tissue(5, (400, 500)), photometric="rgb")

    class Handler(SimpleHTTPRequestHandler):
        def copyfile(self, source: Any, outputfile: Any) -> None:
            outputfile.write(source.read(100_000))
            outputfile.flush()
            gate.wait(10)
            try:
                outputfile.write(source.read())
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sample = replace(
        PUBLIC_SAMPLES[name],
        sha256=hashlib.sha256((root / name).read_bytes()).hexdigest(),
        source=f"http://127.0.0.1:{server.server_port}/",
    )
    monkeypatch.setitem(PUBLIC_SAMPLES, name, sample)
    monkeypatch.setenv("HISTOLOOM_CACHE", str(tmp_path / "cache"))
    yield gate
    gate.set()
    server.shutdown()
    server.server_close()


def test_fetching_a_sample_shows_progress_and_then_the_tile(
    qtbot: Any, dock: TilesDock, served: threading.Event
) -> None:
    dock.samples.fetch.click()
    qtbot.waitUntil(lambda: dock.samples.bar.value() > 0)
    assert dock.samples.bar.isVisible()
    with qtbot.waitSignal(dock.placer.placed):
        served.set()
    assert not dock.samples.bar.isVisible()
    assert canvas(dock).layers.find(TILE).name == "CMU-1-Small-Region"


def test_a_cancelled_download_leaves_nothing_behind(
    qtbot: Any, dock: TilesDock, served: threading.Event, tmp_path: Path
) -> None:
    dock.samples.fetch.click()
    qtbot.waitUntil(lambda: dock.samples.bar.value() > 0)
    dock.samples.cancel.click()
    assert not dock.samples.bar.isVisible()
    assert "stopped" in dock.status.text
    served.set()
    qtbot.waitUntil(lambda: not list((tmp_path / "cache").iterdir()))
    assert canvas(dock).tile is None


@pytest.fixture
def slide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pyramid that counts as a slide here."""
    monkeypatch.setattr(tile_opening, "MOST_CANVAS_PIXELS", 500 * 500)
    pixels = tissue(9, (1200, 1600))
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(
            pixels, photometric="rgb", tile=(256, 256), subifds=1, resolution=(20_000, 20_000), resolutionunit=3
        )
        writer.write(pixels[::4, ::4], photometric="rgb", tile=(256, 256), subfiletype=1)
    return path


def test_a_slide_is_shown_whole_and_never_becomes_a_label_map(
    qtbot: Any, listed: TilesDock, viewer: ViewerModel, slide: Path
) -> None:
    open_and_wait(qtbot, listed, "tile_2")
    draw(canvas(listed))
    drawn = canvas(listed).layout
    listed.open_path(slide)
    qtbot.waitUntil(lambda: listed.slide.layer is not None)
    assert listed.question.text == ""
    assert canvas(listed).layout is drawn
    assert viewer.layers[0] is listed.slide.layer
    assert "1,200 × 1,600" in listed.status.text
    assert not canvas(listed).layout_layer().visible


def test_a_region_of_a_slide_becomes_the_canvas_in_its_true_surroundings(
    qtbot: Any, dock: TilesDock, viewer: ViewerModel, slide: Path
) -> None:
    dock.open_path(slide)
    qtbot.waitUntil(lambda: dock.slide.layer is not None)
    dock.buttons.region_box.setCurrentIndex(0)
    layer = dock.slide.layer
    assert layer is not None
    viewer.scene.camera.center = (0.0, *(np.array([700, 900]) * np.asarray(layer.scale)))
    window = dock.slide.visible_window(512)
    assert max(window.shape) <= 512
    center_before = layer.world_to_data(viewer.scene.camera.center[-2:])
    with qtbot.waitSignal(dock.placer.placed):
        dock.buttons.crop.click()
    expected = tissue(9, (1200, 1600))[window.slices]
    assert np.array_equal(canvas(dock).layers.find(TILE).data, expected)
    assert canvas(dock).layout.shape == window.shape
    assert canvas(dock).layout.pixel_size == pytest.approx(0.5)
    assert layer.data_to_world((window.y0, window.x0)) == pytest.approx((0.0, 0.0))
    assert layer.world_to_data(viewer.scene.camera.center[-2:]) == pytest.approx(center_before)


def test_a_region_replaces_edits_only_after_a_question(qtbot: Any, dock: TilesDock, slide: Path) -> None:
    dock.open_path(slide)
    qtbot.waitUntil(lambda: dock.slide.layer is not None)
    with qtbot.waitSignal(dock.placer.placed):
        dock.crop_view()
    draw(canvas(dock))
    dock.crop_view()
    qtbot.waitUntil(lambda: bool(dock.question.text))
    dock.question.no.click()
    assert len(canvas(dock).layout.nuclei) == 1


@pytest.mark.parametrize(
    ("center", "seen", "expected"),
    [
        ((50.0, 50.0), (20.0, 30.0), Window(40, 35, 60, 65)),
        ((0.0, -40.0), (20.0, 20.0), Window(0, 0, 20, 20)),
        ((95.0, 500.0), (20.0, 20.0), Window(80, 180, 100, 200)),
        ((50.0, 100.0), (1e6, 1e6), Window(10, 60, 90, 140)),
        ((50.0, 100.0), (1.0, 1.0), Window(45, 95, 55, 105)),
    ],
)
def test_a_region_lies_inside_the_slide(
    center: tuple[float, float], seen: tuple[float, float], expected: Window
) -> None:
    assert region_around(center, seen, (100, 200), most=80, least=10) == expected


def test_a_thumbnail_is_taken_from_the_smallest_level_that_is_large_enough(slide: Path) -> None:
    thumbnail, shape = make_thumbnail(slide, 100)
    assert thumbnail.shape == (75, 100, 3)
    assert shape == (1200, 1600)


def test_nuclei_are_counted_without_tracing_and_wrong_sizes_are_refused(folder: Path) -> None:
    source = LabelSource("tiff", folder / "labels" / "tile_3.tif")
    assert count_nuclei(source, SHAPE) == 3
    with pytest.raises(LayoutError, match="same size"):
        count_nuclei(source, (10, 10))
    assert count_nuclei(LabelSource("coco", folder / "x.json"), SHAPE) is None


def test_the_tile_asked_for_last_is_made_first(qtbot: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from histoloom.gui import thumbnails

    gate, order = threading.Event(), []

    def slowly(path: Path, side: int) -> Any:
        order.append(path.stem)
        gate.wait(10)
        return make_thumbnail(path, side)

    monkeypatch.setattr(thumbnails, "make_thumbnail", slowly)
    loader = ThumbnailLoader()
    pairs = open_tile_folder(folder).pairs
    arrived: list[str] = []
    loader.picture_ready.connect(lambda key, _image: arrived.append(key))
    for pair in pairs[:2]:
        loader.request(pair)
    qtbot.waitUntil(lambda: len(order) == 2)  # both threads are busy now
    loader.request(pairs[2])
    loader.request(pairs[3])
    gate.set()
    qtbot.waitUntil(lambda: len(arrived) == 4)
    assert order[2:] == ["tile_4", "tile_3"]


def test_answers_for_a_former_folder_are_dropped(qtbot: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from histoloom.gui import thumbnails

    gate, begun = threading.Event(), threading.Event()

    def slowly(path: Path, side: int) -> Any:
        begun.set()
        gate.wait(10)
        return make_thumbnail(path, side)

    monkeypatch.setattr(thumbnails, "make_thumbnail", slowly)
    loader = ThumbnailLoader()
    arrived: list[str] = []
    loader.picture_ready.connect(lambda key, _image: arrived.append(key))
    for pair in open_tile_folder(folder).pairs:
        loader.request(pair)
    assert begun.wait(5)
    loader.cancel()
    assert loader.waiting == 0
    gate.set()
    qtbot.wait(150)
    assert arrived == []


def test_a_picture_that_cannot_be_read_is_a_sentence_in_the_list(qtbot: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    loader = ThumbnailLoader()
    with qtbot.waitSignal(loader.picture_ready) as heard:
        loader.request(TilePair("empty", tmp_path / "empty.png"))
    assert "is empty" in heard.args[1]


def test_the_answer_of_a_call_that_was_cancelled_is_dropped(qtbot: Any) -> None:
    call, gate, heard = LatestCall(), threading.Event(), []
    call.start(lambda: gate.wait(10), heard.append, heard.append)
    assert call.is_busy
    call.cancel()
    gate.set()
    call.start(lambda: "newer", heard.append, heard.append)
    qtbot.waitUntil(lambda: bool(heard))
    assert heard == ["newer"]
    assert not call.is_busy


def test_the_dock_works_in_a_real_window(make_napari_viewer: Any, qtbot: Any, folder: Path, history: list[str]) -> None:
    viewer = make_napari_viewer()
    dock = TilesDock(viewer)
    viewer.window.add_dock_widget(dock, name="Tiles")
    dock.open_path(folder)
    qtbot.waitUntil(lambda: len(dock.model.pairs) == 4)
    open_and_wait(qtbot, dock, "tile_2")
    assert canvas_of(viewer) is dock.canvas
    assert len(dock.canvas.layout.nuclei) == 2
    assert dock.canvas.layout.equals(Layout.from_label_map(label_map(2), 0.25, {1: "epithelial", 2: "epithelial"}))


@pytest.mark.realdata
def test_real_tiles_are_listed_with_their_counts(qtbot: Any, dock: TilesDock, shared_data: Path) -> None:
    dock.open_path(shared_data / "tnbc_p01-08")
    qtbot.waitUntil(lambda: len(dock.model.pairs) == 37)
    qtbot.waitUntil(
        lambda: bool(captions(dock)) and captions(dock)[0] == ["01_1", "69 nuclei", "patient 01"], timeout=20_000
    )


def test_a_split_is_saved_as_a_table(listed: TilesDock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not listed.split.save.isEnabled()
    listed.split.shares["validation"].setValue(0)
    listed.split.way.setCurrentIndex(1)
    target = tmp_path / "split.csv"
    monkeypatch.setattr(tiles_dock.QFileDialog, "getSaveFileName", lambda *_, **__: (str(target), ""))

    listed.split.save.click()

    rows = [line.split(",") for line in target.read_text(encoding="utf-8").splitlines()]
    assert rows[0] == ["id", "patient", "split"]
    assert [row[:2] for row in rows[1:]] == [["tile_1", "B"], ["tile_2", "A"], ["tile_3", "B"], ["tile_4", "A"]]
    assert {row[1]: row[2] for row in rows[1:]}.keys() == {"A", "B"}
    assert sorted({row[2] for row in rows[1:]}) == ["test", "train"]
    assert listed.status.text == "The split was saved as 'split.csv'."


def test_a_split_that_cannot_be_saved_is_said(listed: TilesDock, tmp_path: Path, monkeypatch) -> None:
    listed.split.way.setCurrentIndex(2)
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "split.csv"
    monkeypatch.setattr(tiles_dock.QFileDialog, "getSaveFileName", lambda *_, **__: (str(target), ""))

    listed.split.save.click()

    assert listed.status.level is Level.ERROR
    assert "cannot be written" in listed.status.text
