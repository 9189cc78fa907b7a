"""All that a critic is trained on: pictures of real tissue, with or without labels, and woven tiles."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LookError, TrainingError
from histoloom.keyed_random import keyed_generator
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE, Layout
from histoloom.layouts.tile_folders import TileFolder, TilePair, open_tile_folder
from histoloom.models import TrainingSource
from histoloom.tiles.looks import LEAST_TISSUE, look_sha256
from histoloom.tiles.reading import open_tile
from histoloom.tiles.stains import tissue_mask
from histoloom.training.data import LabelledPicture, TrainingData, check_licences, rescaled
from histoloom.training.systems.critic_recipe import CriticRecipe
from histoloom.training.woven_folders import licence_of_weights
from histoloom.training.woven_tiles import OnWoven, woven_tiles

REAL, WOVEN, BLURRED, STAINED, SCALED, PIECED = range(6)
"""What the label map of a critic's crop says of each pixel."""

UNSAID = -1
"""Where nothing is said of a pixel."""

_HELD_OUT = 221


@dataclass(frozen=True, eq=False)
class _RealTile:
    name: str
    picture: LabelledPicture
    look: str
    """`Look.sha256` of the tile as its file has it, by which woven tiles know whose look they have."""


def read_critic_data(
    folders: Sequence[str | Path],
    woven: Sequence[str | Path],
    recipe: CriticRecipe,
    *,
    tile_pixel_size: float | None = None,
    licences: Sequence[str] = (),
    generator: str = "",
    weave_into: Path | None = None,
    on_woven: OnWoven | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainingData:
    """Read real tiles and woven ones, and weave those that the recipe asks for.

    Real tiles are held out by patient or tile as for any training. A woven tile goes with the tile whose look it has,
    and is held out where that is; one whose look is not among them goes with the real tile that it is most alike in
    its stains, and a share of such is held out.

    Parameters
    ----------
    folders
        Of real tiles; labels are used only for tiles that are woven now.
    woven
        Folders of woven tiles, as `histoloom weave` leaves them, or of any pictures.
    recipe
        How all are read, and which tiles are woven; see `WovenTilesRecipe`.
    tile_pixel_size
        µm per pixel of the tiles of all folders (default: what each file says, else 0.25).
    licences
        Of each folder of real tiles, in order; none for "unknown".
    generator, on_woven, should_stop
        As of `woven_tiles`.
    weave_into
        Folder for tiles that are woven now, and found there again; None to keep none.

    Returns
    -------
    TrainingData
        Label maps are `REAL` or `WOVEN` all over; ``validation`` holds real and woven tiles in turn, equally many.

    Raises
    ------
    TrainingError
        If there are fewer than two real tiles with tissue, or no woven ones, or a folder is given as both.
    HistoloomError
        As `woven_tiles`, or if a file is damaged.
    """
    check_licences(licences, len(folders))
    both = {Path(each).resolve() for each in folders} & {Path(each).resolve() for each in woven}
    if both:
        raise TrainingError(
            f"The folder '{both.pop().name}' is given as real tiles and as woven ones; give it once, as what it is."
        )
    if not folders:
        raise TrainingError("A critic needs real tiles to compare woven ones with; give at least one folder of them.")
    if not woven and not recipe.weave:
        raise TrainingError(
            "A critic needs woven tiles beside real ones; give a folder of them, or have some woven ('--weave')."
        )
    parts = [
        _read_real(open_tile_folder(folder, tile_pixel_size, labels_required=False), recipe, licence)
        for folder, licence in zip(folders, licences or ["unknown"] * len(folders), strict=True)
    ]
    training = [tile for part in parts for tile in part.training]
    held_out = [tile for part in parts for tile in part.held_out]
    sources = [part.source for part in parts]
    licence_of = {tile.look: part.source.licence for part in parts for tile in (*part.training, *part.held_out)}
    read = [_read_woven(Path(each), recipe.pixel_size, licence_of, tile_pixel_size) for each in woven]
    if recipe.weave:
        with tempfile.TemporaryDirectory() as temporary:
            into = weave_into or Path(temporary) / "woven"
            read += _woven_now(recipe, (training, held_out), sources, generator, into, on_woven, should_stop)
    sources += [source for _, source in read]
    of_training, of_held_out = _parted([each for tiles, _ in read for each in tiles], training, held_out, recipe)
    if not of_training or not of_held_out:
        part = "validate" if of_training else "train"
        raise TrainingError(
            f"No woven tiles are left to {part} on, because each goes where the real tile goes whose look it has; give "
            "woven tiles with the looks of more real ones."
        )
    return TrainingData(
        tuple(_said(each.picture, REAL) for each in training),
        _in_turn([_said(each.picture, REAL) for each in held_out], of_held_out),
        ("real", "woven"),
        recipe.pixel_size,
        tuple(sources),
        {"by": [part.split for part in parts], "woven": {"training": len(of_training), "held out": len(of_held_out)}},
        tuple(of_training),
    )


@dataclass(frozen=True, eq=False)
class _RealFolder:
    training: list[_RealTile]
    held_out: list[_RealTile]
    source: TrainingSource
    split: dict[str, Any]


def _read_real(folder: TileFolder, recipe: CriticRecipe, licence: str) -> _RealFolder:
    left_out = set(recipe.leave_out)
    pairs = tuple(each for each in folder.pairs if each.id not in left_out)
    with_labels = recipe.weave > 0
    digest, tiles = hashlib.sha256(), {}
    for pair in pairs:
        pixels, size, layout = _opened(pair, folder if with_labels else None, folder.pixel_size)
        digest.update(pixels.tobytes())
        if tissue_mask(pixels).mean() < LEAST_TISSUE:
            # White: nothing can be judged beside it.
            continue
        image, nuclei = rescaled(pixels, layout, size / recipe.pixel_size)
        tiles[pair.id] = _RealTile(pair.id, _picture(image, nuclei.rasterize()), look_sha256(pixels))
    if len(tiles) < 2:
        raise TrainingError(
            f"The folder '{folder.path.name}' has fewer than two tiles with tissue, and one of them is held out; add "
            "tiles, or cut one in two."
        )
    usable = replace(folder, pairs=tuple(each for each in pairs if each.id in tiles))
    patients = {each.patient for each in usable.pairs}
    by_patient = recipe.split_by == "patient" or (
        recipe.split_by == "auto" and None not in patients and len(patients) > 1
    )
    shares = {"training": 1 - recipe.validation_share, "validation": recipe.validation_share}
    parts = usable.split("patient" if by_patient else "tile", shares, recipe.seed)
    held_out = parts["validation"]
    source = TrainingSource(
        name=folder.path.name, licence=licence, tiles=len(tiles), validation_tiles=len(held_out),
        sha256=digest.hexdigest(),
    )  # fmt: skip
    return _RealFolder(
        [tiles[name] for name in parts["training"]],
        [tiles[name] for name in held_out],
        source,
        {"by": "patient" if by_patient else "tile", **parts},
    )


@dataclass(frozen=True, eq=False)
class _Woven:
    picture: LabelledPicture
    look: str
    """Hash of the look that it has, or empty where nothing says."""


def _read_woven(
    path: Path, pixel_size: float, licence_of: Mapping[str, str], tile_pixel_size: float | None = None
) -> tuple[list[_Woven], TrainingSource]:
    folder = open_tile_folder(path, tile_pixel_size, labels_required=False)
    tiles, digest = [], hashlib.sha256()
    licences: set[str] = set()
    generators: dict[str, int] = {}
    for pair in folder.pairs:
        pixels, size, nothing = _opened(pair, None, tile_pixel_size)
        digest.update(pixels.tobytes())
        image, _ = rescaled(pixels, nothing, size / pixel_size)
        record = _record_of(pair)
        name = str(record.get("generator", "unknown"))
        generators[name] = generators.get(name, 0) + 1
        look = str(record.get("look_sha256") or "")
        licences.add(licence_of.get(look, "unknown"))
        if record.get("weights_sha256"):
            licences.update(licence_of_weights([str(record["weights_sha256"])]).split("; "))
        tiles.append(_Woven(_picture(image), look))
    source = TrainingSource(
        name=path.name,
        # What is woven is as free as the tile whose look it has, and as what its generator was trained on.
        licence="unknown" if "unknown" in licences else "; ".join(sorted(licences)),
        tiles=len(tiles),
        sha256=digest.hexdigest(),
        woven={"generators": dict(sorted(generators.items()))},
    )  # fmt: skip
    return tiles, source


def _woven_now(
    recipe: CriticRecipe,
    parts: tuple[list[_RealTile], list[_RealTile]],
    sources: Sequence[TrainingSource],
    generator: str,
    into: Path,
    on_woven: OnWoven | None,
    should_stop: Callable[[], bool] | None,
) -> list[tuple[list[_Woven], TrainingSource]]:
    """Return what a generator weaves from layouts and looks of the tiles of each part."""
    read = []
    shares = (1 - recipe.validation_share, recipe.validation_share)
    for name, lent, share in zip(("training", "held_out"), parts, shares, strict=True):
        pictures = tuple(each.picture for each in lent)
        data = TrainingData(pictures, (), ("nucleus",), recipe.pixel_size, tuple(sources), {"part": name})
        order = recipe.model_copy(update={"weave": max(round(recipe.weave * share), 1)})
        folder = into / name
        made = woven_tiles(order, data, folder, generator=generator, on_woven=on_woven, should_stop=should_stop)
        tiles, _ = _read_woven(folder, recipe.pixel_size, {})
        read.append((tiles, made.sources[0]))
    return read


def _parted(
    woven: Sequence[_Woven], training: Sequence[_RealTile], held_out: Sequence[_RealTile], recipe: CriticRecipe
) -> tuple[list[LabelledPicture], list[LabelledPicture]]:
    """Return woven tiles to train on and held-out ones, each with the real tile that it is to be judged beside."""
    lenders = {
        each.look: (each.picture, is_held_out) for is_held_out, part in enumerate((training, held_out)) for each in part
    }
    kept: tuple[list[LabelledPicture], list[LabelledPicture]] = ([], [])
    for place, each in enumerate(woven):
        lender, goes_to = lenders.get(each.look, (None, 0))
        if lender is None:
            goes_to = int(keyed_generator(recipe.seed, _HELD_OUT, place).random() < recipe.validation_share)
            lender = _most_alike(each.picture, (training, held_out)[goes_to])
        if lender is not None:
            kept[goes_to].append(replace(_said(each.picture, WOVEN), lender=lender))
    return kept


def _most_alike(picture: LabelledPicture, tiles: Sequence[_RealTile]) -> LabelledPicture | None:
    """Return the tile whose tissue has the mean colour nearest to a picture's, or None for a picture without tissue."""
    try:
        mean = picture.stains.mean
    except LookError:
        return None
    distances = [float(np.abs(each.picture.stains.mean - mean).sum()) for each in tiles]
    return tiles[int(np.argmin(distances))].picture


def _in_turn(real: list[LabelledPicture], woven: list[LabelledPicture]) -> tuple[LabelledPicture, ...]:
    """Return real and woven tiles in turn; of the fewer, some come again, and other places of them are seen."""
    count = max(len(real), len(woven))
    return tuple(part[place % len(part)] for place in range(count) for part in (real, woven))


def _opened(
    pair: TilePair, folder: TileFolder | None, pixel_size: float | None
) -> tuple[NDArray[np.uint8], float, Layout]:
    """Return a tile's pixels, its pixel size, and its nuclei if a folder is given and has them, which takes longer."""
    tile, layout = (open_tile(pair.image_path), None) if folder is None else folder.open(pair.id)
    with tile:
        pixels = tile.read()
    size = pixel_size or tile.pixel_size or DEFAULT_PIXEL_SIZE
    return pixels, size, layout or Layout({}, (pixels.shape[0], pixels.shape[1]), size)


def _said(picture: LabelledPicture, what: int) -> LabelledPicture:
    return replace(picture, label_map=np.full(picture.image.shape[:2], what, np.int32))


def _picture(image: NDArray[np.uint8], label_map: NDArray[np.int32] | None = None) -> LabelledPicture:
    nuclei = np.zeros(image.shape[:2], np.int32) if label_map is None else label_map
    return LabelledPicture(image, nuclei, np.zeros(int(nuclei.max(initial=0)) + 1, np.uint8))


def _record_of(pair: TilePair) -> dict[str, Any]:
    try:
        record = json.loads(pair.image_path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and record.get("synthetic") is True else {}
