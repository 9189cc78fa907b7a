import gc
import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from histoloom.errors import TileError
from histoloom.tiles.reading import open_tile
from histoloom.window import Window


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".jpg"])
def test_flat_pictures_open_in_memory(tmp_path, noise, suffix):
    path = tmp_path / f"tile{suffix}"
    Image.fromarray(noise).save(path)
    tile = open_tile(path)
    assert isinstance(tile.levels[0], np.ndarray)
    if suffix == ".jpg":
        assert tile.shape == noise.shape[:2]
    else:
        assert np.array_equal(tile.read(), noise)


def test_provenance_holds_hash_and_format_and_no_path(tmp_path, noise):
    for name, kind in [("patient_smith.png", "PNG"), ("patient_smith.tif", "TIFF")]:
        Image.fromarray(noise).save(tmp_path / name)
        provenance = open_tile(tmp_path / name).provenance
        assert sorted(provenance) == ["file_sha256", "format"]
        assert len(provenance) == 2
        assert provenance["file_sha256"] == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        assert provenance["format"] == kind
        assert "smith" not in repr(provenance) + repr(dict(provenance))
        with pytest.raises(KeyError):
            provenance["path"]


def test_a_file_that_changed_or_went_after_opening_has_no_hash(tmp_path, noise):
    path = tmp_path / "tile.tif"
    tifffile.imwrite(path, noise, photometric="rgb")
    first, second = open_tile(path), open_tile(path)
    tifffile.imwrite(path, noise[:100], photometric="rgb")
    with pytest.raises(TileError, match="changed since it was opened"):
        first.provenance["file_sha256"]
    path.unlink()
    with pytest.raises(TileError, match="cannot be read any more"):
        second.provenance["file_sha256"]


def test_what_a_file_is_its_first_bytes_decide(tmp_path, noise):
    path = tmp_path / "tile.jpg"
    tifffile.imwrite(path, noise, photometric="rgb")
    assert np.array_equal(open_tile(path).read(), noise)
    Image.fromarray(noise).save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(tmp_path / "x.bin")
    assert np.array_equal(open_tile(tmp_path / "x.bin").read(), noise)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK", "I;16"])
def test_every_mode_of_flat_pictures_becomes_rgb(tmp_path, tissue, mode):
    image = Image.fromarray(tissue[:100, :90])
    deep = Image.fromarray(tissue[:100, :90, 0].astype(np.uint16) * 257)
    image = deep if mode == "I;16" else image.convert(mode)
    path = tmp_path / ("tile.tif" if mode == "CMYK" else "tile.png")
    image.save(path)
    pixels = open_tile(path).read()
    assert pixels.shape == (100, 90, 3)
    expected = tissue[:100, :90, :1] if mode == "I;16" else np.asarray(image.convert("RGB"))
    assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_a_transparent_png_lies_over_white(tmp_path):
    Image.fromarray(np.zeros((70, 70, 4), np.uint8)).save(tmp_path / "a.png")
    palette = Image.new("P", (70, 70), 3)
    palette.putpalette([0] * 768)
    palette.save(tmp_path / "b.png", transparency=3)
    assert (open_tile(tmp_path / "a.png").read() == 255).all()
    assert (open_tile(tmp_path / "b.png").read() == 255).all()


def test_a_cmyk_jpeg_becomes_rgb(tmp_path, tissue):
    Image.fromarray(tissue).convert("CMYK").save(tmp_path / "tile.jpg", quality=95)
    assert np.abs(open_tile(tmp_path / "tile.jpg").read().astype(int) - tissue).mean() < 8


