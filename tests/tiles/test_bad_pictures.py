"""Every picture that cannot be opened, and the sentence that says so."""

import os

import numpy as np
import pytest
import tifffile
from PIL import Image

from histoloom.errors import TileError
from histoloom.tiles import Tile
from histoloom.tiles.reading import open_tile


def refused(path, sentence):
    with pytest.raises(TileError, match=sentence) as caught:
        open_tile(path)
    text = str(caught.value)
    assert path.name in text
    assert str(path.parent) not in text
    assert text.endswith(".")
    assert "\n" not in text
    assert len(text) < 320


def test_a_missing_file(tmp_path):
    refused(tmp_path / "gone.png", "does not exist; check")


def test_a_folder(tmp_path):
    (tmp_path / "tiles").mkdir()
    refused(tmp_path / "tiles", "is a folder; give one picture file")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".svs", ".ndpi", ".xyz"])
def test_an_empty_file(tmp_path, suffix):
    (tmp_path / f"tile{suffix}").touch()
    refused(tmp_path / f"tile{suffix}", r"is empty \(0 bytes\)")


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_without_permission(tmp_path):
    (tmp_path / "tile.png").write_bytes(b"x")
    (tmp_path / "tile.png").chmod(0)
    refused(tmp_path / "tile.png", "check your permissions")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".txt", ""])
def test_a_file_that_is_no_picture(tmp_path, suffix):
    (tmp_path / f"tile{suffix}").write_text("nuclei")
    refused(tmp_path / f"tile{suffix}", "is not a picture that can be read; give PNG")


@pytest.mark.parametrize("suffix", [".tif", ".svs"])
def test_a_tiff_that_is_none(tmp_path, suffix):
    (tmp_path / f"tile{suffix}").write_text("nuclei")
    refused(tmp_path / f"tile{suffix}", "does not start like a TIFF")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_truncated_flat_pictures(tmp_path, noise, suffix, share):
    path = tmp_path / f"tile{suffix}"
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(path, "damaged or cut off")


@pytest.mark.parametrize("tile", [None, (128, 128)])
@pytest.mark.parametrize("share", [0.0001, 0.01, 0.5, 0.99])
def test_truncated_tiffs(tmp_path, noise, tile, share):
    path = tmp_path / "tile.tif"
    tifffile.imwrite(path, noise, photometric="rgb", tile=tile, compression="zlib")
    whole = path.read_bytes()
    path.write_bytes(whole[: max(int(len(whole) * share), 10)])
    refused(path, "cut off")


@pytest.mark.realdata
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_truncated_slide(tmp_path, shared_data, caplog, share):
    whole = (shared_data / "slides" / "CMU-1-Small-Region.svs").read_bytes()
    path = tmp_path / "slide.svs"
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(path, "cut off")
    assert not caplog.records


def test_a_tiff_cut_off_before_its_first_directory(tmp_path, noise, caplog):
    path = tmp_path / "tile.tif"
    tifffile.imwrite(path, noise[:64, :64], photometric="rgb")
    start = bytearray(path.read_bytes()[:500])
    start[4:8] = (10_000_000).to_bytes(4, "little")
    path.write_bytes(start)
    refused(path, "cut off")
    assert not caplog.records


def test_a_tiff_with_random_bytes_after_its_start(tmp_path):
    for seed in range(20):
        path = tmp_path / f"{seed}.tif"
        path.write_bytes(b"II*\0" + np.random.default_rng(seed).bytes(300))
        refused(path, "damaged|cut off|cannot be opened")


def test_a_slide_with_a_damaged_tile_opens_and_refuses_only_that_part(tmp_path, noise, monkeypatch):
    monkeypatch.setattr("histoloom.tiles.tiff_files._EAGER_PIXELS", 0)
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, noise, photometric="rgb", tile=(128, 128), compression="zlib")
    with tifffile.TiffFile(path) as file:
        offset = file.pages[0].dataoffsets[-1]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 200)
    with open_tile(path) as tile:
        assert np.array_equal(np.asarray(tile.levels[0][:128, :128]), noise[:128, :128])
        with pytest.raises(TileError, match="part of the picture cannot be decoded"):
            tile.read()


@pytest.mark.parametrize(
    ("pixels", "options", "sentence"),
    [
        (np.zeros((9, 80, 80), np.uint8), {"metadata": {"axes": "ZYX"}, "ome": True}, "z-stack of 9 planes"),
        (
            np.zeros((5, 80, 80), np.uint16),
            {"metadata": {"axes": "CYX"}, "ome": True},
            "5 channels, as in fluorescence",
        ),
        (np.zeros((7, 80, 80), np.uint8), {"photometric": "minisblack"}, "holds 7 pages|z-stack of 7"),
        (np.zeros((80, 80), np.int16), {}, "type int16"),
        (np.full((80, 80), 7.0, np.float32), {}, r"must lie in 0\.\.1"),
        (np.zeros((80, 80, 3), np.uint8), {"photometric": "cielab"}, "CIELAB"),
    ],
)
def test_tiffs_that_hold_no_rgb_picture(tmp_path, pixels, options, sentence):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, pixels, **options)
    refused(path, f"cannot be opened: .*({sentence})")


def test_a_png_that_is_too_large_to_decode_at_once(tmp_path, monkeypatch, noise):
    Image.fromarray(noise).save(tmp_path / "tile.png")
    monkeypatch.setattr("histoloom.tiles.flat_pictures._MOST_PIXELS", 1000)
    refused(tmp_path / "tile.png", "convert it to a tiled TIFF")
    monkeypatch.undo()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    refused(tmp_path / "tile.png", "convert it to a tiled TIFF")


def test_a_compressed_tiff_in_one_piece_that_does_not_fit(tmp_path, noise, monkeypatch):
    monkeypatch.setattr("histoloom.tiles.tiff_files._EAGER_PIXELS", 0)
    monkeypatch.setattr("histoloom.tiles.tiff_levels._LARGEST_STORED_PIECE", 1000)
    monkeypatch.setattr("histoloom.tiles.tiff_levels._ONE_PIECE_BYTES", 1000)
    path = tmp_path / "tile.tif"
    tifffile.imwrite(path, noise, photometric="rgb", compression="zlib", rowsperstrip=600)
    refused(path, "save it as a tiled TIFF")


def test_a_vsi_slide(tmp_path):
    (tmp_path / "slide.vsi").write_bytes(b"II*\0")
    refused(tmp_path / "slide.vsi", "Olympus VSI.*OME-TIFF")


def test_a_vendor_slide_that_is_damaged(tmp_path):
    pytest.importorskip("openslide")
    (tmp_path / "slide.ndpi").write_bytes(b"II*\0" + b"\xff" * 100)
    refused(tmp_path / "slide.ndpi", "OpenSlide cannot read")


@pytest.mark.parametrize(
    "pixels", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.float32)]
)
def test_a_tile_of_anything_but_rgb(pixels):
    with pytest.raises(TileError, match="must be RGB uint8"):
        Tile.from_array(pixels)


def test_a_tile_without_levels():
    with pytest.raises(TileError, match="no picture"):
        Tile(())
