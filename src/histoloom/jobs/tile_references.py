"""What each woven tile of a folder is held against, and whether that is the look that its record names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import ImportanceError
from histoloom.importance.references import References, named_look
from histoloom.layouts.tile_folders import TileFolder, TilePair
from histoloom.tiles.looks import look_sha256


class LooksNeededError(ImportanceError):
    """Nobody has said yet which real tissue the tiles of a folder shall be held against."""


@dataclass(frozen=True, eq=False)
class CanvasLook:
    """The look of a canvas, which all tiles of a folder can be held against.

    Parameters
    ----------
    pixels
        RGB ``uint8 (H, W, 3)`` at the critic's pixel size.
    sha256
        By which records know the look; empty where nothing is woven with it.
    tile
        The real tile on the canvas, RGB ``uint8 (H, W, 3)``, where it stands for the look; else None.
    is_for_all
        Whether somebody asked to hold all tiles against it, whatever their records name.
    """

    pixels: NDArray[np.uint8]
    sha256: str = ""
    tile: NDArray[np.uint8] | None = None
    is_for_all: bool = False


@dataclass(frozen=True, eq=False)
class HeldAgainst:
    """The real tissue beside a woven tile.

    Parameters
    ----------
    pixels
        RGB ``uint8 (H, W, 3)``.
    patient
        Whose tissue the woven tile is made after, where that is known; else empty.
    is_other_look
        Whether the woven tile's record names another look.
    """

    pixels: NDArray[np.uint8]
    patient: str
    is_other_look: bool


class TileReferences:
    """The real tissue beside each woven tile of a folder.

    Parameters
    ----------
    woven
        The folder.
    chosen
        A real tile or a folder of them, which are held against tiles as
        `histoloom.importance.references.References` does; or the look of the canvas; None where there is no real
        tissue.
    pixel_size
        The critic's, µm per pixel.

    Raises
    ------
    LooksNeededError
        If there is none, or it is the canvas's look, records name others, and nobody asked for it in spite of that.
    TileError
        If it is a folder that holds no tiles.
    """

    def __init__(self, woven: TileFolder, chosen: Path | CanvasLook | None, pixel_size: float) -> None:
        if chosen is None:
            raise LooksNeededError(
                "This critic compares with real tissue, and there is none on the canvas; choose the folder of the real "
                "tiles whose looks were woven, or one real picture ('Compare with')."
            )
        self._known: dict[int, tuple[NDArray[np.uint8], str]] = {}
        self._source: References | CanvasLook = References(chosen, pixel_size) if isinstance(chosen, Path) else chosen
        self.is_one = not (isinstance(chosen, Path) and chosen.is_dir())
        """Whether all tiles are held against the same picture."""
        self.title = "the look of the canvas"
        """What people call it."""
        if isinstance(chosen, Path):
            self.title = f"'{chosen.name}'" if self.is_one else f"the tiles of '{chosen.name}'"
            return
        self._looks = {chosen.sha256} - {""}
        if chosen.tile is not None:
            self._looks.add(look_sha256(chosen.tile))
        others = sum(bool(look) and look not in self._looks for look in map(named_look, woven.pairs))
        if others and not chosen.is_for_all:
            tiles = "the tile" if len(woven.pairs) == 1 else f"{others:,} of the {len(woven.pairs):,} tiles"
            raise LooksNeededError(
                f"Records say that {tiles} of '{woven.path.name}' {'was' if others == 1 else 'were'} woven with "
                "another look than the canvas's; choose the folder of the real tiles whose looks were woven, or the "
                "canvas's look for all ('Compare with')."
            )

    def of(self, woven: TilePair) -> HeldAgainst:
        """Return the real tissue beside a woven tile.

        Raises
        ------
        ImportanceError
            If its pixel size is too far from the critic's.
        TileError
            If its file is damaged.
        """
        named = named_look(woven)
        if isinstance(self._source, CanvasLook):
            return HeldAgainst(self._source.pixels, woven.patient or "", bool(named) and named not in self._looks)
        found = self._source.of(woven)
        patient = woven.patient or found.patient
        return HeldAgainst(found.pixels, patient, bool(named) and named != self._sha256(found.as_stored))

    def _sha256(self, pixels: NDArray[np.uint8]) -> str:
        # Many tiles in a row are held against the same picture.
        kept = self._known.get(id(pixels))
        if kept is None:
            self._known.clear()
            kept = self._known[id(pixels)] = pixels, look_sha256(pixels)
        return kept[1]
