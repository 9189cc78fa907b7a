"""Measure a segmenter on tiles that it was not trained on, as the model card reports it.

    python tools/measure_nuclei.py BUNDLE OUT TILE_FOLDER [TILE ...] [-- TILE_FOLDER [TILE ...]]

A folder without names stands for all of its tiles. Each tile is segmented as it is and as a scanner at half the
magnification would show it, where its labels are reduced with it. OUT gets ``figures.json``, ``table.md`` (a row for
each folder, and for each patient or organ) and ``sheet.png`` (matched nuclei white, missed and spurious ones in
colour). Scores are means over tiles; AJI and PQ are of each tile.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.evaluation.scores import score_labels
from histoloom.layouts.tile_folders import TileFolder, open_tile_folder
from histoloom.segmenters.segmenter import Segmenter

SCORES = ("dice", "aji", "dq", "sq", "pq", "mpq_plus", "n_truth", "n_prediction")
SHOWN = 384
MATCHED, MISSED, SPURIOUS = (255, 255, 255), (213, 94, 0), (0, 114, 178)


def main(bundle: str, out: Path, chosen: list[tuple[Path, list[str]]]) -> None:
    """Segment, measure, and write the results."""
    from PIL import Image

    segmenter = Segmenter.load(bundle)
    measured: list[dict[str, Any]] = []
    rows: list[NDArray[np.uint8]] = []
    for path, names in chosen:
        folder = open_tile_folder(path)
        for pair in folder.pairs:
            if names and pair.id not in names:
                continue
            figures = {"folder": path.name, "tile": pair.id, "patient": pair.patient, "organ": pair.organ}
            picture, truth, classes = _tile(folder, pair.id)
            figures["40x"], found = _scores(segmenter, picture, truth, classes, 0.25)
            figures["20x"], _ = _scores(segmenter, *_halved(picture, truth), classes, 0.5)
            measured.append(figures)
            if len(rows) < 8 and len(measured) % 3 == 1:
                rows.append(_row(picture, truth, found))
            sys.stdout.write(json.dumps(figures) + "\n")
            sys.stdout.flush()
    out.mkdir(parents=True, exist_ok=True)
    (out / "figures.json").write_text(json.dumps(measured, indent=1))
    (out / "table.md").write_text(_table(measured))
    Image.fromarray(np.vstack(rows)).save(out / "sheet.png")


def _tile(folder: TileFolder, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int32], dict[int, str]]:
    tile, layout = folder.open(name)
    if layout is None:
        raise SystemExit(f"The tile '{name}' of '{folder.path.name}' has no labels; leave it out.")
    with tile:
        picture = tile.read()
    return picture, layout.rasterize(), {label: nucleus.class_name for label, nucleus in layout.nuclei.items()}


def _halved(picture: NDArray[np.uint8], truth: NDArray[np.int32]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    import cv2

    height, width = (side // 2 for side in truth.shape)
    reduced = cv2.resize(picture[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(reduced, np.uint8), np.ascontiguousarray(truth[1 : 2 * height : 2, 1 : 2 * width : 2])


def _scores(
    segmenter: Segmenter,
    picture: NDArray[np.uint8],
    truth: NDArray[np.int32],
    classes: dict[int, str],
    pixel_size: float,
) -> tuple[dict[str, Any], NDArray[np.int32]]:
    found = segmenter.segment(picture, pixel_size)
    names = {label: segmenter.classes[found.class_of[label]] for label in range(1, found.count + 1)}
    typed = len(set(classes.values())) > 1
    known = (classes, names) if typed else (None, None)
    scores = score_labels(truth, found.label_map, *known, hausdorff=False, split=False)
    kept = {name: float(scores[name]) for name in SCORES}
    if typed:
        kept["pq_of_classes"] = {name: each.get("pq") for name, each in scores["classes"].items()}
    else:
        del kept["mpq_plus"]
    return kept, found.label_map


def _row(picture: NDArray[np.uint8], truth: NDArray[np.int32], found: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return the picture, contours of what was found in it, and where both agree, side by side."""
    import cv2

    picture, truth, found = (np.ascontiguousarray(each[:SHOWN, :SHOWN]) for each in (picture, truth, found))
    drawn = picture.copy()
    for label in np.unique(found[found > 0]):
        contours, _ = cv2.findContours((found == label).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(drawn, contours, -1, (0, 230, 80), 1)
    agreement = picture // 4
    for where, color in (
        ((found > 0) & (truth > 0), MATCHED),
        ((found == 0) & (truth > 0), MISSED),
        ((found > 0) & (truth == 0), SPURIOUS),
    ):
        agreement[where] = color
    return np.hstack([picture, drawn, agreement])


def _table(measured: list[dict[str, Any]]) -> str:
    """Return means over tiles as the model card shows them."""
    lines = [
        "| tiles | number | Dice | AJI | PQ | nuclei found (true) | 20x: Dice | AJI | PQ |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for folder in dict.fromkeys(each["folder"] for each in measured):
        own = [each for each in measured if each["folder"] == folder]
        lines.append(_line(f"**{folder}**", own))
        key = "organ" if own[0]["organ"] else "patient"
        groups = sorted({each[key] for each in own if each[key]})
        lines += [_line(f"{folder}, {key} {group}", [each for each in own if each[key] == group]) for group in groups]
    return "\n".join(lines) + "\n"


def _line(title: str, tiles: list[dict[str, Any]]) -> str:
    def mean(magnification: str, score: str) -> str:
        return f"{np.mean([each[magnification][score] for each in tiles]):.3f}".lstrip("0")

    found, true = (sum(int(each["40x"][name]) for each in tiles) for name in ("n_prediction", "n_truth"))
    scores = [mean("40x", each) for each in ("dice", "aji", "pq")]
    coarse = [mean("20x", each) for each in ("dice", "aji", "pq")]
    return f"| {' | '.join([title, str(len(tiles)), *scores, f'{found} ({true})', *coarse])} |"


if __name__ == "__main__":
    groups: list[list[str]] = [[]]
    for argument in sys.argv[3:]:
        if argument == "--":
            groups.append([])
        else:
            groups[-1].append(argument)
    main(sys.argv[1], Path(sys.argv[2]), [(Path(each[0]), each[1:]) for each in groups if each])