@pytest.mark.parametrize(
    ("options", "pixels"),
    [
        ({"photometric": "minisblack"}, "grey"),
        ({"photometric": "miniswhite"}, "inverted"),
        ({"photometric": "rgb", "planarconfig": "separate"}, "planar"),
        ({"photometric": "rgb", "extrasamples": ["unassalpha"]}, "alpha"),
        ({"photometric": "minisblack", "byteorder": ">"}, "deep"),
        ({"photometric": "rgb", "compression": "lzw", "predictor": True}, "rgb"),
        ({"photometric": "rgb", "compression": "jpeg", "tile": (128, 128)}, "jpeg"),
        ({"photometric": "rgb", "compression": "jpeg2000", "tile": (128, 128)}, "rgb"),
    ],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_every_kind_of_tiff_becomes_rgb_at_once_and_lazily(tmp_path, noise, monkeypatch, options, pixels, lazy):
    if lazy:
        monkeypatch.setattr("histoloom.tiles.tiff_files._EAGER_PIXELS", 0)
    grey = noise[..., 0]
    stored, expected = {
        "grey": (grey, np.stack([grey] * 3, -1)),
        "inverted": (255 - grey, np.stack([grey] * 3, -1)),
        "planar": (np.moveaxis(noise, -1, 0), noise),
        "alpha": (np.concatenate([noise, np.full_like(noise[..., :1], 255)], -1), noise),
        "deep": (grey.astype(np.uint16) * 257, np.stack([grey] * 3, -1)),
        "rgb": (noise, noise),
        "jpeg": (np.full((512, 640, 3), (200, 120, 180), np.uint8),) * 2,
    }[pixels]
    path = tmp_path / "tile.tif"
    tifffile.imwrite(path, stored, **options)
    with open_tile(path) as tile:
        assert isinstance(tile.levels[0], np.ndarray) != lazy
        assert np.abs(tile.read().astype(int) - expected).max() <= (3 if pixels == "jpeg" else 0)
        window = Window(130, 250, 300, 601)
        assert np.array_equal(tile.read(window), tile.read()[window.slices])


def test_a_palette_tiff_shows_its_colors(tmp_path):
    palette = np.zeros((3, 256), np.uint16)
    palette[0, 1], palette[2, 2] = 65535, 65535
    indices = np.random.default_rng(0).integers(0, 3, (80, 80), np.uint8)
    tifffile.imwrite(tmp_path / "p.tif", indices, photometric="palette", colormap=palette)
    expected = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)[indices]
    assert np.array_equal(open_tile(tmp_path / "p.tif").read(), expected)


def test_a_flat_uncompressed_tiff_that_is_large_stays_on_disk_and_gets_overviews(tmp_path):
    path = tmp_path / "large.tif"
    pixels = np.zeros((8200, 600, 3), np.uint8)
    pixels[4000:4100] = np.random.default_rng(0).integers(0, 256, (100, 600, 3))
    tifffile.imwrite(path, pixels, photometric="rgb")
    with open_tile(path) as tile:
        assert [level.shape[:2] for level in tile.levels] == [(8200, 600), (2050, 150)]
        assert np.array_equal(tile.read(Window(3990, 5, 4050, 77)), pixels[3990:4050, 5:77])
        small = pixels.reshape(2050, 4, 150, 4, 3).mean(axis=(1, 3))
        assert np.abs(tile.read(level=1) - small).max() <= 0.5
        assert np.array_equal(tile.read(Window(1000, 0, 1010, 9), level=1), tile.read(level=1)[1000:1010, :9])


@pytest.mark.parametrize("strip", [16, None])
def test_a_flat_compressed_tiff_that_is_large_opens_lazily(tmp_path, strip):
    path = tmp_path / "large.tif"
    pixels = np.zeros((4100, 1100, 3), np.uint8)
    pixels[:200] = np.random.default_rng(0).integers(0, 256, (200, 1100, 3))
    tifffile.imwrite(path, pixels, photometric="rgb", compression="zlib", rowsperstrip=strip or 4100)
    with open_tile(path) as tile:
        assert not isinstance(tile.levels[0], np.ndarray)
        assert np.array_equal(tile.read(), pixels)
        assert len(tile.levels) == 2


def write_pyramid(path, pixels, **options):
    with tifffile.TiffWriter(path, bigtiff=options.pop("bigtiff", False), ome=options.pop("ome", None)) as writer:
        writer.write(pixels, subifds=2, tile=(128, 128), photometric="rgb", **options)
        for factor in (2, 4):
            writer.write(
                pixels[::factor, ::factor], subfiletype=1, tile=(128, 128), photometric="rgb", compression="zlib"
            )


