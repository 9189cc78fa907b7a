"""Stain normalization: give one tile the colours of another."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LookError
from histoloom.tiles.stain_summary import StainSummary
from histoloom.tiles.stains import TISSUE_OPTICAL_DENSITY, combine_stains, optical_density, separate_stains, tissue_mask


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


def normalize_reinhard(rgb: NDArray[np.uint8], target: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give a tile the mean and spread of another's colours (Reinhard et al. 2001), in CIELAB.

    Only tissue is measured, and glass stays as it is: the change fades in up to the optical density that counts as
    tissue. With all pixels, as in the paper, a tile's share of glass would change its colours.

    Parameters
    ----------
    rgb
        ``uint8 (H, W, 3)``.
    target
        Another picture ``uint8 (h, w, 3)``.

    Returns
    -------
    NDArray[np.uint8]
        RGB ``(H, W, 3)``.

    Raises
    ------
    LookError
        If one of the two shows no tissue.
    """
    lab, mean, spread = _lab_statistics(rgb)
    _, target_mean, target_spread = _lab_statistics(target)
    moved = (lab - mean) * (target_spread / spread) + target_mean
    moved[..., 0] = np.clip(moved[..., 0], 0.0, 100.0)
    shifted = _screen_colors(moved)
    share = np.clip(np.linalg.norm(optical_density(rgb), axis=-1) / TISSUE_OPTICAL_DENSITY, 0.0, 1.0)[..., None]
    return np.asarray(np.rint(share * shifted + (1.0 - share) * rgb), np.uint8)


def _lab_statistics(
    rgb: NDArray[np.uint8],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the picture in CIELAB ``(H, W, 3)``, and mean and standard deviation ``(3,)`` of its tissue."""
    from skimage.color import rgb2lab

    tissue = tissue_mask(rgb)
    if not tissue.any():
        raise LookError(
            "The tile shows no tissue, only white, so its colours cannot be matched; choose one with tissue."
        )
    lab = np.asarray(rgb2lab(rgb.astype(np.float32) / np.float32(255.0)), np.float32)
    return lab, lab[tissue].mean(axis=0), np.maximum(lab[tissue].std(axis=0), 1e-3)


def _screen_colors(lab: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``float32 (H, W, 3)`` RGB in 0..255; colours that no screen can show are clipped."""
    from skimage.color import lab2rgb

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*negative Z values.*")
        return np.asarray(np.clip(lab2rgb(lab), 0.0, 1.0) * 255.0, np.float32)
