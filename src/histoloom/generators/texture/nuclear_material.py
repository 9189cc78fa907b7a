"""Where a real tile has nuclear material: super- and sub-segmentation (Hou et al. 2019, section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LookError
from histoloom.tiles.stains import optical_density, separate_stains, tissue_mask

# Lengths at which nuclei are looked for, in µm: chromatin is smoothed away, a neighbourhood spans a few nuclei.
_CHROMATIN = 0.4
_NEIGHBORHOOD = 15.0
_PALE_NUCLEUS = 0.8
_LEAST_NUCLEUS_AREA = 4.0
_LARGEST_HOLE_AREA = 20.0
_MARGIN = 1.0
_FAINT_NUCLEUS_DIAMETER = 2.5
_CORE_MARGIN = 0.4
_LARGEST_PALE_INTERIOR = 40.0

_NEIGHBORHOOD_SHARE = 0.6
_FAINTEST_NUCLEUS = 0.2
_INK_HUE = 1.15
_INK_DENSITY = 0.2


@dataclass(frozen=True, eq=False)
class NuclearMaterial:
    """Three nested readings of where the nuclei of a tile are, each ``bool (H, W)``.

    Parameters
    ----------
    super_segmentation
        Holds every nucleus whole, and some cytoplasm: what must go for a background without nuclei.
    nuclei
        The best guess at the nuclei themselves.
    sub_segmentation
        Lies wholly inside nuclei: where their colour and texture may be measured.
    """

    super_segmentation: NDArray[np.bool_]
    nuclei: NDArray[np.bool_]
    sub_segmentation: NDArray[np.bool_]


def find_nuclear_material(pixels: NDArray[np.uint8], pixel_size: float) -> NuclearMaterial:
    """Segment the nuclear material of a tile by Otsu's threshold on haematoxylin.

    The threshold is taken over tissue only, and over haematoxylin relative to its neighbourhood. On the plain channel,
    Otsu separates tissue from glass in loose tissue, and stroma from epithelium in mixed tissue, instead of nuclei from
    the rest (seen on TNBC and CoNSeP tiles).

    Parameters
    ----------
    pixels
        RGB ``uint8 (H, W, 3)``.
    pixel_size
        µm per pixel.

    Raises
    ------
    LookError
        If the tile has no nuclei.
    """
    import cv2
    from skimage.filters import threshold_otsu

    hematoxylin = np.ascontiguousarray(separate_stains(pixels)[..., 0])
    tissue = tissue_mask(pixels) & ~_ink(pixels, pixel_size)
    smooth = cv2.GaussianBlur(hematoxylin, (0, 0), max(_CHROMATIN / pixel_size, 0.5))
    relative = smooth - _NEIGHBORHOOD_SHARE * _tissue_mean(smooth, tissue, _NEIGHBORHOOD / pixel_size)
    values = relative[tissue]
    if len(values) < 64 or float(values.max() - values.min()) < 1e-3:
        raise _no_nuclei()
    threshold = float(threshold_otsu(values))
    nuclei = _without_specks((relative > threshold) & tissue, _LEAST_NUCLEUS_AREA / pixel_size**2)
    contrast = float(smooth[nuclei].mean() - np.median(smooth[tissue & ~nuclei])) if nuclei.any() else 0.0
    if contrast < _LEAST_CONTRAST:
        raise _no_nuclei()
    nuclei = _without_small_holes(nuclei, _LARGEST_HOLE_AREA / pixel_size**2)

    # Pale and vesicular nuclei below the threshold would show as ghosts: compact regions that are somewhat blue, when
    # seen through half-closed eyes and with their holes filled, go as well.
    blurred = cv2.GaussianBlur(hematoxylin, (0, 0), max(_PALE_NUCLEUS / pixel_size, 0.5))
    blurred -= _NEIGHBORHOOD_SHARE * _tissue_mean(blurred, tissue, _NEIGHBORHOOD / pixel_size)
    raised = float(np.median(blurred[tissue])) + _FAINTEST_NUCLEUS * (threshold - float(np.median(values)))
    pale = _without_small_holes(((blurred > raised) & tissue) | nuclei, _LARGEST_PALE_INTERIOR / pixel_size**2)
    faint = cv2.morphologyEx(pale.astype(np.uint8), cv2.MORPH_OPEN, _disk(_FAINT_NUCLEUS_DIAMETER / pixel_size))
    material = nuclei.astype(np.uint8) | faint
    return NuclearMaterial(
        cv2.dilate(material, _disk(2 * _MARGIN / pixel_size + 1)).astype(bool),
        nuclei,
        cv2.erode(nuclei.astype(np.uint8), _disk(2 * _CORE_MARGIN / pixel_size + 1)).astype(bool),
    )


_LEAST_CONTRAST = 0.04
"""Optical density of haematoxylin by which nuclei must exceed the rest; noise and fibres stay below."""


def _ink(pixels: NDArray[np.uint8], pixel_size: float) -> NDArray[np.bool_]:
    """Return where surgeons' blue ink lies: unlike any stain, it lets green light pass better than red."""
    import cv2

    red, green = (
        cv2.GaussianBlur(optical_density(pixels[..., channel]), (0, 0), max(_CHROMATIN / pixel_size, 0.5))
        for channel in (0, 1)
    )
    return np.asarray((red > _INK_HUE * green) & (red > _INK_DENSITY))


def _no_nuclei() -> LookError:
    return LookError(
        "No nuclei were found in the look, so their colour is unknown; choose a tile or region that shows some nuclei."
    )


def _tissue_mean(values: NDArray[np.float32], tissue: NDArray[np.bool_], sigma: float) -> NDArray[np.float32]:
    """Return the Gaussian mean over tissue pixels only, computed at a quarter of the size: it is smooth."""
    import cv2

    height, width = values.shape
    small = (max(width // 4, 1), max(height // 4, 1))
    weight = cv2.resize(tissue.astype(np.float32), small, interpolation=cv2.INTER_AREA)
    total = cv2.resize(np.where(tissue, values, np.float32(0)), small, interpolation=cv2.INTER_AREA)
    weight = cv2.GaussianBlur(weight, (0, 0), sigma / 4, borderType=cv2.BORDER_REFLECT)
    total = cv2.GaussianBlur(total, (0, 0), sigma / 4, borderType=cv2.BORDER_REFLECT)
    mean = total / np.maximum(weight, 1e-3)
    return np.asarray(cv2.resize(mean, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _without_specks(mask: NDArray[np.bool_], least_area: float) -> NDArray[np.bool_]:
    import cv2

    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] >= least_area
    large[0] = False
    return np.asarray(large[labels])


def _without_small_holes(mask: NDArray[np.bool_], largest_area: float) -> NDArray[np.bool_]:
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] <= largest_area
    small[0] = False
    return np.asarray(mask | small[labels])


def _disk(diameter: float) -> NDArray[np.uint8]:
    import cv2

    side = max(round(diameter), 1) | 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
