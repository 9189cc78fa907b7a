"""What if the tissue were sicker: layouts changed towards disease, nucleus by nucleus.

The third kind of synthetic set in Yasuno (2020, sections 2.1 and 4.2), and the class editing of the pyramid paper's
figure 4c. Each change is a pure function of (layout, recipe, seed); what happens to a nucleus depends on the seed and
on its id, so adding or deleting others changes nothing about it (except where they are in its way).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LayoutError
from histoloom.keyed_random import keyed_generator, keyed_hash, keyed_normal, keyed_uniform
from histoloom.layouts.classes import classes_for
from histoloom.layouts.layout import Layout
from histoloom.layouts.nucleus import Nucleus
from histoloom.layouts.outline import Outline
from histoloom.layouts.transforms import with_provenance
from histoloom.recipes import Recipe, recipe_field

_SHRINKING_TRIES = 6
_PLACING_TRIES = 24
_WAVES = (2, 3, 4)


class _ChangeRecipe(Recipe):
    """Which nuclei are changed."""

    class_name: str = recipe_field("", "Class", "The class of nuclei that are changed; empty for all of them.")
    fraction: float = recipe_field(1.0, "Share", "Share of them that is changed.", ge=0.0, le=1.0)


class GrowRecipe(_ChangeRecipe):
    """Nuclei that are larger."""

    factor: float = recipe_field(1.35, "Factor", "By how much diameters grow, on average.", ge=0.2, le=5.0)
    spread: float = recipe_field(0.15, "Spread", "How much the factor differs between nuclei.", ge=0.0, le=1.0)
    may_overlap: bool = recipe_field(
        False, "May overlap", "Grow over neighbours; otherwise a nucleus grows as far as it has room."
    )


class MultiplyRecipe(_ChangeRecipe):
    """More nuclei: each new one is born beside one that is there."""

    factor: float = recipe_field(1.5, "Factor", "How many nuclei there are for one of before.", ge=1.0, le=10.0)
    farthest: float = recipe_field(
        25.0, "Farthest", "How far from its mother a new nucleus may lie.", unit="µm", gt=0.0, le=1000.0
    )


class PleomorphismRecipe(_ChangeRecipe):
    """Nuclei that differ in size and shape."""

    size_spread: float = recipe_field(0.3, "Size", "How much diameters differ (of their logarithm).", ge=0.0, le=1.0)
    elongation_spread: float = recipe_field(
        0.2, "Elongation", "How much nuclei are stretched, in any direction (of the logarithm).", ge=0.0, le=1.0
    )
    irregularity: float = recipe_field(0.12, "Irregularity", "How wavy contours become.", ge=0.0, le=0.5)


class ReclassRecipe(_ChangeRecipe):
    """Nuclei that turn into another class."""

    class_name: str = recipe_field(
        "epithelial", "Class", "The class of nuclei that are changed; empty for all of them."
    )
    fraction: float = recipe_field(0.6, "Share", "Share of them that is changed.", ge=0.0, le=1.0)
    becomes: str = recipe_field("tumor", "Becomes", "The class that they get.", min_length=1)


class MalignantRecipe(Recipe):
    """All changes together, towards a malignant tumour."""

    class_name: str = recipe_field("epithelial", "Class", "The class that turns malignant; empty for all nuclei.")
    becomes: str = recipe_field("tumor", "Becomes", "The class that it becomes.", min_length=1)
    severity: float = recipe_field(
        0.6, "Severity", "0 leaves the layout as it is, 1 changes most of it.", ge=0.0, le=1.0
    )


def grow(layout: Layout, recipe: GrowRecipe, seed: int) -> Layout:
    """Return a layout whose nuclei are larger.

    Raises
    ------
    LayoutError
        If the layout does not list the recipe's class.
    """
    keys = _chosen(layout, recipe, seed)
    factors = recipe.factor * np.exp(recipe.spread * keyed_normal(seed, keys, 0x6404))
    occupied = None if recipe.may_overlap else _Occupied(layout)
    table = dict(layout.nuclei)
    for key, factor in zip(keys.tolist(), factors.tolist(), strict=True):
        nucleus = layout.nuclei[key]
        table[key] = nucleus.scaled(factor) if occupied is None else occupied.grown(nucleus, factor)
    return with_provenance(replace(layout, nuclei=table), "grow", recipe, seed)


def multiply(layout: Layout, recipe: MultiplyRecipe, seed: int) -> Layout:
    """Return a layout with more nuclei; new ones look like their mothers, turned, and overlap none.

    Where there is no room within the recipe's distance, fewer are born than wished.

    Raises
    ------
    LayoutError
        If the layout does not list the recipe's class.
    """
    keys = _chosen(layout, recipe, seed)
    births = np.floor((recipe.factor - 1.0) + keyed_uniform(seed, keys, 0xB147)).astype(np.int64)
    occupied = _Occupied(layout)
    table = dict(layout.nuclei)
    next_id = layout.next_id()
    for key, count in zip(keys.tolist(), births.tolist(), strict=True):
        for birth in range(count):
            child = _born(layout, layout.nuclei[key], next_id, recipe, occupied, (seed, key, birth))
            if child is not None:
                table[next_id] = child
                next_id += 1
    return with_provenance(replace(layout, nuclei=table), "multiply", recipe, seed)


def pleomorphism(layout: Layout, recipe: PleomorphismRecipe, seed: int) -> Layout:
    """Return a layout whose nuclei differ more in size and shape; they may come to overlap.

    Raises
    ------
    LayoutError
        If the layout does not list the recipe's class.
    """
    table = dict(layout.nuclei)
    for key in _chosen(layout, recipe, seed).tolist():
        nucleus = layout.nuclei[key]
        table[key] = nucleus.reshaped(_deformed(nucleus.outline, recipe, keyed_generator(seed, key, 0x91E0)))
    return with_provenance(replace(layout, nuclei=table), "pleomorphism", recipe, seed)


def reclass(layout: Layout, recipe: ReclassRecipe, seed: int) -> Layout:
    """Return a layout some of whose nuclei have another class, which is added to its classes if it lacks it.

    Raises
    ------
    LayoutError
        If the layout does not list the class that is changed.
    """
    table = dict(layout.nuclei)
    for key in _chosen(layout, recipe, seed).tolist():
        table[key] = layout.nuclei[key].reclassed(recipe.becomes)
    known = {each.name: each for each in layout.classes}
    classes = tuple(known.get(each.name, each) for each in classes_for([*known, recipe.becomes]))
    return with_provenance(replace(layout, nuclei=table, classes=classes), "reclass", recipe, seed)


def malignant(layout: Layout, recipe: MalignantRecipe, seed: int) -> Layout:
    """Return a layout changed towards a malignant tumour.

    Nuclei are reclassed, and then all nuclei of the new class
    multiplied, deformed and grown.

    Raises
    ------
    LayoutError
        If the layout does not list the class that is changed.
    """
    severity, becomes = recipe.severity, recipe.becomes
    if severity == 0.0:
        return with_provenance(layout, "malignant", recipe, seed)
    changed = reclass(layout, ReclassRecipe(class_name=recipe.class_name, fraction=severity, becomes=becomes), seed)
    changed = multiply(changed, MultiplyRecipe(class_name=becomes, factor=1.0 + severity), seed)
    shapes = PleomorphismRecipe(
        class_name=becomes,
        size_spread=0.4 * severity,
        elongation_spread=0.25 * severity,
        irregularity=0.16 * severity,
    )
    changed = pleomorphism(changed, shapes, seed)
    changed = grow(changed, GrowRecipe(class_name=becomes, factor=1.0 + 0.5 * severity, spread=0.1), seed)
    return with_provenance(replace(changed, provenance=layout.provenance), "malignant", recipe, seed)


class _Occupied:
    """Which pixels nuclei have, also around the canvas, to find out whether there is room."""

    def __init__(self, layout: Layout) -> None:
        self._window = layout.window
        for nucleus in layout.nuclei.values():
            self._window = self._window.union(nucleus.outline.window.intersection(layout.window.expanded(_MARGIN)))
        self._ids = layout.rasterize(self._window)

    def grown(self, nucleus: Nucleus, factor: float) -> Nucleus:
        """Return the nucleus scaled by the factor, or less where others are in the way; it then has its new pixels."""
        own = nucleus.outline.mask(self._window.intersection(nucleus.outline.window))
        before = int(self._hits(nucleus, own, nucleus.id).sum())
        for step in range(_SHRINKING_TRIES if factor > 1.0 else 1):
            larger = nucleus.scaled(1.0 + (factor - 1.0) * (1.0 - step / _SHRINKING_TRIES))
            mask = larger.outline.mask(self._window.intersection(larger.outline.window))
            # What lay over others before does not keep it from growing elsewhere.
            if factor <= 1.0 or int(self._hits(larger, mask, nucleus.id).sum()) <= before:
                self.take(larger, mask)
                return larger
        return nucleus

    def is_free(self, nucleus: Nucleus, mask: NDArray[np.bool_]) -> bool:
        """Whether no pixel of a nucleus belongs to another."""
        return not self._hits(nucleus, mask, 0).any()

    def is_taken(self, points: NDArray[np.float64]) -> bool:
        """Whether one of some points ``(N, 2)`` lies on a nucleus: most spots are ruled out without a shape."""
        places = np.round(points).astype(np.int64) - (self._window.y0, self._window.x0)
        inside = ((places >= 0) & (places < self._ids.shape)).all(axis=1)
        return bool(self._ids[places[inside, 0], places[inside, 1]].any())

    def mask(self, nucleus: Nucleus) -> NDArray[np.bool_]:
        """Return the part of a nucleus that lies on the known ground."""
        return nucleus.outline.mask(self._window.intersection(nucleus.outline.window))

    def take(self, nucleus: Nucleus, mask: NDArray[np.bool_]) -> None:
        """Give a nucleus its pixels."""
        self._part(nucleus)[mask] = nucleus.id

    def _hits(self, nucleus: Nucleus, mask: NDArray[np.bool_], own: int) -> NDArray[np.bool_]:
        part = self._part(nucleus)
        return np.asarray(mask & (part != 0) & (part != own))

    def _part(self, nucleus: Nucleus) -> NDArray[np.int32]:
        window = self._window.intersection(nucleus.outline.window)
        return self._ids[window.relative_to(self._window).slices] if not window.is_empty else _NO_PIXELS


_MARGIN = 64
_NO_PIXELS = np.zeros((0, 0), np.int32)
_AROUND = np.array([[0, 0], [0, 1], [1, 0], [0, -1], [-1, 0]], np.float64)


def _chosen(layout: Layout, recipe: _ChangeRecipe, seed: int) -> NDArray[np.int64]:
    """Return the ids of the nuclei that are changed, ascending."""
    if recipe.class_name and all(each.name != recipe.class_name for each in layout.classes):
        raise LayoutError(
            f"The layout does not list the class '{recipe.class_name}'; choose one of "
            f"{', '.join(each.name for each in layout.classes)}, or all."
        )
    keys = sorted(key for key, each in layout.nuclei.items() if recipe.class_name in {"", each.class_name})
    ids = np.array(keys, np.int64)
    return ids[keyed_uniform(seed, ids, 0xC405) < recipe.fraction]


def _born(
    layout: Layout, mother: Nucleus, key: int, recipe: MultiplyRecipe, occupied: _Occupied, seeds: tuple[int, int, int]
) -> Nucleus | None:
    generator = keyed_generator(*seeds, 0xB140)
    y, x = mother.outline.centroid
    width = math.sqrt(mother.outline.area / math.pi)
    farthest = max(recipe.farthest / layout.pixel_size, 2.0 * width)
    for _ in range(_PLACING_TRIES):
        distance = math.sqrt(generator.uniform((1.8 * width) ** 2, farthest**2))
        way, turn = generator.uniform(0.0, 2.0 * math.pi, 2).tolist()
        spot = (y + distance * math.sin(way), x + distance * math.cos(way))
        if not (0 <= spot[0] < layout.shape[0] and 0 <= spot[1] < layout.shape[1]):
            continue
        if occupied.is_taken(np.asarray(spot) + 0.7 * width * _AROUND):
            continue
        outline = mother.outline.rotated(turn).translated(spot[0] - y, spot[1] - x)
        texture = int(keyed_hash(*seeds, 0x5EED)) & 0xFFFFFFFF
        child = Nucleus.create(key, outline, mother.class_name, mother.z_order, texture)
        mask = occupied.mask(child)
        if occupied.is_free(child, mask):
            occupied.take(child, mask)
            return child
    return None


def _deformed(outline: Outline, recipe: PleomorphismRecipe, generator: np.random.Generator) -> Outline:
    size = math.exp(recipe.size_spread * float(generator.normal()))
    stretch = math.exp(recipe.elongation_spread * abs(float(generator.normal())) / 2.0)
    along = float(generator.uniform(0.0, math.pi))
    strengths = recipe.irregularity * generator.normal(size=len(_WAVES)) / np.sqrt(len(_WAVES))
    phases = generator.uniform(0.0, 2.0 * math.pi, len(_WAVES))
    center = np.asarray(outline.centroid)
    axis = np.array([math.sin(along), math.cos(along)])
    stretched = (stretch - 1.0 / stretch) * np.outer(axis, axis) + np.eye(2) / stretch

    def moved(ring: NDArray[np.float64]) -> NDArray[np.float64]:
        arms = ring - center
        directions = np.arctan2(arms[:, 0], arms[:, 1])
        waves = np.cos(directions[:, None] * np.array(_WAVES) + phases) @ strengths
        return np.asarray((arms * (size * np.clip(1.0 + waves, 0.6, 1.5))[:, None]) @ stretched + center)

    return Outline(moved(ring) for ring in outline.rings)
