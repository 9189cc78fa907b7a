"""Label faithfulness: whether a segmenter finds in a woven tile the nuclei that its layout says are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from histoloom.errors import HistoloomError
from histoloom.evaluation.scores import LabelTally, tally_labels
from histoloom.layouts import Layout
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE
from histoloom.layouts.tile_folders import TileFolder
from histoloom.segmenters.segmentation import Segmentation
from histoloom.tiles.tile import Tile


class NucleusFinder(Protocol):
    """A segmenter, such as `histoloom.segmenters.segmenter.Segmenter`."""

    def segment(self, picture: Tile, pixel_size: float | None = None) -> Segmentation:
        """Return the nuclei of a tile."""


def tally_faithfulness(
    folder: TileFolder, segmenter: NucleusFinder, on_tile: Callable[[int, int], None] | None = None
) -> tuple[dict[str, LabelTally], list[str]]:
    """Segment each tile of a folder that has a layout, and compare what is found with it.

    Classes count for tiles where layout and segmenter have any in common. The same of real tiles with their labels says
    what the segmenter itself can do: only the difference is a matter of the woven tiles.

    Parameters
    ----------
    folder
        Woven tiles with their layouts, or real ones with labels.
    segmenter
        Trained on real tiles of other patients.
    on_tile
        Told how many tiles are done, and of how many.

    Returns
    -------
    dict, list of str
        What the scores of each tile are made of, by its id; empty where no tile has a layout. And sentences about
        what was done on the way.

    Raises
    ------
    TileError, LayoutError, SegmenterError
        If a tile or a layout is damaged, or a tile cannot be segmented; the sentence names it.
    """
    labelled = [pair.id for pair in folder.pairs if pair.labels is not None]
    tallies: dict[str, LabelTally] = {}
    notes: list[str] = []
    for name in labelled:
        try:
            tile, layout = folder.open(name)
            with tile:
                if layout is None:
                    continue
                found = segmenter.segment(tile, tile.pixel_size or DEFAULT_PIXEL_SIZE)
                notes += found.notes
                tallies[name] = _tally(layout, found)
        except HistoloomError as error:
            raise type(error)(f"'{name}': {error}") from error
        if on_tile is not None:
            on_tile(len(tallies), len(labelled))
    return tallies, list(dict.fromkeys(notes))


def _tally(layout: Layout, found: Segmentation) -> LabelTally:
    true = {key: nucleus.class_name for key, nucleus in layout.nuclei.items()}
    told = {label: found.classes[found.class_of[label]] for label in range(1, found.count + 1)}
    classed = bool(set(true.values()) & set(found.classes)) and len(found.classes) > 1
    classes = (true, told) if classed else (None, None)
    return tally_labels(layout.rasterize(), found.label_map, *classes, hausdorff=False, split=False)
