"""PNG, JPEG, BMP and whatever else Pillow reads, as tiles in memory."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import TileError
from histoloom.tiles.conversion import as_rgb
from histoloom.tiles.pixel_sizes import pixel_size_from_resolution
from histoloom.tiles.sentences import lower_first, one_line
from histoloom.tiles.tile import Tile

_MOST_PIXELS = 20_000 * 20_000


def open_flat_picture(path: Path) -> Tile:
    """Read a PNG, JPEG or BMP file.

    Raises
    ------
    TileError
        If the file is no picture, is damaged or cut off, or is larger than 400 megapixels.
    """
    from PIL import Image, UnidentifiedImageError

    encoded = path.read_bytes()
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures; the limit below is ours.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(encoded)) as image:
                if image.width * image.height > _MOST_PIXELS:
                    raise _too_large(path)
                pixels = as_rgb(_decoded(image))
                pixel_size = _pixel_size(image)
                file_format = str(image.format)
    except TileError as error:
        raise TileError(f"'{path.name}' cannot be opened: {lower_first(error)}") from None
    except UnidentifiedImageError:
        raise TileError(f"'{path.name}' is not a picture that can be read; give PNG, JPEG, BMP, TIFF or SVS.") from None
    except Image.DecompressionBombError:
        raise _too_large(path) from None
    except Exception as error:  # noqa: BLE001 - damaged files raise anything from OSError to struct.error
        raise TileError(
            f"'{path.name}' cannot be decoded ({one_line(error)}); it is damaged or cut off, copy or export it again."
        ) from None
    return Tile((pixels,), pixel_size, {"file_sha256": hashlib.sha256(encoded).hexdigest(), "format": file_format})


def _decoded(image: Any) -> NDArray[Any]:
    """Return samples that `as_rgb` understands; colour models that Pillow knows best are converted by it."""
    if image.mode in ("P", "PA"):
        see_through = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if see_through else "RGB")
    elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        image = image.convert("RGB")
    elif image.mode in ("RGB", "L") and "transparency" in image.info:
        image = image.convert("RGBA" if image.mode == "RGB" else "LA")
    elif image.mode in ("La", "RGBa"):
        image = image.convert(image.mode.upper())
    samples = np.asarray(image)
    if image.mode == "I" and samples.min() >= 0 and samples.max() <= 65535:
        # Older Pillow opens 16-bit PNG in 32 bits.
        return samples.astype(np.uint16)
    return samples.astype(samples.dtype.newbyteorder("="), copy=False)


def _pixel_size(image: Any) -> float | None:
    dots = image.info.get("dpi")
    if not dots:
        return None
    return pixel_size_from_resolution(float(dots[1]), float(dots[0]), "inch")


def _too_large(path: Path) -> TileError:
    return TileError(
        f"'{path.name}' has more than 400 megapixels, which must not be decoded at once; convert it to a tiled TIFF."
    )
