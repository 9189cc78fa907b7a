"""Colour taken out of tiles and put into woven ones, analytically: the network weaves concentrations, not colours.

A tile's own stain vectors and the concentrations that one percent of its tissue exceeds (`StainSummary`) turn its
optical density into relative concentrations, and these into a *canonical* picture: the tile as it would look with
everybody's stains, as Macenko et al. (2009, section 2.2) normalize. Networks see canonical pictures only. The way back
uses the stains of a look, so a look's colour needs no learning and holds for stains never seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from histoloom.tiles.stain_summary import QUANTILE_LEVELS, SHADE_EDGES, StainSummary
from histoloom.tiles.stains import HEMATOXYLIN_EOSIN

STAIN_ROW = 2 * (3 + len(QUANTILE_LEVELS)) + 3 * (len(SHADE_EDGES) - 1)
"""Numbers of a look's stains: of each stain its vector and its concentrations at `QUANTILE_LEVELS`; then the shades."""

STAIN_NUMBERS = 2 * (len(QUANTILE_LEVELS) - 1) + 3 * (len(SHADE_EDGES) - 1)
"""Numbers of a look's stains as the networks see them; see `stain_numbers`."""

_CANONICAL_MAXIMA = (0.9, 0.6)
_RESIDUAL = 0.15
_LEAST_MAXIMUM = 0.05
_LOG_10 = float(np.log(10.0))
_LARGEST_NUMBER = 2.0


def stain_rows(summaries: Sequence[StainSummary]) -> torch.Tensor:
    """Return stains as a tensor ``float32 (B, STAIN_ROW)``."""
    rows = [
        np.concatenate([np.concatenate([each.vectors, each.quantiles], axis=1).ravel(), each.shades.ravel()])
        for each in summaries
    ]
    return torch.from_numpy(np.stack(rows).astype(np.float32))


def stain_numbers(rows: torch.Tensor) -> torch.Tensor:
    """Return ``(B, STAIN_NUMBERS)``, all in relative concentrations.

    First each stain's quantiles but the highest, then haematoxylin, eosin and residual of each of the shades.
    """
    quantiles = _stains(rows)[:, :, 3:]
    spread = (quantiles[:, :, :-1] / _maxima(rows)[:, :, None]).clamp(-1.0, 1.0)
    shades = torch.einsum("bkc,bcs->bks", rows[:, -_SHADE_NUMBERS:].unflatten(1, (-1, 3)), _inverse_basis(rows))
    return torch.cat([spread.flatten(1), shades.clamp(-_LARGEST_NUMBER, _LARGEST_NUMBER).flatten(1)], 1)


def jittered_stains(rows: torch.Tensor, vectors: float, maxima: float) -> torch.Tensor:
    """Return stains as they might have been estimated or dyed otherwise; draws from torch's generator.

    The shades, which are measured and not estimated, stay; `stain_numbers` tells them in terms of the new stains.

    Parameters
    ----------
    rows
        ``(B, STAIN_ROW)``.
    vectors
        Standard deviation of each component of the unit vectors.
    maxima
        Standard deviation of the logarithm of the concentrations' scale.
    """
    stains = _stains(rows)
    shaken = stains[:, :, :3] + vectors * torch.randn_like(stains[:, :, :3])
    shaken = torch.nn.functional.normalize(shaken.clamp(min=0.0), dim=2)
    scale = torch.exp(maxima * torch.randn_like(stains[:, :, :1]))
    return torch.cat([torch.cat([shaken, stains[:, :, 3:] * scale], 2).flatten(1), rows[:, -_SHADE_NUMBERS:]], 1)


def relative_concentrations(pictures: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return haematoxylin, eosin and residual ``(B, 3, H, W)`` of pictures in -1..1, relative to the looks' maxima."""
    transmittance = (pictures.float() + 1.0).mul(0.5).clamp(min=1.0 / 255.0)
    density = torch.log(transmittance).mul(-1.0 / _LOG_10)
    return torch.einsum("bchw,bcs->bshw", density, _inverse_basis(rows))


def pictures_of(concentrations: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return pictures ``(B, 3, H, W)`` in -1..1 of concentrations: the inverse of `relative_concentrations`."""
    density = torch.einsum("bshw,bsc->bchw", concentrations.float(), _basis(rows))
    return torch.exp(density.clamp(min=0.0, max=_DARKEST).mul(-_LOG_10)).mul(2.0).sub(1.0)


def canonical_pictures(concentrations: torch.Tensor) -> torch.Tensor:
    """Return how relative concentrations look with everybody's stains: ``(B, 3, H, W)`` in -1..1."""
    row = torch.from_numpy(np.array(HEMATOXYLIN_EOSIN)).to(concentrations.device)
    maxima = torch.tensor(_CANONICAL_MAXIMA, device=concentrations.device)
    quantiles = maxima[:, None].expand(2, len(QUANTILE_LEVELS))
    stains = torch.cat([row, quantiles], 1).flatten()
    no_shades = torch.zeros(_SHADE_NUMBERS, device=concentrations.device)
    return pictures_of(concentrations, torch.cat([stains, no_shades])[None].expand(len(concentrations), -1))


def _maxima(rows: torch.Tensor) -> torch.Tensor:
    return _stains(rows)[:, :, -1].clamp(min=_LEAST_MAXIMUM)


def _stains(rows: torch.Tensor) -> torch.Tensor:
    """Return vector and quantiles of each stain, ``(B, 2, 3 + len(QUANTILE_LEVELS))``."""
    return rows[:, :-_SHADE_NUMBERS].unflatten(1, (2, -1))


def _inverse_basis(rows: torch.Tensor) -> torch.Tensor:
    """Return ``(B, 3, 3)``: what turns optical densities into relative concentrations."""
    inverse: torch.Tensor = torch.linalg.inv(_basis(rows))
    return inverse


def _basis(rows: torch.Tensor) -> torch.Tensor:
    """Return ``(B, 3, 3)``: optical density per RGB channel of a relative concentration of 1, a stain a row."""
    vectors = _stains(rows)[:, :, :3]
    residual = torch.nn.functional.normalize(torch.linalg.cross(vectors[:, 0], vectors[:, 1]), dim=1)
    stains = vectors * _maxima(rows)[:, :, None]
    return torch.cat([stains, _RESIDUAL * residual[:, None]], 1)


_DARKEST = 2.4
_SHADE_NUMBERS = 3 * (len(SHADE_EDGES) - 1)
