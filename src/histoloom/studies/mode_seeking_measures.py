"""What is measured of a trained cell of the mode-seeking study, on held-out real tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LookError, RunError
from histoloom.evaluation import mean_pairwise_l1, mean_pairwise_similarity
from histoloom.studies.held_out import HeldOutCrop
from histoloom.studies.trained_generator import Picture, TrainedGenerator
from histoloom.tiles.stain_summary import StainSummary, color_drift
from histoloom.tiles.stains import separate_stains


@dataclass(frozen=True, eq=False)
class Measures:
    """What was measured, by name of the measure; NaN where nothing could be.

    Parameters
    ----------
    per_tile
        ``float64 (tiles,)``, each the mean over a tile's crops.
    per_pair
        ``float64 (tiles, tiles)``, each the mean over pairs of crops of two different tiles; the diagonal is NaN.
    """

    per_tile: Mapping[str, NDArray[np.float64]]
    per_pair: Mapping[str, NDArray[np.float64]]

    @property
    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """All measures."""
        return {**self.per_pair, **self.per_tile}

    def as_json(self) -> dict[str, Any]:
        """Return plain values, with null for NaN."""
        return {
            "per_tile": {name: _plain(values) for name, values in self.per_tile.items()},
            "per_pair": {name: _plain(values) for name, values in self.per_pair.items()},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Measures:
        """Return what `as_json` gave; raises `RunError` where it is damaged."""
        try:
            parts = [
                {name: np.array(each, np.float64) for name, each in values[part].items()}
                for part in ("per_tile", "per_pair")
            ]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise RunError("The measures of a cell are damaged; remove its 'measures.json' to measure again.") from None
        return cls(*parts)


def measure_cell(cell: TrainedGenerator, crops: Sequence[HeldOutCrop], *, structures: int, noises: int) -> Measures:
    """Measure a trained cell.

    - *across layouts*: each crop woven from its own mask and structure map; how alike weaves of different tiles are.
      High similarity is the collapse that the paper shows in its figure 2: one texture whatever the input.
    - *across structures*: one mask with its own structure map and those of other crops. Systems that see no structure
      map weave one picture: similarity 1 by construction.
    - *across noises*: the same condition, other noise (dropout, and the noise vector where there is one).
    - colour drift of each weave from the real crop whose layout it has (`histoloom.tiles.stain_summary.color_drift`),
      shifts with and without their sign.
    - *nucleus contrast*: mean haematoxylin inside the nuclei less that outside, in optical density.
    - L1 to the real crop, as a fraction of the range of grey levels.

    Parameters
    ----------
    cell
        The generator.
    crops
        Of held-out tiles, in the order of their tiles.
    structures, noises
        How many weaves of each mask, and of each condition, are compared.
    """
    woven = [cell.weave(cell.condition(crop.real)) for crop in crops]
    by_crop: list[dict[str, float]] = []
    for index, (crop, picture) in enumerate(zip(crops, woven, strict=True)):
        partners = _partners(crops, index, structures)
        structured = [cell.weave(cell.with_structure_of(crop.real, other.real)) for other in partners]
        noisy = [cell.weave(cell.condition(crop.real), seed) for seed in range(noises)]
        by_crop.append({
            "similarity_across_structures": mean_pairwise_similarity(structured),
            "l1_across_structures": mean_pairwise_l1(structured),
            "similarity_across_noises": mean_pairwise_similarity(noisy),
            "l1_across_noises": mean_pairwise_l1(noisy),
            "l1_to_real": mean_pairwise_l1([picture, crop.real.image]),
            **_drift(crop.stains, _stains(picture)),
            "nucleus_contrast": _nucleus_contrast(picture, crop.real.label_map > 0),
        })  # fmt: skip
    per_tile = {name: _mean_by_tile(crops, [measured[name] for measured in by_crop]) for name in by_crop[0]}
    return Measures(per_tile, _across_layouts(crops, woven))


def measure_real(crops: Sequence[HeldOutCrop]) -> Measures:
    """Measure the real crops themselves: how alike tiles are, and how far each is from the others in colour."""
    pictures = [crop.real.image for crop in crops]
    contrast = [_nucleus_contrast(crop.real.image, crop.real.label_map > 0) for crop in crops]
    apart = _by_tile_pair(crops, lambda first, second: _drift(crops[first].stains, crops[second].stains), permutations)
    # The signs of a pair and of its mirror image say nothing of the two.
    signless = {name: values for name, values in apart.items() if not name.endswith("_shift_signed")}
    return Measures(
        {"nucleus_contrast": _mean_by_tile(crops, contrast)}, {**_across_layouts(crops, pictures), **signless}
    )


def _across_layouts(crops: Sequence[HeldOutCrop], pictures: Sequence[Picture]) -> dict[str, NDArray[np.float64]]:
    def compared(first: int, second: int) -> dict[str, float]:
        pair = [pictures[first], pictures[second]]
        return {
            "similarity_across_layouts": mean_pairwise_similarity(pair),
            "l1_across_layouts": mean_pairwise_l1(pair),
        }

    return _by_tile_pair(crops, compared, combinations)


def _by_tile_pair(
    crops: Sequence[HeldOutCrop],
    compare: Callable[[int, int], Mapping[str, float]],
    pairs: Callable[[Sequence[int], int], Any],
) -> dict[str, NDArray[np.float64]]:
    tiles = sorted({crop.tile for crop in crops})
    gathered: dict[str, dict[tuple[int, int], list[float]]] = {}
    for first, second in pairs(range(len(crops)), 2):
        places = tiles.index(crops[first].tile), tiles.index(crops[second].tile)
        if places[0] == places[1]:
            continue
        for name, value in compare(first, second).items():
            for place in {places, places[::-1]}:
                gathered.setdefault(name, {}).setdefault(place, []).append(value)
    matrices = {}
    for name, values in gathered.items():
        matrices[name] = np.full((len(tiles), len(tiles)), np.nan)
        for place, each in values.items():
            matrices[name][place] = _mean(each)
    return matrices


def _partners(crops: Sequence[HeldOutCrop], index: int, count: int) -> list[HeldOutCrop]:
    """Return the crop itself and others spread over all of them, so that most are of other tiles."""
    return [crops[(index + turn * len(crops) // count) % len(crops)] for turn in range(count)]


def _stains(picture: Picture) -> StainSummary | None:
    try:
        return StainSummary.of(picture)
    except LookError:
        return None


def _drift(reference: StainSummary, stains: StainSummary | None) -> dict[str, float]:
    if stains is None:
        # A white picture has none to compare.
        return dict.fromkeys(_DRIFTS, np.nan)
    drift = color_drift(reference, stains)
    hematoxylin, eosin = drift.hematoxylin_shift, drift.eosin_shift
    return dict(
        zip(_DRIFTS, (abs(hematoxylin), abs(eosin), hematoxylin, eosin, drift.optical_density_shift), strict=True)
    )


_DRIFTS = (
    "hematoxylin_shift",
    "eosin_shift",
    "hematoxylin_shift_signed",
    "eosin_shift_signed",
    "optical_density_shift",
)


def _nucleus_contrast(picture: Picture, inside: NDArray[np.bool_]) -> float:
    if inside.all() or not inside.any():
        return float(np.nan)
    hematoxylin = separate_stains(picture)[..., 0]
    return float(hematoxylin[inside].mean() - hematoxylin[~inside].mean())


def _mean_by_tile(crops: Sequence[HeldOutCrop], values: Sequence[float]) -> NDArray[np.float64]:
    tiles = sorted({crop.tile for crop in crops})
    return np.array([
        _mean([value for crop, value in zip(crops, values, strict=True) if crop.tile == tile]) for tile in tiles
    ])  # fmt: skip


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float(np.nan)


def _plain(values: NDArray[np.float64]) -> Any:
    if values.ndim > 1:
        return [_plain(row) for row in values]
    return [float(value) if np.isfinite(value) else None for value in values]
