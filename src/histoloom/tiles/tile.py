"""Tiles: pictures of real tissue, in memory or as lazy pyramids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import TileError
from histoloom.window import Window


@dataclass(frozen=True, eq=False)
class Tile:
    """An RGB picture with its pixel size and where it came from.

    Parameters
    ----------
    levels
        RGB ``uint8 (H, W, 3)`` arrays, numpy or dask, from the full size to the smallest.
    pixel_size
        µm per pixel of the first level, or None where the file does not say.
    provenance
        ``file_sha256`` and ``format``; never a path, a vendor's metadata or a patient's data.
    closer
        Closes the file that lazy levels read from; without one, nothing is open.
    """

    levels: tuple[Any, ...]
    pixel_size: float | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    closer: Callable[[], None] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for level in self.levels:
            if level.ndim != 3 or level.shape[2] != 3 or level.dtype != np.uint8:
                raise TileError(
                    f"A tile must be RGB uint8 (H, W, 3), not {level.dtype} {tuple(level.shape)}; convert it first."
                )
        if not self.levels:
            raise TileError("A tile has no picture in it; give at least one level.")

    @classmethod
    def from_array(cls, pixels: NDArray[np.uint8], pixel_size: float | None = None, **provenance: Any) -> Tile:
        """Return a tile of one level held in memory."""
        return cls((pixels,), pixel_size, provenance)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the full size in pixels."""
        height, width = self.levels[0].shape[:2]
        return int(height), int(width)

    def read(self, window: Window | None = None, level: int = 0) -> NDArray[np.uint8]:
        """Return the pixels of a window (default: all) of one level as ``uint8 (H, W, 3)`` in memory."""
        array = self.levels[level]
        if window is not None:
            array = array[window.intersection(Window.of_shape(array.shape)).slices]
        return np.ascontiguousarray(array, np.uint8)

    def close(self) -> None:
        """Close the file behind lazy levels, which then cannot be read any more; harmless to call twice.

        A tile that nobody holds any longer closes its file by itself.
        """
        if self.closer is not None:
            self.closer()

    def __enter__(self) -> Self:
        """Return the tile."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()
