"""The tables of the canny-label study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from histoloom.studies.canny_label_paper import PAPER_SCORES
from histoloom.studies.canny_label_recipe import INITIAL, SEGMENTERS
from histoloom.studies.canny_label_results import Comparison, DataSetResults, StudyResults
from histoloom.studies.canny_label_scores import SCORE_TITLES
from histoloom.studies.intervals import LEVEL, Interval, in_words
from histoloom.studies.tables import Table

_COMPARED = ("roi_iou", "background_iou", "roi_f1", "roi_precision", "roi_recall", "roi_bf_score", "aji")
"""Scores whose differences are shown; all are in ``results.json``."""

HOW_TO_READ = (
    "ROI are nuclei, as in the paper. Every number is of the last step and of real tiles that neither segmenter nor "
    "generator was trained on; the paper's are of blocks of tiles that it trained on, which is why some are near 1. "
    "Its F1 is mostly below its IoU, which F1 of pixels cannot be: its precision, recall and F1 are probably those of "
    "contours, the parts of the BF score.",
    "Intervals and the smallest detectable difference are over held-out tiles, of means over seeds. They know nothing "
    "of other patients than those, so with few patients they are too narrow. Many differences are looked at: of twenty "
    "without any effect one leaves its interval.",
)
"""What a reader of the tables should know."""


def markdown_report(results: StudyResults) -> str:
    """Return what was done in a sentence, and all tables of each data set."""
    lines = [what_was_done(results), *(line for each in HOW_TO_READ for line in ("", each))]
    for data_set in results.data_sets.values():
        lines += ["", f"## {data_set.name}", "", what_it_was_done_on(data_set)]
        for title, table in tables_of(results, data_set):
            lines += ["", title, "", *table.markdown()]
    return "\n".join(lines) + "\n"


def what_was_done(results: StudyResults) -> str:
    """Return how much is finished, and by how many steps."""
    recipe = results.recipe
    done, count = results.finished
    return (
        f"{done} of {count} cells; {recipe.generators} pix2pix of width {recipe.generator_width} with "
        f"{recipe.generator_steps} steps, "
        f"segmenters with {recipe.steps} steps of {recipe.batch_size} blocks of {recipe.block_size}² pixels, the same "
        f"in all arms. Means over seeds and held-out tiles with {LEVEL:.0%} intervals (bootstrap over tiles)."
    )


def what_it_was_done_on(data_set: DataSetResults) -> str:
    """Return how many tiles and blocks there are, and how they were split."""
    tiles = data_set.fold.tiles
    return (
        f"{len(tiles.training)} tiles, {len(data_set.fold.blocks)} blocks, to train on; {len(tiles.validation)} "
        f"held-out tiles to score on; split by {tiles.split['by']}."
    )


def tables_of(results: StudyResults, data_set: DataSetResults) -> Iterator[tuple[str, Table]]:
    """Yield the paper's table with its numbers beside ours, and those of the differences, each with its title."""
    yield "Scores, and the paper's beside them (its own test blocks):", _scores_table(results, data_set)
    differences = _differences_table(results, data_set)
    if differences.rows:
        yield "Differences to the initial blocks, paired by seed and tile:", differences
        yield "What the study can see of ROI IoU:", _sight_table(results, data_set)


def _scores_table(results: StudyResults, data_set: DataSetResults) -> Table:
    rows = []
    for architecture, arm, title in _arms(results, data_set):
        scores = data_set.of_arm(architecture, arm)
        paper = PAPER_SCORES.get((architecture, arm), {})
        rows.append([
            architecture_title(architecture),
            f"{title} ({len(data_set.seeds(architecture, arm))} seeds)",
            *(_beside_paper(scores, paper, name) for name in SCORE_TITLES),
        ])  # fmt: skip
    return Table(["Segmenter", "Trained on", *SCORE_TITLES.values()], rows)


def _beside_paper(scores: Mapping[str, Interval | None], paper: Mapping[str, float], name: str) -> str:
    interval = scores[name]
    ours = "–" if interval is None else f"{interval.mean:.3f}"
    return f"{ours} ({paper[name]:.3f})" if name in paper else ours


def _differences_table(results: StudyResults, data_set: DataSetResults) -> Table:
    rows = [
        [architecture_title(architecture), title, *(_difference(compared[name]) for name in _COMPARED)]
        for architecture, arm, title in _arms(results, data_set)
        if arm != INITIAL and (compared := data_set.comparison(architecture, arm))
    ]
    return Table(["Segmenter", "Trained on", *(SCORE_TITLES[name] for name in _COMPARED)], rows)


def _difference(comparison: Comparison | None) -> str:
    return in_words(None if comparison is None else comparison.difference, signed=True)


def _sight_table(results: StudyResults, data_set: DataSetResults) -> Table:
    rows = []
    for architecture, arm, title in _arms(results, data_set):
        found = data_set.comparison(architecture, arm).get("roi_iou") if arm != INITIAL else None
        if found is None:
            continue
        paper, start = PAPER_SCORES.get((architecture, arm)), PAPER_SCORES.get((architecture, INITIAL))
        rows.append([
            architecture_title(architecture),
            title,
            f"{found.difference.mean:+.3f}",
            f"±{found.half_width:.3f}",
            f"{found.detectable:.3f}",
            ", ".join(f"{each:+.3f}" for each in found.by_seed),
            f"{paper['roi_iou'] - start['roi_iou']:+.3f}" if paper and start else "–",
        ])  # fmt: skip
    headings = [
        "Segmenter", "Trained on", "Difference", "Half-width of the interval", "Smallest detectable (80 % power)",
        "Of each seed", "The paper's",
    ]  # fmt: skip
    return Table(headings, rows)


def architecture_title(name: str) -> str:
    """Return what the paper calls an architecture, or its own name."""
    return SEGMENTERS.get(name, name)


def _arms(results: StudyResults, data_set: DataSetResults) -> Iterator[tuple[str, str, str]]:
    for architecture in results.recipe.architectures:
        for arm, title in results.recipe.arms.items():
            if data_set.seeds(architecture, arm):
                yield architecture, arm, title
