"""The nuclear polygons of Hou et al., "Robust Histopathology Image Analysis: to Label or to Synthesize?" (CVPR 2019).

Section 4.1 of the paper: points on a circle are moved along it and towards or away from its centre, polygons may
overlap a little, and a random quadrilateral transform of them all makes neighbours alike. The numbers are those of the
authors' public code, which works on 40x tiles; here they are in µm at 0.25 µm per pixel, so that they hold at any
magnification. What the code decides by looking at the source tile (a density level from -1 to 3, and which ground may
bear nuclei) is a field of the recipe, or left out, because a layout has no picture.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from histoloom.errors import LayoutError
from histoloom.keyed_random import keyed_generator, keyed_hash
from histoloom.layouts.layout import MAX_RASTER_PIXELS, Layout
from histoloom.layouts.nucleus import Nucleus
from histoloom.layouts.outline import Outline
from histoloom.layouts.quadrilaterals import BilinearQuadrilateral
from histoloom.layouts.scanlines import outline_spans
from histoloom.recipes import Recipe, recipe_field, usable_seed
from histoloom.window import Window

_PUBLISHED_SIDE = 115.0
"""Side of the code's working canvas, 460 px at 0.25 µm, in µm: counts and the warp's margin refer to it."""

_POOL = 4


class HouPolygonsRecipe(Recipe):
    """Nuclear polygons as Hou et al. draw them; the defaults are the published code's."""

    height: int = recipe_field(400, "Height", "Height of the canvas.", unit="px", ge=1, le=100_000)
    width: int = recipe_field(400, "Width", "Width of the canvas.", unit="px", ge=1, le=100_000)
    pixel_size: float = recipe_field(0.25, "Pixel size", "Size of one pixel.", unit="µm", ge=0.01, le=10.0)
    density_level: float = recipe_field(
        1.0,
        "Density level",
        "How dense the tissue is, from -1 (sparse) to 3 (dense); sets count and size.",
        ge=-1.0,
        le=3.0,
    )
    count_base: float = recipe_field(
        20.0, "Count", "Mean count at density level 0 on 115 x 115 µm; other areas in proportion.", ge=0.0, le=1000.0
    )
    count_per_level: float = recipe_field(
        30.0, "Count per level", "Added to the mean count by each density level.", ge=0.0, le=1000.0
    )
    count_spread: float = recipe_field(40.0, "Count spread", "Standard deviation of the count.", ge=0.0, le=1000.0)
    count_limit: int = recipe_field(256, "Most nuclei", "Largest count on 115 x 115 µm.", ge=0, le=10_000)
    empty_fraction: float = recipe_field(
        0.1, "Empty canvases", "Fraction of canvases without nuclei at density levels up to 1.", ge=0.0, le=1.0
    )
    radius_low: float = recipe_field(2.125, "Least radius", "Least mean radius.", unit="µm", gt=0.0, le=50.0)
    radius_high: float = recipe_field(3.25, "Largest radius", "Largest mean radius.", unit="µm", gt=0.0, le=50.0)
    size_bias: float = recipe_field(
        1.2, "Size factor", "Mean factor on all radii of one canvas at density level 0.", gt=0.0, le=10.0
    )
    size_bias_per_level: float = recipe_field(
        0.125, "Size factor per level", "Added to the size factor by each density level.", ge=0.0, le=2.0
    )
    size_bias_spread: float = recipe_field(
        0.32, "Size factor spread", "Standard deviation of the size factor between canvases.", ge=0.0, le=2.0
    )
    vertices_low: int = recipe_field(10, "Fewest vertices", "Fewest vertices of a polygon.", ge=3, le=100)
    vertices_high: int = recipe_field(17, "Most vertices", "Most vertices of a polygon.", ge=3, le=100)
    irregularity_low: float = recipe_field(
        0.6,
        "Least irregularity",
        "Least unevenness of the angles between vertices; above 1 counts as 1.",
        ge=0.0,
        le=10.0,
    )
    irregularity_high: float = recipe_field(
        2.6, "Largest irregularity", "Largest unevenness of the angles; above 1 counts as 1.", ge=0.0, le=10.0
    )
    spikiness_low: float = recipe_field(
        0.04,
        "Least spikiness",
        "Least standard deviation of a vertex's distance, as a fraction of the radius.",
        ge=0.0,
        le=1.0,
    )
    spikiness_high: float = recipe_field(
        0.24,
        "Largest spikiness",
        "Largest standard deviation of a vertex's distance, as a fraction of the radius.",
        ge=0.0,
        le=1.0,
    )
    crop_margin: float = recipe_field(
        7.5, "Crop margin", "Rim of the working canvas that is cut off.", unit="µm", ge=0.0, le=500.0
    )
    warp_margin: float = recipe_field(
        77.5,
        "Warp margin",
        "How far each corner of the quadrilateral may wander, on 115 µm; in proportion on other canvases.",
        unit="µm",
        ge=0.0,
        le=500.0,
    )
    least_area: float = recipe_field(
        8.75, "Least area", "Smaller polygons are drawn again.", unit="µm²", ge=0.0, le=1000.0
    )
    most_overlap: float = recipe_field(
        0.15, "Most overlap", "Largest fraction of a polygon that may lie on others.", ge=0.0, le=1.0
    )
    tries: int = recipe_field(50, "Tries", "How often a polygon that overlaps too much is drawn again.", ge=0, le=1000)

    @model_validator(mode="after")
    def _ranges_run_upwards(self) -> Self:
        for name in ("radius", "vertices", "irregularity", "spikiness"):
            if getattr(self, f"{name}_low") > getattr(self, f"{name}_high"):
                raise ValueError(f"the least {name} is above the largest; exchange the two")
        return self


