"""Export of the canvas: what it writes, what it says, and the menus' entries around it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from PIL import Image
from pytestqt.qtbot import QtBot

from histoloom import __version__
from histoloom.errors import LayoutError, WriteError
from histoloom.generators import weave
from histoloom.generators.texture import TextureRecipe
from histoloom.gui import menus
from histoloom.gui.canvas import Canvas, canvas_of
from histoloom.gui.export import CanvasContents, Weaving, contents_of, export_canvas, files_of_export
from histoloom.gui.live import live_weaving_of
from histoloom.gui.preferences import Preferences, _from_settings, in_palette, preferences, preferred_cache_folder
from histoloom.gui.readers import layout_layer, tile_layer
from histoloom.layouts import DEFAULT_CLASSES, Layout, layout_from_coco, layout_from_geojson, load_layout
from histoloom.tiles import Look, Tile, embedded_sample


@pytest.fixture(scope="module")
def look() -> Look:
    tile = embedded_sample()
    return Look.from_tile(Tile.from_array(tile.read()[:200, :200].copy(), tile.pixel_size))


@pytest.fixture
def weaving(look: Look) -> Weaving:
    return Weaving(look, "texture", TextureRecipe(cytoplasm=0.5), 8)


@pytest.fixture
def said(monkeypatch) -> list[str]:
    """What napari is asked to tell people."""
    sentences: list[str] = []
    monkeypatch.setattr(menus, "show_info", sentences.append)
    monkeypatch.setattr(menus, "show_error", sentences.append)
    return sentences


@pytest.mark.parametrize("image_format", ["png", "tif"])
def test_woven_tissue_is_exported_with_the_bytes_of_the_library(layout, weaving, tmp_path, image_format):
    paths = export_canvas(CanvasContents(layout, weaving), tmp_path, "case", image_format)

    assert set(paths) == {"image", "labels", "geojson", "coco", "record"}
    assert paths["image"].name == f"case_seed8.{image_format}"
    expected = weave(layout, weaving.look, recipe=weaving.recipe, seed=8).image
    if image_format == "png":
        picture = Image.open(paths["image"])
        pixels, facts = np.asarray(picture), dict(picture.text)
        assert facts["synthetic"] == "true"
    else:
        with tifffile.TiffFile(paths["image"]) as tiff:
            pixels, facts = tiff.asarray(), json.loads(tiff.pages[0].description)
        assert facts["synthetic"] is True
    assert np.array_equal(pixels, expected)
    assert str(facts["seed"]) == "8"
    assert (facts["generator"], facts["histoloom_version"]) == ("texture", __version__)
    assert "not for diagnosis" in facts["notice"]
    record = json.loads(paths["record"].read_text())
    assert record["synthetic"] is True
    assert record["recipe"]["cytoplasm"] == 0.5
    assert record["look_sha256"] == weaving.look.sha256


def test_outlines_are_exported_with_classes_as_qupath_reads_them(layout, weaving, tmp_path):
    paths = export_canvas(CanvasContents(layout, weaving), tmp_path, "case")

    document = json.loads(paths["geojson"].read_text())
    assert document["type"] == "FeatureCollection"
    named = {each["properties"]["classification"]["name"] for each in document["features"]}
    assert named == {"epithelial", "inflammatory", "spindle"}
    assert all(len(each["properties"]["classification"]["color"]) == 3 for each in document["features"])
    assert layout_from_geojson(paths["geojson"]).nuclei.keys() == layout.nuclei.keys()
    assert load_layout(paths["labels"]).equals(layout)
    coco = json.loads(paths["coco"].read_text())
    assert coco["images"][0]["file_name"] == paths["image"].name
    assert len(coco["annotations"]) == 3
    assert layout_from_coco(coco) is not None


def test_an_export_takes_what_is_on_the_canvas(canvas: Canvas, look: Look):
    live = live_weaving_of(canvas)
    assert contents_of(canvas).weaving is None

    live.set_look(look, "texture", TextureRecipe())
    live.seed = 3
    canvas.woven_layer()
    contents = contents_of(canvas)
    live.close()

    assert contents.layout is canvas.layout
    assert contents.weaving == Weaving(look, "texture", TextureRecipe(), 3)


def test_a_real_tile_stays_real_until_something_is_woven(canvas: Canvas, look: Look, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (*canvas.layout.shape, 3), np.uint8)
    canvas.set_tile(Tile.from_array(pixels, 0.5), "annotated")
    live = live_weaving_of(canvas)
    live.set_look(look, "texture", TextureRecipe())
    contents = contents_of(canvas)
    live.close()

    assert contents.weaving is None
    assert contents.subject == "the real tile and its layout"
    paths = export_canvas(contents, tmp_path, "case")
    assert np.array_equal(np.asarray(Image.open(paths["image"])), pixels)
    assert json.loads(paths["record"].read_text())["synthetic"] is False


@pytest.mark.parametrize("is_woven", [True, False])
@pytest.mark.parametrize("coco", [True, False])
def test_the_names_of_an_export_are_known_before_it(layout, weaving, tmp_path, is_woven, coco):
    tile = Tile.from_array(np.full((*layout.shape, 3), 170, np.uint8))
    contents = CanvasContents(layout, weaving if is_woven else None, tile)

    names = files_of_export(contents, "case", coco=coco)
    export_canvas(contents, tmp_path, "case", coco=coco)

    assert names == sorted(each.name for each in tmp_path.iterdir())


def test_a_failed_export_of_a_real_tile_keeps_the_former_one_whole(layout, tmp_path, monkeypatch):
    from histoloom.gui import export

    former = CanvasContents(layout, tile=Tile.from_array(np.full((*layout.shape, 3), 170, np.uint8)))
    export_canvas(former, tmp_path, "case")
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "layout_to_coco", full_disk)
    other = CanvasContents(layout, tile=Tile.from_array(np.full((*layout.shape, 3), 90, np.uint8)))
    with pytest.raises(WriteError, match="No space left"):
        export_canvas(other, tmp_path, "case")

    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_files_that_are_there_are_replaced_only_after_a_question(
    viewer: ViewerModel, canvas: Canvas, said, qtbot: QtBot, tmp_path, monkeypatch
):
    from qtpy.QtWidgets import QFileDialog, QMessageBox

    (tmp_path / "case_labels.tif").write_bytes(b"precious")
    (tmp_path / "case.geojson").write_bytes(b"precious, too")
    asked: list[str] = []
    answers = [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]

    def answer(_parent, _title, text, *_buttons):
        asked.append(text)
        return answers.pop(0)

    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / "case.json"), ""))
    monkeypatch.setattr(QMessageBox, "question", answer)

    menus.export_canvas_to_folder(viewer)
    assert asked[0].startswith("'case.geojson' and 1 more of this export are in")
    assert said == ["Nothing was exported and nothing was replaced; export again with another name."]
    assert (tmp_path / "case_labels.tif").read_bytes() == b"precious"
    assert len(list(tmp_path.iterdir())) == 2

    menus.export_canvas_to_folder(viewer)
    qtbot.waitUntil(lambda: len(said) == 2, timeout=20_000)
    assert load_layout(tmp_path / "case_labels.tif").equals(canvas.layout)


def test_a_tile_of_another_size_is_left_out(layout, tmp_path):
    tile = Tile.from_array(np.zeros((7, 9, 3), np.uint8))

    paths = export_canvas(CanvasContents(layout, tile=tile), tmp_path, "case")

    assert "image" not in paths
    assert json.loads(paths["record"].read_text())["tile_provenance"] is None


def test_a_canvas_that_is_too_large_is_refused_before_memory_is_taken(weaving, tmp_path):
    huge = Layout.empty((100_000, 100_000))
    for contents in (CanvasContents(huge, weaving), CanvasContents(huge)):
        with pytest.raises(LayoutError, match="100000 x 100000"):
            export_canvas(contents, tmp_path, "case")
    assert not list(tmp_path.iterdir())


def test_a_failed_export_leaves_nothing_half_written(layout, weaving, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError):
        export_canvas(CanvasContents(layout, weaving), tmp_path / "file", "case")
    with pytest.raises(WriteError):
        export_canvas(CanvasContents(layout), tmp_path, "../case")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_exporting_in_the_background_says_for_research(canvas: Canvas, said, qtbot: QtBot, tmp_path):
    worker = menus.start_export(contents_of(canvas), tmp_path / "case.json")
    qtbot.waitUntil(lambda: bool(said), timeout=20_000)

    assert worker is not None
    assert said == [
        f"4 files of the layout without a picture were exported to '{tmp_path}'. For research, not for diagnosis."
    ]
    assert (tmp_path / "case_labels.tif").exists()


def test_a_failed_export_in_the_background_is_said(canvas: Canvas, said, qtbot: QtBot, tmp_path):
    (tmp_path / "file").write_text("")
    menus.start_export(contents_of(canvas), tmp_path / "file" / "case.json")
    qtbot.waitUntil(lambda: bool(said), timeout=20_000)

    assert "cannot be written" in said[0]


def test_a_labels_layer_becomes_the_layout_and_undo_brings_the_former_back(viewer: ViewerModel, canvas: Canvas, said):
    former = canvas.layout
    other = Layout.from_nuclei([former.nuclei[2].moved(5, 5)], former.shape, former.pixel_size)
    data, options, _ = layout_layer(other, "other")
    viewer.layers.selection.active = viewer.add_labels(data, **options)

    menus.use_as_layout(viewer)
    assert canvas.layout.equals(other)

    canvas.undo()
    assert canvas.layout.equals(former)
    assert not said


def test_an_image_becomes_the_tile(viewer: ViewerModel, canvas: Canvas, said):
    data, options, _ = tile_layer(Tile.from_array(np.zeros((30, 40, 3), np.uint8), 0.5), "one")
    viewer.layers.selection.active = viewer.add_image(data, **options)
    menus.use_as_tile(viewer)
    assert canvas.tile is options["metadata"]["histoloom_tile"]

    viewer.layers.selection.active = viewer.add_image(np.zeros((30, 40, 4), np.uint8), rgb=True, name="two")
    menus.use_as_tile(viewer)
    assert canvas.tile is not None
    assert canvas.tile.shape == (30, 40)
    assert not said


def test_a_selection_that_does_not_serve_is_said(viewer: ViewerModel, canvas: Canvas, said):
    viewer.layers.selection.clear()
    menus.use_as_layout(viewer)
    menus.use_as_tile(viewer)
    viewer.layers.selection.active = viewer.add_image(np.zeros((30, 40)), name="grey")
    menus.use_as_tile(viewer)

    assert len(said) == 3
    assert all(each.endswith(".") for each in said)


def test_an_empty_canvas_has_nothing_to_export(viewer: ViewerModel, said):
    menus.export_canvas_to_folder(viewer)

    assert said[0].startswith("There is nothing on the canvas yet")


def test_preferences_are_read_where_napari_has_them():
    from types import SimpleNamespace as Section

    settings = Section(
        weaving=Section(device="cpu", live_delay_ms=200, generator=" texture "),
        canvas=Section(palette="muted"),
        files=Section(cache_folder=" ~/samples "),
    )

    assert _from_settings(settings) == Preferences("cpu", 200, Path.home() / "samples", "muted", "texture")


def test_preferences_have_defaults_where_napari_has_none(monkeypatch):
    import napari.settings

    monkeypatch.delattr(napari.settings, "get_plugin_settings", raising=False)

    assert preferences() == Preferences()


def test_napari_makes_our_preferences_from_the_manifest(tmp_path):
    settings = pytest.importorskip("napari.settings")
    if not hasattr(settings, "get_plugin_settings"):
        pytest.skip("this napari has no preferences for plugins")

    assert preferences() == Preferences()


def test_the_environment_overrides_the_preferred_cache_folder(monkeypatch, tmp_path):
    import histoloom.gui.preferences as module

    monkeypatch.setattr(module, "preferences", lambda: Preferences(cache_folder=tmp_path))
    assert preferred_cache_folder() == tmp_path

    monkeypatch.setenv("HISTOLOOM_CACHE", str(tmp_path / "other"))
    assert preferred_cache_folder() is None


def test_palettes_give_each_class_a_colour_of_its_own():
    for name in ("bright", "muted"):
        classes = in_palette(DEFAULT_CLASSES, name)
        assert [each.name for each in classes] == [each.name for each in DEFAULT_CLASSES]
        assert len({each.color for each in classes}) == len(classes)
    assert in_palette(DEFAULT_CLASSES, "Okabe-Ito") == DEFAULT_CLASSES


def test_a_new_canvas_has_the_colours_of_the_preferred_palette(viewer: ViewerModel, monkeypatch):
    import histoloom.gui.preferences as module

    monkeypatch.setattr(module, "preferences", lambda: Preferences(palette="muted"))

    assert canvas_of(viewer).layout.classes == in_palette(DEFAULT_CLASSES, "muted")
