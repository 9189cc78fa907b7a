"""Random layouts: nuclei placed, sized and turned as a recipe says, the same for the same recipe and seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from histoloom.keyed_random import keyed_generator, keyed_hash
from histoloom.layouts.capsules import Capsules
from histoloom.layouts.layout import Layout
from histoloom.layouts.nucleus import Nucleus
from histoloom.layouts.outline import Outline
from histoloom.layouts.random_recipe import RANDOM_CLASSES, RandomLayoutRecipe
from histoloom.layouts.random_tissue import random_tissue_map, stroma_share
from histoloom.layouts.rows import gland_curves, is_closed, lumen_on_the_left, plan_rows
from histoloom.layouts.scanlines import outline_spans
from histoloom.layouts.shapes import nucleus_rings, outlines_of, turned
from histoloom.layouts.spacing import LAST_ROUND, make_room, place_apart
from histoloom.recipes import usable_seed
from histoloom.window import Window

_SPINDLE = RANDOM_CLASSES.index("spindle")
_OVERLAP_SOFTNESS = 0.6
_WAVELENGTH = 180.0
_CLUSTER_COVERAGE = 0.35
_GLAND_CLEARANCE = 12.0
_LUMEN_CELL = 1.0
_MOST_LUMEN_CELLS = 4096


def random_layout(recipe: RandomLayoutRecipe | None = None, seed: int = 0) -> Layout:
    """Draw a random layout.

    Parameters
    ----------
    recipe
        What to draw (default: the default recipe).
    seed
        Whole number from 0 to 2**63 - 1. Equal recipes and seeds give equal layouts, byte for byte.

    Returns
    -------
    Layout
        Its provenance holds ``generator``, ``recipe``, ``seed``, ``requested``, ``placed`` and ``note``: one sentence
        where fewer nuclei found a place than were asked for, else empty. The work is bounded either way.

    Raises
    ------
    RecipeError
        If the seed is not usable.
    """
    recipe = RandomLayoutRecipe() if recipe is None else recipe
    seed = usable_seed(seed)
    generator = keyed_generator(seed, 0x1A40)
    pixel = recipe.pixel_size
    gap = recipe.min_spacing / pixel
    curves = _row_curves(recipe, generator)
    row_rings, row_centers, row_angles = _rows(recipe, generator, curves)
    in_rows = len(row_rings)

    scattered = max(recipe.requested - in_rows, 0)
    clusters = _Clusters(recipe, generator, scattered)
    classes = np.concatenate([np.full(in_rows, RANDOM_CLASSES.index(recipe.row_class)), clusters.classes])
    total = in_rows + scattered
    free_angles = generator.uniform(0.0, np.pi, total)
    jitter = generator.normal(size=total) * (1.0 - recipe.fibre_alignment) * 1.2
    softness = np.where(generator.uniform(size=total) < recipe.overlap_fraction, _OVERLAP_SOFTNESS, 1.0)

    # Spindle nuclei turn with the fibres where they come to lie; their place and their turn would each need the other,
    # so the direction is taken where a nucleus first wishes to lie and kept.
    field = _FibreField(recipe, generator)
    ground = _Ground(recipe, curves)
    wishes = _spots(recipe, generator, ground, clusters, classes[in_rows:], np.arange(scattered), 0)
    angles = free_angles.copy()
    angles[:in_rows] = row_angles
    spindles = np.flatnonzero((classes == _SPINDLE) & (np.arange(total) >= in_rows))
    known = ~np.isnan(wishes[spindles - in_rows, 0])
    spindles = spindles[known]
    angles[spindles] = field.angles_at(wishes[spindles - in_rows]) + jitter[spindles]
    rings = np.concatenate([row_rings, turned(_random_rings(recipe, generator, clusters.classes), angles[in_rows:])])

    def propose(indices: NDArray[np.int64], round_number: int) -> NDArray[np.float64]:
        if round_number == 0:
            return wishes[indices - in_rows]
        return _spots(recipe, generator, ground, clusters, classes[indices], indices - in_rows, round_number)

    def allow(indices: NDArray[np.int64], spots: NDArray[np.float64]) -> NDArray[np.bool_]:
        return ground.is_free(spots) | (indices < in_rows)

    placement = place_apart(
        Capsules.covering(rings, angles),
        gap,
        propose,
        allow,
        first_centers=row_centers,
        softness=softness,
    )
    kept = np.flatnonzero(placement.placed)
    outlines = outlines_of(rings[kept] + placement.centers[kept, None, :])
    requested = max(recipe.requested, in_rows)
    layout = _assembled(recipe, seed, outlines, [RANDOM_CLASSES[index] for index in classes[kept]], requested)
    if not recipe.tissue_map:
        return layout
    lumens = [curve for curve in curves if is_closed(curve)]
    return layout.with_tissue_map(random_tissue_map(layout, recipe.tissue, seed, lumens))


def _row_curves(recipe: RandomLayoutRecipe, generator: np.random.Generator) -> list[NDArray[np.float64]]:
    drawn = [lumen_on_the_left(np.array(curve, np.float64) / recipe.pixel_size) for curve in recipe.rows]
    glands = gland_curves(
        generator,
        recipe.shape,
        recipe.gland_density * recipe.pixel_size**2 * 1e-6,
        recipe.gland_diameter / recipe.pixel_size,
        _GLAND_CLEARANCE / recipe.pixel_size,
    )
    return drawn + glands


def _assembled(
    recipe: RandomLayoutRecipe, seed: int, outlines: list[Outline], names: Sequence[str], requested: int
) -> Layout:
    ids = range(1, len(outlines) + 1)
    seeds = (keyed_hash(seed, np.arange(1, len(outlines) + 1), 0x5EED) & np.uint64(0xFFFFFFFF)).tolist()
    nuclei = Nucleus.create_many(ids, outlines, names, texture_seeds=seeds)
    note = ""
    if len(outlines) < requested:
        note = (
            f"{len(outlines):,} of {requested:,} nuclei found a place; lower the density, the spacing or the sizes "
            "to fit more."
        )
    provenance = {
        "generator": "random",
        "recipe": recipe.as_json(),
        "seed": seed,
        "requested": requested,
        "placed": len(outlines),
        "note": note,
    }
    return Layout.from_nuclei(nuclei, recipe.shape, recipe.pixel_size, provenance=provenance)


def _rows(
    recipe: RandomLayoutRecipe, generator: np.random.Generator, curves: Sequence[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return rings about the origin, centres and angles of the nuclei in rows and glands that find room there."""
    pixel = recipe.pixel_size
    gap = recipe.min_spacing / pixel
    length = recipe.class_shapes[recipe.row_class].diameter / pixel * np.sqrt(recipe.row_elongation)
    plan = plan_rows(
        generator, curves, recipe.row_spacing / pixel, recipe.row_layers, length + gap, recipe.row_disorder
    )
    classes = np.full(len(plan.centers), RANDOM_CLASSES.index(recipe.row_class))
    rings = turned(_random_rings(recipe, generator, classes, lined_up=True), plan.angles)
    placement = make_room(Capsules.covering(rings, plan.angles), gap, plan.centers)
    on_canvas = np.all((placement.centers >= 0.0) & (placement.centers < recipe.shape), axis=1)
    kept = placement.placed & on_canvas
    return rings[kept], placement.centers[kept], plan.angles[kept]


