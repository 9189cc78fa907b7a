"""Folders of woven tiles as training data: what `histoloom.generators.woven_files` writes, or any labelled tiles."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from histoloom.errors import TrainingError
from histoloom.layouts.tile_folders import TileFolder, TilePair, open_tile_folder
from histoloom.models import TrainingSource, known_bundles
from histoloom.training.data import TrainingData, read_pictures
from histoloom.training.tile_weights import WEIGHTS, read_tile_weights


def read_woven_folder(
    folder: str | Path, *, pixel_size: float, tile_pixel_size: float | None = None, licence: str | None = None
) -> TrainingData:
    """Read a folder of woven tiles and their labels; all of them are there to be trained on.

    Parameters
    ----------
    folder
        As `histoloom weave` or an export leaves it, or any folder of tiles and labels; tiles without labels are left
        out. Its ``weights.csv``, if there is one, says how much each tile counts; see `read_tile_weights`. Else the
        tiles' records do.
    pixel_size
        Tiles of other pixel sizes are rescaled to this one, labels by their nearest pixel.
    tile_pixel_size
        µm per pixel of the tiles (default: what each file says, else 0.25).
    licence
        Under which licence the tiles may be used (default: those of what their generator was trained on, where it is
        known, else "unknown").

    Returns
    -------
    TrainingData
        With `TrainingData.woven` alone.

    Raises
    ------
    TrainingError
        If the table of weights cannot be used, or does not match the tiles.
    TileError, LayoutError
        If the folder has no labelled tiles, or a file is damaged.
    """
    opened = open_tile_folder(folder, tile_pixel_size)
    labelled = tuple(pair for pair in opened.pairs if pair.labels is not None)
    records = {pair.id: _record_of(pair) for pair in labelled}
    weights = _weights_of(opened, labelled, records)
    pictures, classes, sha256 = read_pictures(replace(opened, pairs=labelled), pixel_size)
    if any(each != 1 for each in weights.values()):
        # Only then, so that a table of ones is no other data than none.
        sha256 = hashlib.sha256(json.dumps([sha256, sorted(weights.items())]).encode()).hexdigest()
    generators = Counter(str(each.get("generator", "unknown")) for each in records.values())
    if licence is None:
        licence = licence_of_weights(str(each.get("weights_sha256") or "") for each in records.values())
    source = TrainingSource(
        name=opened.path.name, licence=licence, tiles=len(labelled), sha256=sha256,
        woven={"generators": dict(sorted(generators.items()))},
    )  # fmt: skip
    return TrainingData(
        (), (), classes, pixel_size, (source,), {"by": "none", "woven": list(pictures)},
        tuple(replace(each, weight=weights[name]) for name, each in pictures.items()),
    )  # fmt: skip


def licence_of_weights(hashes: Iterable[str]) -> str:
    """Return the licences of what known generators of these weights were trained on, or "unknown" if one is not known.

    Parameters
    ----------
    hashes
        `histoloom.generators.contract.Generator.weights_sha256` of each tile's generator; empty for those without
        weights, of which nothing is known here.
    """
    wanted = set(hashes)
    headers = (each.header for each in known_bundles("generator"))
    sources = {each.weights_sha256: each.training_data for each in headers if each is not None}
    if not wanted or not all(sources.get(each) for each in wanted):
        return "unknown"
    return "; ".join(sorted({source.licence for each in wanted for source in sources[each]}))


def _weights_of(
    folder: TileFolder, labelled: tuple[TilePair, ...], records: Mapping[str, Mapping[str, Any]]
) -> dict[str, float]:
    table = folder.path / WEIGHTS
    if not table.is_file():
        return {name: _recorded_weight(record) for name, record in records.items()}
    # All have been weighed, also those that have no labels to learn from.
    all_weights = read_tile_weights(table, {pair.id: pair.image_path for pair in folder.pairs})
    weights = {pair.id: all_weights[pair.id] for pair in labelled}
    if not any(weights.values()):
        raise TrainingError(
            f"All tiles of '{folder.path.name}' are rejected (their weights in '{WEIGHTS}' are 0); keep some, or leave "
            "the folder out."
        )
    return weights


def _record_of(pair: TilePair) -> dict[str, Any]:
    """Return what was written of how a tile was woven, or nothing."""
    try:
        record = json.loads(pair.image_path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and record.get("synthetic") is True else {}


def _recorded_weight(record: Mapping[str, Any]) -> float:
    weight = record.get("importance_weight", 1.0)
    is_number = isinstance(weight, int | float) and math.isfinite(weight) and weight >= 0
    return float(weight) if is_number else 1.0
