"""Measure a critic's weight as a score of realism on held-out real tiles, as the model card reports it.

    python tools/measure_critic.py CRITIC OUT TILE_FOLDER [TILE ...] [-- TILE_FOLDER [TILE ...]] [--woven FOLDER ...]

A folder without names stands for all of its tiles. From the corners of each tile, pieces of 64 µm are judged beside the
piece in the opposite corner: as they are, and after each one alone of a blur, a shift of the stains by so many standard
deviations from tile to tile, another scale, and squares that have changed places. The area under the ROC curve says how
often the weight of a piece as it is is larger than that of a piece that was made unreal. Woven tiles with the look of
one of the tiles are judged beside it, and beside the next tile of another patient or folder. OUT gets ``figures.json``
and ``table.md``, with intervals of 95 % over tiles.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.importance.critic import Critic
from histoloom.keyed_random import keyed_generator
from histoloom.layouts.tile_folders import open_tile_folder
from histoloom.tiles.looks import look_sha256
from histoloom.tiles.reading import open_tile
from histoloom.tiles.stains import tissue_mask
from histoloom.training.degradations import (
    blurred,
    magnified,
    pieced_together,
    shift_of,
    stain_axes,
    stain_shifted,
)

PIXEL_SIZE = 0.25
SIDE = 256
LEAST_TISSUE = 0.3
BLURS = (0.15, 0.2, 0.3, 0.4, 0.6)
SHIFTS = (0.5, 1.0, 1.5, 2.0)
SCALES = (1.1, 1.2, 1.35, 1.5)
SQUARES = (48.0, 32.0, 16.0)
RESAMPLINGS = 1000

Picture = NDArray[np.uint8]
Degrade = Callable[[Picture, int], Picture]


def main(name: str, out: Path, chosen: list[tuple[Path, list[str]]], woven: list[Path]) -> None:
    """Judge, measure, and write the results."""
    critic = Critic.load(name)
    tiles = [(path.name, *tile) for path, names in chosen for tile in _tiles(path, names)]
    axes = stain_axes([picture for _, _, picture in tiles])
    ways = _ways(axes)
    weights: dict[str, list[float]] = {way: [] for way in ("as it is", *ways)}
    folders, groups = [], []
    for index, (folder, tile, picture) in enumerate(tiles):
        for place, (piece, beside) in enumerate(_pieces(picture)):
            folders.append(folder)
            groups.append(f"{folder}/{tile}")
            weights["as it is"].append(_weight(critic, piece, beside))
            for way, degrade in ways.items():
                weights[way].append(_weight(critic, degrade(piece, 4 * index + place), beside))
        sys.stdout.write(f"{folder}/{tile}: median weight {np.median(weights['as it is']):.3g} so far\n")
        sys.stdout.flush()
    out.mkdir(parents=True, exist_ok=True)
    by_generator = {path.name: _woven_weights(critic, path, tiles) for path in woven}
    figures = {
        "critic": critic.header.weights_sha256,
        "stain axes": axes.tolist(),
        "weights": weights,
        "woven": by_generator,
    }
    (out / "figures.json").write_text(json.dumps({**figures, "folders": folders, "tiles": groups}))
    table = _table(weights, np.array(folders), np.array(groups))
    (out / "table.md").write_text(table + _woven_table(np.array(weights["as it is"]), by_generator))
    sys.stdout.write((out / "table.md").read_text())


def _tiles(path: Path, names: list[str]) -> Iterator[tuple[str, Picture]]:
    folder = open_tile_folder(path, labels_required=False)
    for pair in folder.pairs:
        if not names or pair.id in names:
            with open_tile(pair.image_path) as tile:
                yield pair.id, tile.read()


def _pieces(picture: Picture) -> Iterator[tuple[Picture, Picture]]:
    """Yield the corners of a tile that show tissue, each with the opposite one."""
    height, width = picture.shape[:2]
    if min(height, width) < 2 * SIDE:
        return
    rows, columns = (slice(0, SIDE), slice(height - SIDE, height)), (slice(0, SIDE), slice(width - SIDE, width))
    for y in (0, 1):
        for x in (0, 1):
            piece, beside = picture[rows[y], columns[x]], picture[rows[1 - y], columns[1 - x]]
            if min(tissue_mask(piece).mean(), tissue_mask(beside).mean()) >= LEAST_TISSUE:
                yield np.ascontiguousarray(piece), np.ascontiguousarray(beside)


def _woven_weights(critic: Critic, path: Path, tiles: list[tuple[str, str, Picture]]) -> dict[str, list[float]]:
    """Return the weights of woven tiles beside the tile whose look they have, and beside one of another patient."""
    place_of = {look_sha256(picture): place for place, (_, _, picture) in enumerate(tiles)}
    weights: dict[str, list[float]] = {"own look": [], "another look": []}
    for file in sorted(path.glob("*.png")):
        own = place_of.get(json.loads(file.with_suffix(".json").read_text())["look_sha256"])
        if own is None:
            continue
        patient = tiles[own][1].split("_")[0] if tiles[own][0].startswith("tnbc") else tiles[own][1]
        others = [each for each in [*tiles[own:], *tiles[:own]] if not each[1].startswith(patient)]
        with open_tile(file) as tile:
            picture = tile.read()
        weights["own look"].append(_weight(critic, picture, tiles[own][2]))
        weights["another look"].append(_weight(critic, picture, others[0][2]))
    return weights


def _woven_table(real: NDArray[np.float64], woven: dict[str, dict[str, list[float]]]) -> str:
    lines = ["", "| | number | median weight | quartiles | real over them |", "|---|---|---|---|---|"]
    rows = {"real pieces": real} | {
        f"{name}, beside {look}": np.array(values) for name, each in woven.items() for look, values in each.items()
    }
    for name, values in rows.items():
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
        apart = "" if values is real else f"{area_under_curve(real, values):.3f}"
        lines.append(f"| {name} | {len(values)} | {middle:.3g} | {low:.3g} to {high:.3g} | {apart} |")
    return "\n".join(lines) + "\n"


def _ways(axes: NDArray[np.float64]) -> dict[str, Degrade]:
    ways: dict[str, Degrade] = {}
    for sigma in BLURS:
        ways[f"blur, σ {sigma:g} µm"] = lambda piece, _, sigma=sigma: blurred(piece, sigma / PIXEL_SIZE)
    for deviations in SHIFTS:
        # In turn stronger and weaker, bluer and redder.
        ways[f"stains, {deviations:g} SD"] = lambda piece, turn, deviations=deviations: stain_shifted(
            piece, shift_of(axes, deviations, turn * math.pi / 2)
        )
    for factor in SCALES:
        ways[f"scale, x {factor:g}"] = lambda piece, _, factor=factor: magnified(piece, factor, SIDE)
    for side in SQUARES:
        ways[f"seams, squares of {side:g} µm"] = lambda piece, turn, side=side: pieced_together(
            piece, round(side / PIXEL_SIZE), keyed_generator(0, turn)
        )[0]
    return ways


def _weight(critic: Critic, piece: Picture, beside: Picture) -> float:
    return critic.judge(piece, PIXEL_SIZE, reference=beside if critic.needs_reference else None).weight()


def area_under_curve(real: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return how often a value of the first is larger than one of the second; ties count half."""
    above = (real[:, None] > other).mean() + 0.5 * (real[:, None] == other).mean()
    return float(above)