def _random_rings(
    recipe: RandomLayoutRecipe,
    generator: np.random.Generator,
    classes: NDArray[np.int64],
    *,
    lined_up: bool = False,
) -> NDArray[np.float64]:
    table = np.array([recipe.class_shapes[name] for name in RANDOM_CLASSES])
    _, diameter, spread, elongation, irregularity = table[classes].T
    if lined_up:
        # Neighbours in an epithelium are more alike than nuclei of its class at large.
        spread = 0.6 * spread
        elongation = np.full(len(classes), recipe.row_elongation)
    # A log-normal size has the wanted mean and spread and is never negative; its tails are cut.
    width = np.sqrt(np.log1p(np.square(spread)))
    score = np.clip(generator.normal(size=len(classes)), -2.5, 2.5)
    diameters = diameter / recipe.pixel_size * np.exp(width * score - np.square(width) / 2.0)
    scatter = np.clip(generator.normal(0.0, 0.15 if lined_up else 0.3, len(classes)), -0.7, 0.7)
    return nucleus_rings(generator, diameters, 1.0 + (elongation - 1.0) * np.exp(scatter), irregularity)


class _Clusters:
    """Which scattered nuclei belong to which cluster (or none), and the class of every scattered nucleus."""

    def __init__(self, recipe: RandomLayoutRecipe, generator: np.random.Generator, scattered: int) -> None:
        shares = np.array([shape.share for shape in recipe.class_shapes.values()])
        odds = shares / shares.sum() if shares.sum() > 0 else np.full(len(shares), 1.0 / len(shares))
        clustered = round(scattered * recipe.cluster_fraction)
        number = max(round(clustered / recipe.cluster_size), 1)
        self.member_of = np.full(scattered, -1)
        self.member_of[:clustered] = generator.integers(0, number, clustered)
        self.centers = generator.uniform((0.0, 0.0), recipe.shape, (number, 2))
        self.classes = generator.choice(len(odds), scattered, p=odds)
        cluster_classes = generator.choice(len(odds), number, p=odds)
        self.classes[:clustered] = cluster_classes[self.member_of[:clustered]]
        # A cluster with more members than fit within its radius is larger.
        diameters = np.array([shape.diameter for shape in recipe.class_shapes.values()])
        members = np.bincount(self.member_of[:clustered], minlength=number)
        crowded = np.sqrt(members / _CLUSTER_COVERAGE / 8.0) * (diameters[cluster_classes] + recipe.min_spacing)
        self.sigmas = np.maximum(recipe.cluster_radius, crowded) / recipe.pixel_size


