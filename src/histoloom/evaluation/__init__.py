"""How woven pictures compare, with each other and with real ones, and predicted labels with true ones.

Nothing here needs PyTorch but what asks a network for features or nuclei, and that only then.
"""

from histoloom.evaluation.agreement import (
    Agreement,
    AgreementError,
    ObjectAgreement,
    PixelAgreement,
    agree_by_object,
    agree_by_pixel,
)
from histoloom.evaluation.agreement_figure import LegendEntry, draw_agreement, save_agreement_figure
from histoloom.evaluation.agreement_files import (
    AgreementReport,
    save_agreement_json,
    save_errors_table,
    save_scores_table,
)
from histoloom.evaluation.agreement_palettes import (
    AGREEMENT_PALETTES,
    DEFAULT_PALETTE,
    OBJECT_TITLES,
    PIXEL_TITLES,
    AgreementPalette,
)
from histoloom.evaluation.checkerboard import checkerboard_peaks, has_checkerboard
from histoloom.evaluation.diversity import mean_pairwise_l1, mean_pairwise_similarity, multiscale_similarity
from histoloom.evaluation.feature_extractors import FeatureExtractor, InceptionFeatures, SegmenterFeatures
from histoloom.evaluation.frechet_distance import FrechetDistance, frechet_distance, frechet_with_twin
from histoloom.evaluation.instances import looks_semantic, split_into_pieces
from histoloom.evaluation.judges import Judge
from histoloom.evaluation.kernel_distance import KernelDistance, KernelSums, kernel_distance
from histoloom.evaluation.pixel_scores import area_under_roc
from histoloom.evaluation.realism import Realism, measure_realism
from histoloom.evaluation.realism_groups import GroupRealism
from histoloom.evaluation.recovered_nuclei import recovered_fraction, recovered_nuclei
from histoloom.evaluation.score_files import FolderScores, score_files, score_folders
from histoloom.evaluation.scores import LabelTally, pooled, score_labels, score_layouts, tally_labels

__all__ = [
    "AGREEMENT_PALETTES",
    "DEFAULT_PALETTE",
    "OBJECT_TITLES",
    "PIXEL_TITLES",
    "Agreement",
    "AgreementError",
    "AgreementPalette",
    "AgreementReport",
    "FeatureExtractor",
    "FolderScores",
    "FrechetDistance",
    "GroupRealism",
    "InceptionFeatures",
    "Judge",
    "KernelDistance",
    "KernelSums",
    "LabelTally",
    "LegendEntry",
    "ObjectAgreement",
    "PixelAgreement",
    "Realism",
    "SegmenterFeatures",
    "agree_by_object",
    "agree_by_pixel",
    "area_under_roc",
    "checkerboard_peaks",
    "draw_agreement",
    "frechet_distance",
    "frechet_with_twin",
    "has_checkerboard",
    "kernel_distance",
    "looks_semantic",
    "mean_pairwise_l1",
    "mean_pairwise_similarity",
    "measure_realism",
    "multiscale_similarity",
    "pooled",
    "recovered_fraction",
    "recovered_nuclei",
    "save_agreement_figure",
    "save_agreement_json",
    "save_errors_table",
    "save_scores_table",
    "score_files",
    "score_folders",
    "score_labels",
    "score_layouts",
    "split_into_pieces",
    "tally_labels",
]
