"""Calibrating a critic on folders of held-out tiles."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import HistoloomError, ImportanceError
from histoloom.importance.calibration import (
    ReliabilityBin,
    expected_calibration_error,
    fit_calibration,
    reliability_curve,
    verdict,
)
from histoloom.importance.critic import Critic
from histoloom.importance.folders import judged_tile
from histoloom.importance.references import References
from histoloom.layouts.layout import Layout
from histoloom.layouts.tile_folders import TileFolder, TilePair, open_tile_folder
from histoloom.layouts.transforms import cropped
from histoloom.models.header import JudgementFacts
from histoloom.window import Window

_LEAST_TILES = 2
_MOST_OF_TILE = 64


@dataclass(frozen=True)
class CalibratedCritic:
    """What was fitted, and how true a critic's probabilities are before and after.

    Parameters
    ----------
    facts
        For the bundle's header.
    error_before, error_after
        Expected calibration error on the odd tiles, of which the fit that is measured has seen nothing, in 0..1.
    curve
        Their reliability after that fit.
    notes
        `histoloom.importance.verdict` of them.
    """

    facts: JudgementFacts
    error_before: float
    error_after: float
    curve: tuple[ReliabilityBin, ...]
    notes: tuple[str, ...]


def calibrate(
    critic: Critic,
    real: str | Path,
    woven: str | Path,
    *,
    reference: str | Path | None = None,
    pixel_size: float | None = None,
    on_tile: Callable[[int, int], None] | None = None,
) -> CalibratedCritic:
    """Fit slope and intercept of a critic on tiles that it has not seen (Platt 1999).

    What ships is fitted on all tiles; what is reported of it is fitted on every other tile and measured on the rest.

    Parameters
    ----------
    critic
        Whose logits are calibrated.
    real
        Folder of held-out real tiles; for critics that compare, each must be wide enough for a picture and a reference
        side by side, which are cut from it.
    woven
        Folder of held-out woven tiles.
    reference
        What woven tiles are held against (default: the real tiles); see `histoloom.importance.folders.weigh_folder`.
    pixel_size
        µm per pixel of the tiles (default: what each says, else the critic's).
    on_tile
        Told how many tiles are judged, and of how many.

    Raises
    ------
    ImportanceError
        If there are fewer than two tiles of a sort, or a tile cannot be judged.
    TileError, LayoutError
        If a folder holds no tiles, or a file is damaged.
    """
    folders = [open_tile_folder(each, pixel_size, labels_required=critic.needs_layout) for each in (real, woven)]
    for folder in folders:
        if len(folder.pairs) < _LEAST_TILES:
            raise ImportanceError(
                f"'{folder.path.name}' holds one tile, and a calibration is fitted on some and checked on others; give "
                "at least two, better fifty."
            )
    total, done = sum(len(each.pairs) for each in folders), 0
    references = References(reference or real, critic.pixel_size) if critic.needs_reference else None
    logits: list[NDArray[np.float64]] = []
    is_real: list[bool] = []
    for folder, of_real in zip(folders, (True, False), strict=True):
        for pair in folder.pairs:
            try:
                if of_real and critic.needs_reference:
                    logits.append(_of_halves(folder, pair, critic, pixel_size))
                else:
                    beside = None if references is None else references.of(pair).pixels
                    judged = judged_tile(folder, pair, critic, beside, pixel_size)
                    logits.append(_thinned(judged.logits))
            except HistoloomError as error:
                raise ImportanceError(f"'{pair.image_path.name}' cannot be judged: {error}") from error
            is_real.append(of_real)
            done += 1
            if on_tile is not None:
                on_tile(done, total)
    return _fitted(critic, logits, np.array(is_real))


def _fitted(critic: Critic, logits: list[NDArray[np.float64]], is_real: NDArray[np.bool_]) -> CalibratedCritic:
    # Every second tile of each sort.
    checked = np.concatenate([np.arange(int((is_real == each).sum())) % 2 == 1 for each in (True, False)])
    marks = np.repeat(is_real, [len(each) for each in logits])
    held = np.repeat(checked, [len(each) for each in logits])
    values = np.concatenate(logits)
    trial, whole = fit_calibration(values[~held], marks[~held]), fit_calibration(values, marks)
    held_logits, held_marks = trial.applied(values[held]), marks[held]
    ratio = float((~marks).sum() / marks.sum())
    facts = critic.facts.model_copy(
        update={
            # The critic's logits are calibrated already, if only by slope 1 and intercept 0.
            "slope": whole.slope * critic.facts.slope,
            "intercept": whole.slope * critic.facts.intercept + whole.intercept,
            "ratio": ratio,
        }
    )
    return CalibratedCritic(
        facts,
        expected_calibration_error(_probabilities(values[held]), held_marks),
        expected_calibration_error(_probabilities(held_logits), held_marks),
        reliability_curve(_probabilities(held_logits), held_marks),
        verdict(held_logits, float((~held_marks).sum() / held_marks.sum()), held_marks),
    )


def _of_halves(folder: TileFolder, pair: TilePair, critic: Critic, pixel_size: float | None) -> NDArray[np.float64]:
    """Return the logits of one part of a tile beside another part, which it does not overlap."""
    with ExitStack() as stack:
        tile, layout = folder.open(pair.id)
        stack.enter_context(tile)
        pixels, size = np.asarray(tile.read(), np.uint8), pixel_size or tile.pixel_size or critic.pixel_size
    side = max(pixels.shape[:2])
    across = pixels.shape[1] == side
    split = max(side // 2, critic.least_side)
    if side - split < critic.facts.reference_size:
        raise ImportanceError(
            f"It has {side} pixels along its longer side, and '{critic.name}' wants {critic.least_side} for a picture "
            f"and {critic.facts.reference_size} beside them for a reference; give larger real tiles."
        )
    height, width = pixels.shape[:2]
    window = Window(0, 0, height, split) if across else Window(0, 0, split, width)
    beside = pixels[:, split:] if across else pixels[split:]
    part: Layout | None = cropped(layout, window) if critic.needs_layout and layout is not None else None
    return _thinned(critic.judge(pixels[window.slices], size, reference=beside, layout=part).logits)


def _thinned(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return so many logits of a tile that large tiles do not outweigh small ones by much."""
    flat = logits.ravel().astype(np.float64)
    return flat[:: -(-len(flat) // _MOST_OF_TILE)]


def _probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-np.logaddexp(0.0, -logits)), np.float64)
