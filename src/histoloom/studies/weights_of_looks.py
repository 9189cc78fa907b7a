"""Weights of woven tiles beside references that their looks match, and beside others: figure 7 of Hou et al. (2019).

In the paper a pathologist said which tiles look real. Here nobody is asked: each woven tile is judged beside the real
one that lent it its look, and beside one of other tissue.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import ImportanceError
from histoloom.evaluation import area_under_roc
from histoloom.importance.critic import Critic
from histoloom.keyed_random import keyed_hash
from histoloom.studies.picture_sheet import fitted, save_picture_sheet
from histoloom.studies.svg_charts import Histogram, histogram_chart
from histoloom.writing import write_text

_DRAW = 353
_EXAMPLES = 6
_MOST_DOUBLINGS = 8
_BINS_PER_DOUBLING = 2


@dataclass(frozen=True, eq=False)
class JudgedPair:
    """A woven tile that was judged beside a reference.

    Parameters
    ----------
    picture, reference
        RGB ``uint8 (H, W, 3)`` and ``(h, w, 3)``.
    weight
        Its importance weight there, not clipped.
    matches
        Whether the reference lent the picture its look.
    """

    picture: NDArray[np.uint8]
    reference: NDArray[np.uint8]
    weight: float
    matches: bool


@dataclass(frozen=True, eq=False)
class WeightsOfLooks:
    """Weights of woven tiles beside their own references and beside those of other tissue.

    Parameters
    ----------
    pairs
        Two of each woven tile, first beside its own reference.
    critic
        What weighed them.
    """

    pairs: tuple[JudgedPair, ...]
    critic: str

    def weights(self, *, matching: bool) -> NDArray[np.float64]:
        """Return the weights ``(tiles,)`` beside own references, or beside others."""
        return np.array([each.weight for each in self.pairs if each.matches is matching], np.float64)

    @property
    def auroc(self) -> float:
        """How often a tile's weight beside its own reference is above another's beside one of other tissue, 0..1."""
        matches = np.array([each.matches for each in self.pairs])
        return float(area_under_roc(matches, np.array([_doublings(each.weight) for each in self.pairs])))

    @property
    def caption(self) -> str:
        """What is measured of them, in a sentence."""
        own, other = self.weights(matching=True), self.weights(matching=False)
        return (
            f"{len(own)} woven tiles, weighed by '{self.critic}' beside the tile whose look they have and beside one "
            f"of other tissue: median weights {np.median(own):.2f} and {np.median(other):.2f}, AUROC {self.auroc:.2f}."
        )


def weigh_looks(
    critic: Critic,
    pictures: Sequence[NDArray[np.uint8]],
    references: Sequence[NDArray[np.uint8]],
    kinds: Sequence[str],
    own: Sequence[int],
    pixel_size: float,
    seed: int = 0,
) -> WeightsOfLooks:
    """Weigh each woven tile beside the reference whose look it has, and beside one of another kind of tissue.

    Parameters
    ----------
    critic
        Any discriminator that compares with a reference.
    pictures
        Woven tiles, RGB ``uint8 (H, W, 3)``.
    references
        Real tiles.
    kinds
        What tissue each reference is of.
    own
        Which reference lent each woven tile its look.
    pixel_size
        µm per pixel of all.
    seed
        Draws the references of other tissue.

    Raises
    ------
    ImportanceError
        If the critic compares with no reference, no reference is of other tissue, or it cannot judge these pictures.
    """
    if not critic.needs_reference:
        raise ImportanceError(
            f"'{critic.name}' compares with no reference, so that no look can match one; choose a critic that does."
        )
    if not pictures or len(set(kinds)) < 2:
        raise ImportanceError(
            "Looks that match and looks that do not need woven tiles and references of two kinds of tissue; give more."
        )
    chosen = []
    for index, place in enumerate(own):
        others = [at for at, kind in enumerate(kinds) if kind != kinds[place]]
        chosen += [(index, place, True), (index, others[int(keyed_hash(seed, _DRAW, index)) % len(others)], False)]
    judged: dict[tuple[int, bool], JudgedPair] = {}
    # By reference, because a critic keeps what it makes of the last one.
    for index, place, matches in sorted(chosen, key=lambda each: each[1]):
        picture, reference = pictures[index], references[place]
        weight = critic.judge(picture, pixel_size, reference=reference).weight()
        judged[index, matches] = JudgedPair(picture, reference, weight, matches)
    pairs = tuple(judged[index, matches] for index in range(len(pictures)) for matches in (True, False))
    return WeightsOfLooks(pairs, critic.name)


def weights_chart(found: WeightsOfLooks) -> str:
    """Return the distributions of both groups of weights as an SVG element, over a logarithmic axis."""
    groups = {
        "look matches the reference": found.weights(matching=True),
        "look does not match it": found.weights(matching=False),
    }
    values = {title: np.array([_doublings(each) for each in weights]) for title, weights in groups.items()}
    together = np.concatenate(list(values.values()))
    low, high = math.floor(min(together.min(), -1.0)), math.ceil(max(together.max(), 1.0))
    edges = np.linspace(low, high, (high - low) * _BINS_PER_DOUBLING + 1)
    shares = [
        Histogram(title, [float(each) for each in np.histogram(of_group, edges)[0] / len(of_group)])
        for title, of_group in values.items()
    ]
    return histogram_chart(
        [float(each) for each in edges],
        shares,
        f"Importance weights of woven tiles (AUROC {found.auroc:.2f})",
        "importance weight",
        {float(each): _power_words(each) for each in range(low, high + 1) if each % (1 if high - low <= 6 else 2) == 0},
    )


def save_weights_chart(found: WeightsOfLooks, path: Path) -> None:
    """Write the distributions as SVG, whole or not at all; raises `WriteError` if it cannot be written."""
    write_text(path, weights_chart(found))


def save_weighted_examples(found: WeightsOfLooks, path: Path, count: int = _EXAMPLES) -> None:
    """Write examples as PNG, from the most down-weighted to the most up-weighted, each above its reference.

    The examples are not chosen by eye: they lie at even steps of the order of all weights.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    ordered = sorted(found.pairs, key=lambda each: each.weight)
    places = np.unique(np.rint(np.linspace(0, len(ordered) - 1, min(count, len(ordered)))).astype(int))
    shown = [ordered[place] for place in places]
    shape = shown[0].picture.shape[:2]
    words = [f"{_weight_words(each.weight)}\n{'matches' if each.matches else 'does not match'}" for each in shown]
    rows = [
        [fitted(each.picture, shape) for each in shown],
        [fitted(each.reference, shape) for each in shown],
    ]
    caption = found.caption + " Examples at even steps of the order of all weights, and nobody chose them."
    save_picture_sheet(words, rows, path, "synthetic, and real references, by weight", caption, ["woven", "reference"])


def _doublings(weight: float) -> float:
    """Return the logarithm to base 2 of a weight, as far as charts reach."""
    if weight <= 2.0**-_MOST_DOUBLINGS:
        return -float(_MOST_DOUBLINGS)
    return min(math.log2(weight), float(_MOST_DOUBLINGS))


def _weight_words(weight: float) -> str:
    return f"{weight:.2f}" if weight >= 0.01 else "below 0.01"


def _power_words(doublings: int) -> str:
    return f"{2**doublings}" if doublings >= 0 else f"1/{2**-doublings}"
