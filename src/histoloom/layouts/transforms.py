"""Layouts turned, mirrored, rescaled and cropped: the sets *replica* (G0) and *shape* (G1) of Yasuno (2020).

Section 2.1 of that paper: *replica* weaves from the training labels themselves, *shape* from labels after rotation,
reflection, upscaling and random cropping. Every map here is a similarity of the plane, so it acts on outlines and on
each nucleus's own frame, nothing is rasterized in between, and the same map can be put on a picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from histoloom.errors import LayoutError
from histoloom.keyed_random import keyed_generator, keyed_hash
from histoloom.layouts.layout import Layout
from histoloom.layouts.nucleus import Nucleus
from histoloom.layouts.outline import Outline
from histoloom.layouts.tissue_map import TissueMap
from histoloom.recipes import Recipe, recipe_field
from histoloom.window import Window


class ReplicaRecipe(Recipe):
    """The layouts themselves."""

    new_textures: bool = recipe_field(
        False, "New textures", "Give every nucleus another texture seed, so that it gets another face."
    )


class ShapeRecipe(Recipe):
    """How far layouts are turned, mirrored, rescaled and cropped."""

    largest_turn: float = recipe_field(
        180.0, "Largest turn", "Layouts are turned by up to this, either way.", unit="°", ge=0.0, le=180.0
    )
    quarter_turns: bool = recipe_field(
        False, "Quarter turns only", "Turn by multiples of 90° only, which needs no enlarging."
    )
    mirror: bool = recipe_field(True, "Mirror", "Mirror about half of the layouts.")
    least_scale: float = recipe_field(1.0, "Least scale", "Smallest enlargement.", ge=0.25, le=4.0)
    largest_scale: float = recipe_field(
        1.3,
        "Largest scale",
        "Largest enlargement; where a turned crop would reach beyond the layout, it is enlarged as much as that needs.",
        ge=0.25,
        le=4.0,
    )
    height: int = recipe_field(0, "Height", "Of the crop; 0 keeps the layout's.", unit="px", ge=0, le=2**20)
    width: int = recipe_field(0, "Width", "Of the crop; 0 keeps the layout's.", unit="px", ge=0, le=2**20)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.least_scale > self.largest_scale:
            raise ValueError("the least scale lies above the largest one")
        return self


@dataclass(frozen=True)
class Similarity:
    """Turn, mirror, rescale and shift in one: from pixels of a canvas to pixels of another.

    A point goes to ``scale * turn(angle) @ (y, ±x) + offset``. Pixel centres lie at whole numbers.

    Parameters
    ----------
    shape
        Height and width of the new canvas.
    scale
        Enlargement, above 0.
    angle
        Turn in radians, as in `Outline.rotated`: counter-clockwise on the screen.
    mirrored
        Whether left and right are exchanged before the turn.
    offset
        Where the point (0, 0) goes, ``(y, x)``.
    """

    shape: tuple[int, int]
    scale: float = 1.0
    angle: float = 0.0
    mirrored: bool = False
    offset: tuple[float, float] = (0.0, 0.0)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """``(2, 2)``, from the left on columns ``(y, x)``."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        # Quarter turns exactly: a vertex on the edge between two pixels must stay on such an edge.
        if self.angle % (math.pi / 2.0) == 0.0:
            cosine, sine = round(cosine), round(sine)
        flip = -1.0 if self.mirrored else 1.0
        return self.scale * np.array([[cosine, -sine * flip], [sine, cosine * flip]])

    def points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where points ``(N, 2)`` go."""
        return np.asarray(points @ self.matrix.T + np.asarray(self.offset))

    def source_points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where points ``(N, 2)`` of the new canvas come from."""
        return np.asarray((points - np.asarray(self.offset)) @ np.linalg.inv(self.matrix).T)

    def nucleus(self, nucleus: Nucleus) -> Nucleus:
        """Return a nucleus on the new canvas, with its texture turned along; its grain keeps its size."""
        anchor = self.points(np.array([nucleus.anchor]))[0]
        # A texture has no mirror image, but it can lie along the mirrored nucleus.
        angle = self.angle + (-nucleus.angle if self.mirrored else nucleus.angle)
        return replace(
            nucleus,
            outline=Outline(self.points(ring) for ring in nucleus.outline.rings),
            anchor=(float(anchor[0]), float(anchor[1])),
            angle=angle,
        )

    def layout(self, layout: Layout) -> Layout:
        """Return a layout on the new canvas; nuclei that no longer touch it are left out.

        The pixel size stays, so a scale above 1 makes nuclei larger. Tissue maps keep their cells' size in pixels.
        """
        canvas = Window.of_shape(self.shape)
        moved = (self.nucleus(each) for each in layout.nuclei.values())
        table = {each.id: each for each in moved if not each.outline.window.intersection(canvas).is_empty}
        return replace(layout, nuclei=table, shape=self.shape, tissue_map=self._tissue_map(layout))

    def picture(self, pixels: NDArray[np.uint8], nearest: bool = False) -> NDArray[np.uint8]:
        """Return a picture ``uint8 (H, W)`` or ``(H, W, 3)`` on the new canvas, mirrored beyond its borders.

        Parameters
        ----------
        pixels
            Of the canvas that the map comes from.
        nearest
            Take the nearest pixel, as labels need it, in place of a blend of four.
        """
        import cv2

        (a, b), (c, d) = self.matrix
        # OpenCV counts (x, y).
        matrix = np.array([[d, c, self.offset[1]], [b, a, self.offset[0]]])
        height, width = self.shape
        flags = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
        return np.asarray(
            cv2.warpAffine(pixels, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101), np.uint8
        )

    def _tissue_map(self, layout: Layout) -> TissueMap | None:
        tissue = layout.tissue_map
        if tissue is None:
            return None
        cell = tissue.cell_size
        rows, columns = (np.arange(-(-size // cell)) * cell + (cell - 1) / 2.0 for size in self.shape)
        centres = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
        places = np.floor((self.source_points(centres) + 0.5) / cell).astype(np.int64)
        places = places.clip(0, np.array(tissue.values.shape) - 1)
        values = tissue.values[places[:, 0], places[:, 1]].reshape(len(rows), len(columns))
        return TissueMap(values, cell)


def rotated(layout: Layout, quarter_turns: int = 1) -> Layout:
    """Return a layout turned counter-clockwise by multiples of 90°, as `numpy.rot90` turns its picture."""
    height, width = layout.shape
    turns = quarter_turns % 4
    shape = (width, height) if turns % 2 else (height, width)
    offset = ((0.0, 0.0), (width - 1.0, 0.0), (height - 1.0, width - 1.0), (0.0, height - 1.0))[turns]
    return Similarity(shape, angle=turns * math.pi / 2.0, offset=offset).layout(layout)


def mirrored(layout: Layout) -> Layout:
    """Return a layout with left and right exchanged."""
    return Similarity(layout.shape, mirrored=True, offset=(0.0, layout.shape[1] - 1.0)).layout(layout)


def rescaled(layout: Layout, factor: float) -> Layout:
    """Return a layout enlarged by a factor, canvas and nuclei; the pixel size stays.

    Raises
    ------
    LayoutError
        If the factor is not above 0.
    """
    if not (math.isfinite(factor) and factor > 0.0):
        raise LayoutError(f"A layout cannot be rescaled by {factor}; use a factor above 0.")
    shape = (max(round(layout.shape[0] * factor), 1), max(round(layout.shape[1] * factor), 1))
    # Pixel centres are whole numbers, so the canvas begins at -1/2.
    shift = (factor - 1.0) / 2.0
    return Similarity(shape, factor, offset=(shift, shift)).layout(layout)


def cropped(layout: Layout, window: Window) -> Layout:
    """Return the part of a layout in a window, as a canvas of its own; nuclei at its border stick out.

    Raises
    ------
    LayoutError
        If the window is empty.
    """
    if window.is_empty:
        raise LayoutError("A layout cannot be cropped to a window without pixels; give one with an area.")
    return Similarity(window.shape, offset=(float(-window.y0), float(-window.x0))).layout(layout)


def replica(layout: Layout, recipe: ReplicaRecipe, seed: int) -> Layout:
    """Return the layout itself (set G0), where wished with other faces of its nuclei."""
    if recipe.new_textures:
        layout = replace(layout, nuclei=_with_new_textures(layout.nuclei, seed))
    return with_provenance(layout, "replica", recipe, seed)


def shape_similarity(shape: tuple[int, int], recipe: ShapeRecipe, seed: int) -> Similarity:
    """Return a random map of a canvas of the given shape onto a crop of it that has no empty corner.

    Parameters
    ----------
    shape
        Height and width of the canvas that is mapped.
    recipe
        How far it is turned, mirrored, rescaled and cropped.
    seed
        Equal seeds give equal maps.
    """
    generator = keyed_generator(seed, 0x6A17)
    crop = (recipe.height or shape[0], recipe.width or shape[1])
    turn = math.radians(recipe.largest_turn) * float(generator.uniform(-1.0, 1.0))
    if recipe.quarter_turns:
        most = int(recipe.largest_turn // 90.0)
        turn = int(generator.integers(-most, most + 1)) * math.pi / 2.0
    flipped = bool(generator.random() < 0.5) and recipe.mirror
    scale = float(np.exp(generator.uniform(math.log(recipe.least_scale), math.log(recipe.largest_scale))))
    across, along = generator.random(2)
    cosine, sine = abs(math.cos(turn)), abs(math.sin(turn))
    # How much of the canvas the crop's bounding box takes, at scale 1.
    extent = np.array([crop[0] * cosine + crop[1] * sine, crop[0] * sine + crop[1] * cosine])
    scale = max(scale, float((extent / np.array(shape)).max()))
    room = np.maximum(np.array(shape) - extent / scale, 0.0)
    source_middle = extent / scale / 2.0 + room * np.array([across, along]) - 0.5
    unshifted = Similarity(crop, scale, turn, flipped)
    middle = (np.array(crop) - 1.0) / 2.0
    offset = middle - unshifted.points(source_middle[None])[0]
    return replace(unshifted, offset=(float(offset[0]), float(offset[1])))


def shape_variant(layout: Layout, recipe: ShapeRecipe, seed: int) -> Layout:
    """Return a layout turned, mirrored, rescaled and cropped at random (set G1); see `shape_similarity`."""
    return with_provenance(shape_similarity(layout.shape, recipe, seed).layout(layout), "shape", recipe, seed)


def with_provenance(layout: Layout, name: str, recipe: Recipe, seed: int) -> Layout:
    """Return the layout with a note of the change that it has gone through, after those before."""
    steps: list[Any] = [*layout.provenance.get("variants", []), {"set": name, "recipe": recipe.as_json(), "seed": seed}]
    return replace(layout, provenance={**layout.provenance, "variants": steps})


def _with_new_textures(nuclei: Mapping[int, Nucleus], seed: int) -> dict[int, Nucleus]:
    return {
        key: replace(each, texture_seed=int(keyed_hash(seed, key, 0x7EC5)) & 0xFFFFFFFF) for key, each in nuclei.items()
    }
