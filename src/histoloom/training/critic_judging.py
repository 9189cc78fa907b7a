"""What a critic's bundle says of its logits, measured on held-out patches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoloom.generators.networks.critic import RECEPTIVE_FIELD, STEP
from histoloom.importance import fit_calibration
from histoloom.models import JudgementFacts


def calibrated_facts(logits: NDArray[np.float32], is_real: NDArray[np.bool_], reference_size: int) -> JudgementFacts:
    """Return facts whose slope and intercept make probabilities of a critic's logits (Platt 1999).

    Parameters
    ----------
    logits
        Of held-out patches of real and of woven tiles, ``(N,)``; no degraded ones.
    is_real
        Which of them are of real tiles.
    reference_size
        Side of the references in pixels, 0 for none.

    Raises
    ------
    ImportanceError
        If patches of one sort are missing, or a logit is no number.
    """
    found = fit_calibration(logits, is_real)
    real = int(is_real.sum())
    return JudgementFacts(
        ratio=(len(is_real) - real) / real,
        slope=found.slope,
        intercept=found.intercept,
        reference_size=reference_size,
        receptive_field=RECEPTIVE_FIELD,
        step=STEP,
    )
