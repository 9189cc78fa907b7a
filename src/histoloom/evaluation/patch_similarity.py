"""MS-SSIM of patches: between tiles of a folder, between weaves of one layout, and of weaves to their real tiles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from histoloom.evaluation.diversity import multiscale_similarity
from histoloom.evaluation.patches import TilePatches, layout_name

MOST_PAIRS = 200
"""Of how many pairs of patches a mean is taken at the most."""


def similarity_between_tiles(tiles: Sequence[TilePatches], random: np.random.Generator) -> float:
    """Return the mean MS-SSIM of random pairs of patches of different layouts; NaN where there is only one.

    Much above that of real tiles, the woven ones repeat themselves.
    """
    names = np.array([layout_name(each.name) for each in tiles])
    if len(set(names.tolist())) < 2:
        return float("nan")
    similarities = []
    for _ in range(MOST_PAIRS):
        first = int(random.integers(len(tiles)))
        pair = tiles[first], tiles[int(random.choice(np.flatnonzero(names != names[first])))]
        patches = (each.pixels[random.integers(len(each.pixels))] for each in pair)
        similarities.append(multiscale_similarity(*patches))
    return _mean(similarities)


def similarity_between_weaves(woven: Sequence[TilePatches], random: np.random.Generator) -> float:
    """Return the mean MS-SSIM of patches at one place of weaves of one layout from different seeds; NaN without any.

    Each weave is compared with the next one of its layout: seeds are as unlike there as anywhere.
    """
    pairs = [
        (one, other)
        for one, other in pairwise(sorted(woven, key=lambda each: (layout_name(each.name), each.name)))
        if layout_name(one.name) == layout_name(other.name) and one.grid == other.grid
    ]
    return _mean_at_places(pairs, random)


def similarity_to_real(real: Sequence[TilePatches], woven: Sequence[TilePatches], random: np.random.Generator) -> float:
    """Return the mean MS-SSIM of woven patches to those at their place in the real tile whose layout they have.

    A woven tile has the layout of the real one of its name, without ``_seed1``, if both have as many patches across
    and down. NaN where there is none.
    """
    known = {each.name: each for each in real}
    pairs = [(known[name], each) for each in woven if (name := layout_name(each.name)) in known]
    return _mean_at_places([(one, other) for one, other in pairs if one.grid == other.grid], random)


def _mean_at_places(pairs: Sequence[tuple[TilePatches, TilePatches]], random: np.random.Generator) -> float:
    places = [
        (index, place) for index, (one, other) in enumerate(pairs) for place in set(one.places) & set(other.places)
    ]
    places.sort()
    chosen = random.permutation(len(places))[:MOST_PAIRS]
    return _mean([
        multiscale_similarity(*(side.at[places[index][1]] for side in pairs[places[index][0]])) for index in chosen
    ])  # fmt: skip


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
