"""Colours of importance weights: orange for what looks woven, blue for what looks real, nothing at weight 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST, MOST = 1 / 8, 8.0
"""Weights that colours reach to; beyond them nothing changes any more."""

TICKS = ((1 / 8, "⅛"), (1 / 4, "¼"), (1 / 2, "½"), (1.0, "1"), (2.0, "2"), (4.0, "4"), (8.0, "8"))
"""Weights that scales name, and how."""

_DOUBLINGS = (-3.0, -2.0, -1.0, -0.25, 0.0, 0.25, 1.0, 2.0, 3.0)
_RGBA = np.array(
    [
        (0.37, 0.12, 0.00, 0.85),
        (0.64, 0.25, 0.00, 0.78),
        (0.90, 0.47, 0.05, 0.64),
        (0.99, 0.80, 0.50, 0.20),
        (1.00, 1.00, 1.00, 0.00),
        (0.62, 0.80, 0.95, 0.20),
        (0.16, 0.52, 0.84, 0.64),
        (0.02, 0.31, 0.66, 0.78),
        (0.00, 0.13, 0.42, 0.85),
    ]
)
"""Orange and blue stay apart for every kind of colour blindness, and from the pink and violet of the stains; the
lightness falls on both sides, and where a weight says nothing, the tissue is seen."""

_PAPER = 0.96
_COLORS = 513


def weight_colors(weights: NDArray[Any]) -> NDArray[np.float64]:
    """Return the colours of weights from 0 to infinity, RGBA ``float64 (..., 4)`` in 0..1."""
    with np.errstate(divide="ignore"):
        doublings = np.log2(np.clip(np.asarray(weights, np.float64), LEAST, MOST))
    return np.stack([np.interp(doublings, _DOUBLINGS, channel) for channel in _RGBA.T], axis=-1)


def paper_colors(weights: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the colours of weights as they look on a light background, RGB ``uint8 (..., 3)``."""
    colors = weight_colors(weights)
    opaque = colors[..., :3] * colors[..., 3:] + _PAPER * (1.0 - colors[..., 3:])
    return np.rint(255 * opaque).astype(np.uint8)


def weight_colormap() -> Any:
    """Return napari's colormap for a layer of weights whose contrast limits are `LEAST` and `MOST`.

    Its colours follow the logarithm, although the layer holds the weights themselves: so napari's own status bar tells
    the weight under the mouse.
    """
    from napari.utils.colormaps import Colormap

    positions = np.exp2(np.linspace(np.log2(LEAST), np.log2(MOST), _COLORS))
    controls = (positions - LEAST) / (MOST - LEAST)
    controls[0], controls[-1] = 0.0, 1.0
    return Colormap(weight_colors(positions), name="importance weights", controls=controls)


def weight_words(weight: float) -> str:
    """Return a weight as people read it: two significant digits, as far as they mean anything."""
    if np.isinf(weight):
        return "∞"
    if 0 < weight < 0.001:
        return "< 0.001"
    return f"{weight:.2g}" if weight < 100 else f"{weight:,.0f}"
