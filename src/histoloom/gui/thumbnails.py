"""Thumbnails of tiles and counts of their nuclei, made beside the viewer, what is looked at first."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QImage

from histoloom.errors import HistoloomError, LayoutError
from histoloom.layouts.hovernet_mat import read_hovernet_mat
from histoloom.layouts.label_formats import LabelSource, read_labels
from histoloom.layouts.label_pictures import read_label_picture
from histoloom.layouts.tile_folders import TilePair
from histoloom.tiles.reading import open_tile
from histoloom.tiles.sentences import one_line

THUMBNAIL_SIDE = 112
"""Longer side of a thumbnail in pixels of the screen."""

_WORKERS = 2


def make_thumbnail(path: Path, side: int = THUMBNAIL_SIDE) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Return a thumbnail, and height and width of the picture itself.

    Parameters
    ----------
    path
        A picture; of a pyramid only the smallest level that is large enough is read.
    side
        Longest side of the thumbnail in pixels; smaller pictures stay as they are.

    Returns
    -------
    tuple
        RGB ``uint8 (h, w, 3)``, and ``(H, W)`` of the picture.

    Raises
    ------
    TileError
        If the picture cannot be read.
    """
    import cv2

    with open_tile(path) as tile:
        large_enough = [index for index, each in enumerate(tile.levels) if max(each.shape[:2]) >= side]
        pixels = tile.read(level=large_enough[-1] if large_enough else 0)
        shape = tile.shape
    height, width = pixels.shape[:2]
    factor = side / max(height, width)
    if factor >= 1.0:
        return pixels, shape
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8), shape


def count_nuclei(source: LabelSource, shape: tuple[int, int]) -> int | None:
    """Return how many nuclei the labels of a picture hold, without tracing label maps.

    Parameters
    ----------
    source
        The labels.
    shape
        Height and width of their picture.

    Returns
    -------
    int or None
        None for COCO files, which list all tiles at once and are too long to read for each of them.

    Raises
    ------
    LayoutError
        If the labels cannot be read, or have another size than the picture.
    """
    match source.format_name:
        case "coco":
            return None
        case "masks":
            return sum(1 for _ in source.path.glob("*.png"))
        case "xml" | "geojson":
            return len(read_labels(source, shape).nuclei)
        case "mat":
            label_map = read_hovernet_mat(source.path)[0]
        case _:
            label_map = read_label_picture(source.path)
    if label_map.shape != shape:
        raise LayoutError(
            f"The labels '{source.path.name}' are {label_map.shape[0]} x {label_map.shape[1]} pixels and their picture "
            f"{shape[0]} x {shape[1]}; put labels and pictures of the same size together."
        )
    return len(np.setdiff1d(np.unique(label_map), [0]))


class ThumbnailLoader(QObject):
    """Two background threads that make what is asked for, the latest request first.

    Parameters
    ----------
    side
        Longer side of the thumbnails in pixels.
    parent
        Qt parent.
    """

    picture_ready = Signal(str, object)
    """(id, ``QImage`` or the sentence why there is none)"""
    count_ready = Signal(str, object)
    """(id, number of nuclei, None where it is not counted, or the sentence why that failed)"""

    _answered = Signal(int, bool, str, object)

    def __init__(self, side: int = THUMBNAIL_SIDE, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._side = side
        self._lock = Lock()
        self._generation = 0
        self._pictures: OrderedDict[str, TilePair] = OrderedDict()
        self._counts: OrderedDict[str, tuple[TilePair, LabelSource, tuple[int, int]]] = OrderedDict()
        self._running: set[str] = set()
        self._counted: set[str] = set()
        self._threads_busy = 0
        # Its threads end when this object is forgotten.
        self._executor = ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="histoloom-thumbnail")
        self._answered.connect(self._deliver)

    @property
    def waiting(self) -> int:
        """How many requests have not been begun."""
        with self._lock:
            return len(self._pictures) + len(self._counts)

    def request(self, pair: TilePair) -> None:
        """Ask for a tile's thumbnail, and after it for the count of its nuclei; asking again puts it in front."""
        with self._lock:
            if pair.id in self._running:
                return
            self._pictures[pair.id] = pair
            self._pictures.move_to_end(pair.id)
            if self._threads_busy == _WORKERS:
                return
            self._threads_busy += 1
        self._executor.submit(self._work)

    def cancel(self) -> None:
        """Forget all requests; answers that are under way are dropped."""
        with self._lock:
            self._generation += 1
            self._pictures.clear()
            self._counts.clear()
            self._running.clear()
            self._counted.clear()

    def _work(self) -> None:
        while True:
            with self._lock:
                generation = self._generation
                if self._pictures:
                    key, pair = self._pictures.popitem()
                    self._running.add(key)
                    make = partial(self._picture, pair, generation)
                elif self._counts:
                    key, (pair, source, shape) = self._counts.popitem()
                    make = partial(count_nuclei, source, shape)
                else:
                    self._threads_busy -= 1
                    return
            answer: Any
            try:
                answer = make()
            except Exception as error:  # noqa: BLE001 - damaged files raise anything, and the list must go on
                answer = _sentence(error, pair)
            with self._lock:
                if generation == self._generation:
                    self._running.discard(key)
            try:
                self._answered.emit(generation, make.func != count_nuclei, key, answer)
            except RuntimeError:  # the widget has been closed
                return

    def _picture(self, pair: TilePair, generation: int) -> QImage:
        pixels, shape = make_thumbnail(pair.image_path, self._side)
        with self._lock:
            if pair.labels is not None and pair.id not in self._counted and generation == self._generation:
                self._counted.add(pair.id)
                self._counts[pair.id] = pair, pair.labels, shape
        height, width = pixels.shape[:2]
        # A copy, since QImage would otherwise look into the array's memory.
        return QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()

    def _deliver(self, generation: int, is_picture: bool, key: str, answer: Any) -> None:
        if generation == self._generation:
            (self.picture_ready if is_picture else self.count_ready).emit(key, answer)


def _sentence(error: Exception, pair: TilePair) -> str:
    if isinstance(error, HistoloomError):
        return str(error)
    return f"'{pair.image_path.name}' cannot be shown ({one_line(error)}); copy or export it again."
