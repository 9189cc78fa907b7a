"""Weighing the tiles of a folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import HistoloomError, ImportanceError, Stopped
from histoloom.importance.calibration import verdict
from histoloom.importance.clipping import ClipRange, clip_bounds
from histoloom.importance.judgement import Judgement
from histoloom.importance.references import References
from histoloom.importance.weights import effective_sample_size
from histoloom.importance.weights_table import TileWeight, with_decisions
from histoloom.layouts.tile_folders import TileFolder, TilePair, open_tile_folder
from histoloom.tiles.looks import shows_tissue
from histoloom.tiles.reading import PICTURE_SUFFIXES, open_tile

if TYPE_CHECKING:
    from histoloom.importance.critic import Critic

MOST_OF_BLANK = 1.0
"""What a tile without tissue counts at most: a real one, which it may be, as glass is."""


@dataclass(frozen=True)
class WeighedFolder:
    """The tiles of a folder and how much they count.

    Parameters
    ----------
    tiles
        One for each labelled or unlabelled picture, sorted by name.
    notes
        What is noteworthy about critic and tiles, as sentences.
    """

    tiles: tuple[TileWeight, ...]
    notes: tuple[str, ...] = ()

    @property
    def effective(self) -> float:
        """How many equally weighted tiles these are worth; see `effective_sample_size`."""
        return effective_sample_size([each.weight for each in self.tiles])

    def by_patient(self) -> dict[str, tuple[TileWeight, ...]]:
        """Return the tiles of each patient, sorted by name; empty where no patient is known."""
        known = sorted({each.patient for each in self.tiles if each.patient})
        return {name: tuple(each for each in self.tiles if each.patient == name) for name in known}


def weigh_folder(
    folder: str | Path,
    critic: Critic,
    *,
    reference: str | Path | None = None,
    clip: ClipRange | None = None,
    pixel_size: float | None = None,
    earlier: Iterable[TileWeight] = (),
    on_tile: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> WeighedFolder:
    """Judge every tile of a folder.

    Critics learn from tissue, so what they say of a tile without any means little: it counts at most 1, whatever the
    clip range, and a note names it.

    Parameters
    ----------
    folder
        Of woven tiles; see `histoloom.layouts.tile_folders.open_tile_folder`.
    critic
        Who judges.
    reference
        A real tile, or a folder of real tiles, for critics that compare. Of a folder, each woven tile is held against
        the tile whose look it has, where its record tells; else against the one that its name begins with; else
        against one of its patient; else against the first. Those of another pixel size than the critic's are rescaled.
    clip
        How weights are clipped (default: not at all).
    pixel_size
        µm per pixel of the tiles (default: what each says, else the critic's).
    earlier
        Of an earlier weighing: decisions by hand stay, and a note names those about tiles that are gone.
    on_tile
        Told how many tiles are done, and of how many.
    should_stop
        Asked before each tile.

    Raises
    ------
    ImportanceError
        If a tile cannot be judged; its name is in the sentence.
    TileError, LayoutError
        If the folder holds no tiles, or a file is damaged.
    Stopped
        If ``should_stop`` said so.
    """
    opened = open_tile_folder(folder, pixel_size, labels_required=critic.needs_layout)
    references = References(reference, critic.pixel_size) if critic.needs_reference else None
    judged: list[tuple[TilePair, Judgement, str]] = []
    blank: list[bool] = []
    notes = _left_out(opened)
    if not critic.is_calibrated:
        notes.append(
            f"'{critic.name}' is not calibrated, so its weights put tiles in an order and say no more; calibrate it "
            "with 'histoloom bundles calibrate'."
        )
    if reference is not None and references is None:
        notes.append(f"'{critic.name}' judges without a reference, so the one that was given was not looked at.")
    for done, pair in enumerate(opened.pairs, start=1):
        if should_stop is not None and should_stop():
            raise Stopped(f"Stopped after {done - 1} of {len(opened.pairs)} tiles; nothing was written.")
        try:
            beside = None if references is None else references.of(pair)
            judgement, pixels = _judged(opened, pair, critic, None if beside is None else beside.pixels, pixel_size)
        except HistoloomError as error:
            raise ImportanceError(f"'{pair.image_path.name}' cannot be weighed: {error}") from error
        patient = pair.patient or (beside.patient if beside is not None else "")
        judged.append((pair, judgement, patient))
        blank.append(not shows_tissue(pixels))
        if on_tile is not None:
            on_tile(done, len(opened.pairs))
    raw = [each.weight() for (_, each, _), without in zip(judged, blank, strict=True) if not without]
    # Of blank tiles alone there is nothing better to go by.
    raw = raw or [each.weight() for _, each, _ in judged]
    bounds = clip_bounds(raw, ClipRange.none() if clip is None else clip)
    rows = [
        TileWeight(pair.image_path.name, each.weight(bounds), each.probability_real, each.weight(), patient=patient)
        for pair, each, patient in judged
    ]
    rows = [
        replace(row, weight=min(row.weight, MOST_OF_BLANK)) if without else row
        for row, without in zip(rows, blank, strict=True)
    ]
    notes += _about_blank([row.file for row, without in zip(rows, blank, strict=True) if without])
    before = list(earlier)
    decided = with_decisions(rows, before)
    notes += _about_gone(before, {each.file for each in rows})
    kept = sum(bool(each.decision) for each in decided)
    if kept:
        words = "decision made by hand was" if kept == 1 else "decisions made by hand were"
        notes.append(f"{kept} {words} kept.")
    # One logit for each tile, of its weight: what `verdict` asks for.
    notes += verdict([math.log(max(each, 1e-300) / critic.ratio) for each in raw], critic.ratio)
    return WeighedFolder(tuple(sorted(decided, key=lambda each: each.file)), tuple(notes))


def judged_tile(
    folder: TileFolder,
    pair: TilePair,
    critic: Critic,
    reference: NDArray[np.uint8] | None,
    pixel_size: float | None = None,
) -> Judgement:
    """Return what a critic says of a tile of a folder.

    Parameters
    ----------
    folder, pair
        Which tile; its layout is read where the critic sees it.
    critic
        Who judges.
    reference
        RGB ``uint8 (H, W, 3)``, where the critic compares.
    pixel_size
        µm per pixel (default: what the tile says, else the critic's).

    Raises
    ------
    ImportanceError
        If the tile cannot be judged.
    TileError, LayoutError
        If a file is damaged.
    """
    return _judged(folder, pair, critic, reference, pixel_size)[0]


def _judged(
    folder: TileFolder,
    pair: TilePair,
    critic: Critic,
    reference: NDArray[np.uint8] | None,
    pixel_size: float | None,
) -> tuple[Judgement, NDArray[np.uint8]]:
    with ExitStack() as stack:
        tile, layout = folder.open(pair.id) if critic.needs_layout else (open_tile(pair.image_path), None)
        stack.enter_context(tile)
        size = pixel_size or tile.pixel_size or critic.pixel_size
        pixels = np.asarray(tile.read(), np.uint8)
        return critic.judge(pixels, size, reference=reference, layout=layout), pixels


def _left_out(folder: TileFolder) -> list[str]:
    """Return a sentence about each picture that another one of its name keeps out of a folder's tiles."""
    used = {each.image_path for each in folder.pairs} | {each.label_path for each in folder.pairs}
    by_stem = {(each.image_path.parent, _stem(each.image_path)): each.image_path.name for each in folder.pairs}
    return [
        f"'{path.name}' was left out, because '{by_stem[place, _stem(path)]}' has the same name; rename one of the two."
        for place in sorted({each.image_path.parent for each in folder.pairs})
        for path in sorted(place.iterdir())
        if path.suffix.lower() in PICTURE_SUFFIXES and path not in used and (place, _stem(path)) in by_stem
    ]


def _stem(path: Path) -> str:
    return path.stem.removesuffix(".ome")


def _about_blank(files: list[str]) -> list[str]:
    if not files:
        return []
    what = "shows hardly any tissue, so what the critic says of it means little, and it counts"
    if len(files) > 1:
        what = "show hardly any tissue, so what the critic says of them means little, and they count"
    named = ", ".join(f"'{each}'" for each in files)
    return [f"{named} {what} at most {MOST_OF_BLANK:g}; look, and reject what is wrong."]


def _about_gone(earlier: list[TileWeight], files: set[str]) -> list[str]:
    gone = [
        f"'{each.file}' ({each.decision})"
        for each in earlier
        if each.decision and PurePosixPath(each.file.replace("\\", "/")).name not in files
    ]
    if not gone:
        return []
    words = "A decision about a tile that is" if len(gone) == 1 else f"{len(gone)} decisions about tiles that are"
    return [
        f"{words} no longer in the folder cannot stay in the table: {', '.join(gone)}; write it in again should the "
        "tile come back."
    ]
