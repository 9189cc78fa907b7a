"""Trained bundles in the Weave dock: listed, dropped, woven with, exported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import napari
import numpy as np
import pytest
from napari.components import ViewerModel
from PIL import Image
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from safetensors.numpy import save_file

from histoloom.conditions import AcceptedStructure, StructureLabelsEncoding
from histoloom.generators import weave
from histoloom.generators.bundles import BundleRecipe
from histoloom.gui.canvas import Canvas
from histoloom.gui.canvas_layers import WOVEN
from histoloom.gui.export import contents_of, export_canvas
from histoloom.gui.generator_chooser import GeneratorChooser
from histoloom.gui.readers import get_bundle_reader
from histoloom.gui.status_card import Level
from histoloom.gui.weave_dock import WeaveDock
from histoloom.models import ConditionFacts, NamedLookFacts
from histoloom.tiles import Look, NamedLook
from histoloom.tiles.samples import embedded_sample
from small_bundles import small_bundle, small_loom

PATIENCE_MS = 240_000


@pytest.fixture(scope="module")
def named_look() -> NamedLook:
    return NamedLook.of("breast", Look.from_tile(embedded_sample()).stains, (0.5,))


@pytest.fixture(autouse=True)
def own_bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named_look: NamedLook) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("HISTOLOOM_MODELS", str(folder))
    small_bundle(folder / "mine.safetensors", looks=(NamedLookFacts.of(named_look),))
    (folder / "broken.safetensors").write_bytes(b"nothing")
    return folder


@pytest.fixture
def dock(viewer: ViewerModel, canvas: Canvas, qtbot: QtBot) -> Iterator[WeaveDock]:
    dock = WeaveDock(viewer)
    qtbot.addWidget(dock)
    yield dock
    dock.close_weaving()


def settled(dock: WeaveDock) -> bool:
    return dock.weaving.look is not None and dock.weaving.is_settled


def dragged(path: Path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    return data


def drop(dock: WeaveDock, path: Path) -> bool:
    """Drag a file onto the dock and let it go; returns whether the dock would take it."""
    data = dragged(path)
    action, button, keys = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(5, 5), action, data, button, keys)
    enter.ignore()
    dock.dragEnterEvent(enter)
    if enter.isAccepted():
        dock.dropEvent(QDropEvent(QPointF(5, 5), action, data, button, keys))
    return enter.isAccepted()


def test_all_generators_are_listed_by_their_titles(dock: WeaveDock) -> None:
    titles = [dock.generator.itemText(index) for index in range(dock.generator.count())]
    assert "mine (pix2pix, 1,200 steps)" in titles
    assert "broken ⚠" in titles
    assert titles[-1] == "Add a bundle…"


def test_a_damaged_one_is_explained_and_not_chosen(dock: WeaveDock) -> None:
    before = dock.generator.reference
    dock.generator.choose("broken")
    assert "not a bundle" in dock.card.text
    assert dock.generator.reference == before
    assert dock.generator.currentData() == before


def test_a_default_generator_that_is_not_there_is_explained(
    viewer: ViewerModel, canvas: Canvas, own_bundles: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    for said, sentence in (("lom", "There is no generator called 'lom'; choose one of"), ("broken", "is not a bundle")):
        monkeypatch.setenv("HISTOLOOM_GENERATOR", said)
        dock = WeaveDock(viewer)
        qtbot.addWidget(dock)
        assert dock.card.level is Level.ATTENTION
        assert dock.card.text.startswith(
            "The texture weaver was chosen because the generator that HISTOLOOM_GENERATOR names cannot be used: "
        )
        assert sentence in dock.card.text
        assert dock.generator.reference == dock.generator.currentData() == "texture"
        dock.close_weaving()


def test_a_bundles_file_outside_ones_own_folder_can_be_the_default(
    viewer: ViewerModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    path = small_bundle(tmp_path / "elsewhere.safetensors")
    monkeypatch.setenv("HISTOLOOM_GENERATOR", str(path))
    chooser = GeneratorChooser()
    qtbot.addWidget(chooser)
    assert (chooser.reference, chooser.refusal) == (str(path), "")
    assert chooser.currentText() == "elsewhere (pix2pix, 1,200 steps)"
    path.unlink()
    chooser.renew()
    assert chooser.reference == "texture"
    assert "There is no file 'elsewhere.safetensors'" in chooser.refusal


def test_a_bundle_weaves_live_with_a_look_by_name_and_exports_the_same_bytes(
    dock: WeaveDock, canvas: Canvas, named_look: NamedLook, tmp_path: Path, qtbot: QtBot
) -> None:
    dock.generator.choose("mine")
    dock.looks.choose_named("breast")
    assert dock.weaving.look == named_look
    dock.live.setChecked(True)
    qtbot.waitUntil(lambda: canvas.layers.find(WOVEN) is not None and settled(dock), timeout=PATIENCE_MS)
    expected = weave(canvas.layout, named_look, generator="mine").image
    np.testing.assert_array_equal(canvas.layers.find(WOVEN).data, expected)

    labels = np.zeros(canvas.layout.shape, np.uint8)
    labels[10:30] = 255
    accepted = AcceptedStructure(labels, StructureLabelsEncoding(), labels > 0)
    canvas.accept_structure(accepted)
    seen = weave(canvas.layout, named_look, generator="mine", structure=accepted).image
    qtbot.waitUntil(lambda: settled(dock) and np.array_equal(canvas.layers.find(WOVEN).data, seen), timeout=PATIENCE_MS)
    paths = export_canvas(contents_of(canvas), tmp_path / "out", "case")
    np.testing.assert_array_equal(np.asarray(Image.open(paths["image"])), seen)
    assert all(path.is_file() for path in paths.values())

    dock.generator.choose("texture")
    assert "breast (by name)" not in [dock.looks.combo.itemText(i) for i in range(dock.looks.combo.count())]
    qtbot.waitUntil(lambda: isinstance(dock.weaving.look, Look) and settled(dock), timeout=PATIENCE_MS)


def test_the_wrong_pixel_size_is_explained_and_rescaling_mends_it(
    dock: WeaveDock, canvas: Canvas, named_look: NamedLook, own_bundles: Path, qtbot: QtBot
) -> None:
    small_bundle(own_bundles / "coarse.safetensors", pixel_size=1.0, looks=(NamedLookFacts.of(named_look),))
    dock.generator.renew()
    dock.generator.choose("coarse")
    dock.looks.choose_named("breast")
    dock.live.setChecked(True)
    qtbot.waitUntil(lambda: "Rescale" in dock.card.text, timeout=PATIENCE_MS)
    assert dock.form is not None
    dock.form.fields["rescale"].value = True
    qtbot.waitUntil(lambda: canvas.layers.find(WOVEN) is not None and settled(dock), timeout=PATIENCE_MS)
    expected = weave(canvas.layout, named_look, generator="coarse", recipe=BundleRecipe(rescale=True)).image
    np.testing.assert_array_equal(canvas.layers.find(WOVEN).data, expected)


def test_a_bundle_dropped_onto_the_dock_is_checked_copied_and_chosen(
    dock: WeaveDock, tmp_path: Path, own_bundles: Path, qtbot: QtBot
) -> None:
    assert drop(dock, small_bundle(tmp_path / "dropped.safetensors"))
    qtbot.waitUntil(lambda: dock.generator.reference == "dropped", timeout=PATIENCE_MS)
    assert (own_bundles / "dropped.safetensors").is_file()
    assert "was added to your bundles" in dock.card.text
    assert dock.form is not None
    assert "rescale" in dock.form.fields
    assert not drop(dock, tmp_path / "picture.png")


def _foreign(path: Path) -> None:
    save_file({"a": np.ones(1, np.float32)}, path)


def _newer(path: Path) -> None:
    header = '{"schema_version": 99, "histoloom_version": "9.1"}'
    save_file({"a": np.ones(1, np.float32)}, path, metadata={"histoloom": header})


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (_foreign, "not written by histoloom"),
        (_newer, "histoloom 9.1; update"),
        (lambda path: path.write_bytes(b"nothing"), "not a bundle, or damaged"),
        (lambda path: small_bundle(path, kind="segmenter"), "holds a segmenter and not a generator"),
    ],
)
def test_a_file_that_cannot_be_used_gets_its_sentence(
    dock: WeaveDock, tmp_path: Path, own_bundles: Path, write, sentence: str, qtbot: QtBot
) -> None:
    write(tmp_path / "other.safetensors")
    drop(dock, tmp_path / "other.safetensors")
    qtbot.waitUntil(lambda: sentence in dock.card.text, timeout=PATIENCE_MS)
    assert dock.card.level is Level.ATTENTION
    assert not (own_bundles / "other.safetensors").exists()


def test_a_bundle_dropped_onto_the_viewer_goes_to_the_dock(
    dock: WeaveDock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    path = str(small_bundle(tmp_path / "dropped.safetensors"))
    window = SimpleNamespace(add_plugin_dock_widget=lambda plugin, name: (None, dock))
    monkeypatch.setattr(napari, "current_viewer", lambda: SimpleNamespace(window=window))
    assert get_bundle_reader(str(tmp_path / "tile.png")) is None
    reader = get_bundle_reader(path)
    assert reader is not None
    assert reader(path) == [(None,)]
    qtbot.waitUntil(lambda: dock.generator.reference == "dropped", timeout=PATIENCE_MS)


def test_a_bundle_that_this_version_cannot_read_does_not_keep_the_dock_from_opening(qtbot, tmp_path, monkeypatch):
    later = ConditionFacts(encoding="later", channels=3, settings={"name": "later", "recipe": {}})
    (tmp_path / "models").mkdir()
    small_loom(tmp_path / "models" / "from_later.safetensors", condition=later)
    monkeypatch.setenv("HISTOLOOM_MODELS", str(tmp_path / "models"))

    chooser = GeneratorChooser()
    qtbot.addWidget(chooser)

    texts = [chooser.itemText(index) for index in range(chooser.count())]
    assert "from_later ⚠" in texts
    assert chooser.reference == "texture"