class _FibreField:
    """Direction of the fibres at each point: one direction, bent by a few long waves."""

    def __init__(self, recipe: RandomLayoutRecipe, generator: np.random.Generator) -> None:
        self.base = np.deg2rad(recipe.fibre_angle)
        self.strength = recipe.fibre_waviness
        directions = generator.uniform(0.0, 2.0 * np.pi, 4)
        frequency = 2.0 * np.pi * recipe.pixel_size / (_WAVELENGTH * generator.uniform(0.6, 1.6, 4))
        self.waves = np.stack([np.sin(directions), np.cos(directions)], axis=1) * frequency[:, None]
        self.phases = generator.uniform(0.0, 2.0 * np.pi, 4)

    def angles_at(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        waves = np.sin(points @ self.waves.T + self.phases).sum(axis=1)
        return np.asarray(self.base + self.strength * waves * 0.7)


class _Ground:
    """Where scattered nuclei may lie: on the canvas, and outside the lumens of glands and closed rows."""

    def __init__(self, recipe: RandomLayoutRecipe, curves: Sequence[NDArray[np.float64]]) -> None:
        self.shape = recipe.shape
        self.lumens: NDArray[np.bool_] | None = None
        closed = [curve for curve in curves if is_closed(curve)]
        if not closed:
            return
        # A map coarser than pixels answers for any number of points at once.
        self.cell = max(_LUMEN_CELL / recipe.pixel_size, max(recipe.shape) / _MOST_LUMEN_CELLS)
        cells = Window(0, 0, int(recipe.height / self.cell) + 1, int(recipe.width / self.cell) + 1)
        self.lumens = np.zeros(cells.shape, bool)
        _, rows, starts, stops = outline_spans([Outline([curve[:-1] / self.cell - 0.5]) for curve in closed], cells)
        for row, start, stop in zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True):
            self.lumens[row, start:stop] = True

    def is_free(self, spots: NDArray[np.float64]) -> NDArray[np.bool_]:
        free = np.all((spots >= 0.0) & (spots < self.shape), axis=1)
        if self.lumens is not None:
            row, column = np.nan_to_num(np.where(free[:, None], spots, 0.0) / self.cell).astype(np.int64).T
            free &= ~self.lumens[row, column]
        return np.asarray(free)


def _spots(
    recipe: RandomLayoutRecipe,
    generator: np.random.Generator,
    ground: _Ground,
    clusters: _Clusters,
    classes: NDArray[np.int64],
    scattered: NDArray[np.int64],
    round_number: int,
) -> NDArray[np.float64]:
    """Return a spot ``(y, x)`` for each scattered nucleus, NaN where some tries found none."""
    spots = np.full((len(scattered), 2), np.nan)
    cluster = clusters.member_of[scattered] if round_number < LAST_ROUND else np.full(len(scattered), -1)
    for _ in range(5):
        open_ones = np.flatnonzero(np.isnan(spots[:, 0]))
        if not len(open_ones):
            break
        drawn = generator.uniform((0.0, 0.0), recipe.shape, (len(open_ones), 2))
        member = cluster[open_ones] >= 0
        # A crowded cluster grows at its rim: later rounds look farther out.
        sigma = clusters.sigmas[cluster[open_ones]] * (1.0 + 0.12 * round_number)
        offsets = generator.normal(size=(len(open_ones), 2)) * sigma[:, None]
        drawn = np.where(member[:, None], clusters.centers[cluster[open_ones]] + offsets, drawn)
        accepted = ground.is_free(drawn)
        if recipe.gradient > 0.0:
            accepted &= generator.uniform(size=len(open_ones)) < _suitability(recipe, drawn, classes[open_ones])
        spots[open_ones[accepted]] = drawn[accepted]
    return spots


def _suitability(
    recipe: RandomLayoutRecipe, points: NDArray[np.float64], classes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return how readily classes settle at points: spindle cells towards the stroma, all others away from it."""
    stroma = stroma_share(points, recipe.shape, recipe.gradient_angle)
    tissue = 1.0 - recipe.gradient * stroma
    return np.asarray(np.where(classes == _SPINDLE, 1.0 - 0.6 * recipe.gradient * (1.0 - stroma), tissue))