def hou_polygons(recipe: HouPolygonsRecipe | None = None, seed: int = 0) -> Layout:
    """Draw a layout of Hou et al.'s polygons.

    Parameters
    ----------
    recipe
        What to draw (default: the published numbers on 400 x 400 pixels).
    seed
        Whole number from 0 to 2**63 - 1; equal recipes and seeds give equal layouts.

    Returns
    -------
    Layout
        Nuclei of class ``"nucleus"``, some cut by the canvas's edge. Provenance holds ``generator``, ``recipe``,
        ``seed``, ``requested``, ``placed`` (on the working canvas, as the published count is) and ``note``.

    Notes
    -----
    Where the code fills and warps pixels (nearest neighbour), vertices are warped here, by the inverse of the same
    bilinear quadrilateral map, and need no rounding. A polygon that overlaps too much after the last try is left
    out and counted in the note; the code would keep it.

    Raises
    ------
    LayoutError
        If the canvas has more pixels than one label map may have; overlaps are counted in pixels.
    RecipeError
        If the seed is not usable.
    """
    recipe = HouPolygonsRecipe() if recipe is None else recipe
    seed = usable_seed(seed)
    generator = keyed_generator(seed, 0x4005)
    pixel = recipe.pixel_size
    margin = recipe.crop_margin / pixel
    frame = (recipe.height + 2.0 * margin, recipe.width + 2.0 * margin)
    if frame[0] * frame[1] > MAX_RASTER_PIXELS:
        raise LayoutError(
            f"Hou's polygons on {recipe.height} x {recipe.width} pixels would need too much memory; "
            "choose a smaller canvas or the other random generator."
        )
    count, drew_empty = _count(recipe, generator, frame)
    factor = max(generator.normal(_mean_size(recipe), recipe.size_bias_spread), 0.3)
    warp = BilinearQuadrilateral.random(generator, frame, recipe.warp_margin / _PUBLISHED_SIDE)

    window = Window(0, 0, int(np.ceil(frame[0])), int(np.ceil(frame[1])))
    taken = np.zeros(window.shape, bool)
    kept: list[NDArray[np.float64]] = []
    for _ in range(recipe.tries + 1):
        missing = count - len(kept)
        if missing <= 0:
            break
        rings = _valid_polygons(recipe, generator, warp, factor, window, missing)
        kept.extend(_those_apart(rings, window, taken, recipe.most_overlap))
    shift = np.array([margin, margin])
    outlines = [outline for outline in (Outline([ring - shift]) for ring in kept) if _on_canvas(outline, recipe)]
    ids = range(1, len(outlines) + 1)
    seeds = (keyed_hash(seed, np.arange(1, len(outlines) + 1), 0x5EED) & np.uint64(0xFFFFFFFF)).tolist()
    nuclei = Nucleus.create_many(ids, outlines, ["nucleus"] * len(outlines), texture_seeds=seeds)
    provenance = {
        "generator": "hou polygons",
        "recipe": recipe.as_json(),
        "seed": seed,
        "requested": count,
        "placed": len(kept),
        "note": _note(recipe, count, len(kept), drew_empty),
    }
    return Layout.from_nuclei(nuclei, (recipe.height, recipe.width), pixel, provenance=provenance)


def random_polygons(
    generator: np.random.Generator,
    radii: NDArray[np.float64],
    vertex_counts: NDArray[np.int64],
    irregularities: NDArray[np.float64],
    spikinesses: NDArray[np.float64],
) -> list[NDArray[np.float64]]:
    """Draw polygons about the origin.

    Parameters
    ----------
    generator
        Source of the shapes.
    radii
        ``float (N,)``, mean distance of the vertices, pixels; each vertex's is normal and clipped to 0..2 radii.
    vertex_counts
        ``int (N,)``.
    irregularities
        ``float (N,)``, clipped to 0..1: the angle from one vertex to the next is uniform within this fraction of the
        mean angle, and all are then scaled to one full turn.
    spikinesses
        ``float (N,)``, clipped to 0..1: standard deviation of the distances as a fraction of the radius.

    Returns
    -------
    list
        N rings ``float (vertices, 2)`` in ``(y, x)``.
    """
    most = int(vertex_counts.max(initial=3))
    used = np.arange(most) < vertex_counts[:, None]
    uneven = np.clip(irregularities, 0.0, 1.0)[:, None]
    steps = np.where(used, 1.0 + uneven * generator.uniform(-1.0, 1.0, used.shape), 0.0)
    steps *= 2.0 * np.pi / np.maximum(steps.sum(axis=1, keepdims=True), 1e-12)
    angles = generator.uniform(0.0, 2.0 * np.pi, (len(radii), 1)) + np.cumsum(steps, axis=1) - steps
    spread = np.clip(spikinesses, 0.0, 1.0) * radii
    distances = radii[:, None] + spread[:, None] * generator.normal(size=used.shape)
    distances = np.clip(distances, 0.0, 2.0 * radii[:, None])
    points = np.stack([distances * np.sin(angles), distances * np.cos(angles)], axis=2)
    return [ring[:count] for ring, count in zip(points, vertex_counts.tolist(), strict=True)]


