"""TIFF, BigTIFF, OME-TIFF and SVS as lazy pyramids: tifffile -> zarr -> dask.

Of a file with several pictures only the slide itself is read. Label and macro images, which may show a patient's name,
are told apart by the directory of the file alone; not one byte of their pixels is touched.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from histoloom.errors import TileError
from histoloom.tiles.conversion import Alpha, ColorSpace, Encoding, as_rgb
from histoloom.tiles.overview_levels import with_overview_levels
from histoloom.tiles.pixel_sizes import (
    pixel_size_from_aperio,
    pixel_size_from_ome,
    pixel_size_from_resolution,
)
from histoloom.tiles.provenance import FileProvenance
from histoloom.tiles.sentences import lower_first, one_line
from histoloom.tiles.tiff_levels import TiffHandle, lazy_level, sampled_bits
from histoloom.tiles.tile import Tile

_EAGER_PIXELS = 2048 * 2048
_NOT_THE_SLIDE = re.compile(r"\b(label|macro|thumbnail|overview)\b", re.IGNORECASE)
_APERIO_YCBCR = 33003


def open_tiff(path: Path) -> Tile:
    """Open a TIFF of any kind as a tile; single pictures up to 4 megapixels are read at once, others lazily.

    Raises
    ------
    TileError
        If the file is damaged, cut off, or holds no picture that can become RGB.
    """
    import tifffile

    with _unlogged():
        try:
            file = tifffile.TiffFile(path)
        except Exception as error:
            raise _unreadable(path, error) from error
        return _opened(file, path)


def _opened(file: Any, path: Path) -> Tile:
    try:
        tile = _tile_of(file, path)
    except TileError as error:
        file.close()
        raise TileError(f"'{path.name}' cannot be opened: {lower_first(error)}") from None
    except Exception as error:
        file.close()
        raise _unreadable(path, error) from error
    except BaseException:
        file.close()
        raise
    return tile


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep what tifffile logs about damaged files from people, who are told in a sentence of ours."""

    def refuse(_record: logging.LogRecord) -> bool:
        return False

    logger = logging.getLogger("tifffile")
    logger.addFilter(refuse)
    try:
        yield
    finally:
        logger.removeFilter(refuse)


def _tile_of(file: Any, path: Path) -> Tile:
    if not len(file.pages):
        raise _cut_off()
    series = _slide_series(file)
    indices = _level_indices(file, series)
    pages = [series.levels[index].keyframe for index in indices]
    _refuse_cut_off(file, [series.levels[index] for index in indices])
    pixel_size = _pixel_size(file, series)
    provenance = FileProvenance(path, _format(file))
    height, width = _height_and_width(series)
    if len(indices) == 1 and height * width <= _EAGER_PIXELS:
        _refuse_before_reading(series)
        pixels = as_rgb(series.asarray(level=indices[0]), _encoding(pages[0], series.axes))
        file.close()
        return Tile((pixels,), pixel_size, provenance)

    handle = TiffHandle(file)
    stored = [lazy_level(handle, path, series, index) for index in indices]
    encodings = [_encoding(page, series.axes) for page in pages]
    if stored[-1].dtype == np.uint16 and encodings[0].significant_bits is None:
        _refuse_before_reading(series)
        bits = sampled_bits(stored[-1], series.axes)
        encodings = [replace(each, significant_bits=bits) for each in encodings]
    levels = tuple(as_rgb(level, encoding) for level, encoding in zip(stored, encodings, strict=True))
    return Tile(with_overview_levels(levels), pixel_size, provenance, handle.close)


def _slide_series(file: Any) -> Any:
    if file.is_svs:
        return file.series[0]
    candidates = [each for each in file.series if not _NOT_THE_SLIDE.search(_description(each))]
    if not candidates:
        raise TileError("it holds no picture of tissue; choose another file.")
    return max(candidates, key=lambda each: int(np.prod(_height_and_width(each))))


def _description(series: Any) -> str:
    page = series.keyframe
    # The first page's description is the whole file's in OME and ImageJ.
    return f"{series.name} {page.description if page.index and not page.is_ome else ''}"[:4000]


def _height_and_width(series: Any) -> tuple[int, int]:
    sizes = dict(zip(series.axes, series.shape, strict=True))
    if "Y" not in sizes or "X" not in sizes:
        raise TileError("it holds no picture with height and width; choose an RGB image.")
    return int(sizes["Y"]), int(sizes["X"])


def _level_indices(file: Any, series: Any) -> list[int]:
    """Return the levels that show the same field as the first, each smaller than the one before."""
    full = _height_and_width(series)
    kept, last = [0], full
    for index, level in enumerate(series.levels[1:], 1):
        page = level.keyframe
        size = _height_and_width(level)
        same_field = abs(full[0] / size[0] - full[1] / size[1]) <= 0.02 * full[0] / size[0] + 2 / min(size)
        # Neither a label's nor a macro image's page counts, wherever it stands and whatever its shape.
        named = file.is_svs and bool(_NOT_THE_SLIDE.search(page.description[:4000]))
        if same_field and not named and size < last and level.axes == series.axes and level.dtype == series.dtype:
            kept.append(index)
            last = size
    return kept


