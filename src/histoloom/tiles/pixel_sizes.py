"""Pixel sizes: what files say about µm per pixel, and whether to believe it."""

from __future__ import annotations

import math
import re
from typing import Any

_SMALLEST, _LARGEST = 0.02, 12.0
_MICROMETRES = {
    "m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "nm": 1e-3,
    "inch": 25_400.0, "in": 25_400.0,
}  # fmt: skip


def plausible_pixel_size(y: float | None, x: float | None) -> float | None:
    """Return one size for µm per pixel downwards and across, or None where a microscope cannot have meant it.

    Printers' resolutions (72 or 300 dots per inch are 353 and 85 µm) and pixels that are not square are not believed.
    """
    if y is None or x is None or not (math.isfinite(y) and math.isfinite(x)):
        return None
    if not (_SMALLEST <= y <= _LARGEST and _SMALLEST <= x <= _LARGEST) or abs(y / x - 1.0) > 0.02:
        return None
    return math.sqrt(y * x)


def in_micrometres(value: Any, unit: str | None) -> float | None:
    """Return a length in µm, or None where value or unit is unknown."""
    factor = _MICROMETRES.get((unit or "").strip())
    try:
        return None if factor is None else float(value) * factor
    except (TypeError, ValueError):
        return None


def pixel_size_from_ome(pixels: dict[str, Any]) -> float | None:
    """Return the pixel size of an OME ``Pixels`` element (attributes as in its XML)."""
    y = in_micrometres(pixels.get("PhysicalSizeY"), str(pixels.get("PhysicalSizeYUnit", "µm")))
    x = in_micrometres(pixels.get("PhysicalSizeX"), str(pixels.get("PhysicalSizeXUnit", "µm")))
    return plausible_pixel_size(y, x)


def pixel_size_from_aperio(description: str) -> float | None:
    """Return the ``MPP`` (micrometres per pixel) of an Aperio image description."""
    found = re.search(r"\bMPP\s*=\s*([0-9.]+(?:[eE][-+]?\d+)?)", description)
    size = in_micrometres(found.group(1), "µm") if found else None
    return plausible_pixel_size(size, size)


def pixel_size_from_resolution(y: float | None, x: float | None, unit: str | None) -> float | None:
    """Return the pixel size of a resolution in pixels per unit, such as TIFF's and JPEG's."""
    if not y or not x:
        return None
    return plausible_pixel_size(in_micrometres(1.0 / y, unit), in_micrometres(1.0 / x, unit))
