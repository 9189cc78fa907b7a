"""Measure how far what a generator weaves is from the tiles whose layouts and looks it is given.

    python tools/measure_realism.py GENERATOR JUDGE OUT TILE_FOLDER [TILE ...]

Each tile's own nuclei and tissue map are woven with the tile's own look, seed 1. JUDGE is the bundle of a segmenter
that was trained on real tiles of other patients only, and the generator has not seen the tiles' patients either.
OUT gets the woven tiles with their layouts and ``realism.json``; `histoloom realism` says what its numbers mean.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from histoloom.evaluation.feature_extractors import SegmenterFeatures
from histoloom.evaluation.realism import Realism, measure_realism
from histoloom.generators.registry import generator_named
from histoloom.layouts.tile_folders import TileFolder, open_tile_folder
from histoloom.layouts.tile_tissue import tile_tissue_map
from histoloom.segmenters.segmenter import Segmenter
from histoloom.tiles.looks import Look
from histoloom.tiles.tile import Tile


def main(generator: str, judge: str, out: Path, folder: Path, names: list[str]) -> None:
    """Weave what is not woven yet, measure, and write the results."""
    opened = open_tile_folder(folder, 0.25)
    pairs = tuple(pair for pair in opened.pairs if not names or pair.id in names)
    real = TileFolder(opened.path, pairs, opened.description, opened.pixel_size, opened.class_names)
    weave(generator, real, out / "woven")
    segmenter = Segmenter.load(judge)
    realism = measure_realism(real, out / "woven", SegmenterFeatures(segmenter), segmenter, on_step=_say)
    (out / "realism.json").write_text(json.dumps(realism.as_dict(), indent=1))
    sys.stdout.write(_summary(realism))


def weave(name: str, real: TileFolder, out: Path) -> None:
    """Write a woven tile and its labels for each real one."""
    import tifffile
    from PIL import Image

    generator = generator_named(name)
    for part in ("images", "labels"):
        (out / part).mkdir(parents=True, exist_ok=True)
    for pair in real.pairs:
        target = out / "images" / f"{pair.id}.png"
        if target.is_file():
            continue
        tile, layout = real.open(pair.id)
        if layout is None:
            raise SystemExit(f"The tile '{pair.id}' has no labels; leave it out.")
        with tile:
            pixels = tile.read()
        look = Look.from_tile(Tile.from_array(pixels, 0.25), pixel_size=0.25)
        tissue = layout.with_tissue_map(tile_tissue_map(layout, Tile.from_array(pixels, 0.25)))
        woven = generator.prepare(look, generator.recipe_type(), layout.pixel_size).weave(tissue, 1)
        tifffile.imwrite(out / "labels" / f"{pair.id}.tif", layout.rasterize().astype("uint16"))
        Image.fromarray(woven).save(target)
        _say("Weaving", len(list(target.parent.iterdir())), len(real.pairs))


def _summary(realism: Realism) -> str:
    numbers = realism.as_dict()
    lines = [
        f"KID {realism.kid.value:.4f} ({realism.kid.low:.4f} to {realism.kid.high:.4f}); between real "
        f"{realism.kid_between_real_by} {realism.kid_between_real:.4f} (median of {realism.kid_between_real_pairs})",
    ]
    for score in ("dice", "aji"):
        woven = numbers["mean_over_images"]["faithfulness"][score]
        on_real = numbers["real_against_real"]["faithfulness_mean_over_images"][score]
        lines.append(f"{score}: woven {woven:.3f}, real {on_real:.3f}")
    for each in (realism.per_patient, realism.per_organ):
        for name, group in each.items():
            faithful = "" if group.faithfulness is None else f", dice {group.faithfulness['dice']:.3f}"
            lines.append(f"{name}: KID {group.kid:.4f}{faithful}")
    return "\n".join(lines) + "\n"


def _say(step: str, done: int, count: int) -> None:
    sys.stderr.write(f"\r{step} {done}/{count}\033[K")
    sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), sys.argv[5:])