def test_an_ome_pyramid_opens_with_levels_and_pixel_size(tmp_path, noise):
    path = tmp_path / "slide.ome.tif"
    metadata = {"axes": "YXS", "PhysicalSizeX": 0.25, "PhysicalSizeY": 250, "PhysicalSizeYUnit": "nm"}
    write_pyramid(path, noise, metadata=metadata, ome=True, compression="zlib")
    with open_tile(path) as tile:
        assert [level.shape[:2] for level in tile.levels] == [(600, 700), (300, 350), (150, 175)]
        assert tile.pixel_size == pytest.approx(0.25)
        assert tile.provenance["format"] == "OME-TIFF"
        for index, level in enumerate(tile.levels):
            assert np.array_equal(tile.read(level=index), noise[:: 2**index, :: 2**index])
            assert not isinstance(level, np.ndarray)


def test_a_bigtiff_pyramid_opens_and_takes_its_pixel_size_from_the_resolution(tmp_path, noise):
    path = tmp_path / "slide.btf"
    write_pyramid(path, noise, bigtiff=True, resolution=(40_000, 40_000), resolutionunit="CENTIMETER")
    with open_tile(path) as tile:
        assert tile.provenance["format"] == "BigTIFF"
        assert tile.pixel_size == pytest.approx(0.25)
        assert len(tile.levels) == 3


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [
        ((72, 72), "INCH", None),
        ((300, 300), "INCH", None),
        ((101_600, 101_600), "INCH", 0.25),
        ((40_000, 20_000), "CENTIMETER", None),
        ((4, 4), "NONE", None),
    ],
)
def test_only_resolutions_that_a_microscope_can_mean_are_believed(tmp_path, noise, resolution, unit, expected):
    path = tmp_path / "tile.tif"
    tifffile.imwrite(path, noise, photometric="rgb", resolution=resolution, resolutionunit=unit)
    assert open_tile(path).pixel_size == (expected and pytest.approx(expected))


def test_imagej_writes_pixel_size_in_its_own_unit(tmp_path, noise):
    path = tmp_path / "tile.tif"
    tifffile.imwrite(path, noise, imagej=True, resolution=(4, 4), metadata={"unit": "um"})
    assert open_tile(path).pixel_size == pytest.approx(0.25)


def test_a_printers_resolution_of_a_png_is_not_a_pixel_size(tmp_path, noise):
    Image.fromarray(noise).save(tmp_path / "a.png", dpi=(300, 300))
    assert open_tile(tmp_path / "a.png").pixel_size is None


def write_svs(path, pixels, poison):
    """Write what Aperio writes: slide, thumbnail, level, label, macro; the last two with ``poison`` as pixels."""
    header = "Aperio Image Library v11.2.1\r\n"
    about = f"{header}700x600 [0,0 700x600] (128x128) JPEG/RGB Q=30|AppMag = 40|Patient = Smith|MPP = 0.2498"
    jpeg = {"photometric": "rgb", "compression": "zlib", "metadata": None}
    with tifffile.TiffWriter(path) as writer:
        writer.write(pixels, tile=(128, 128), description=about, **jpeg)
        writer.write(pixels[::8, ::8], description=f"{header}thumbnail", **jpeg)
        writer.write(pixels[::4, ::4], tile=(128, 128), description=about, **jpeg)
        # The same shape ratio as the slide, so that only names and flags can tell it apart.
        writer.write(poison, description=f"{header}label 350x300", subfiletype=1, rowsperstrip=300, **jpeg)
        writer.write(poison[:200], description=f"{header}macro 350x200", subfiletype=9, rowsperstrip=200, **jpeg)


class _Watched:
    """Notes which bytes of a file are read."""

    def __init__(self, monkeypatch):
        self.ranges = []
        original = tifffile.FileHandle.read
        watched = self

        def read(handle, size=-1, /):
            start = handle.tell()
            data = original(handle, size)
            watched.ranges.append((start, start + len(data)))
            return data

        monkeypatch.setattr(tifffile.FileHandle, "read", read)


