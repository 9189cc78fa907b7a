"""Whether refining has moved nuclei away from their labels, found out in processes that hold torch."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import Stopped
from histoloom.evaluation.refinement import RefinementCheck, check_refinement
from histoloom.jobs.nuclei_search import FoundNuclei, NucleiSearch
from histoloom.layouts import Layout
from histoloom.tiles.tile import Tile


@dataclass(frozen=True, eq=False)
class RefinedPicture:
    """A woven picture before and after it was refined.

    Parameters
    ----------
    before, after
        RGB ``uint8 (H, W, 3)``, nobody else's to change.
    layout
        That both obey.
    """

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    layout: Layout


class LabelCheck:
    """One check of labels before and after refining. It keeps nothing on disk.

    Parameters
    ----------
    picture
        What is checked.
    segmenter
        What finds nuclei: a bundle's file.
    """

    def __init__(self, picture: RefinedPicture, segmenter: Path) -> None:
        self._picture, self._segmenter = picture, segmenter
        self._lock = threading.Lock()
        self._search: NucleiSearch | None = None
        self._is_stopped = False

    def run(self) -> RefinementCheck:
        """Look for nuclei before and after, and compare both with the labels; call it from a thread.

        Raises
        ------
        Stopped
            If somebody called `stop`.
        EvaluationError
            If there are no nuclei.
        SegmenterError, BundleError
            If the segmenter cannot be used, or its process dies.
        """
        return check_refinement(self._picture.before, self._picture.after, self._picture.layout, self)

    def segment(self, picture: Tile, pixel_size: float | None = None) -> FoundNuclei:
        """Find the nuclei of one picture in a process of its own; for `check_refinement`."""
        with self._lock:
            if self._is_stopped:
                raise Stopped("The check of labels was stopped.")
            size = pixel_size or self._picture.layout.pixel_size
            self._search = NucleiSearch(picture, self._segmenter, size)
        return self._search.run()

    def stop(self) -> None:
        """End it at once, from any thread; `run` then raises `Stopped`."""
        with self._lock:
            self._is_stopped = True
            if self._search is not None:
                self._search.stop()
