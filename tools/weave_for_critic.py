"""Weave the tiles that the critic which ships is trained against.

    python tools/weave_for_critic.py OUT COUNT SEED PART PUMA TILE_FOLDER [TILE_FOLDER ...]

PART is "training" or "validation", of the split by which trainings hold tiles out: looks and layouts come from tiles of
that part. loom and the texture weaver take turns, and so do layouts: of tiles, of PUMA (a folder with label maps in
'labels'), and random ones. OUT gets a folder for each generator.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from histoloom.errors import LayoutError, LookError
from histoloom.generators.registry import generator_named
from histoloom.generators.weaving import save_woven, weave
from histoloom.keyed_random import keyed_generator
from histoloom.layouts import Layout
from histoloom.layouts.random_layout import random_layout
from histoloom.layouts.random_recipe import PRESETS, preset_recipe
from histoloom.layouts.random_tissue import random_tissue_map
from histoloom.layouts.tile_folders import TileFolder, open_tile_folder
from histoloom.layouts.tile_tissue import tile_tissue_map
from histoloom.layouts.transforms import ShapeRecipe, shape_variant
from histoloom.tiles.looks import Look

SIDE, PIXEL_SIZE, PUMA_PIXEL_SIZE = 384, 0.25, 0.23
GENERATORS = ("loom", "texture")
KINDS = ("tile", "puma", "tile", "puma", "random")

Lent = Sequence[tuple[TileFolder, str]]


def main(out: Path, count: int, seed: int, part: str, puma: Path, folders: Sequence[Path]) -> None:
    """Weave and write them; what cannot be woven is said and left out."""
    lent = [(folder, name) for folder in map(open_tile_folder, folders) for name in _part(folder, part)]
    drawn = sorted((puma / "labels").iterdir())
    for index in range(count):
        random = keyed_generator(seed, 1, index)
        folder, name = lent[int(random.integers(len(lent)))]
        generator, kind = GENERATORS[index % len(GENERATORS)], KINDS[index // 2 % len(KINDS)]
        try:
            look = Look.from_tile(folder.open(name)[0], pixel_size=PIXEL_SIZE)
            layout = _layout(kind, lent, drawn, random)
            recipe_type = generator_named(generator).recipe_type
            recipe = recipe_type(**({"rescale": True} if "rescale" in recipe_type.model_fields else {}))
            woven = weave(layout, look, generator=generator, recipe=recipe, seed=_seed(random))
        except (LayoutError, LookError) as error:
            sys.stdout.write(f"{index}: {error}\n")
            continue
        save_woven(woven, out / generator, f"{kind}_{index:04d}")
        sys.stdout.write(f"{index}: {generator}, {kind}, the look of {name}, {len(layout.nuclei)} nuclei\n")


def _part(folder: TileFolder, part: str) -> tuple[str, ...]:
    patients = {each.patient for each in folder.pairs}
    by_patient = None not in patients and len(patients) > 1
    shares = {"training": 0.85, "validation": 0.15}
    return tuple(folder.split("patient" if by_patient else "tile", shares, 0)[part])


def _layout(kind: str, lent: Lent, drawn: Sequence[Path], random: np.random.Generator) -> Layout:
    if kind == "tile":
        folder, name = lent[int(random.integers(len(lent)))]
        tile, layout = folder.open(name)
        if layout is None:
            raise LayoutError(f"The tile '{name}' has no labels; leave it out.")
        layout = layout.with_tissue_map(tile_tissue_map(layout, tile))
        height, width = (min(SIDE, each) for each in layout.shape)
        recipe = ShapeRecipe(quarter_turns=True, largest_scale=1.1, height=height, width=width)
        return shape_variant(layout, recipe, _seed(random))
    if kind == "puma":
        return _puma_layout(drawn[int(random.integers(len(drawn)))], random)
    preset = list(PRESETS)[int(random.integers(len(PRESETS)))]
    return random_layout(preset_recipe(preset, height=SIDE, width=SIDE, pixel_size=PIXEL_SIZE), _seed(random))


def _puma_layout(path: Path, random: np.random.Generator) -> Layout:
    import tifffile

    labels = tifffile.imread(path).astype(np.int32)
    reach = SIDE + 40
    y, x = (int(each) for each in random.integers(0, np.array(labels.shape) - reach))
    at = np.minimum(((np.arange(SIDE) + 0.5) * PIXEL_SIZE / PUMA_PIXEL_SIZE).astype(int), reach - 1)
    window = labels[y : y + reach, x : x + reach][np.ix_(at, at)]
    layout = Layout.from_label_map(np.ascontiguousarray(window), PIXEL_SIZE)
    if random.integers(2):
        return layout.with_tissue_map(random_tissue_map(layout, seed=_seed(random)))
    return layout


def _seed(random: np.random.Generator) -> int:
    return int(random.integers(2**31))


if __name__ == "__main__":
    place, number, key, held, layouts, *tiles = sys.argv[1:]
    main(Path(place), int(number), int(key), held, Path(layouts), [Path(each) for each in tiles])
