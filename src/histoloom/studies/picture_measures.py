"""How sharp and how dark a tile is, and how its nuclei stand out, as facts beside failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from histoloom.tiles.stains import optical_density
from histoloom.training.data import LabelledPicture

_DETAIL = 0.5
"""µm: standard deviation of the Gaussian that takes fine detail away."""


@dataclass(frozen=True)
class PictureMeasures:
    """Measures of a tile; each is told against the median of others.

    Parameters
    ----------
    sharpness
        Share of the variance of optical density that is in detail finer than about 1 µm, 0..1; out of focus it is low.
    darkness
        Mean optical density.
    contrast
        Mean optical density of true nuclei less that of all else; NaN without nuclei.
    """

    sharpness: float
    darkness: float
    contrast: float

    @classmethod
    def of(cls, picture: LabelledPicture, pixel_size: float) -> PictureMeasures:
        """Measure a tile of so many µm per pixel."""
        import cv2

        density = np.asarray(optical_density(picture.image).mean(axis=2), np.float32)
        smooth: NDArray[np.float32] = np.asarray(cv2.GaussianBlur(density, (0, 0), _DETAIL / pixel_size), np.float32)
        nuclei = picture.label_map > 0
        varies, both = float(density.var()), bool(nuclei.any() and not nuclei.all())
        return cls(
            float((density - smooth).var()) / varies if varies > 0 else 0.0,
            float(density.mean()),
            float(density[nuclei].mean() - density[~nuclei].mean()) if both else float("nan"),
        )

    @classmethod
    def median_of(cls, measured: Sequence[PictureMeasures]) -> PictureMeasures:
        """Return the median of each measure, of the tiles that have it."""
        values = np.array([astuple(each) for each in measured], np.float64)
        return cls(
            *(float(np.median(each[np.isfinite(each)])) if np.isfinite(each).any() else 1.0 for each in values.T)
        )

    def in_words(self, usual: PictureMeasures) -> str:
        """Return how it compares with what is usual."""
        names = ("sharpness", "darkness", "contrast of nuclei")
        ratios = [
            f"{name} {own / other:.2f}" if np.isfinite(own) and other else f"{name} –"
            for name, own, other in zip(names, astuple(self), astuple(usual), strict=True)
        ]
        return ", ".join(ratios) + " of the median tile's"
