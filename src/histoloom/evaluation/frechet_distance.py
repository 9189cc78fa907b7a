"""FID, and what real pictures score against each other at the same number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import EvaluationError

SPLITS = 5
"""Over how many random halves the distances are averaged."""

Features = NDArray[Any]


@dataclass(frozen=True)
class FrechetDistance:
    """A Fréchet distance, and its twin between halves of the real set.

    Parameters
    ----------
    value
        Distance of woven pictures from real ones.
    real_twin
        Distance of as many real pictures from as many other real ones: what the value would be of perfect pictures.
    n
        How many pictures each side had. Distances at other numbers cannot be compared.
    """

    value: float
    real_twin: float
    n: int


def frechet_distance(first: Features, second: Features) -> float:
    """Return the Fréchet (inception) distance of two sets of features ``(n, D)`` and ``(m, D)``.

    Heusel et al., "GANs trained by a two time-scale update rule" (2017), equation 6: the squared distance of the means,
    and ``tr(C + C' - 2 (C C')^½)`` of the covariances. It grows as the sets shrink: only values at the same n and m can
    be compared.

    Raises
    ------
    EvaluationError
        If a set has fewer than two, or features are not finite or differ in number.
    """
    one, other = (np.asarray(each, np.float64) for each in (first, second))
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1] or min(len(one), len(other)) < 2:
        raise EvaluationError(
            f"Features of shapes {one.shape} and {other.shape} cannot be compared; give (n, D) and (m, D) of two "
            "pictures or more."
        )
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise EvaluationError("Some features are not finite numbers; take another network.")
    root, other_root = _root_of_covariance(one), _root_of_covariance(other)
    # The trace of (C C')^½ is the sum of the singular values of R R'ᵀ where C = RᵀR: no root of a matrix that may be
    # singular has to be taken.
    shared = np.linalg.svd(root @ other_root.T, compute_uv=False).sum()
    means = ((one.mean(axis=0) - other.mean(axis=0)) ** 2).sum()
    return float(means + (root**2).sum() + (other_root**2).sum() - 2 * shared)


def frechet_with_twin(
    real: Features, woven: Features, random: np.random.Generator, splits: int = SPLITS
) -> FrechetDistance | None:
    """Return the distance of woven pictures from a half of the real ones, and of that half from the other one.

    Parameters
    ----------
    real, woven
        Features ``(n, D)`` and ``(m, D)``.
    random
        Splits the real pictures and draws as many woven ones as a half has; if there are fewer, halves are cut to
        their number.
    splits
        Over how many such splits both are averaged.

    Returns
    -------
    FrechetDistance
        Or None with fewer than four real or two woven pictures.
    """
    n = min(len(real) // 2, len(woven))
    if n < 2:
        return None
    values, twins = [], []
    for _ in range(splits):
        order = random.permutation(len(real))
        half, other_half = real[order[:n]], real[order[n : 2 * n]]
        values.append(frechet_distance(half, woven[random.permutation(len(woven))[:n]]))
        twins.append(frechet_distance(half, other_half))
    return FrechetDistance(float(np.mean(values)), float(np.mean(twins)), n)


def _root_of_covariance(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return R ``(min(n, D), D)`` of which RᵀR is the covariance."""
    centred = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    return np.asarray(np.linalg.qr(centred, mode="r"))
