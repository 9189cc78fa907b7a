"""Measure a loom bundle on tiles that it was not trained on, as the model card reports it.

    python tools/measure_loom.py BUNDLE OUT TILE_FOLDER TILE [TILE ...] [-- TILE_FOLDER TILE ...]

Each tile's own nuclei and tissue map are woven with the tile's own look. OUT gets ``figures.json``, ``table.md``,
``sheet.png`` (real, woven, woven with another seed and no tissue map) and ``woven.png`` without the real ones. It says
which of what is asked of the weights does not hold, and then ends with 1: nuclei are recovered as in real tiles,
colours stay within what lies between real tiles of one folder, there is no checkerboard, and seeds differ (mean
pairwise MS-SSIM between .3 and .8).
"""

from __future__ import annotations

import json
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.evaluation.checkerboard import MOST_OF_REAL, checkerboard_peaks
from histoloom.evaluation.diversity import mean_pairwise_similarity
from histoloom.evaluation.recovered_nuclei import recovered_fraction
from histoloom.generators.registry import generator_named
from histoloom.layouts import Layout
from histoloom.layouts.tile_folders import open_tile_folder
from histoloom.layouts.tile_tissue import tile_tissue_map
from histoloom.tiles.looks import Look
from histoloom.tiles.stain_summary import StainSummary, color_drift
from histoloom.tiles.tile import Tile
from histoloom.window import Window

SIDE = 448
SEEDS = 10
DIVERSE_TILES = 3
LEAST_SIMILAR, MOST_SIMILAR = 0.3, 0.8
RECOVERED_SLACK = 0.02


def main(bundle: Path, out: Path, chosen: list[tuple[Path, str]]) -> None:
    """Weave, measure, and write the results."""
    from PIL import Image

    generator = generator_named(str(bundle))
    measured: list[dict[str, Any]] = []
    rows: list[NDArray[np.uint8]] = []
    summaries: dict[Path, list[StainSummary]] = {}
    for folder, name in chosen:
        real, layout, look = _tile(folder, name)
        prepared = generator.prepare(look, generator.recipe_type(), layout.pixel_size)
        woven = prepared.weave(layout, 1)
        other = prepared.weave(layout.with_tissue_map(None), 2)
        drift = color_drift(StainSummary.of(real), StainSummary.of(woven))
        summaries.setdefault(folder, []).append(StainSummary.of(real))
        figures: dict[str, Any] = {
            "tile": name,
            "recovered": recovered_fraction(layout, woven),
            "recovered_real": recovered_fraction(layout, real),
            "hematoxylin_shift": drift.hematoxylin_shift,
            "eosin_shift": drift.eosin_shift,
            "optical_density_shift": drift.optical_density_shift,
            "checkerboard": checkerboard_peaks(woven),
            "checkerboard_real": checkerboard_peaks(real),
        }
        if len(measured) < DIVERSE_TILES:
            weaves = [prepared.weave(layout, seed) for seed in range(SEEDS)]
            figures["similarity_of_seeds"] = mean_pairwise_similarity(weaves)
        measured.append(figures)
        rows.append(np.hstack([real, woven, other]))
        sys.stdout.write(json.dumps(figures) + "\n")
    between = [
        color_drift(first, second).optical_density_shift
        for each in summaries.values()
        for first, second in combinations(each, 2)
    ]
    usual = float(np.median(between)) if between else None
    numbers = {
        "tiles": measured,
        "real_tile_to_tile_optical_density_shift": usual,
        "bundle": generator.weights_sha256,
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "figures.json").write_text(json.dumps(numbers, indent=1))
    (out / "table.md").write_text(_table(measured))
    sheet = np.vstack(rows)
    Image.fromarray(sheet).save(out / "sheet.png")
    Image.fromarray(np.ascontiguousarray(sheet[:, SIDE:])).save(out / "woven.png")
    problems = [problem for each in measured for problem in _problems(each, usual)]
    if problems:
        raise SystemExit("\n".join(problems))


def _problems(figures: dict[str, Any], usual: float | None) -> list[str]:
    """Return what of a tile's figures is not as it has to be, a sentence each."""
    name = figures["tile"]
    problems = []
    if figures["recovered"] < figures["recovered_real"] - RECOVERED_SLACK:
        problems.append(
            f"{name}: {figures['recovered']:.2f} of nuclei recovered, {figures['recovered_real']:.2f} real."
        )
    if usual is not None and figures["optical_density_shift"] > usual:
        problems.append(
            f"{name}: colours are off by {figures['optical_density_shift']:.3f}, real tiles by {usual:.3f}."
        )
    grids = [grid for grid, peak in figures["checkerboard"].items() if peak > MOST_OF_REAL[grid]]
    if grids:
        problems.append(f"{name}: a grid of {grids[0]} pixels.")
    similar = figures.get("similarity_of_seeds")
    if similar is not None and not LEAST_SIMILAR <= similar <= MOST_SIMILAR:
        problems.append(f"{name}: MS-SSIM of seeds {similar:.2f}.")
    return problems


def _table(measured: list[dict[str, Any]]) -> str:
    """Return the figures as the model card shows them."""
    lines = [
        "| tile | nuclei recovered (real) | optical density shift | haematoxylin, eosin shift | MS-SSIM of 10 seeds |",
        "|---|---|---|---|---|",
    ]
    for each in measured:
        similar = f"{each['similarity_of_seeds']:.2f}" if "similarity_of_seeds" in each else ""
        lines.append(
            f"| {each['tile']} | {each['recovered']:.2f} ({each['recovered_real']:.2f}) "
            f"| {each['optical_density_shift']:.3f} "
            f"| {each['hematoxylin_shift']:+.2f}, {each['eosin_shift']:+.2f} | {similar} |"
        )
    return "\n".join(lines) + "\n"


def _tile(folder: Path, name: str) -> tuple[NDArray[np.uint8], Layout, Look]:
    """Return the tile's corner, its nuclei and tissue, and the look of all of it."""
    tile, layout = open_tile_folder(folder, 0.25).open(name)
    with tile:
        look = Look.from_tile(tile, pixel_size=0.25)
        real = np.ascontiguousarray(tile.read(Window(0, 0, SIDE, SIDE)))
    if layout is None:
        raise SystemExit(f"The tile '{name}' has no labels; choose one that has.")
    label_map = layout.rasterize(Window(0, 0, SIDE, SIDE))
    names = {label: nucleus.class_name for label, nucleus in layout.nuclei.items()}
    corner = Layout.from_label_map(
        label_map, 0.25, {each: names[each] for each in np.unique(label_map).tolist() if each}
    )
    return real, corner.with_tissue_map(tile_tissue_map(corner, Tile.from_array(real, 0.25))), look


def _chosen(words: list[str]) -> list[tuple[Path, str]]:
    folder: Path | None = None
    pairs: list[tuple[Path, str]] = []
    for word in words:
        if word == "--":
            folder = None
        elif folder is None:
            folder = Path(word)
        else:
            pairs.append((folder, word))
    return pairs


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), _chosen(sys.argv[3:]))
