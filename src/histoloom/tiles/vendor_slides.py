"""Slides in vendors' formats, through OpenSlide, an optional part."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import TileError
from histoloom.tiles.conversion import Encoding, as_rgb
from histoloom.tiles.overview_levels import with_overview_levels
from histoloom.tiles.pixel_sizes import in_micrometres, plausible_pixel_size
from histoloom.tiles.provenance import FileProvenance
from histoloom.tiles.sentences import one_line
from histoloom.tiles.tile import Tile

VENDOR_SUFFIXES = (".ndpi", ".mrxs", ".vms", ".vmu", ".scn", ".svslide", ".bif", ".czi", ".dcm")
"""Suffixes of files that are read through OpenSlide."""

_CHUNK_SIDE = 512


def open_vendor_slide(path: Path) -> Tile:
    """Open a slide through OpenSlide; its associated images (label, macro) are never asked for.

    Raises
    ------
    TileError
        If OpenSlide is not installed or cannot read the file.
    """
    try:
        import openslide
    except (ImportError, OSError):
        raise TileError(
            f"'{path.name}' needs OpenSlide, which is not installed; install it with: pip install 'histoloom[slides]'."
        ) from None
    try:
        slide = openslide.OpenSlide(str(path))
    except (openslide.OpenSlideError, OSError) as error:
        raise TileError(
            f"OpenSlide cannot read '{path.name}' ({one_line(error)}); "
            "give the file that belongs to its folder whole, or export it as OME-TIFF."
        ) from None
    handle = _SlideHandle(slide)
    y, x = slide.properties.get(openslide.PROPERTY_NAME_MPP_Y), slide.properties.get(openslide.PROPERTY_NAME_MPP_X)
    pixel_size = plausible_pixel_size(in_micrometres(y, "µm"), in_micrometres(x, "µm"))
    levels = tuple(_lazy(handle, level) for level in range(slide.level_count))
    provenance = FileProvenance(path, path.suffix.lstrip(".").upper() or "slide")
    return Tile(with_overview_levels(levels), pixel_size, provenance, handle.close)


def _lazy(handle: _SlideHandle, level: int) -> Any:
    import dask.array as da

    source = _SlideLevel(handle, level)
    pixels = da.from_array(source, chunks=(_CHUNK_SIDE, _CHUNK_SIDE, 4), name=False, asarray=False)
    return as_rgb(pixels, Encoding("YXS", "rgb", "straight"))


class _SlideHandle:
    """An open slide; closes when asked, or when the last level that reads from it has gone."""

    def __init__(self, slide: Any) -> None:
        self.slide = slide
        self._finalizer = weakref.finalize(self, slide.close)

    def close(self) -> None:
        self._finalizer()

    @property
    def is_closed(self) -> bool:
        return not self._finalizer.alive


class _SlideLevel:
    """One level as an array of RGBA ``(H, W, 4)`` that reads regions; OpenSlide may be called from any thread."""

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, handle: _SlideHandle, level: int) -> None:
        width, height = handle.slide.level_dimensions[level]
        self.shape = (height, width, 4)
        self._handle = handle
        self._level = level

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[np.uint8]:
        if self._handle.is_closed:
            raise TileError("The tile has been closed; open it again.")
        rows, columns, samples = (each.indices(length) for each, length in zip(key, self.shape, strict=True))
        factor = self._handle.slide.level_downsamples[self._level]
        corner = (round(columns[0] * factor), round(rows[0] * factor))
        size = (max(columns[1] - columns[0], 0), max(rows[1] - rows[0], 0))
        try:
            region = np.asarray(self._handle.slide.read_region(corner, self._level, size))
        except Exception as error:  # noqa: BLE001 - OpenSlide is imported only where it is installed
            raise TileError(
                f"A part of the slide cannot be decoded ({one_line(error)}); the file is damaged, copy it again."
            ) from None
        return region[:: rows[2], :: columns[2], samples[0] : samples[1] : samples[2]]
