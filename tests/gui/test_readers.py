"""napari's readers, called as npe2 calls them."""

from __future__ import annotations

from pathlib import Path

import dask.array
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from npe2 import PluginManifest, io_utils
from PIL import Image

from histoloom.errors import LayoutError, TileError
from histoloom.gui.readers import LAYOUT_KEY, TILE_KEY, get_layout_reader, get_tile_reader
from histoloom.gui.scale_bar import scale_bar_of
from histoloom.layouts import Layout, save_layout


def read(path: Path) -> list:
    return io_utils.read([str(path)], plugin_name="histoloom", stack=False)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (90, 70, 3), np.uint8)


def pyramid(path: Path, side: int = 2048) -> Path:
    full = np.full((side, side, 3), 200, np.uint8)
    options = {"photometric": "rgb", "tile": (256, 256), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(full, subifds=2, resolution=(20_000, 20_000), **options)
        tiff.write(full[::2, ::2], subfiletype=1, resolution=(10_000, 10_000), **options)
        tiff.write(full[::4, ::4], subfiletype=1, resolution=(5_000, 5_000), **options)
    return path


def test_a_png_becomes_an_rgb_image_at_the_assumed_pixel_size(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "tile.png")

    ((data, options, kind),) = read(tmp_path / "tile.png")

    assert kind == "image"
    assert np.array_equal(data, pixels)
    assert options["rgb"] is True
    assert options["units"] == ("micrometer", "micrometer")
    assert options["scale"] == (0.25, 0.25)
    assert options["name"] == "tile"


def test_a_slide_becomes_lazy_levels_scaled_in_micrometres(tmp_path):
    ((data, options, kind),) = read(pyramid(tmp_path / "slide.tif"))

    assert kind == "image"
    assert options["multiscale"] is True
    assert [level.shape[0] for level in data][:3] == [2048, 1024, 512]
    assert all(isinstance(level, dask.array.Array) for level in data)
    assert options["scale"] == pytest.approx((0.5, 0.5))
    assert options["units"] == ("micrometer", "micrometer")
    assert options["axis_labels"] == ("y", "x")
    assert "file_sha256" in options["metadata"][TILE_KEY].provenance


def test_napari_makes_a_layer_of_what_is_read(tmp_path, layout):
    viewer = ViewerModel()
    for path in (pyramid(tmp_path / "slide.tif"), save_layout(layout, tmp_path / "case.geojson")):
        for data, options, kind in read(path):
            getattr(viewer, f"add_{kind}")(data, **options)

    slide, labels = viewer.layers
    assert slide.multiscale
    assert tuple(slide.scale) == pytest.approx((0.5, 0.5))
    assert [str(unit) for unit in labels.units] == ["micrometer", "micrometer"]


def test_the_scale_bar_is_switched_on_where_the_size_is_known(tmp_path, monkeypatch, pixels):
    import napari

    viewer = ViewerModel()
    monkeypatch.setattr(napari, "current_viewer", lambda: viewer)
    Image.fromarray(pixels).save(tmp_path / "tile.png")
    read(tmp_path / "tile.png")
    assert not scale_bar_of(viewer).visible

    read(pyramid(tmp_path / "slide.tif"))
    assert scale_bar_of(viewer).visible


@pytest.mark.parametrize("name", ["case.tif", "case.geojson", "case.layout.json"])
def test_a_layout_becomes_labels_that_remember_their_table(tmp_path, layout: Layout, name):
    save_layout(layout, tmp_path / name.replace(".layout.json", ".tif"))

    ((data, options, kind),) = read(tmp_path / name)

    assert kind == "labels"
    assert np.array_equal(data, layout.rasterize())
    assert options["metadata"][LAYOUT_KEY].equals(layout)
    assert options["name"] == "case"
    assert options["scale"] == (layout.pixel_size,) * 2


def test_pictures_and_label_maps_of_the_same_ending_are_told_apart(tmp_path, pixels):
    tifffile.imwrite(tmp_path / "tile.tif", pixels, photometric="rgb")
    tifffile.imwrite(tmp_path / "grey.tif", pixels[..., 0])
    tifffile.imwrite(tmp_path / "ids.tif", pixels[..., 0].astype(np.int32))
    tifffile.imwrite(tmp_path / "tile_labels.tif", (pixels[..., 0] > 99).astype(np.uint16))

    for name, is_layout in (("tile", False), ("grey", False), ("ids", True), ("tile_labels", True)):
        path = str(tmp_path / f"{name}.tif")
        assert (get_layout_reader(path) is not None) == is_layout, name
        assert (get_tile_reader(path) is None) == is_layout, name


def test_label_maps_of_unknown_origin_say_what_was_found(tmp_path, monkeypatch):
    import histoloom.gui.readers as readers

    said: list[str] = []
    monkeypatch.setattr(readers, "_notify", said.append)
    mask = np.zeros((60, 60), np.uint8)
    mask[5:20, 5:20] = mask[30:50, 30:50] = 255
    tifffile.imwrite(tmp_path / "nuclei_mask.tif", mask)

    ((data, _, _),) = read(tmp_path / "nuclei_mask.tif")

    assert data.max() == 2
    assert len(said) == 1
    assert "mask" in said[0]


def test_several_files_become_several_layers(tmp_path, pixels):
    for name in ("a", "b"):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    paths = [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    reader = get_tile_reader(paths)

    assert reader is not None
    assert [options["name"] for _, options, _ in reader(paths)] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("empty.png", b"", TileError),
        ("cut.svs", b"II*\0\x08\0\0\0", TileError),
        ("cut_labels.tif", b"II*\0\x08\0\0\0", LayoutError),
        ("text.geojson", b"[", LayoutError),
    ],
)
def test_damaged_files_raise_one_sentence(tmp_path, name, content, error):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(error, match=name) as caught:
        read(tmp_path / name)
    assert str(caught.value).endswith(".")


def test_the_manifest_offers_both_readers_for_tiff():
    readers = PluginManifest.from_distribution("histoloom").contributions.readers

    assert sum("*.tif" in each.filename_patterns for each in readers) == 2
