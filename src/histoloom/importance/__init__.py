"""Importance weights: how far to trust each woven tile, as a discriminator says (Hou et al. 2019, section 3).

Nothing here imports PyTorch until a critic is loaded.
"""

from histoloom.importance.calibration import (
    Calibration,
    ReliabilityBin,
    expected_calibration_error,
    fit_calibration,
    reliability_curve,
    verdict,
)
from histoloom.importance.clipping import ClipRange, clip_bounds
from histoloom.importance.judgement import Judgement
from histoloom.importance.weights import (
    effective_sample_size,
    importance_weights,
    logit_weights,
    normalized_weights,
)

__all__ = [
    "Calibration",
    "ClipRange",
    "Judgement",
    "ReliabilityBin",
    "clip_bounds",
    "effective_sample_size",
    "expected_calibration_error",
    "fit_calibration",
    "importance_weights",
    "logit_weights",
    "normalized_weights",
    "reliability_curve",
    "verdict",
]