def _refuse_cut_off(file: Any, levels: list[Any]) -> None:
    for level in levels:
        for page in level.pages:
            if page is None:
                continue
            offsets, counts = page.dataoffsets, page.databytecounts
            if not offsets or max(map(sum, zip(offsets, counts, strict=False)), default=0) > file.filehandle.size:
                raise _cut_off()


def _cut_off() -> TileError:
    return TileError("the file is cut off, some of its pixels are missing; copy or download it again.")


def _refuse_before_reading(series: Any) -> None:
    """Raise what `as_rgb` would, before a long stack is read."""
    encoding = _encoding(series.keyframe, series.axes)
    if series.dtype == np.uint16 and encoding.significant_bits is None:
        encoding = replace(encoding, significant_bits=16)
    as_rgb(np.broadcast_to(np.zeros((), series.dtype), series.shape), encoding)


def _encoding(page: Any, axes: str) -> Encoding:
    import tifffile

    photometric = tifffile.PHOTOMETRIC
    spaces: dict[int, ColorSpace] = {
        photometric.MINISWHITE: "inverted_grey",
        photometric.RGB: "rgb",
        photometric.PALETTE: "palette",
        photometric.SEPARATED: "cmyk",
        photometric.YCBCR: "rgb",  # decoders of JPEG return RGB
    }
    space = spaces.get(page.photometric)
    plain_ycbcr = page.photometric == photometric.YCBCR and page.compression == tifffile.COMPRESSION.NONE
    if plain_ycbcr or page.compression == _APERIO_YCBCR:
        space = "ycbcr"
    elif page.photometric in (photometric.CIELAB, photometric.ICCLAB, photometric.ITULAB):
        raise TileError("its colours are stored as CIELAB; export it as RGB.")
    extra = page.extrasamples
    alpha: Alpha = "none"
    if extra and extra[0] == tifffile.EXTRASAMPLE.UNASSALPHA:
        alpha = "straight"
    elif extra and extra[0] == tifffile.EXTRASAMPLE.ASSOCALPHA:
        alpha = "premultiplied"
    palette = None
    if space == "palette" and page.colormap is not None:
        palette = (np.asarray(page.colormap).T >> 8).astype(np.uint8)
    return Encoding(axes, space, alpha, palette, _declared_bits(page))


def _declared_bits(page: Any) -> int | None:
    """Return how many bits of its samples a page says are used, where they are fewer than it stores."""
    if page.dtype.kind != "u":
        return None
    stored = page.dtype.itemsize * 8
    if isinstance(page.bitspersample, int) and page.bitspersample < stored:
        return page.bitspersample
    if stored != 16:
        return None
    for name in ("SMaxSampleValue", "MaxSampleValue"):
        value = page.tags.valueof(name)
        largest = max(value) if isinstance(value, tuple) and value else value
        # Writers that do not know the largest value give the type's, or nonsense.
        if isinstance(largest, int | float) and 255 < largest < 65535:
            return math.ceil(math.log2(largest + 1))
    if page.is_ome:
        found = re.search(r'\bSignificantBits="(\d+)"', page.parent.ome_metadata or "")
        if found and 8 <= int(found[1]) < stored:
            return int(found[1])
    return None


def _pixel_size(file: Any, series: Any) -> float | None:
    import tifffile

    page = series.keyframe
    if file.is_ome:
        return _ome_pixel_size(file, series)
    if file.is_svs:
        return pixel_size_from_aperio(page.description)
    resolution = page.resolution
    unit = {tifffile.RESUNIT.INCH: "inch", tifffile.RESUNIT.CENTIMETER: "cm"}.get(page.resolutionunit)
    if file.is_imagej:
        unit = str((file.imagej_metadata or {}).get("unit", "")).replace("\\u00B5", "µ") or unit
    return pixel_size_from_resolution(resolution[1], resolution[0], unit)


def _ome_pixel_size(file: Any, series: Any) -> float | None:
    import tifffile

    images = tifffile.xml2dict(file.ome_metadata).get("OME", {}).get("Image", [])
    images = images if isinstance(images, list) else [images]
    place = next(index for index, each in enumerate(file.series) if each is series)
    if place >= len(images):
        return None
    pixels = images[place].get("Pixels", {})
    return pixel_size_from_ome(pixels) if isinstance(pixels, dict) else None


def _format(file: Any) -> str:
    if file.is_svs:
        return "SVS"
    if file.is_ome:
        return "OME-TIFF"
    return "BigTIFF" if file.is_bigtiff else "TIFF"


def _unreadable(path: Path, error: Exception) -> TileError:
    return TileError(
        f"'{path.name}' cannot be read as TIFF ({one_line(error)}); it is damaged or cut off, copy or export it again."
    )