def test_of_a_slide_label_and_macro_are_never_read(tmp_path, noise, monkeypatch):
    path = tmp_path / "slide.svs"
    poison = np.random.default_rng(1).integers(0, 256, (300, 350, 3), np.uint8)
    write_svs(path, noise, poison)
    with tifffile.TiffFile(path) as file:
        spans = [(page.dataoffsets[0], page.dataoffsets[0] + page.databytecounts[0]) for page in file.pages[3:]]
    assert len(spans) == 2
    with path.open("r+b") as file:
        for start, stop in spans:
            file.seek(start)
            file.write(b"\xff" * (stop - start))
    watched = _Watched(monkeypatch)
    with open_tile(path) as tile:
        assert [level.shape for level in tile.levels] == [(600, 700, 3), (150, 175, 3)]
        assert np.array_equal(tile.read(), noise)
        assert np.array_equal(tile.read(level=1), noise[::4, ::4])
        assert tile.pixel_size == pytest.approx(0.2498)
        assert tile.provenance["format"] == "SVS"
        assert "Smith" not in repr(tile.provenance)
    assert watched.ranges
    for start, stop in spans:
        assert not [each for each in watched.ranges if each[0] < stop and each[1] > start]


def test_a_label_that_is_tiled_and_shaped_like_a_level_is_still_no_level(tmp_path, noise):
    header = "Aperio Image Library v11.2.1\r\n"
    options = {"photometric": "rgb", "tile": (128, 128), "metadata": None}
    with tifffile.TiffWriter(tmp_path / "slide.svs") as writer:
        writer.write(noise, description=f"{header}700x600|MPP = 0.25", **options)
        writer.write(noise[::8, ::8], description=f"{header}thumbnail", photometric="rgb", metadata=None)
        writer.write(np.zeros_like(noise[::2, ::2]), description=f"{header}label 350x300", **options)
    with open_tile(tmp_path / "slide.svs") as tile:
        assert [level.shape for level in tile.levels] == [(600, 700, 3)]


def test_opening_and_showing_a_corner_reads_a_small_part_of_the_file(tmp_path, monkeypatch):
    path = tmp_path / "slide.tif"
    pixels = np.random.default_rng(0).integers(0, 256, (2304, 2304, 3), np.uint8)
    write_pyramid(path, pixels)
    watched = _Watched(monkeypatch)
    with open_tile(path) as tile:
        corner = tile.read(Window(0, 0, 100, 100))
    assert np.array_equal(corner, pixels[:100, :100])
    assert sum(stop - start for start, stop in watched.ranges) < 0.2 * path.stat().st_size


def test_missing_tiles_of_a_slide_are_white_like_glass(tmp_path, noise):
    path = tmp_path / "slide.tif"
    write_pyramid(path, noise, compression="zlib")
    with tifffile.TiffFile(path) as file:
        counts, offsets = file.pages[0].tags["TileByteCounts"], file.pages[0].tags["TileOffsets"]
        values = [0, *counts.value[1:]], [0, *offsets.value[1:]]
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["TileByteCounts"].overwrite(values[0])
        file.pages[0].tags["TileOffsets"].overwrite(values[1])
    with open_tile(path) as tile:
        assert (tile.read(Window(0, 0, 128, 128)) == 255).all()
        assert np.array_equal(tile.read(Window(0, 128, 128, 256)), noise[:128, 128:256])


def test_many_threads_may_read_one_tile(tmp_path, noise):
    path = tmp_path / "slide.tif"
    write_pyramid(path, noise, compression="zlib")
    windows = [Window(y, x, y + 90, x + 90) for y in range(0, 500, 60) for x in range(0, 600, 60)]
    with open_tile(path) as tile, ThreadPoolExecutor(8) as pool:
        for window, found in zip(windows, pool.map(tile.read, windows), strict=True):
            assert np.array_equal(found, noise[window.slices])


