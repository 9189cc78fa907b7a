"""The real tiles that woven ones are held against, at the pixel size of a critic."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import ImportanceError
from histoloom.layouts.tile_folders import TilePair, open_tile_folder
from histoloom.models.header import PIXEL_SIZE_TOLERANCE
from histoloom.tiles.looks import look_sha256
from histoloom.tiles.reading import open_tile

_FARTHEST = 5.0
"""By what the pixel size of a reference may differ from the critic's and be rescaled."""


@dataclass(frozen=True, eq=False)
class Reference:
    """A real tile that a woven one is held against.

    Parameters
    ----------
    pixels
        RGB ``uint8 (H, W, 3)``, at the pixel size that was asked for.
    patient
        The woven one's, where that is known; else empty.
    as_stored
        As its file has it, by which records know it as a look.
    """

    pixels: NDArray[np.uint8]
    patient: str
    as_stored: NDArray[np.uint8]


class References:
    """The real tiles that woven ones are held against; none is read before it is wanted.

    Parameters
    ----------
    path
        A tile, or a folder of tiles.
    pixel_size
        µm per pixel that references shall have; those whose files tell another are rescaled.

    Raises
    ------
    ImportanceError
        If there is no path.
    TileError
        If the folder holds no tiles.
    """

    def __init__(self, path: str | Path | None, pixel_size: float) -> None:
        self._pixel_size = pixel_size
        if path is None:
            raise ImportanceError(
                "This critic compares with real tissue and got no reference; give a real tile, or the folder of the "
                "tiles whose looks were woven ('--reference')."
            )
        source = Path(path)
        if source.is_dir():
            self._pairs = list(open_tile_folder(source, labels_required=False).pairs)
        else:
            self._pairs = [TilePair(source.stem, source)]
        self._by_look: dict[str, TilePair] | None = None
        self._last: tuple[TilePair, NDArray[np.uint8], NDArray[np.uint8]] | None = None

    def of(self, woven: TilePair) -> Reference:
        """Return what a woven tile is held against; see `weigh_folder`.

        Raises
        ------
        ImportanceError
            If its pixel size is too far from the one that was asked for.
        TileError
            If its file is damaged.
        """
        found = self._source_of(woven)
        if found is not None:
            return self._reference(found, found.patient or "")
        alike = [each for each in self._pairs if woven.patient is not None and each.patient == woven.patient]
        return self._reference((alike or self._pairs)[0], woven.patient or "")

    def _source_of(self, woven: TilePair) -> TilePair | None:
        """Return the tile that a woven one was made from, as far as record and name tell."""
        look = named_look(woven)
        if look and self._by_look is None:
            self._by_look = {look_sha256(self._read(each)[0]): each for each in self._pairs}
        if self._by_look is not None and look in self._by_look:
            return self._by_look[look]
        named = [each for each in self._pairs if woven.id == each.id or woven.id.startswith(f"{each.id}_")]
        return max(named, key=lambda each: len(each.id)) if named else None

    def _reference(self, pair: TilePair, patient: str) -> Reference:
        # Only the last, because a folder of real tiles may be larger than memory.
        if self._last is None or self._last[0] != pair:
            as_stored, size = self._read(pair)
            if size is not None and not 1 / _FARTHEST <= size / self._pixel_size <= _FARTHEST:
                raise ImportanceError(
                    f"The reference '{pair.image_path.name}' has {size:g} µm per pixel, too far from the critic's "
                    f"{self._pixel_size:g} to be rescaled; give a real tile of about its pixel size."
                )
            rescaled = as_stored if size is None else rescaled_reference(as_stored, size, self._pixel_size)
            self._last = pair, rescaled, as_stored
        return Reference(self._last[1], patient, self._last[2])

    def _read(self, pair: TilePair) -> tuple[NDArray[np.uint8], float | None]:
        with open_tile(pair.image_path) as tile:
            return np.asarray(tile.read(), np.uint8), tile.pixel_size


def rescaled_reference(pixels: NDArray[np.uint8], pixel_size: float, wanted: float) -> NDArray[np.uint8]:
    """Return a reference at another pixel size (µm), or itself where that is about the same."""
    factor = pixel_size / wanted
    if abs(factor - 1.0) <= PIXEL_SIZE_TOLERANCE:
        return pixels
    import cv2

    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=way), np.uint8)


def named_look(woven: TilePair) -> str:
    """Return the hash of the look that a woven tile's record names, or an empty str where it has none."""
    try:
        record = json.loads(woven.image_path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(record.get("look_sha256") or "") if isinstance(record, dict) else ""
