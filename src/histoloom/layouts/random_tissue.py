"""Random tissue maps: what may lie between given nuclei, the same for the same layout, recipe and seed.

Cytoplasm lies where nuclei other than spindle-celled ones are close, with ragged borders; fibres lie elsewhere; what
glands enclose is blank, as are clefts along the fibres; blood vessels take round gaps between nuclei. Random numbers
are hashes of the seed and of places in µm, apart from those that nuclei are drawn from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from histoloom.keyed_random import keyed_normal, keyed_uniform
from histoloom.layouts.layout import Layout
from histoloom.layouts.measures import measure_outlines
from histoloom.layouts.outline import Outline
from histoloom.layouts.scanlines import outline_spans
from histoloom.layouts.tissue_map import TissueMap
from histoloom.layouts.tissue_recipe import TissueMapRecipe
from histoloom.recipes import usable_seed
from histoloom.tiles.tissue import BLANK, BLOOD, CELLULAR, FIBROUS, tissue_cell_pixels
from histoloom.window import Window

_SPINDLE = "spindle"
_CELL_REACH = 6.5
"""How far cytoplasm reaches around its nucleus, as a standard deviation in µm."""
_APICAL = 6.0
"""Least distance of a lumen from the nuclei around it in µm: the height of the cytoplasm above them."""
_LEAST_LUMEN = 150.0
"""Least area of a gap among cells that counts as a lumen, in µm²."""
_RAGGED = 45.0
_PATCHES = 140.0
_CLEFTS = 34.0
_CLEFT_LENGTH = 5.0
_CROWD = 5.0
_VESSEL_RADII = 5.0, 15.0
_TRIES_PER_VESSEL = 30
_MOST_TRIES = 50_000
_MOST_CELLS = 2**21

_AMONG_CELLS, _PATCH, _CLEFT, _VESSELS = 0x7155, 0x7156, 0x7157, 0x7158


def random_tissue_map(
    layout: Layout,
    recipe: TissueMapRecipe | None = None,
    seed: int = 0,
    lumens: Sequence[NDArray[np.float64]] = (),
) -> TissueMap:
    """Draw what lies between the nuclei of a layout.

    Parameters
    ----------
    layout
        Its nuclei, canvas and pixel size count; a tissue map that it has does not.
    recipe
        How much of what (default: the default recipe).
    seed
        Whole number from 0 to 2**63 - 1. Equal layouts, recipes and seeds give equal maps.
    lumens
        Closed curves ``float (N, 2)`` in pixels that enclose lumens; gaps among cells that look like one are found
        without.

    Returns
    -------
    TissueMap
        In cells of `histoloom.tiles.tissue.TISSUE_CELL` µm, or coarser ones on canvases as large as whole slides; it
        leaves nothing open ("any").

    Raises
    ------
    RecipeError
        If the seed is not usable.
    """
    recipe = TissueMapRecipe() if recipe is None else recipe
    seed = usable_seed(seed)
    ground = _Ground.of(layout)
    y, x = ground.places
    rough = _noise(seed, _AMONG_CELLS, y, x, _RAGGED) + 0.5 * _noise(seed, _AMONG_CELLS + 8, y, x, _RAGGED / 3.0)
    cellular = ground.coverage * np.exp(0.35 * rough) >= recipe.cellular_coverage
    values = np.where(cellular, CELLULAR, FIBROUS).astype(np.uint8)
    enclosed = _inside(lumens, ground)
    values[enclosed] = CELLULAR
    values[_lumens(enclosed, cellular, ground)] = BLANK
    _add_blank(values, ground, recipe, seed)
    _add_vessels(values, ground, recipe, seed)
    return TissueMap(values, ground.cell)


def inferred_tissue_map(layout: Layout, recipe: TissueMapRecipe | None = None) -> TissueMap:
    """Return what most likely lies between the nuclei of a layout, nothing of it left to chance.

    Parameters
    ----------
    layout
        Its nuclei, canvas and pixel size count.
    recipe
        Only its ``cellular_coverage`` counts.

    Returns
    -------
    TissueMap
        Cellular near dense nuclei other than spindle-celled ones, fibrous elsewhere.
    """
    recipe = TissueMapRecipe() if recipe is None else recipe
    ground = _Ground.of(layout)
    values = np.where(ground.coverage >= recipe.cellular_coverage, CELLULAR, FIBROUS).astype(np.uint8)
    return TissueMap(values, ground.cell)


def stroma_share(points: NDArray[np.float64], shape: tuple[int, int], gradient_angle: float) -> NDArray[np.float64]:
    """Return how far points ``(..., 2)`` lie on the stroma's side of a canvas, in 0..1.

    Parameters
    ----------
    points
        ``(y, x)`` in pixels.
    shape
        Height and width of the canvas in pixels.
    gradient_angle
        Where the stroma lies, degrees counter-clockwise from the right.
    """
    angle = np.deg2rad(gradient_angle)
    direction = np.array([-np.sin(angle), np.cos(angle)])
    height, width = shape
    reach = abs(direction[0]) * height + abs(direction[1]) * width
    across = ((points - np.array([height / 2.0, width / 2.0])) @ direction) / reach + 0.5
    return np.asarray(1.0 / (1.0 + np.exp(-(across - 0.5) * 12.0)))


class _Ground(NamedTuple):
    """A canvas in cells, and what its nuclei leave of it."""

    cell: int
    pixel_size: float
    canvas: tuple[int, int]
    coverage: NDArray[np.float64]
    """Fraction of the ground about each cell that nuclei other than spindle-celled ones cover."""
    occupied: NDArray[np.bool_]
    """Cells that a nucleus touches."""

    @property
    def cell_um(self) -> float:
        return self.cell * self.pixel_size

    @property
    def places(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centres of the cells in µm, as a column and a row."""
        rows, columns = (np.arange(size, dtype=np.float64) + 0.5 for size in self.occupied.shape)
        return rows[:, None] * self.cell_um, columns[None, :] * self.cell_um

    @classmethod
    def of(cls, layout: Layout) -> _Ground:
        from scipy.ndimage import gaussian_filter

        cell = tissue_cell_pixels(layout.pixel_size)
        cell *= max(math.ceil(math.sqrt(math.prod(layout.shape) / _MOST_CELLS) / cell), 1)
        shape = TissueMap.filled(layout.shape, cell).values.shape
        covered, occupied = np.zeros(shape), np.zeros(shape, bool)
        nuclei = list(layout.nuclei.values())
        if nuclei:
            outlines = [each.outline for each in nuclei]
            measures = measure_outlines(outlines)
            vertices = np.concatenate([ring for outline in outlines for ring in outline.rings])
            for points in (vertices, measures.centroids):
                places, inside = _cells_of(points, cell, shape)
                occupied[tuple(places[inside].T)] = True
            weights = np.where([each.class_name == _SPINDLE for each in nuclei], 0.0, measures.areas / cell**2)
            np.add.at(covered, tuple(places[inside].T), weights[inside])
        coverage = gaussian_filter(covered, _CELL_REACH / (cell * layout.pixel_size), mode="reflect")
        return cls(cell, layout.pixel_size, layout.shape, coverage, occupied)


