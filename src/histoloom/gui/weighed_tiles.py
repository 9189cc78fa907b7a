"""What the Weights dock judges, in numbers: tiles with what they count, how weights are spread, what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import ImportanceError
from histoloom.gui.folder_weights import FolderWeights
from histoloom.gui.judged_folder_words import looks_warning
from histoloom.gui.judged_pictures import CanvasPicture, pixels_of
from histoloom.gui.live_weights import JudgedWhole, LiveWeights
from histoloom.gui.picture_chooser import Judged
from histoloom.gui.tile_ranking import RankedTile
from histoloom.gui.weights_histogram import weights_sentence
from histoloom.importance import (
    ClipRange,
    Decision,
    TileWeight,
    clip_bounds,
    effective_sample_size,
    verdict,
)
from histoloom.importance.folders import MOST_OF_BLANK
from histoloom.importance.weights import Bounds
from histoloom.jobs.judged_folder import JudgedTile, thumbnail_of

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

_CANVAS_FILE = "canvas"


class WeighedTiles:
    """The judged tiles of a folder, or the one picture that is judged, cut and decided about by hand.

    Parameters
    ----------
    canvas
        The canvas.
    folder
        The folder that is judged, if any.
    weights
        The picture that is judged, if any.
    choice
        Returns what somebody has chosen to be judged.
    """

    def __init__(
        self, canvas: Canvas, folder: FolderWeights, weights: LiveWeights, choice: Callable[[], Judged | None]
    ) -> None:
        self._canvas, self._folder, self._weights, self._choice = canvas, folder, weights, choice
        self.clip = ClipRange.published()
        self.decisions: dict[str, Decision] = {}

    @property
    def tiles(self) -> list[TileWeight]:
        """The judged tiles with what they count."""
        bounds = self.bounds()
        return [self._weighed(file, each, bounds) for file, each in self.judged().items()]

    def decide(self, files: tuple[str, ...], decision: Decision) -> None:
        """Overrule the critic about some tiles, or (an empty str) take that back."""
        for file in files:
            if decision:
                self.decisions[file] = decision
            else:
                self.decisions.pop(file, None)

    def judged(self) -> dict[str, JudgedWhole | JudgedTile]:
        """Return what was judged, by file: the folder's tiles, or the one picture that is shown."""
        if self._folder.folder is not None:
            return {each.file: each for each in self._folder.folder.tiles}
        latest = self._weights.latest
        if latest is None or isinstance(self._choice(), Path):
            return {}
        return {_CANVAS_FILE if isinstance(self._choice(), CanvasPicture) else latest.title: latest}

    def distribution(self) -> tuple[NDArray[np.float64], str]:
        """Return the weights that the histogram shows, and what has them."""
        if self._folder.folder is not None:
            return np.array([each.judgement.weight() for each in self._folder.folder.tiles]), "tiles"
        latest = self._weights.latest
        return (np.empty(0), "places") if latest is None else (latest.local_weights, "places")

    def sentence(self, tiles: Sequence[TileWeight]) -> str:
        """Return in words how what counts is distributed: `tiles`, or the places of a picture."""
        weights, what = self.distribution()
        bounds = self.bounds()
        rejected = 0
        counted = weights if bounds is None else np.clip(weights, *bounds)
        if what == "tiles":
            counted = np.array([each.weight for each in tiles])
            rejected = sum(each.decision == "reject" for each in tiles)
        return weights_sentence(weights, counted, what, bounds, rejected, self.effective(tiles))

    def bounds(self) -> Bounds | None:
        """Return where weights are cut, or None where that is not known yet."""
        weights, _ = self.distribution()
        if self._folder.folder is not None:
            shows = np.array([each.shows_tissue for each in self._folder.folder.tiles])
            # Of tiles without tissue alone there is nothing better to go by.
            weights = weights[shows] if shows.any() else weights
        if self.clip.kind == "quantiles" and not len(weights):
            return None
        try:
            return clip_bounds(weights, self.clip)
        except ImportanceError:
            return None

    def effective(self, tiles: Sequence[TileWeight]) -> float | None:
        """Return the effective sample size of `tiles`, or None where they are no folder's."""
        counted = np.array([each.weight for each in tiles])
        if self._folder.folder is not None and len(counted) and np.isfinite(counted).all():
            return effective_sample_size(counted)
        return None

    def verdict(self, tiles: Sequence[TileWeight]) -> list[str]:
        """Return what is wrong with how the critic weighs, and with what `tiles` count, in sentences."""
        weights, _ = self.distribution()
        judged = self.judged()
        if not len(weights) or not judged:
            return []
        ratio = next(iter(judged.values())).judgement.ratio
        with np.errstate(divide="ignore"):
            logits = np.log(weights / ratio)
        sentences = list(verdict(logits, ratio))
        if self._folder.folder is not None and (warning := looks_warning(self._folder.folder)):
            sentences.insert(0, warning)
        if tiles and not any(each.weight for each in tiles):
            sentences.append("All tiles are rejected, so nothing is left to learn from; keep some of them.")
        return sentences

    def ranked(self, tiles: Sequence[TileWeight]) -> list[RankedTile]:
        """Return `tiles` as they are listed, with thumbnails."""
        judged = self.judged()
        return [self._ranked(each, judged[each.file]) for each in tiles]

    def _weighed(self, file: str, judged: JudgedWhole | JudgedTile, bounds: Bounds | None) -> TileWeight:
        judgement = judged.judgement
        clipped, patient = judgement.weight(bounds), ""
        if isinstance(judged, JudgedTile):
            clipped = clipped if judged.shows_tissue else min(clipped, MOST_OF_BLANK)
            patient = judged.patient
        tile = TileWeight(file, clipped, judgement.probability_real, judgement.weight(), patient=patient)
        return tile.decided(self.decisions.get(file, ""), clipped)

    def _ranked(self, tile: TileWeight, judged: JudgedWhole | JudgedTile) -> RankedTile:
        thumbnail = judged.thumbnail if isinstance(judged, JudgedTile) else self._canvas_thumbnail()
        return RankedTile(tile.file, thumbnail, tile.raw_weight, tile.weight, tile.probability_real, tile.decision)

    def _canvas_thumbnail(self) -> NDArray[np.uint8]:
        choice = self._choice()
        with suppress(ImportanceError):
            if choice is not None and not isinstance(choice, Path):
                return thumbnail_of(pixels_of(choice.layer(self._canvas)))
        return np.full((8, 8, 3), 128, np.uint8)
