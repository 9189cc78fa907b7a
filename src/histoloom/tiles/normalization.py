"""Stain normalization: give one tile the colours of another."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LookError
from histoloom.tiles.stain_summary import StainSummary
from histoloom.tiles.stains import TISSUE_OPTICAL_DENSITY, combine_stains, optical_density, separate_stains, tissue_mask
from histoloom.tiles.tile import Tile
from histoloom.window import Window

_MOST_MEASURED = 2048
"""Height and width in pixels of the part of a tile that its colours are measured on; more tells no more."""


@dataclass(frozen=True)
class ColorStatistics:
    """What Reinhard et al. (2001) match: mean and standard deviation of the colours of tissue, in CIELAB.

    Parameters
    ----------
    mean, spread
        Of L, a and b.
    """

    mean: tuple[float, float, float]
    spread: tuple[float, float, float]

    @classmethod
    def of(cls, rgb: NDArray[np.uint8]) -> ColorStatistics:
        """Measure a picture ``uint8 (H, W, 3)``; raises `LookError` if it shows no tissue."""
        return cls._of_arrays(*_lab_statistics(rgb))

    @classmethod
    def of_tile(cls, tile: Tile) -> ColorStatistics:
        """Measure a tile, of which only its smallest level, and of that at most the middle, is read.

        Raises
        ------
        LookError
            If that shows no tissue.
        """
        level = len(tile.levels) - 1
        height, width = tile.levels[level].shape[:2]
        top, left = (max(side - _MOST_MEASURED, 0) // 2 for side in (height, width))
        return cls.of(tile.read(Window(top, left, top + _MOST_MEASURED, left + _MOST_MEASURED), level))

    @classmethod
    def mean_of(cls, measured: Sequence[ColorStatistics]) -> ColorStatistics:
        """Return the mean of the statistics of one picture or more."""
        mean, spread = (np.mean([getattr(each, name) for each in measured], axis=0) for name in ("mean", "spread"))
        return cls._of_arrays(mean, spread)

    @classmethod
    def _of_arrays(cls, mean: NDArray[np.floating], spread: NDArray[np.floating]) -> ColorStatistics:
        (l1, a1, b1), (l2, a2, b2) = mean.tolist(), spread.tolist()
        return cls((l1, a1, b1), (l2, a2, b2))


def normalize_macenko(rgb: NDArray[np.uint8], target: NDArray[np.uint8] | StainSummary) -> NDArray[np.uint8]:
    """Give a tile the stains of another (Macenko et al. 2009, section 2.2).

    Concentrations in the tile's own stain vectors are scaled so that their 99th percentiles meet the target's, and
    shown in the target's vectors. What is neither stain (the residual) is dropped, as published.

    Parameters
    ----------
    rgb
        ``uint8 (H, W, 3)``.
    target
        Another picture ``uint8 (h, w, 3)``, or its summary.

    Returns
    -------
    NDArray[np.uint8]
        RGB ``(H, W, 3)``.

    Raises
    ------
    LookError
        If one of the two shows no tissue.
    """
    source = StainSummary.of(rgb)
    wanted = target if isinstance(target, StainSummary) else StainSummary.of(target)
    concentrations = separate_stains(rgb, source.vectors)[..., :2]
    return combine_stains(concentrations * (wanted.maxima / source.maxima), wanted.vectors)


def normalize_reinhard(
    rgb: NDArray[np.uint8], target: NDArray[np.uint8] | ColorStatistics, source: ColorStatistics | None = None
) -> NDArray[np.uint8]:
    """Give a tile the mean and spread of another's colours (Reinhard et al. 2001), in CIELAB.

    Only tissue is measured, and glass stays as it is: the change fades in up to the optical density that counts as
    tissue. With all pixels, as in the paper, a tile's share of glass would change its colours.

    Parameters
    ----------
    rgb
        ``uint8 (H, W, 3)``.
    target
        Another picture ``uint8 (h, w, 3)``, or its statistics.
    source
        Statistics of the tile of which ``rgb`` is a part (default: those of ``rgb`` itself).

    Returns
    -------
    NDArray[np.uint8]
        RGB ``(H, W, 3)``.

    Raises
    ------
    LookError
        If one of the two shows no tissue.
    """
    own = ColorStatistics.of(rgb) if source is None else source
    wanted = target if isinstance(target, ColorStatistics) else ColorStatistics.of(target)
    mean, spread, wanted_mean, wanted_spread = (
        np.array(each, np.float32) for each in (own.mean, own.spread, wanted.mean, wanted.spread)
    )
    moved = (_lab(rgb) - mean) * (wanted_spread / spread) + wanted_mean
    moved[..., 0] = np.clip(moved[..., 0], 0.0, 100.0)
    shifted = _screen_colors(moved)
    share = np.clip(np.linalg.norm(optical_density(rgb), axis=-1) / TISSUE_OPTICAL_DENSITY, 0.0, 1.0)[..., None]
    return np.asarray(np.rint(share * shifted + (1.0 - share) * rgb), np.uint8)


def _lab_statistics(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and standard deviation ``(3,)`` of a picture's tissue in CIELAB."""
    tissue = tissue_mask(rgb)
    if not tissue.any():
        raise _no_tissue()
    lab = _lab(rgb)[tissue]
    return lab.mean(axis=0), np.maximum(lab.std(axis=0), 1e-3)


def _lab(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    from skimage.color import rgb2lab

    return np.asarray(rgb2lab(rgb.astype(np.float32) / np.float32(255.0)), np.float32)


def _no_tissue() -> LookError:
    return LookError("The tile shows no tissue, only white, so its colours cannot be matched; choose one with tissue.")


def _screen_colors(lab: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``float32 (H, W, 3)`` RGB in 0..255; colours that no screen can show are clipped."""
    from skimage.color import lab2rgb

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*negative Z values.*")
        return np.asarray(np.clip(lab2rgb(lab), 0.0, 1.0) * 255.0, np.float32)