def _mean_size(recipe: HouPolygonsRecipe) -> float:
    return recipe.size_bias + recipe.size_bias_per_level * recipe.density_level


def _count(recipe: HouPolygonsRecipe, generator: np.random.Generator, frame: tuple[float, float]) -> tuple[int, bool]:
    """Return how many polygons to draw, and whether this is one of the canvases that are to be empty."""
    area = frame[0] * frame[1] * recipe.pixel_size**2 / _PUBLISHED_SIDE**2
    empty = generator.uniform() < recipe.empty_fraction and recipe.density_level <= 1.0
    mean = recipe.count_base + recipe.count_per_level * recipe.density_level
    count = min(max(generator.normal(mean, recipe.count_spread), 0.0), recipe.count_limit)
    return 0 if empty else int(count * area), bool(empty)


def _note(recipe: HouPolygonsRecipe, count: int, placed: int, drew_empty: bool) -> str:
    if drew_empty:
        return f"This seed drew an empty canvas, as 1 in {1.0 / recipe.empty_fraction:.3g} does; take another seed."
    if count == 0:
        return "This seed drew a count of no nuclei; take another seed, or raise the density level."
    if placed < count:
        return f"{placed:,} of {count:,} polygons found a place; lower the density level."
    return ""


def _valid_polygons(
    recipe: HouPolygonsRecipe,
    generator: np.random.Generator,
    warp: BilinearQuadrilateral,
    factor: float,
    window: Window,
    wanted: int,
) -> list[NDArray[np.float64]]:
    """Return at most ``wanted`` warped polygons with the least area on the working canvas."""
    rings: list[NDArray[np.float64]] = []
    least = recipe.least_area / recipe.pixel_size**2
    for _ in range(_POOL):
        number = 3 * (wanted - len(rings)) + 4
        centers = generator.uniform((0.0, 0.0), warp.source_shape, (number, 2))
        polygons = random_polygons(
            generator,
            generator.uniform(recipe.radius_low, recipe.radius_high, number) * factor / recipe.pixel_size,
            generator.integers(recipe.vertices_low, recipe.vertices_high + 1, number),
            generator.uniform(recipe.irregularity_low, recipe.irregularity_high, number),
            generator.uniform(recipe.spikiness_low, recipe.spikiness_high, number),
        )
        lengths = np.array([len(polygon) for polygon in polygons])
        vertices = np.concatenate(polygons) + np.repeat(centers, lengths, axis=0)
        warped = np.split(warp.to_target(vertices), np.cumsum(lengths)[:-1])
        whole = [ring for ring in warped if np.isfinite(ring).all()]
        areas = _pixel_counts([Outline([ring]) for ring in whole], window)
        rings.extend(ring for ring, area in zip(whole, areas.tolist(), strict=True) if area > least)
        if len(rings) >= wanted:
            break
    return rings[:wanted]


def _pixel_counts(outlines: list[Outline], window: Window) -> NDArray[np.float64]:
    owners, _, starts, stops = outline_spans(outlines, window)
    return np.asarray(np.bincount(owners, stops - starts, len(outlines)), np.float64)


def _those_apart(
    rings: list[NDArray[np.float64]], window: Window, taken: NDArray[np.bool_], most_overlap: float
) -> list[NDArray[np.float64]]:
    """Return the polygons that overlap what is taken by no more than allowed, each taking its pixels in turn."""
    owners, rows, starts, stops = outline_spans([Outline([ring]) for ring in rings], window)
    bounds = np.searchsorted(owners, np.arange(len(rings) + 1)).tolist()
    kept = []
    for index, ring in enumerate(rings):
        runs = range(bounds[index], bounds[index + 1])
        spans = [(int(rows[run]), int(starts[run]), int(stops[run])) for run in runs]
        area = sum(stop - start for _, start, stop in spans)
        overlap = sum(int(np.count_nonzero(taken[row, start:stop])) for row, start, stop in spans)
        if area and overlap <= most_overlap * area:
            for row, start, stop in spans:
                taken[row, start:stop] = True
            kept.append(ring)
    return kept


def _on_canvas(outline: Outline, recipe: HouPolygonsRecipe) -> bool:
    return not outline.window.intersection(Window(0, 0, recipe.height, recipe.width)).is_empty
