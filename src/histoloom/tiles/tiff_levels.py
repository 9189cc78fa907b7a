"""Levels of a TIFF as lazy arrays: where each region's pixels come from."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import TileError
from histoloom.tiles.sentences import one_line

_LARGEST_STORED_PIECE = 2048 * 2048
_ONE_PIECE_BYTES = 2**31
_CHUNK_SIDE = 512
_MOST_SAMPLED = 8


def lazy_level(handle: TiffHandle, path: Path, series: Any, index: int) -> Any:
    """Return one level of a series as a dask array with the level's own axes; nothing is read yet."""
    import dask.array as da

    level = series.levels[index]
    page = level.keyframe
    shape, axes = tuple(level.shape), level.axes
    source: _Source
    if page.is_memmappable and not page.is_tiled and len(level.pages) == 1 and shape == page.shape:
        source = _MappedSource(handle, path, page)
        piece = {"Y": 1, "X": shape[axes.index("X")]}
    else:
        stored = dict(zip(page.axes, page.chunks, strict=True))
        piece = {"Y": int(stored["Y"]), "X": int(stored["X"])}
        if piece["Y"] * piece["X"] > _LARGEST_STORED_PIECE:
            source = _OnePieceSource(handle, series, index)
        else:
            source = _ZarrSource(handle, series, index)
    chunks = tuple(
        _chunk_length(piece[letter], length) if letter in piece else length
        for letter, length in zip(axes, shape, strict=True)
    )
    return da.from_array(source, chunks=chunks, name=False, asarray=False)


def _chunk_length(piece: int, length: int) -> int:
    """Return a multiple of the stored piece near `_CHUNK_SIDE`, so that no piece is decoded for two chunks."""
    return min(max(round(_CHUNK_SIDE / piece), 1) * piece, length)


def sampled_bits(level: Any, axes: str) -> int:
    """Return the bits that a lazy level's values need, from at most 8 x 8 of its chunks, spread evenly.

    Glass shines wherever there is no tissue, so even a large slide's brightest values are among so many chunks.
    """
    sample = level
    for letter in "YX":
        axis = axes.index(letter)
        count = sample.numblocks[axis]
        places = sorted({round(place) for place in np.linspace(0, count - 1, min(count, _MOST_SAMPLED))})
        sample = sample.blocks[tuple(places if each == axis else slice(None) for each in range(sample.ndim))]
    return max(int(sample.max().compute()).bit_length(), 8)


class TiffHandle:
    """An open TIFF; closes when asked, or when the last level that reads from it has gone."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self._finalizer = weakref.finalize(self, file.close)

    def close(self) -> None:
        """Close the file."""
        self._finalizer()

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be read any more."""
        return not self._finalizer.alive


class _Source(ABC):
    """What dask reads a level from: an array with a shape that reads regions."""

    def __init__(self, handle: TiffHandle, level: Any) -> None:
        self.shape = tuple(level.shape)
        self.dtype = level.dtype
        self.ndim = len(self.shape)
        self._handle = handle

    def __getitem__(self, key: Any) -> NDArray[Any]:
        if self._handle.is_closed:
            raise TileError("The tile has been closed; open it again.")
        try:
            return np.asarray(self._read(key))
        except TileError:
            raise
        except Exception as error:  # noqa: BLE001 - each codec has its own exceptions
            raise TileError(
                f"A part of the picture cannot be decoded ({one_line(error)}); the file is damaged, copy it again."
            ) from None

    @abstractmethod
    def _read(self, key: Any) -> Any:
        """Return the part of the picture that an index tells."""


class _ZarrSource(_Source):
    """Tiles or strips, decoded as they are needed."""

    def __init__(self, handle: TiffHandle, series: Any, index: int) -> None:
        import zarr

        super().__init__(handle, series.levels[index])
        page = series.levels[index].keyframe
        # Slides leave out tiles without tissue; those are white like glass, not black.
        white = None if page.photometric in (0, 3, 5) or self.dtype.kind != "u" else np.iinfo(self.dtype).max
        # tifffile's store takes the file handle's lock around each seek and read, so threads may share it.
        store = series.aszarr(level=index, fillvalue=white)
        self._array: Any = zarr.open_array(store, mode="r")

    def _read(self, key: Any) -> Any:
        return self._array[key]


class _MappedSource(_Source):
    """Uncompressed pixels in one run: the operating system reads the rows that are touched."""

    def __init__(self, handle: TiffHandle, path: Path, page: Any) -> None:
        super().__init__(handle, page)
        order = page.parent.byteorder
        # A map for each read: one that is kept would hold the file open after it was closed.
        self._options = {"dtype": page.dtype.newbyteorder(order), "shape": self.shape, "offset": page.dataoffsets[0]}
        self._path = path

    def _read(self, key: Any) -> Any:
        mapped = np.memmap(self._path, mode="r", **self._options)
        return np.array(mapped[key]).astype(self.dtype, copy=False)


class _OnePieceSource(_Source):
    """A compressed picture in one huge strip: decoded once, and kept."""

    def __init__(self, handle: TiffHandle, series: Any, index: int) -> None:
        super().__init__(handle, series.levels[index])
        if series.levels[index].nbytes > _ONE_PIECE_BYTES:
            raise TileError("it is compressed in one piece that does not fit into memory; save it as a tiled TIFF.")
        self._series, self._index = series, index
        self._pixels: NDArray[Any] | None = None
        self._lock = Lock()

    def _read(self, key: Any) -> Any:
        with self._lock:
            if self._pixels is None:
                self._pixels = np.asarray(self._series.asarray(level=self._index))
        return self._pixels[key]
