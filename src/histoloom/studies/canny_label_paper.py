"""The numbers of Yasuno (2020), table 1, as printed: 24 test blocks of the tiles that were also trained on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from histoloom.studies.canny_label_recipe import INITIAL, REPLICA, SHAPE

_COLUMNS = (
    "roi_precision", "background_precision", "roi_recall", "background_recall", "roi_f1", "background_f1",
    "roi_iou", "background_iou",
)  # fmt: skip

_ROWS: Mapping[str, tuple[tuple[float, ...], ...]] = MappingProxyType({
    "fcn8s": (
        (0.6178, 0.7142, 0.6711, 0.7110, 0.6411, 0.7104, 0.6128, 0.8149),
        (0.6788, 0.7632, 0.7089, 0.7452, 0.6918, 0.7526, 0.6524, 0.8325),
        (0.7475, 0.8153, 0.7569, 0.7852, 0.7515, 0.7992, 0.6912, 0.8550),
    ),
    "unet": (
        (0.7221, 0.7908, 0.8260, 0.8552, 0.7647, 0.8192, 0.6703, 0.8647),
        (0.8108, 0.8700, 0.8573, 0.8682, 0.8326, 0.8688, 0.7361, 0.8835),
        (0.8455, 0.8951, 0.8721, 0.8789, 0.8581, 0.8865, 0.7639, 0.8925),
    ),
    "segnet": (
        (0.9950, 0.9926, 0.9808, 0.9805, 0.9877, 0.9862, 0.8669, 0.9447),
        (0.9754, 0.9858, 0.9663, 0.9675, 0.9708, 0.9765, 0.8516, 0.9398),
        (0.9997, 0.9999, 0.9932, 0.9936, 0.9964, 0.9967, 0.9209, 0.9695),
    ),
    "deeplabv3plus-resnet18": (
        (0.9491, 0.9679, 0.9287, 0.9309, 0.9387, 0.9489, 0.8334, 0.9303),
        (0.9695, 0.9713, 0.8335, 0.8855, 0.8929, 0.9252, 0.7932, 0.9212),
        (0.9774, 0.9864, 0.9549, 0.9554, 0.9660, 0.9705, 0.8523, 0.9387),
    ),
    "deeplabv3plus-resnet50": (
        (0.9945, 0.9972, 0.9701, 0.9711, 0.9821, 0.9839, 0.8889, 0.9558),
        (0.9843, 0.9805, 0.8539, 0.9064, 0.9112, 0.9406, 0.8088, 0.9292),
        (0.9980, 0.9991, 0.9814, 0.9815, 0.9896, 0.9902, 0.9042, 0.9622),
    ),
})  # fmt: skip

PAPER_SCORES: Mapping[tuple[str, str], Mapping[str, float]] = MappingProxyType(
    {
        (architecture, arm): MappingProxyType(dict(zip(_COLUMNS, row, strict=True)))
        for architecture, rows in _ROWS.items()
        for arm, row in zip((INITIAL, REPLICA, SHAPE), rows, strict=True)
    }
)
"""Architecture and arm -> score -> value.

No F1 of pixels is below its IoU, and most of these are, as with FCN-8s 0.7104 and 0.8149: precision, recall and F1 are
probably those of contours, the parts of the BF score.
"""
