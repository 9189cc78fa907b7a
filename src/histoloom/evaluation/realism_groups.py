"""Realism of parts of the woven tiles: of one image, one patient, one organ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LookError
from histoloom.evaluation.kernel_distance import KernelSums
from histoloom.evaluation.patches import TilePatches, layout_name
from histoloom.evaluation.scores import LabelTally, Scores, pooled
from histoloom.layouts.tile_folders import TileFolder
from histoloom.tiles.stain_summary import ColorDrift, StainSummary, color_drift

_MOST_PIXELS = 1_000_000


@dataclass(frozen=True)
class GroupRealism:
    """How far one woven image, or the woven tiles of one patient or organ, are from real tiles.

    Parameters
    ----------
    woven_patches, real_patches
        How many patches were compared.
    kid
        Kernel distance; NaN with fewer than two patches on a side.
    color_drift
        From the real tiles; None where one of the two shows no tissue.
    faithfulness
        Scores against the layouts, pooled over the group's tiles; None where nothing was segmented.
    """

    woven_patches: int
    real_patches: int
    kid: float
    color_drift: ColorDrift | None
    faithfulness: Scores | None


@dataclass(frozen=True)
class TileGroups:
    """What each tile with patches is of.

    Parameters
    ----------
    real_patients, woven_patients, real_organs, woven_organs
        Of each tile; None where nobody knows.
    real_units, woven_units
        What counts as one when things are drawn anew: the patient, or where it is not known the layout.
    """

    real_patients: Sequence[str | None]
    woven_patients: Sequence[str | None]
    real_organs: Sequence[str | None]
    woven_organs: Sequence[str | None]
    real_units: Sequence[str]
    woven_units: Sequence[str]

    @classmethod
    def of(cls, real: TileFolder, reals: Sequence[TilePatches], wovens: Sequence[TilePatches]) -> TileGroups:
        """Return the groups of tiles; woven ones are of those of the real tile whose layout they have."""
        known = {pair.id: pair for pair in real.pairs}
        sources = [known.get(layout_name(each.name)) for each in wovens]
        patients = [
            each.pair.patient or (one.patient if one else None) for each, one in zip(wovens, sources, strict=True)
        ]
        return cls(
            [each.pair.patient for each in reals],
            patients,
            [each.pair.organ for each in reals],
            [each.pair.organ or (one.organ if one else None) for each, one in zip(wovens, sources, strict=True)],
            [each.pair.patient or each.name for each in reals],
            [patient or layout_name(each.name) for patient, each in zip(patients, wovens, strict=True)],
        )

    @property
    def patients_known(self) -> bool:
        """Whether the real tiles are of two patients or more."""
        return None not in self.real_patients and len(set(self.real_patients)) > 1


class GroupMeasure:
    """Measures any part of the woven tiles against any part of the real ones.

    Parameters
    ----------
    reals, wovens
        Their patches.
    sums
        Of the kernel, with each tile a block, in the order of the patches.
    tallies
        Label faithfulness of woven tiles by their names.
    """

    def __init__(
        self,
        reals: Sequence[TilePatches],
        wovens: Sequence[TilePatches],
        sums: KernelSums,
        tallies: Mapping[str, LabelTally],
    ) -> None:
        self._reals, self._wovens, self._sums, self._tallies = reals, wovens, sums, tallies
        self._all_real = _stains(reals)

    def drift(self, real: Iterable[int] | None, others: Sequence[TilePatches]) -> ColorDrift | None:
        """Return the drift of tiles from real ones, by their numbers (default: all)."""
        reference = self._all_real if real is None else _stains([self._reals[index] for index in real])
        stains = _stains(others)
        return None if reference is None or stains is None else color_drift(reference, stains)

    def of(self, real: Sequence[int] | None, woven: Sequence[int]) -> GroupRealism:
        """Return how far woven tiles are from real ones, both by their numbers (default: all real ones)."""
        rows = range(len(self._reals)) if real is None else real
        chosen = [self._wovens[index] for index in woven]
        tallies = [self._tallies[each.name] for each in chosen if each.name in self._tallies]
        return GroupRealism(
            sum(len(each.places) for each in chosen),
            sum(len(self._reals[index].places) for index in rows),
            self._sums.distance(_mask(rows, len(self._reals)), _mask(woven, len(self._wovens))),
            self.drift(real, chosen),
            pooled(tallies).scores() if tallies else None,
        )

    def by(self, real: Sequence[str | None], woven: Sequence[str | None]) -> dict[str, GroupRealism]:
        """Return the measures of each group of which there are real and woven tiles."""
        both = sorted({each for each in real if each is not None} & {each for each in woven if each is not None})
        return {group: self.of(_numbers(real, group), _numbers(woven, group)) for group in both}


def _stains(tiles: Sequence[TilePatches]) -> StainSummary | None:
    pixels = np.concatenate([each.pixels.reshape(-1, 3) for each in tiles])
    # An odd step does not keep to a few columns of patches whose sides are even.
    step = len(pixels) // _MOST_PIXELS | 1
    try:
        return StainSummary.of(pixels[::step, None])
    except LookError:
        return None


def _mask(chosen: Iterable[int], count: int) -> NDArray[np.bool_]:
    mask = np.zeros(count, bool)
    mask[list(chosen)] = True
    return mask


def _numbers(groups: Sequence[str | None], group: str) -> list[int]:
    return [index for index, each in enumerate(groups) if each == group]
