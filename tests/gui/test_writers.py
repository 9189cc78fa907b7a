"""napari's writers, called as npe2 calls them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from npe2 import PluginManager, io_utils
from PIL import Image as Picture

from histoloom.errors import WriteError
from histoloom.generators.texture import TextureRecipe
from histoloom.gui.canvas import Canvas
from histoloom.gui.live import live_weaving_of
from histoloom.gui.readers import layout_layer
from histoloom.gui.writers import layout_of_layer, pixel_size_of
from histoloom.layouts import Layout, Nucleus, Outline, load_layout
from histoloom.tiles.looks import Look
from histoloom.tiles.samples import embedded_sample


def write(path: Path, *layers) -> list[str]:
    return io_utils.write(str(path), list(layers), plugin_name="histoloom")


@pytest.fixture
def current(viewer: ViewerModel, monkeypatch) -> Iterator[ViewerModel]:
    """The viewer, as the one that napari calls current."""
    import napari

    monkeypatch.setattr(napari, "current_viewer", lambda: viewer)
    return viewer


@pytest.fixture
def overlapping(canvas: Canvas) -> Layout:
    above = Nucleus.create(4, Outline.ellipse((30.0, 28.0), (9.0, 9.0)), "tumor", 3)
    canvas.change("add", {4: above})
    return canvas.layout


@pytest.mark.parametrize("ending", ["geojson", "tif"])
def test_the_layout_layer_is_saved_with_what_lies_hidden(current, canvas, overlapping, tmp_path, ending):
    paths = write(tmp_path / f"case.{ending}", canvas.layout_layer())

    assert paths == [str(tmp_path / f"case.{ending}")]
    assert load_layout(paths[0]).equals(overlapping)


def test_a_labels_layer_that_was_read_is_saved_from_its_table(layout, tmp_path):
    data, options, _ = layout_layer(layout, "case")
    (path,) = write(tmp_path / "case.geojson", Labels(data, **options))

    assert load_layout(path).equals(layout)


def test_a_labels_layer_that_was_painted_is_saved_as_it_looks(layout, tmp_path):
    data, options, _ = layout_layer(layout, "case")
    layer = Labels(data.copy(), **options)
    layer.data[80:90, 80:90] = 9

    (path,) = write(tmp_path / "case.tif", layer)
    saved = load_layout(path)

    assert len(saved.nuclei) == 4
    assert saved.pixel_size == layout.pixel_size
    assert saved.nuclei[1].class_name == "epithelial"


def test_any_labels_layer_can_become_a_layout():
    mask = np.zeros((40, 40), np.uint8)
    mask[5:15, 5:15] = mask[20:30, 20:30] = 1
    layer = Labels(mask, scale=(500, 500), units=("nanometer", "nanometer"))
    data, meta, _ = layer.as_layer_data_tuple()

    layout = layout_of_layer(data, meta)

    assert len(layout.nuclei) == 2
    assert layout.pixel_size == 0.5
    assert pixel_size_of({"scale": (2.0, 2.0), "units": ("pixel", "pixel")}) == 0.25


def test_the_canvas_is_exported_with_the_real_tile_where_nothing_is_woven(current, canvas, tmp_path):
    from histoloom.tiles import Tile

    pixels = np.full((*canvas.layout.shape, 3), 180, np.uint8)
    canvas.set_tile(Tile.from_array(pixels, 0.5), "real")

    paths = write(tmp_path / "case.json", *canvas.viewer.layers)

    names = {Path(each).name for each in paths}
    assert names == {"case.png", "case_labels.tif", "case.geojson", "case.coco.json", "case.json"}
    record = json.loads((tmp_path / "case.json").read_text())
    assert record["synthetic"] is False
    assert "not for diagnosis" in record["notice"]
    assert np.array_equal(np.asarray(Picture.open(tmp_path / "case.png")), pixels)
    assert load_layout(tmp_path / "case_labels.tif").equals(canvas.layout)


def test_layers_that_are_not_ours_are_exported_too(layout, tmp_path):
    pixels = np.full((*layout.shape, 3), 120, np.uint8)
    data, options, _ = layout_layer(layout, "case")

    write(tmp_path / "case.json", Image(pixels, rgb=True), Labels(data, **options))

    assert np.array_equal(np.asarray(Picture.open(tmp_path / "case.png")), pixels)
    assert load_layout(tmp_path / "case.geojson").nuclei.keys() == layout.nuclei.keys()


def test_woven_tissue_is_saved_with_its_mark(current, canvas, tmp_path, qtbot):
    layer = canvas.woven_layer()
    with pytest.raises(WriteError, match="weave first"):
        write(tmp_path / "white.png", layer)
    weaving = live_weaving_of(canvas)
    weaving.seed = 5
    weaving.set_look(Look.from_tile(embedded_sample()), "texture", TextureRecipe())
    weaving.weave_once()
    qtbot.waitUntil(lambda: weaving.is_settled, timeout=30_000)
    weaving.seed = 77  # not live: the pixels stay those of seed 5

    (path,) = write(tmp_path / "woven.png", layer)

    text = Picture.open(path).text
    assert text["synthetic"] == "true"
    assert (text["generator"], text["seed"]) == ("texture", "5")
    weaving.close()


def test_a_real_picture_is_not_marked_as_synthetic(current, canvas, tmp_path):
    with pytest.raises(WriteError, match="is not woven tissue"):
        write(tmp_path / "real.png", Image(np.zeros((8, 8, 3), np.uint8), rgb=True))
    assert not list(tmp_path.iterdir())


def test_napari_s_own_writers_stay_the_first_for_plain_images():
    import napari.plugins

    napari.plugins._initialize_plugins()
    writer, _ = PluginManager.instance().get_writer("a.png", ["image"])

    assert writer is not None
    assert writer.command == "napari.write_image"


def test_a_folder_that_cannot_be_written_to_is_said_and_nothing_is_left(current, canvas, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(WriteError, match="cannot be written"):
        write(tmp_path / "file" / "case.json", canvas.layout_layer())
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
