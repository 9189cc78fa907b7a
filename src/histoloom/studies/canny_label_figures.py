"""Figures of the canny-label study: overlays, woven blocks, training curves and differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.evaluation import agree_by_pixel
from histoloom.evaluation.agreement_palettes import AGREEMENT_PALETTES
from histoloom.runs import Run
from histoloom.studies.canny_label_fold import woven_examples
from histoloom.studies.canny_label_recipe import INITIAL, REPLICA, SHAPE
from histoloom.studies.canny_label_results import DataSetResults, StudyResults
from histoloom.studies.canny_label_scores import SCORE_TITLES
from histoloom.studies.canny_label_tables import architecture_title
from histoloom.studies.picture_sheet import save_picture_sheet
from histoloom.studies.run_facts import reports_of
from histoloom.studies.svg_charts import IntervalRow, Line, interval_chart, line_chart
from histoloom.writing import write_text

_TILES, _SIDE, _BLOCKS = 3, 256, 6
_SMOOTHED = 50
"""Steps of the moving average of losses, as in figure 4 of the paper."""

_LEGEND = "White: in both. Green: prediction only. Magenta: truth only."
_DRAWN = ("roi_iou", "roi_bf_score", "aji")


def write_figures(results: StudyResults, folder: Path) -> dict[str, list[tuple[str, Path]]]:
    """Write the figures of each data set, and return their titles and files by its name.

    Parameters
    ----------
    results
        What was measured.
    folder
        Of the study; figures lie beside each data set's runs. Overlays and blocks show the tiles themselves.
    """
    figures: dict[str, list[tuple[str, Path]]] = {}
    for name, data_set in results.data_sets.items():
        place = folder / name / "figures"
        figures[name] = [
            *_write_charts(difference_charts(results, data_set), place),
            *_write_overlays(results, data_set, place),
            *_write_blocks(results, data_set, place),
            *_write_charts(curve_charts(results, data_set), place),
        ]
    return figures


def difference_charts(results: StudyResults, data_set: DataSetResults) -> Iterator[tuple[str, str, str]]:
    """Yield name, title and SVG of the differences of each arm to the initial one."""
    for score in _DRAWN:
        rows = []
        for architecture in results.recipe.architectures:
            for arm, title in results.recipe.arms.items():
                found = data_set.comparison(architecture, arm).get(score) if arm != INITIAL else None
                if found is not None:
                    words = f"{architecture_title(architecture)}, {title}"
                    rows.append(IntervalRow(words, found.difference, found.by_seed))
        title = f"{data_set.name}: {SCORE_TITLES[score]}"
        chart = interval_chart(rows, title, "difference to the initial blocks; dots are seeds")
        yield f"differences-{score.replace('_', '-')}", title, chart


def curve_charts(results: StudyResults, data_set: DataSetResults) -> Iterator[tuple[str, str, str]]:
    """Yield name, title and SVG of the losses of the generators, as in figure 4, and of each segmenter's arms."""
    lines = [
        Line(f"{loss}, seed {seed}", *_smoothed(run, loss))
        for loss in ("adversarial", "discriminator")
        for seed, run in data_set.generators.items()
    ]
    title = f"{data_set.name}: pix2pix"
    yield "curves-generator", title, line_chart(lines, title, "step", "loss")
    for architecture in results.recipe.architectures:
        of_arms = []
        for arm, words in results.recipe.arms.items():
            runs = [data_set.cells[architecture, arm, seed].run for seed in data_set.seeds(architecture, arm)]
            if runs:
                steps, losses = zip(*(_smoothed(run, "classes") for run in runs), strict=True)
                of_arms.append(Line(words, steps[0], list(np.mean(losses, axis=0))))
        title = f"{data_set.name}: {architecture_title(architecture)}, mean over seeds"
        yield f"curves-{architecture}", title, line_chart(of_arms, title, "step", "cross-entropy in training")


def overlay(truth: NDArray[np.int32], found: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return RGB ``uint8 (H, W, 3)`` in the paper's colours (figures 6 to 8), black where both have background."""
    table = np.zeros((256, 3), np.uint8)
    for value, color in AGREEMENT_PALETTES["white-green-magenta"].pixel_colors().items():
        table[value] = color
    return np.asarray(table[agree_by_pixel(truth, found.astype(np.int32))], np.uint8)


def _write_charts(charts: Iterator[tuple[str, str, str]], folder: Path) -> Iterator[tuple[str, Path]]:
    for name, title, chart in charts:
        if chart:
            path = folder / f"{name}.svg"
            write_text(path, chart)
            yield title, path


def _write_overlays(results: StudyResults, data_set: DataSetResults, folder: Path) -> Iterator[tuple[str, Path]]:
    tiles = data_set.fold.tiles.validation
    chosen = list(range(0, len(tiles), max(len(tiles) // _TILES, 1)))[:_TILES]
    for architecture in results.recipe.architectures:
        arms = {arm: title for arm, title in results.recipe.arms.items() if 0 in data_set.seeds(architecture, arm)}
        rows = []
        for index in chosen:
            truth = tiles[index].label_map
            found = [data_set.cells[architecture, arm, 0].found_in(index) for arm in arms]
            maps = [overlay(truth, each) for each in found if each is not None]
            if maps and len(maps) == len(arms):
                rows.append([_middle_of(each) for each in (tiles[index].image, *maps)])
        if rows and len({row[0].shape for row in rows}) == 1:
            title = f"{data_set.name}: {architecture_title(architecture)}, where it is right and wrong"
            path = folder / f"overlay-{architecture}.png"
            save_picture_sheet(["Held-out tile", *arms.values()], rows, path, title, _LEGEND)
            yield f"{title}. {_LEGEND}", path


def _write_blocks(results: StudyResults, data_set: DataSetResults, folder: Path) -> Iterator[tuple[str, Path]]:
    examples = [
        woven_examples(data_set.fold, results.recipe, arm, 0, data_set.woven, _BLOCKS) for arm in (REPLICA, SHAPE)
    ]
    if all(examples):
        rows = [[*replica, *shape] for replica, shape in zip(*examples, strict=True)]
        title = f"{data_set.name}: real and woven training blocks"
        path = folder / "blocks.png"
        save_picture_sheet(["Real", "Replica", "Real, moved", "Shape"], rows, path, f"real, and synthetic: {title}")
        yield title, path


def _middle_of(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    y, x = (max(side - _SIDE, 0) // 2 for side in picture.shape[:2])
    return picture[y : y + _SIDE, x : x + _SIDE]


def _smoothed(run: Run, loss: str) -> tuple[list[float], list[float]]:
    reports = [each for each in reports_of(run) if loss in each.losses]
    values: Mapping[int, float] = {each.step: each.losses[loss] for each in reports}
    return [float(step) for step in values], [_mean_before(values, step) for step in values]


def _mean_before(values: Mapping[int, float], step: int) -> float:
    near: Sequence[float] = [value for at, value in values.items() if step - _SMOOTHED < at <= step]
    return float(np.mean(near))
