"""What the real nuclei of a look are like: the donors of colour for woven ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LookError
from histoloom.generators.texture.nuclear_material import NuclearMaterial

_RIM = (0.35, 0.9)
_CORE = 1.3
_LEAST_RADIUS = 0.9
_LEAST_PIXELS = 12
_LEAST_OF_USUAL_HUE = {1: 0.85, 2: 0.75}
_SHARE_OF_NEIGHBORS = 0.2
_DARKEST, _LEAST_OF_USUAL_DENSITY = (0.8, 0.97), 1.4


@dataclass(frozen=True, eq=False)
class Donors:
    """Real nuclei of a look in order of size; arrays of length N.

    Parameters
    ----------
    areas
        µm².
    densities
        Mean optical density inside, ``(N, 3)``.
    contrasts
        Standard deviation of optical density inside, relative to its mean: how coarse the chromatin is.
    clearings
        Density of the interior relative to the rim, in 0.3..1: small for vesicular nuclei, 1 for solid ones.
    """

    areas: NDArray[np.float64]
    densities: NDArray[np.float32]
    contrasts: NDArray[np.float64]
    clearings: NDArray[np.float64]

    def choose(self, areas: NDArray[np.float64], chances: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return indices of donors of about the given areas (µm²); chances in 0..1 pick among neighbours in size."""
        count = len(self.areas)
        reach = max(_SHARE_OF_NEIGHBORS * count, 2.0)
        indices = np.round(np.searchsorted(self.areas, areas) + reach * (chances - 0.5))
        return np.clip(indices, 0, count - 1).astype(np.int64)

    def no_darker_than_usual(self, densities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return densities ``(N, 3)``, the darker ones lowered to what is usual in the look."""
        total, usual = densities.sum(axis=1), np.median(self.densities.sum(axis=1))
        return np.asarray(densities * np.minimum(usual / np.maximum(total, 1e-3), 1.0)[:, None], np.float32)

    def darkest(self, chances: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return densities ``(N, 3)`` of the look's dark nuclei; chances in 0..1 pick among them."""
        total = self.densities.sum(axis=1)
        # The very darkest are pigment, folds, and nuclei over each other.
        low, high = (round(share * (len(total) - 1)) for share in _DARKEST)
        order = np.argsort(total, kind="stable")[low : high + 1]
        chosen = order[np.minimum((chances * len(order)).astype(np.int64), len(order) - 1)]
        # Of a look without dark nuclei, its own are made darker.
        gain = np.maximum(_LEAST_OF_USUAL_DENSITY * np.median(total) / np.maximum(total[chosen], 1e-3), 1.0)
        return np.asarray(self.densities[chosen] * gain[:, None], np.float32)


def find_donors(density: NDArray[np.float32], material: NuclearMaterial, pixel_size: float) -> Donors:
    """Measure the real nuclei of a look.

    Parameters
    ----------
    density
        Optical density ``float32 (H, W, 3)``.
    material
        Its segmentation; colours come from the sub-segmentation, so that only nuclear pixels are measured.
    pixel_size
        µm per pixel.

    Raises
    ------
    LookError
        If no nucleus is large enough to be measured.
    """
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats(material.nuclei.astype(np.uint8), connectivity=4)
    depth = cv2.distanceTransform(material.nuclei.astype(np.uint8), cv2.DIST_L2, 3) * pixel_size
    inside = material.sub_segmentation
    pixels = np.bincount(labels[inside], minlength=count)
    measured = pixels >= _LEAST_PIXELS
    # Fibres and folds are long and thin.
    thick = np.zeros(count, np.float32)
    np.maximum.at(thick, labels[inside], depth[inside])
    if (measured & (thick >= _LEAST_RADIUS)).any():
        measured &= thick >= _LEAST_RADIUS
    measured[0] = False
    if not measured.any():
        raise LookError(
            "The nuclei of the look are too small or faint to be measured; choose a tile at a higher magnification."
        )
    mean = np.stack([_means(labels, inside, density[..., channel], count) for channel in range(3)], axis=1)
    gray = density.mean(axis=2)
    gray_mean = _means(labels, inside, gray, count)
    variance = _means(labels, inside, gray**2, count) - gray_mean**2
    rim = _means(labels, (depth >= _RIM[0]) & (depth < _RIM[1]), gray, count)
    core = _means(labels, depth >= _CORE, gray, count)
    core[core == 0.0] = np.inf

    # Red blood cells and folds pass for haematoxylin by sheer density, but their colour is another.
    for other in (1, 2):
        redness_absorbed = mean[:, 0] / np.maximum(mean[:, other], 1e-3)
        measured &= redness_absorbed >= _LEAST_OF_USUAL_HUE[other] * np.quantile(redness_absorbed[measured], 0.75)
    chosen = np.flatnonzero(measured)
    chosen = chosen[np.argsort(stats[chosen, cv2.CC_STAT_AREA], kind="stable")]
    return Donors(
        stats[chosen, cv2.CC_STAT_AREA] * pixel_size**2,
        mean[chosen].astype(np.float32),
        np.clip(np.sqrt(np.maximum(variance[chosen], 0)) / np.maximum(gray_mean[chosen], 1e-3), 0.05, 0.4),
        np.clip(core[chosen] / np.maximum(rim[chosen], 1e-3), 0.3, 1.0),
    )


def _means(
    labels: NDArray[np.int32], where: NDArray[np.bool_], values: NDArray[np.float32], count: int
) -> NDArray[np.float64]:
    total = np.bincount(labels[where], weights=values[where], minlength=count)
    return np.asarray(total / np.maximum(np.bincount(labels[where], minlength=count), 1))
