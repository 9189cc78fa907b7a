"""Stains: optical density, and its separation into haematoxylin and eosin.

Light that passes stained tissue is weakened by each stain in proportion to its concentration (Beer and Lambert), so
stains add up in optical density and not in RGB. Everything that histoloom does to colour happens there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histoloom.errors import LookError

_DARKEST = 1
_OPTICAL_DENSITY_OF_VALUE = (-np.log10(np.maximum(np.arange(256), _DARKEST) / 255.0)).astype(np.float32)

TISSUE_OPTICAL_DENSITY = 0.15
"""Length of the optical density vector above which a pixel counts as tissue (Macenko et al. 2009, section 2.1)."""


def optical_density(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the optical density of a picture.

    Parameters
    ----------
    rgb
        ``uint8 (H, W, 3)``; any shape is accepted, the function is elementwise.

    Returns
    -------
    NDArray[np.float32]
        ``-log10(max(v, 1) / 255)``, of the same shape: 0 for white, 2.41 for black. White is 255 in all channels.
    """
    # numpy's fancy indexing of a table is several times faster than a logarithm for each pixel.
    return _OPTICAL_DENSITY_OF_VALUE.take(rgb)


def rgb_from_optical_density(density: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return the ``uint8`` picture of an optical density; values below 0 become white, and above 2.41 black.

    The inverse of `optical_density` for every value from 1 to 255.
    """
    values = np.multiply(density, np.float32(-np.log(10.0)), dtype=np.float32)
    np.exp(values, out=values)
    values *= np.float32(255.0)
    values += np.float32(0.5)
    np.clip(values, 0.0, 255.0, out=values)
    return np.asarray(values, np.uint8)


def _unit_rows(vectors: ArrayLike) -> NDArray[np.float32]:
    rows = np.asarray(vectors, np.float64)
    unit = np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
    unit.flags.writeable = False
    return unit


HEMATOXYLIN_EOSIN = _unit_rows([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
"""Optical density of haematoxylin and eosin per RGB channel, unit rows ``(2, 3)`` (Ruifrok and Johnston 2001)."""

HEMATOXYLIN_DAB = _unit_rows([[0.65, 0.70, 0.29], [0.27, 0.57, 0.78]])
"""Optical density of haematoxylin and diaminobenzidine (brown), unit rows ``(2, 3)`` (Ruifrok and Johnston 2001)."""


def tissue_mask(rgb: NDArray[np.uint8], threshold: float = TISSUE_OPTICAL_DENSITY) -> NDArray[np.bool_]:
    """Return where a picture ``uint8 (H, W, 3)`` shows tissue and not glass: ``bool (H, W)``."""
    density = optical_density(rgb)
    return np.asarray(np.einsum("...c,...c->...", density, density) > threshold**2)


def separate_stains(rgb: NDArray[np.uint8], vectors: NDArray[np.floating] = HEMATOXYLIN_EOSIN) -> NDArray[np.float32]:
    """Separate a picture into stains (Ruifrok and Johnston 2001).

    Parameters
    ----------
    rgb
        ``uint8 (H, W, 3)``.
    vectors
        Two rows ``(2, 3)`` of optical density per RGB channel; they are scaled to unit length.

    Returns
    -------
    NDArray[np.float32]
        ``(H, W, 3)``: concentrations of the first stain, the second one and the residual, each the optical density
        along its unit vector. The residual's vector is the normalized cross product of the two. Noise makes some values
        slightly negative; they are kept, so that `combine_stains` gives the picture back.

    Raises
    ------
    LookError
        If the two vectors are the same colour.
    """
    inverse = np.linalg.inv(_full_basis(vectors)).astype(np.float32)
    return np.asarray(optical_density(rgb) @ inverse, np.float32)


def combine_stains(
    concentrations: NDArray[np.floating], vectors: NDArray[np.floating] = HEMATOXYLIN_EOSIN
) -> NDArray[np.uint8]:
    """Return the picture of stain concentrations: the inverse of `separate_stains`.

    Parameters
    ----------
    concentrations
        ``(H, W, 2)`` of the two stains, or ``(H, W, 3)`` with the residual.
    vectors
        Two rows ``(2, 3)`` of optical density per RGB channel; they are scaled to unit length.

    Returns
    -------
    NDArray[np.uint8]
        RGB ``(H, W, 3)``.
    """
    basis = _full_basis(vectors).astype(np.float32)[: concentrations.shape[-1]]
    return rgb_from_optical_density(np.asarray(concentrations, np.float32) @ basis)


def macenko_vectors(
    rgb: NDArray[np.uint8], threshold: float = TISSUE_OPTICAL_DENSITY, percentile: float = 1.0
) -> NDArray[np.float32]:
    """Estimate a picture's own stain vectors (Macenko et al. 2009, section 2).

    Parameters
    ----------
    rgb
        ``uint8 (H, W, 3)``. Of more than a million tissue pixels, an even selection is used.
    threshold
        Pixels with an optical density vector shorter than this are taken for glass (the paper's beta).
    percentile
        Robust extremes of the angle in the plane of the two largest singular vectors (the paper's alpha).

    Returns
    -------
    NDArray[np.float32]
        Unit rows ``(2, 3)``: haematoxylin (the one that absorbs more red), eosin.

    Raises
    ------
    LookError
        If there is hardly any tissue, or tissue of one colour only.
    """
    density = optical_density(rgb).reshape(-1, 3)
    density = density[np.einsum("nc,nc->n", density, density) > threshold**2]
    if len(density) < _LEAST_PIXELS:
        raise LookError("The tile shows no tissue, only white, so its stains cannot be found; choose one with tissue.")
    density = density[:: max(len(density) // _MOST_PIXELS, 1)].astype(np.float64)
    # The plane passes through the origin (no stain, no density), hence second moments and no mean taken off.
    values, directions = np.linalg.eigh(density.T @ density / len(density))
    plane = directions[:, [2, 1]]
    if plane[:, 0].sum() < 0:
        plane[:, 0] *= -1
    projected = density @ plane
    angles = np.arctan2(projected[:, 1], projected[:, 0])
    low, high = np.percentile(angles, [percentile, 100.0 - percentile])
    if values[1] <= 1e-9 or high - low < _LEAST_ANGLE:
        raise LookError(
            "The tile's tissue is all of one colour, so two stains cannot be told apart; "
            "choose a tile that shows nuclei and what lies between them."
        )
    ends = np.maximum(np.array([[np.cos(each), np.sin(each)] for each in (low, high)]) @ plane.T, 0.0)
    first, second = _unit_rows(ends)
    hematoxylin_first = bool(first[0] >= second[0])
    return _unit_rows([first, second] if hematoxylin_first else [second, first])


_LEAST_PIXELS = 64
_MOST_PIXELS = 1_000_000
_LEAST_ANGLE = np.deg2rad(2.0)


def _full_basis(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    first, second = (row / np.linalg.norm(row) for row in np.asarray(vectors, np.float64))
    residual = np.cross(first, second)
    length = np.linalg.norm(residual)
    if not length > 1e-3:
        raise LookError("The two stain vectors are the same colour; give the colours of two different stains.")
    return np.stack([first, second, residual / length])