def _cells_of(
    points: NDArray[np.float64], cell: int, shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return row and column of the cell of each point, and whether it lies on the map."""
    places = np.floor((points + 0.5) / cell).astype(np.int64)
    return places, np.all((places >= 0) & (places < shape), axis=1)


def _inside(curves: Sequence[NDArray[np.float64]], ground: _Ground) -> NDArray[np.bool_]:
    """Return the cells whose centres lie inside closed curves."""
    inside = np.zeros(ground.occupied.shape, bool)
    outlines = [Outline([(curve[:-1] + 0.5) / ground.cell - 0.5]) for curve in curves]
    _, rows, starts, stops = outline_spans(outlines, Window.of_shape(inside.shape))
    for row, start, stop in zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True):
        inside[row, start:stop] = True
    return inside


def _lumens(enclosed: NDArray[np.bool_], cellular: NDArray[np.bool_], ground: _Ground) -> NDArray[np.bool_]:
    """Return the cells of lumens: of known ones, and of gaps among cells in which no nucleus lies."""
    from scipy.ndimage import binary_fill_holes, distance_transform_edt, label

    gaps, count = label(binary_fill_holes(cellular) & ~cellular)
    is_lumen = np.zeros(count + 1, bool)
    if count:
        sizes = np.bincount(gaps.ravel(), minlength=count + 1)
        holders = np.bincount(gaps.ravel(), ground.occupied.ravel(), minlength=count + 1)
        is_lumen = (sizes * ground.cell_um**2 >= _LEAST_LUMEN) & (holders == 0)
        is_lumen[0] = False
    if not ground.occupied.any():
        return enclosed
    far = distance_transform_edt(~ground.occupied) * ground.cell_um > _APICAL
    return np.asarray((enclosed & far) | is_lumen[gaps])


def _add_blank(values: NDArray[np.uint8], ground: _Ground, recipe: TissueMapRecipe, seed: int) -> None:
    """Open clefts and gaps where no nuclei lie, until they take their share or nothing is left."""
    from scipy.ndimage import gaussian_filter

    count = min(round(recipe.blank_fraction * values.size), int((~ground.occupied & (values != BLANK)).sum()))
    if count < 1:
        return
    y, x = ground.places
    angle = np.deg2rad(recipe.fibre_angle)
    along = x * np.cos(angle) - y * np.sin(angle)
    across = x * np.sin(angle) + y * np.cos(angle)
    # A cleft is where a field that is drawn out along the fibres passes through zero.
    cleft = 1.0 - 2.0 * np.abs(_noise(seed, _CLEFT, across, along / _CLEFT_LENGTH, _CLEFTS))
    score = cleft + 0.9 * _noise(seed, _PATCH, y, x, _PATCHES) - 1.2 * (values == CELLULAR)
    # Rather one gap than the many little ones that nuclei leave between each other.
    score = score - 1.6 * gaussian_filter(ground.occupied.astype(np.float64), _CROWD / ground.cell_um)
    if recipe.gradient > 0.0:
        rows, columns = np.broadcast_arrays(y, x)
        points = np.stack([rows, columns], axis=-1) / ground.pixel_size
        score = score + 4.0 * recipe.gradient * stroma_share(points, ground.canvas, recipe.gradient_angle)
    score[ground.occupied | (values == BLANK)] = -np.inf
    values[score >= np.partition(score.ravel(), -count)[-count]] = BLANK


def _add_vessels(values: NDArray[np.uint8], ground: _Ground, recipe: TissueMapRecipe, seed: int) -> None:
    """Put blood vessels where hardly a nucleus lies, until they take their share or enough places have been tried."""
    area = values.size * ground.cell_um**2
    wanted = recipe.blood_fraction * values.size
    low, high = _VESSEL_RADII
    mean_area = np.pi * ((low + high) / 2.0) ** 2
    tries = min(math.ceil(recipe.blood_fraction * area / mean_area) * _TRIES_PER_VESSEL, _MOST_TRIES)
    if tries < 1:
        return
    numbers = np.arange(tries)
    y, x, size, stretch, turn = (keyed_uniform(seed, _VESSELS, numbers, part) for part in range(5))
    # Large vessels first: small ones still find room between them. Half a cell more or less is a matter of luck.
    radii = np.sort(low + (high - low) * size**2)[::-1] / ground.cell_um
    angles = np.deg2rad(recipe.fibre_angle) + (turn - 0.5)
    taken = 0
    for row, column, radius, longer, angle in zip(
        y * values.shape[0], x * values.shape[1], radii, 1.0 + 1.5 * stretch**2, angles, strict=True
    ):
        if taken >= wanted:
            return
        reach = int(np.ceil(radius * longer)) + 1
        top, left = max(int(row) - reach, 0), max(int(column) - reach, 0)
        box = (slice(top, int(row) + reach + 1), slice(left, int(column) + reach + 1))
        dy = np.arange(top, top + values[box].shape[0])[:, None] + 0.5 - row
        dx = np.arange(left, left + values[box].shape[1])[None, :] + 0.5 - column
        along, across = dx * np.cos(angle) - dy * np.sin(angle), dx * np.sin(angle) + dy * np.cos(angle)
        vessel = np.square(along / (radius * longer)) + np.square(across / radius) <= 1.0
        # White cells swim in blood, but a vessel does not lie over the tissue's nuclei.
        if (
            vessel.any()
            and ground.occupied[box][vessel].mean() <= 0.1
            and (values[box][vessel] == FIBROUS).mean() > 0.5
        ):
            values[box][vessel] = BLOOD
            taken += int(vessel.sum())


def _noise(
    seed: int, salt: int, y: NDArray[np.float64], x: NDArray[np.float64], wavelength: float
) -> NDArray[np.float64]:
    """Return smooth noise of about unit variance at places in µm, a function of the seed and the place alone."""
    rows, columns = y / wavelength, x / wavelength
    row, column = np.floor(rows), np.floor(columns)
    weights = []
    for fraction in (rows - row, columns - column):
        smooth = fraction * fraction * (3.0 - 2.0 * fraction)
        weights.append((1.0 - smooth, smooth))
    row, column = row.astype(np.int64), column.astype(np.int64)
    # Places share lattice points, so each of these is drawn once.
    top, left = int(row.min()), int(column.min())
    lattice_rows, lattice_columns = (np.arange(int(each.min()), int(each.max()) + 2) for each in (row, column))
    lattice = keyed_normal(seed, salt, lattice_rows[:, None], lattice_columns[None, :])
    total, power = (np.zeros(np.broadcast_shapes(row.shape, column.shape)) for _ in range(2))
    for dy, row_weight in enumerate(weights[0]):
        for dx, column_weight in enumerate(weights[1]):
            weight = row_weight * column_weight
            total = total + weight * lattice[row - top + dy, column - left + dx]
            power = power + np.square(weight)
    return np.asarray(total / np.sqrt(power))
