"""Which nuclei of a woven picture look wrong."""

from __future__ import annotations

import numpy as np

from histoloom.errors import ImportanceError
from histoloom.importance.judgement import Judgement
from histoloom.importance.weights import Bounds, logit_weights
from histoloom.layouts import Layout


def nucleus_weights(layout: Layout, judgement: Judgement, clip: Bounds | None = None) -> dict[int, float]:
    """Return the weight of each nucleus: equation 5 of the mean probability over its pixels.

    A critic sees patches, so what surrounds a nucleus has its part in that.

    Parameters
    ----------
    layout
        What the picture was woven from.
    judgement
        Of that picture.
    clip
        The least and the largest weight; None for any.

    Returns
    -------
    dict
        By id; nuclei without a visible pixel, because they are covered or off the canvas, are left out.

    Raises
    ------
    ImportanceError
        If layout and picture differ in size.
    """
    if layout.shape != judgement.shape:
        raise ImportanceError(
            f"The layout has {layout.shape[0]} x {layout.shape[1]} pixels and the judged picture "
            f"{judgement.shape[0]} x {judgement.shape[1]}; judge the picture that was woven from it."
        )
    if not layout.nuclei:
        return {}
    labels = layout.rasterize()
    inside = labels > 0
    # float64 and both means, because a sure critic's probabilities differ from 1 by less than one number can tell.
    logits = judgement.logit_map()[inside].astype(np.float64)
    ids, place = np.unique(labels[inside], return_inverse=True)
    real, woven = (np.bincount(place, np.exp(-np.logaddexp(0.0, sign * logits)), len(ids)) for sign in (-1.0, 1.0))
    with np.errstate(divide="ignore"):
        odds = np.log(real) - np.log(woven)
    weights = logit_weights(odds, judgement.ratio, clip)
    return {int(key): float(weight) for key, weight in zip(ids, weights, strict=True)}