def _table(weights: dict[str, list[float]], folders: NDArray[np.str_], groups: NDArray[np.str_]) -> str:
    names = list(dict.fromkeys(folders.tolist()))
    lines = [f"| | all | {' | '.join(names)} |", f"|---|---{'|---' * len(names)}|"]
    real = np.array(weights["as it is"])
    for way, values in weights.items():
        if way == "as it is":
            continue
        other = np.array(values)
        cells = [area_under_curve(real[folders == name], other[folders == name]) for name in names]
        low, high = _interval(real, other, groups)
        whole = f"{area_under_curve(real, other):.3f} ({low:.2f} to {high:.2f})"
        lines.append(f"| {way} | {whole} | {' | '.join(f'{each:.3f}' for each in cells)} |")
    counted = " | ".join(str(int((folders == name).sum())) for name in names)
    lines.append(f"| pieces | {len(real)} | {counted} |")
    return "\n".join(lines) + "\n"


def _interval(real: NDArray[np.float64], other: NDArray[np.float64], groups: NDArray[np.str_]) -> tuple[float, float]:
    """Return the interval of 95 % over tiles, of which all pieces are drawn together."""
    random = keyed_generator(0, 1)
    places = [np.flatnonzero(groups == each) for each in np.unique(groups)]
    areas = []
    for _ in range(RESAMPLINGS):
        drawn = np.concatenate([places[each] for each in random.integers(len(places), size=len(places))])
        areas.append(area_under_curve(real[drawn], other[drawn]))
    low, high = np.quantile(areas, (0.025, 0.975))
    return float(low), float(high)


if __name__ == "__main__":
    words = sys.argv[3:]
    at = words.index("--woven") if "--woven" in words else len(words)
    given: list[list[str]] = [[]]
    for argument in words[:at]:
        if argument == "--":
            given.append([])
        else:
            given[-1].append(argument)
    main(
        sys.argv[1], Path(sys.argv[2]), [(Path(each[0]), each[1:]) for each in given if each],
        [Path(each) for each in words[at + 1 :]],
    )  # fmt: skip
