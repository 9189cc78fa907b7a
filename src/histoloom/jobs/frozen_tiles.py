"""Tiles and nuclei of the viewer, frozen into a folder that the command line trains on."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom import __version__
from histoloom.errors import TrainingError, WriteError
from histoloom.generators.woven_files import write_synthetic_picture
from histoloom.layouts import Layout
from histoloom.layouts.folder_recognition import IGNORE_ENDING
from histoloom.tiles.tile import Tile
from histoloom.window import Window
from histoloom.writing import write_json, written_whole

_MOST_PIECES = 4
"""Of each side of the only tile; more would cut through many nuclei."""


@dataclass(frozen=True, eq=False)
class LabelledTile:
    """A picture of the viewer and the nuclei on it, neither of which changes any more.

    Parameters
    ----------
    name
        What the layer is called.
    tile, layout
        Picture and nuclei, of one size.
    is_woven
        Whether the picture is woven tissue.
    ignored
        ``bool (H, W)``: True where nothing shall be learnt or scored; None for nowhere.
    """

    name: str
    tile: Tile
    layout: Layout
    is_woven: bool = False
    ignored: NDArray[np.bool_] | None = None


def freeze_tiles(
    tiles: Sequence[LabelledTile], folder: str | Path, crop: float, *, labels_required: bool = True
) -> Path:
    """Write tiles, label maps and classes as a folder that `histoloom.layouts.tile_folders.open_tile_folder` reads.

    Parameters
    ----------
    tiles
        What to write. Training holds a part of the tiles out, so the only one is cut into pieces.
    folder
        Made here: ``images/NAME.tif``, ``labels/NAME.tif`` and ``types/NAME.json``, and where something is ignored
        ``labels/NAME_ignore.png``.
    crop
        Side of a training crop in µm; pieces are at least as large where the tile allows it.
    labels_required
        Whether tiles without any nuclei are an error.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    TrainingError
        If there are no tiles, or no nuclei where labels are required, or picture and nuclei differ in size.
    LayoutError
        If a canvas is too large for a label map.
    WriteError
        If the folder cannot be written to; what was written of it is removed again.
    """
    target = Path(folder)
    check_labelled(tiles, labels_required=labels_required)
    try:
        target.mkdir(parents=True)
    except FileExistsError:
        raise WriteError(f"'{target.name}' is there already; choose another run folder.") from None
    except OSError as error:
        raise WriteError(f"'{target}' cannot be made ({error.strerror}); choose another run folder.") from error
    try:
        for index, each in enumerate(tiles):
            windows = [each.layout.window] if len(tiles) > 1 else pieces(each.layout, crop)
            for place, window in enumerate(windows):
                name = f"{index + 1:03d}" if len(tiles) > 1 else f"piece_{place + 1:02d}"
                write_labelled(each, window, target, name)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return target


def pieces(layout: Layout, crop: float) -> list[Window]:
    """Return windows that cut a canvas into two or more pieces, none smaller than a crop (µm) if that is possible."""
    counts = [min(max(int(side * layout.pixel_size / crop), 1), _MOST_PIECES) for side in layout.shape]
    if counts == [1, 1]:
        counts[int(np.argmax(layout.shape))] = 2
    rows, columns = (list(_cuts(side, count)) for side, count in zip(layout.shape, counts, strict=True))
    return [Window(top, left, bottom, right) for top, bottom in rows for left, right in columns]


def _cuts(side: int, count: int) -> Iterator[tuple[int, int]]:
    edges = [round(side * each / count) for each in range(count + 1)]
    return itertools.pairwise(edges)


def check_labelled(tiles: Sequence[LabelledTile], *, labels_required: bool = True) -> None:
    """Raise `TrainingError` if there are no tiles or (see above) no nuclei, or picture and nuclei differ in size."""
    if not tiles and not labels_required:
        raise TrainingError("There is no tile to train on; open one, or choose a folder of tiles.")
    if not tiles:
        raise TrainingError("There is no tile with nuclei to train on; open one, or choose a folder of tiles.")
    for each in tiles:
        if each.tile.shape != each.layout.shape:
            height, width = each.tile.shape
            rows, columns = each.layout.shape
            raise TrainingError(
                f"'{each.name}' has {height} x {width} pixels and its nuclei lie on {rows} x {columns}; "
                "put a picture and labels of one size together."
            )
    if labels_required and not any(each.layout.nuclei for each in tiles):
        raise TrainingError("There are no nuclei on what should be trained on; draw some, or open their labels.")


def write_labelled(labelled: LabelledTile, window: Window, folder: Path, name: str) -> None:
    """Write a window of a tile and of its nuclei under a name, its picture last; raises `WriteError`."""
    pixel_size = labelled.tile.pixel_size or labelled.layout.pixel_size
    facts = {"synthetic": labelled.is_woven, "histoloom_version": __version__}
    label_map = labelled.layout.rasterize(window)
    _write_labels(label_map, folder / "labels" / f"{name}.tif")
    ignored = folder / "labels" / f"{name}{IGNORE_ENDING}.png"
    ignored.unlink(missing_ok=True)
    if labelled.ignored is not None and labelled.ignored[window.slices].any():
        _write_mask(labelled.ignored[window.slices], ignored)
    present = np.unique(label_map)
    nuclei = labelled.layout.nuclei
    classes = {str(label): nuclei[int(label)].class_name for label in present if label > 0}
    write_json(folder / "types" / f"{name}.json", classes)
    write_synthetic_picture(folder / "images" / f"{name}.tif", labelled.tile.read(window), pixel_size, facts)


def _write_mask(mask: NDArray[np.bool_], path: Path) -> None:
    from PIL import Image

    with written_whole(path) as beside:
        Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(beside, "PNG")


def _write_labels(label_map: NDArray[np.int32], path: Path) -> None:
    import tifffile

    with written_whole(path) as beside:
        description = json.dumps({"content": "nuclei, frozen for training", "histoloom_version": __version__})
        tifffile.imwrite(beside, label_map, compression="zlib", description=description, metadata=None)
