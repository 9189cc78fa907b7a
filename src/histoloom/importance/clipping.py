"""How far weights may lie apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from histoloom.errors import ImportanceError
from histoloom.importance.weights import Bounds, as_numbers, check_bounds

PUBLISHED_BOUNDS: Bounds = (0.2, 2.0)
"""To which the authors' code clips; the paper does not say that weights are clipped."""

_KINDS = ("none", "range", "quantiles")
_QUANTILES = (0.05, 0.95)
_RANGE = re.compile(r"\s*(?:(quantiles)\s*)?([0-9.eE+-]+)\s*,\s*([0-9.eE+-]+|inf)\s*")


@dataclass(frozen=True)
class ClipRange:
    """An option of how weights are clipped.

    Parameters
    ----------
    kind
        ``"none"``, ``"range"`` for weights as they are given, or ``"quantiles"`` for shares of all weights.
    low, high
        The ends of that range.

    Raises
    ------
    ImportanceError
        If they are not possible.
    """

    kind: Literal["none", "range", "quantiles"] = "none"
    low: float = 0.0
    high: float = float("inf")

    def __post_init__(self) -> None:
        """Check kind and ends."""
        if self.kind not in _KINDS:
            raise ImportanceError(f"Weights cannot be clipped by '{self.kind}'; choose 'none', 'range' or 'quantiles'.")
        if self.kind == "range":
            check_bounds((self.low, self.high))
        if self.kind == "quantiles" and not 0.0 <= self.low < self.high <= 1.0:
            raise ImportanceError(
                f"Weights cannot be clipped to the quantiles {self.low:g} to {self.high:g}; give two shares in 0 to 1, "
                "the lower one first."
            )

    @classmethod
    def none(cls) -> ClipRange:
        """Leave weights as they are."""
        return cls()

    @classmethod
    def published(cls) -> ClipRange:
        """Clip to `PUBLISHED_BOUNDS`."""
        return cls("range", *PUBLISHED_BOUNDS)

    @classmethod
    def between(cls, low: float, high: float) -> ClipRange:
        """Clip to weights."""
        return cls("range", low, high)

    @classmethod
    def quantiles(cls, low: float = _QUANTILES[0], high: float = _QUANTILES[1]) -> ClipRange:
        """Clip to the weights that these shares of all weights do not exceed."""
        return cls("quantiles", low, high)

    @classmethod
    def from_text(cls, text: str) -> ClipRange:
        """Read what `as_text` writes: ``none``, ``published``, ``0.2,2``, ``quantiles`` or ``quantiles 0.05,0.95``.

        Raises
        ------
        ImportanceError
            If it is something else.
        """
        word = text.strip().lower()
        if word in ("none", "published", "quantiles"):
            return {"none": cls.none, "published": cls.published, "quantiles": cls.quantiles}[word]()
        found = _RANGE.fullmatch(word)
        try:
            ends = (float(found[2]), float(found[3])) if found else None
        except ValueError:
            ends = None
        if found is None or ends is None:
            raise ImportanceError(
                f"'{text}' is no range to clip weights to; give 'none', 'published' (0.2,2), two weights such as "
                "'0.1,10', or 'quantiles 0.05,0.95'."
            )
        return cls.quantiles(*ends) if found[1] else cls.between(*ends)

    def as_text(self) -> str:
        """Return the option as people and tables write it, with all digits, so that weights can be cut so again."""
        if self.kind == "none":
            return "none"
        ends = ",".join(repr(each).removesuffix(".0") for each in (float(self.low), float(self.high)))
        return ends if self.kind == "range" else f"quantiles {ends}"


def clip_bounds(weights: ArrayLike, option: ClipRange) -> Bounds | None:
    """Return the bounds that an option gives for these weights, or None for none.

    Parameters
    ----------
    weights
        All that are clipped together; only quantiles ask for them.
    option
        How they shall be clipped.

    Raises
    ------
    ImportanceError
        If there are no weights to take quantiles of, or one is not a number.
    """
    if option.kind == "none":
        return None
    if option.kind == "range":
        return option.low, option.high
    given = as_numbers(weights, "Weights").ravel()
    if not given.size or np.isnan(given).any():
        raise ImportanceError("Quantiles of weights need weights, and all of them numbers; weigh some tiles first.")
    # Nearest, because between a weight and an infinite one there is nothing to interpolate.
    low, high = np.quantile(given, [option.low, option.high], method="nearest")
    return float(low), float(high)
