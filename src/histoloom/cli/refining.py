"""``histoloom refine-view``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from histoloom.errors import BundleError, RunError
from histoloom.generators.refiner.recipe import RefinerWeaveRecipe
from histoloom.generators.registry import generator_header, generator_named


def refine_view(
    layout: Path,
    /,
    *,
    look: Path,
    generator: str,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    seed: int = 0,
    segmenter: str = "nuclei",
    pixel_size: float | None = None,
    look_pixel_size: float | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Show what a refiner does to a layout's first picture: before, after, the difference, and the reference.

    It also says whether a segmenter still finds the nuclei where the layout has them.

    Parameters
    ----------
    layout
        .geojson, .layout.json, or a label map.
    look
        A real tile, whose textures the first picture has and which is the reference.
    generator
        The refiner: the name of a bundle, or a bundle's file.
    output
        The picture, a PNG.
    seed
        Of the weave.
    segmenter
        What finds nuclei: the name of a bundle, or a bundle's file.
    pixel_size
        µm per pixel of the layout (default: what it says, else 0.25).
    look_pixel_size
        µm per pixel of the look (default: what its file says, else 0.25).
    as_json
        Print scores and change as one JSON object.
    """
    from histoloom.evaluation.refinement import check_refinement, difference_picture
    from histoloom.layouts.opening import open_layout
    from histoloom.segmenters.segmenter import Segmenter
    from histoloom.studies.picture_sheet import fitted, save_picture_sheet
    from histoloom.tiles.looks import Look
    from histoloom.tiles.reading import open_tile

    if output.suffix.lower() != ".png":
        raise RunError(f"The view is written as PNG; '{output.name}' is none, so rename it.")
    header = generator_header(generator)
    if header is None or header.system != "refiner":
        raise BundleError(f"'{generator}' is no refiner; choose the bundle of one.")
    chosen = generator_named(generator)
    opened, notes = open_layout(layout, pixel_size)
    with open_tile(look) as tile:
        reference = Look.from_tile(tile, pixel_size=look_pixel_size)
    before, after = (
        chosen.prepare(reference, RefinerWeaveRecipe(refinement=share), opened.pixel_size).weave(opened, seed)
        for share in (0.0, 1.0)
    )
    check = check_refinement(before, after, opened, Segmenter.load(segmenter))
    shown = [before, after, difference_picture(before, after), fitted(reference.pixels, opened.shape)]
    save_picture_sheet(
        ["before", "after", "difference x 4", "reference"],
        [shown],
        output,
        f"synthetic: a first picture, refined by {chosen.name}, and the reference",
    )
    for note in notes:
        sys.stderr.write(f"{note}\n")
    told = json.dumps(asdict(check) | {"verdict": check.verdict}) if as_json else check.verdict
    sys.stdout.write(f"{told}\n")
    return 0
