"""Stain summaries: a tile's colour in a few numbers, and how far another has drifted from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LookError
from histoloom.tiles.stains import (
    HEMATOXYLIN_EOSIN,
    macenko_vectors,
    optical_density,
    separate_stains,
    tissue_mask,
)

QUANTILE_LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""The levels of `StainSummary.quantiles`."""

SHADE_EDGES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
"""Quantiles of the absorption of red light between which the shades of `StainSummary.shades` lie."""

_LOWER_QUARTILE, _MEDIAN, _UPPER_QUARTILE, _HIGHEST = 2, 3, 4, 6
_SIGMAS_BETWEEN_QUARTILES = 1.349

_LEAST_CHROMA, _LEAST_GREEN = 0.08, 0.8
"""Of 97 tiles of five sets, the palest has a chroma of 0.14 and the bluest absorbs as much green light as any other."""


@dataclass(frozen=True, eq=False)
class StainSummary:
    """The stains of a tile's tissue; glass is left out.

    Parameters
    ----------
    vectors
        Unit rows ``float32 (2, 3)``: optical density of haematoxylin and of eosin per RGB channel.
    quantiles
        ``float32 (2, 7)``: concentration of each stain at `QUANTILE_LEVELS`, in optical density.
    mean, standard_deviation
        ``float32 (3,)``: optical density of the tissue per RGB channel.
    shades
        ``float32 (5, 3)``: mean optical density per RGB channel of five parts of the tissue (`SHADE_EDGES`), from what
        absorbs least red light, fibres, to what absorbs most, nuclei. Stain vectors do not tell what mixture of stains
        a nucleus is; this does.
    """

    vectors: NDArray[np.float32]
    quantiles: NDArray[np.float32]
    mean: NDArray[np.float32]
    standard_deviation: NDArray[np.float32]
    shades: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name, shape in _SHAPES.items():
            array = np.array(getattr(self, name), np.float32)
            if array.shape != shape or not np.isfinite(array).all():
                raise LookError(f"The stain summary's '{name}' is damaged; make the summary again from the tile.")
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def of(cls, rgb: NDArray[np.uint8]) -> StainSummary:
        """Summarize a picture ``uint8 (H, W, 3)``.

        Vectors are the picture's own (`macenko_vectors`); where it has tissue of one colour only, Ruifrok's.

        Raises
        ------
        LookError
            If the picture shows no tissue.
        """
        tissue = rgb[tissue_mask(rgb)]
        if not len(tissue):
            raise LookError("The tile shows no tissue, only white, so it has no stains; choose one with tissue.")
        try:
            vectors = macenko_vectors(tissue)
        except LookError:
            vectors = HEMATOXYLIN_EOSIN
        concentrations = separate_stains(tissue, vectors)[:, :2]
        density = optical_density(tissue)
        return cls(
            vectors,
            np.quantile(concentrations, QUANTILE_LEVELS, axis=0).T,
            density.mean(axis=0, dtype=np.float64),
            density.std(axis=0, dtype=np.float64),
            _shades(density),
        )

    @property
    def medians(self) -> NDArray[np.float32]:
        """Median concentration of each stain, ``(2,)``."""
        return self.quantiles[:, _MEDIAN]

    @property
    def spreads(self) -> NDArray[np.float32]:
        """Robust standard deviation of each stain's concentration, from its quartiles, ``(2,)``; never 0."""
        between = self.quantiles[:, _UPPER_QUARTILE] - self.quantiles[:, _LOWER_QUARTILE]
        return np.asarray(np.maximum(between / _SIGMAS_BETWEEN_QUARTILES, 1e-3), np.float32)

    @property
    def maxima(self) -> NDArray[np.float32]:
        """The 99th percentile of each stain's concentration, ``(2,)``: Macenko's pseudo-maximum; never 0."""
        return np.asarray(np.maximum(self.quantiles[:, _HIGHEST], 1e-3), np.float32)

    @property
    def color_warning(self) -> str:
        """A sentence for people where the tissue is not coloured as haematoxylin and eosin are, or nothing.

        Both stains absorb green light most. What is grey absorbs all light alike, and brown or green tissue green light
        less than other light.
        """
        red, green, blue = self.mean.tolist()
        most = max(red, green, blue)
        is_gray = most - min(red, green, blue) < _LEAST_CHROMA * most
        if not is_gray and green >= _LEAST_GREEN * most:
            return ""
        return (
            f"This look is {'grey' if is_gray else 'of other colours'} and not stained with haematoxylin and eosin, so "
            "woven tissue will not have its colours; take a tile that is."
        )

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain JSON values."""
        return {name: getattr(self, name).tolist() for name in _SHAPES}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> StainSummary:
        """Return the summary that `as_json` wrote; raises `LookError` where something is missing or damaged."""
        try:
            return cls(**{name: np.array(values[name], np.float32) for name in _SHAPES})
        except (KeyError, TypeError, ValueError):
            raise LookError("The stain summary is damaged; make it again from the tile.") from None

    def __eq__(self, other: object) -> bool:
        """Whether all figures are the same."""
        if not isinstance(other, StainSummary):
            return NotImplemented
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in _SHAPES)

    def __hash__(self) -> int:
        """Hash by the figures."""
        return hash(tuple(getattr(self, name).tobytes() for name in _SHAPES))


_SHAPES = {
    "vectors": (2, 3),
    "quantiles": (2, len(QUANTILE_LEVELS)),
    "mean": (3,),
    "standard_deviation": (3,),
    "shades": (len(SHADE_EDGES) - 1, 3),
}


def _shades(density: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means ``(5, 3)`` of optical densities ``(n, 3)`` in the order of the first channel."""
    ordered = density[np.argsort(density[:, 0], kind="stable")]
    # Each part has a pixel at least, also of a picture with fewer pixels than parts.
    last = len(ordered) - 1
    bounds = [(int(low * last), max(int(high * last), int(low * last) + 1)) for low, high in pairwise(SHADE_EDGES)]
    means = [ordered[first:end].mean(axis=0, dtype=np.float64) for first, end in bounds]
    return np.asarray(np.stack(means), np.float32)


