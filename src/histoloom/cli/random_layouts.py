"""``histoloom layout random``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from histoloom.cli.recipe_options import recipe_from_options, recipe_options
from histoloom.errors import RecipeError
from histoloom.layouts.layout import Layout
from histoloom.layouts.polygons import HouPolygonsRecipe, hou_polygons
from histoloom.layouts.random_layout import random_layout
from histoloom.layouts.random_recipe import PRESETS, RandomLayoutRecipe, preset_recipe
from histoloom.layouts.random_tissue import random_tissue_map
from histoloom.recipes import Recipe


@dataclass(frozen=True)
class _LayoutGenerator:
    recipe_type: type[Recipe]
    draw: Callable[[Any, int], Layout]
    heading: str


_GENERATORS = {
    "random": _LayoutGenerator(
        RandomLayoutRecipe, random_layout, "Recipe of '--generator random', as tissue has nuclei"
    ),
    "polygons": _LayoutGenerator(HouPolygonsRecipe, hou_polygons, "Recipe of '--generator polygons' (Hou et al. 2019)"),
}

if TYPE_CHECKING:
    _Options = Mapping[str, Any] | None
else:
    _Options = recipe_options(
        {each.heading: each.recipe_type for each in _GENERATORS.values()},
        hidden=("height", "width", "pixel_size", "tissue_map"),
    )


def random(
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    size: Annotated[tuple[int, int] | None, Parameter(negative="")] = None,
    pixel_size: float | None = None,
    seed: int = 0,
    generator: Literal["random", "polygons"] = "random",
    preset: str | None = None,
    recipe: Path | None = None,
    tissue_map: bool | None = None,
    fields: _Options = None,
) -> int:
    """Draw a random layout.

    Parameters
    ----------
    output
        File to write: a label map (.tif) or outlines (.geojson), with a .layout.json beside it.
    size
        Height and width of the canvas in pixels (default: the recipe's).
    pixel_size
        µm per pixel (default: the recipe's, 0.25).
    seed
        Equal recipes and seeds give equal layouts.
    generator
        'random' draws nuclei as tissue has them, 'polygons' those of Hou et al. (2019).
    preset
        Start from a ready-made recipe of '--generator random', such as 'colon glands'.
    recipe
        JSON file with fields of the recipe; options say more than it.
    tissue_map
        Whether to draw what lies between the nuclei, too, into the .layout.json (default: the recipe's, which is yes).
    fields
        The recipe's fields.
    """
    from histoloom.layouts.files import save_layout

    chosen = _GENERATORS[generator]
    start = None
    if preset is not None:
        if generator != "random":
            raise RecipeError(
                f"The preset '{preset}' belongs to '--generator random' and not to '--generator {generator}'; "
                "leave out one of the two."
            )
        preset_recipe(preset)  # says which presets there are
        start = PRESETS[preset]
    height, width = size or (None, None)
    said: dict[str, Any] = {"height": height, "width": width, "pixel_size": pixel_size}
    if "tissue_map" in chosen.recipe_type.model_fields:
        said["tissue_map"] = tissue_map
    settings = recipe_from_options(chosen.recipe_type, fields, file=recipe, preset=start, **said)
    layout = chosen.draw(settings, seed)
    if layout.tissue_map is None and "tissue_map" not in said and tissue_map is not False:
        layout = layout.with_tissue_map(random_tissue_map(layout, seed=seed))
    save_layout(layout, output)
    height, width = layout.shape
    sys.stdout.write(f"{len(layout.nuclei):,} nuclei on {height} x {width} pixels: {output}\n")
    note = layout.provenance.get("note")
    if note:
        sys.stderr.write(f"{note}\n")
    return 0
