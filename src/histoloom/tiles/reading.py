"""Opening a picture file of any kind as a tile."""

from __future__ import annotations

from pathlib import Path

from histoloom.errors import TileError
from histoloom.tiles.flat_pictures import open_flat_picture
from histoloom.tiles.tiff_files import open_tiff
from histoloom.tiles.tile import Tile
from histoloom.tiles.vendor_slides import VENDOR_SUFFIXES, open_vendor_slide

FLAT_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".tf2", ".svs")

PICTURE_SUFFIXES = (*FLAT_SUFFIXES, *TIFF_SUFFIXES, *VENDOR_SUFFIXES)
"""Suffixes that `open_tile` is for, in lower case; what a file is, its first bytes decide."""

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_tile(path: str | Path) -> Tile:
    """Open a picture of tissue.

    PNG, JPEG, BMP and small TIFFs are read into memory. Tiled and large TIFFs (BigTIFF, OME-TIFF and SVS pyramids
    among them) become lazy levels that read only what is shown, as do vendors' slides where the extra
    ``histoloom[slides]`` is installed. Large pictures without a pyramid get smaller levels, worked out on
    demand.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Tile
        RGB ``uint8``, converted from grey, 16-bit, palette, CMYK or RGBA (see `histoloom.tiles.conversion`), with its
        pixel size in µm where the file gives a believable one. Of slides, only the slide itself: label and macro images
        are never read. The provenance holds the file's hash (worked out when asked for) and format, and no path. A lazy
        tile keeps its file open until `Tile.close`, the end of a ``with`` block, or until nobody holds it.

    Raises
    ------
    TileError
        One sentence for a file that is missing, empty, a folder, cut off, damaged or of no known kind, and for pictures
        that are not RGB and cannot become it.
    """
    path = Path(path)
    start = _first_bytes(path)
    suffix = path.suffix.lower()
    if suffix in VENDOR_SUFFIXES:
        return open_vendor_slide(path)
    if suffix == ".vsi":
        raise TileError(
            f"'{path.name}' is an Olympus VSI slide, which no open reader here knows; export it as OME-TIFF."
        )
    if start.startswith(_TIFF_STARTS):
        return open_tiff(path)
    if suffix in TIFF_SUFFIXES:
        raise TileError(
            f"'{path.name}' does not start like a TIFF; it is damaged or named wrongly, copy or export it again."
        )
    return open_flat_picture(path)


def _first_bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise TileError(f"'{path.name}' is a folder; give one picture file, or open it as a folder of tiles.")
        with path.open("rb") as file:
            start = file.read(8)
    except FileNotFoundError:
        raise TileError(f"'{path.name}' does not exist; check the name and the folder.") from None
    except OSError as error:
        raise TileError(f"'{path.name}' cannot be read ({error.strerror or error}); check your permissions.") from None
    if not start:
        raise TileError(f"'{path.name}' is empty (0 bytes); copy or export it again.")
    return start
