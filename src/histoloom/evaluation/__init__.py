"""How woven pictures compare, with each other and with real ones; nothing here needs PyTorch."""

from histoloom.evaluation.checkerboard import checkerboard_peaks, has_checkerboard
from histoloom.evaluation.diversity import mean_pairwise_l1, mean_pairwise_similarity, multiscale_similarity
from histoloom.evaluation.recovered_nuclei import recovered_fraction, recovered_nuclei

__all__ = [
    "checkerboard_peaks",
    "has_checkerboard",
    "mean_pairwise_l1",
    "mean_pairwise_similarity",
    "multiscale_similarity",
    "recovered_fraction",
    "recovered_nuclei",
]