@dataclass(frozen=True)
class ColorDrift:
    """How far one tile's stains are from a reference's.

    Parameters
    ----------
    hematoxylin_shift, eosin_shift
        Difference of the median concentrations in units of the reference's spread; above 0 is darker.
    hematoxylin_spread_ratio, eosin_spread_ratio
        Spread of the concentrations relative to the reference's; 1 is the same contrast.
    hematoxylin_angle, eosin_angle
        Angle between the stain vectors in degrees: a change of hue.
    optical_density_shift
        Length of the difference of the mean optical densities.
    """

    hematoxylin_shift: float
    eosin_shift: float
    hematoxylin_spread_ratio: float
    eosin_spread_ratio: float
    hematoxylin_angle: float
    eosin_angle: float
    optical_density_shift: float


def color_drift(reference: StainSummary, other: StainSummary) -> ColorDrift:
    """Compare two summaries; a tile compared with itself has shifts and angles 0 and ratios 1."""
    shifts = (other.medians - reference.medians) / reference.spreads
    ratios = other.spreads / reference.spreads
    # The angle from the chord: arccos of the scalar product would not give 0 for equal float32 vectors.
    chords = np.linalg.norm(other.vectors.astype(np.float64) - reference.vectors, axis=1)
    angles = np.rad2deg(2.0 * np.arcsin(np.clip(chords / 2.0, 0.0, 1.0)))
    return ColorDrift(
        float(shifts[0]),
        float(shifts[1]),
        float(ratios[0]),
        float(ratios[1]),
        float(angles[0]),
        float(angles[1]),
        float(np.linalg.norm(other.mean - reference.mean)),
    )
