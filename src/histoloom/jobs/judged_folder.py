"""Judging the tiles of a folder, one after another, beside the viewer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import HistoloomError, ImportanceError, Stopped
from histoloom.importance import Decision, Judgement, read_weights
from histoloom.jobs.judge_process import JudgeProcess, Order
from histoloom.jobs.tile_references import CanvasLook, HeldAgainst, TileReferences
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE
from histoloom.layouts.tile_folders import TileFolder, TilePair, open_tile_folder
from histoloom.models import BundleHeader
from histoloom.tiles.looks import shows_tissue
from histoloom.tiles.reading import open_tile

WEIGHTS = "weights.csv"
"""The table that lies beside tiles; see `histoloom.training.tile_weights`."""

_THUMBNAIL = 72
_MOST_SIDE = 8192


@dataclass(frozen=True, eq=False)
class JudgedTile:
    """A tile and what the critic says of it.

    Parameters
    ----------
    file
        Its picture's name in the folder.
    path
        Its picture.
    judgement
        What the critic says.
    thumbnail
        RGB ``uint8 (h, w, 3)``.
    pixel_size
        µm per pixel.
    is_labelled
        Whether it has labels, without which nothing is learnt from it.
    patient
        Whose tissue it is woven after, where that is known; else empty.
    is_beside_other_look
        Whether its record names another look than what it was held against.
    shows_tissue
        Whether there is any; of a tile without, what the critic says means little.
    """

    file: str
    path: Path
    judgement: Judgement
    thumbnail: NDArray[np.uint8]
    pixel_size: float
    is_labelled: bool
    patient: str = ""
    is_beside_other_look: bool = False
    shows_tissue: bool = True


@dataclass(frozen=True, eq=False)
class JudgedFolder:
    """All tiles of a folder that could be judged.

    Parameters
    ----------
    path
        The folder.
    tiles
        Those that could be judged.
    problems
        Sentences about those that could not.
    decisions
        What was decided by hand about tiles, as the table of an earlier weighing tells.
    table_problem
        A sentence if that table is of no use, else empty.
    beside
        What people call the real tissue that all were held against; empty for critics that do not compare.
    is_beside_one
        Whether that is the same picture for all.
    lost_decisions
        What the table of an earlier weighing tells of tiles that were not judged, each as ``'FILE' (DECISION)``.
    """

    path: Path
    tiles: tuple[JudgedTile, ...]
    problems: tuple[str, ...] = ()
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    table_problem: str = ""
    beside: str = ""
    is_beside_one: bool = False
    lost_decisions: tuple[str, ...] = ()

    @property
    def beside_other_looks(self) -> int:
        """How many tiles were held against another look than the one that their records name."""
        return sum(each.is_beside_other_look for each in self.tiles)


def judge_folder(
    process: JudgeProcess,
    critic: tuple[Path, BundleHeader],
    folder: Path,
    beside: Path | CanvasLook | None = None,
    on_progress: Callable[[int, int], object] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> JudgedFolder:
    """Judge every tile of a folder; one that cannot be judged is told of and left out.

    Parameters
    ----------
    process
        Who judges.
    critic
        Its file and header.
    folder
        As `histoloom.layouts.tile_folders.open_tile_folder` takes it.
    beside
        Real tissue for critics that compare: a tile, a folder of tiles, or the look of the canvas; see
        `TileReferences`.
    on_progress
        Told how many tiles are done, and of how many; called in this thread.
    should_stop
        Asked before each tile.

    Raises
    ------
    TileError, LayoutError
        If it is no folder of tiles.
    LooksNeededError
        If the critic compares, and nobody has said with what.
    ImportanceError
        If none of them could be judged; the sentence is that of the first.
    Stopped
        If somebody asked for that.
    """
    opened = open_tile_folder(folder, labels_required=False)
    judges = critic[1].judges
    compares = judges is not None and judges.reference_size > 0
    references = TileReferences(opened, beside, critic[1].pixel_size) if compares else None
    tiles: list[JudgedTile] = []
    problems: list[str] = []
    for done, pair in enumerate(opened.pairs):
        if should_stop is not None and should_stop():
            raise Stopped("Weighing the folder was stopped.")
        if on_progress is not None:
            on_progress(done, len(opened.pairs))
        try:
            tiles.append(_judged(process, critic, opened, pair, references))
        except Stopped:
            raise
        except HistoloomError as error:
            problems.append(f"'{pair.image_path.name}': {error}")
    if not tiles:
        first = problems[0] if problems else "it has no pictures"
        raise ImportanceError(f"No tile of '{opened.path.name}' could be judged; the first one says: {first}")
    decisions: dict[str, Decision] = {}
    table_problem = ""
    if (opened.path / WEIGHTS).is_file():
        try:
            decided = [each for each in read_weights(opened.path / WEIGHTS) if each.decision]
            decisions = {PurePosixPath(each.file.replace("\\", "/")).name: each.decision for each in decided}
        except ImportanceError as error:
            table_problem = str(error)
    files = {each.file for each in tiles}
    return JudgedFolder(
        opened.path,
        tuple(tiles),
        tuple(problems),
        {file: decision for file, decision in decisions.items() if file in files},
        table_problem,
        "" if references is None else references.title,
        references is not None and references.is_one,
        tuple(f"'{file}' ({decision})" for file, decision in decisions.items() if file not in files),
    )


def _judged(
    process: JudgeProcess,
    critic: tuple[Path, BundleHeader],
    folder: TileFolder,
    pair: TilePair,
    references: TileReferences | None,
) -> JudgedTile:
    path, header = critic
    against: HeldAgainst | None = None if references is None else references.of(pair)
    sees_layout = header.judges is not None and header.judges.sees != "picture"
    if sees_layout:
        tile, layout = folder.open(pair.id)
    else:
        tile, layout = open_tile(pair.image_path), None
    with tile:
        if max(tile.shape) > _MOST_SIDE:
            raise ImportanceError("It is too large to be a tile; cut it into tiles of at most 8192 pixels a side.")
        pixel_size = folder.pixel_size or tile.pixel_size or header.pixel_size
        pixels = tile.read()
    reference = None if against is None else against.pixels
    judgement, _ = process.judge(Order(path, pixels, pixel_size, reference, layout))
    return JudgedTile(
        pair.image_path.name,
        pair.image_path,
        judgement,
        thumbnail_of(pixels),
        pixel_size or DEFAULT_PIXEL_SIZE,
        pair.labels is not None,
        (pair.patient or "") if against is None else against.patient,
        against is not None and against.is_other_look,
        shows_tissue(pixels),
    )


def thumbnail_of(pixels: NDArray[np.uint8], side: int = _THUMBNAIL) -> NDArray[np.uint8]:
    """Return a small copy of a picture, RGB ``uint8``, its longer side at most ``side`` pixels."""
    import cv2

    height, width = pixels.shape[:2]
    factor = min(side / max(height, width), 1.0)
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