def test_a_closed_tile_says_so_and_closing_twice_is_harmless(tmp_path, noise):
    path = tmp_path / "slide.tif"
    write_pyramid(path, noise)
    with open_tile(path) as tile:
        tile.read()
    tile.close()
    with pytest.raises(TileError, match="has been closed; open it again"):
        tile.read()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts open files in /proc")
def test_a_tile_that_nobody_holds_closes_its_file(tmp_path, noise):
    path = tmp_path / "slide.tif"
    write_pyramid(path, noise)

    def is_open():
        return any(each.resolve() == path for each in Path("/proc/self/fd").iterdir())

    tile = open_tile(path)
    assert is_open()
    del tile
    gc.collect()
    assert not is_open()


def test_vendor_slides_are_read_through_openslide(tmp_path, noise):
    pytest.importorskip("openslide")
    path = tmp_path / "slide.ndpi"
    tifffile.imwrite(path, noise, photometric="rgb", tile=(128, 128), compression="zlib")
    with open_tile(path) as tile:
        assert np.array_equal(tile.read(), noise)
        assert np.array_equal(tile.read(Window(10, 20, 333, 444)), noise[10:333, 20:444])
        assert tile.provenance["format"] == "NDPI"
    with pytest.raises(TileError, match="has been closed"):
        tile.read()


def test_without_openslide_a_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    (tmp_path / "slide.mrxs").write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, "openslide", None)
    with pytest.raises(TileError, match=r"needs OpenSlide.*pip install 'histoloom\[slides\]'"):
        open_tile(tmp_path / "slide.mrxs")


@pytest.mark.realdata
def test_a_real_aperio_slide_opens_without_its_label(shared_data):
    path = shared_data / "slides" / "CMU-1-Small-Region.svs"
    with open_tile(path) as tile, open_tile(path.with_name("CMU-1-Small-Region_pyramid.ome.tif")) as pyramid:
        assert tile.shape == pyramid.shape == (2967, 2220)
        assert tile.pixel_size == pyramid.pixel_size == pytest.approx(0.499)
        assert (len(tile.levels), len(pyramid.levels)) == (1, 4)
        assert tile.provenance["file_sha256"].startswith("ed92d5a9")
        window = Window(1000, 1000, 1200, 1300)
        assert np.abs(tile.read(window).astype(int) - pyramid.read(window)).mean() < 8


@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tile": (128, 128)},
        {"extratags": [(281, "H", 1, 4095, True)]},
        {"extratags": [(341, "H", 3, (4095, 4095, 4095), True)]},
    ],
)
def test_twelve_bits_in_a_sixteen_bit_file_are_as_bright_as_they_were(tmp_path, tissue, monkeypatch, eager, options):
    if not eager:
        monkeypatch.setattr("histoloom.tiles.tiff_files._EAGER_PIXELS", 0)
    path = tmp_path / "camera.tif"
    # Declared bits count more than the brightest value, which here would need fewer.
    darker = 2 if options.get("extratags") else 1
    tifffile.imwrite(path, tissue.astype(np.uint16) * 16 // darker, photometric="rgb", **options)
    with open_tile(path) as tile:
        assert np.abs(tile.read().astype(int) * darker - tissue).max() <= 2


def test_all_levels_of_a_sixteen_bit_pyramid_have_the_same_brightness(tmp_path, tissue, monkeypatch):
    monkeypatch.setattr("histoloom.tiles.tiff_files._EAGER_PIXELS", 0)
    path = tmp_path / "pyramid.tif"
    deep = tissue.astype(np.uint16) * 16
    with tifffile.TiffWriter(path) as writer:
        writer.write(deep, photometric="rgb", tile=(128, 128), subifds=1)
        writer.write(deep[::2, ::2], photometric="rgb", tile=(128, 128), subfiletype=1)
    with open_tile(path) as tile:
        assert np.abs(np.asarray(tile.levels[0]).astype(int) - tissue).max() <= 1
        assert np.abs(np.asarray(tile.levels[1]).astype(int) - tissue[::2, ::2]).max() <= 1
