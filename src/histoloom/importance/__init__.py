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
from histoloom.importance.nucleus_weights import nucleus_weights
from histoloom.importance.weights import (
    effective_sample_size,
    importance_weights,
    logit_weights,
    normalized_weights,
    weights_among_alike,
)
from histoloom.importance.weights_table import (
    DECISIONS,
    Decision,
    TileWeight,
    WeighingFacts,
    decided_weight,
    read_weights,
    rows_of,
    write_weights,
)

__all__ = [
    "DECISIONS",
    "Calibration",
    "ClipRange",
    "Decision",
    "Judgement",
    "ReliabilityBin",
    "TileWeight",
    "WeighingFacts",
    "clip_bounds",
    "decided_weight",
    "effective_sample_size",
    "expected_calibration_error",
    "fit_calibration",
    "importance_weights",
    "logit_weights",
    "normalized_weights",
    "nucleus_weights",
    "read_weights",
    "reliability_curve",
    "rows_of",
    "verdict",
    "weights_among_alike",
    "write_weights",
]
