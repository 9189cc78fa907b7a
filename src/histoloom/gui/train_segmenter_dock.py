"""The *Train segmenter* dock: tiles, an architecture and its recipe in; curves, predictions and bundles out."""

from __future__ import annotations

from typing import ClassVar

from histoloom.gui.train_dock import TrainDock
from histoloom.jobs.training_order import Trained


class TrainSegmenterDock(TrainDock):
    """Trains segmenters as `TrainDock` trains generators.

    Parameters
    ----------
    napari_viewer
        The viewer whose canvas and layers may be trained on, and in which predictions are shown.
    """

    trains: ClassVar[Trained] = "segmenter"
