"""Augmentation of pairs: what moves the picture moves its labels by the same map."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from histoloom.tiles.stains import combine_stains, separate_stains
from histoloom.training.data import LabelledPicture
from histoloom.training.recipe import TrainingRecipe
from histoloom.window import Window

_REFERENCE_TRIES = 16

_ELASTIC_GRID = 32
"""Pixels between the random displacements that an elastic deformation interpolates."""


def augmented_crop(
    picture: LabelledPicture,
    recipe: TrainingRecipe,
    pixel_size: float,
    random: np.random.Generator,
    margin: int = 0,
) -> LabelledPicture:
    """Return a random crop ``recipe.crop_size`` wide: turned, mirrored, scaled, deformed, its stains jittered.

    A margin of so many pixels on each side comes on top. Where the tile is smaller than what is asked for, it is
    continued by reflection.
    """
    size = recipe.crop_size + 2 * margin
    scale = 1.0 + recipe.scale_spread * random.uniform(-1, 1)
    angle = 0.0
    if recipe.rotate == "quarter turns":
        angle = np.pi / 2 * int(random.integers(4))
    elif recipe.rotate == "any angle":
        angle = float(random.uniform(0, 2 * np.pi))
    mirrored = recipe.mirror and bool(random.integers(2))
    cosine, sine = (round(float(each), 12) for each in (np.cos(angle), np.sin(angle)))
    matrix = np.array([[cosine, -sine], [sine, cosine]]) / scale
    if mirrored:
        matrix[:, 1] *= -1
    reach = (size - 1) / 2 * np.abs(matrix).sum(axis=1)
    center = np.empty(2)
    for axis, side in enumerate(picture.label_map.shape):
        low, high = reach[axis], side - 1 - reach[axis]
        if low > high:
            center[axis] = (side - 1) / 2
        elif scale == 1.0 and recipe.rotate != "any angle":
            # On whole pixels, so that nothing is interpolated.
            center[axis] = low + int(random.integers(int(high - low) + 1))
        else:
            center[axis] = random.uniform(low, high)
    offsets = np.arange(size) - (size - 1) / 2
    rows, columns = np.meshgrid(offsets, offsets, indexing="ij")
    y = center[0] + matrix[0, 0] * rows + matrix[0, 1] * columns
    x = center[1] + matrix[1, 0] * rows + matrix[1, 1] * columns
    if recipe.elastic > 0:
        spread = recipe.elastic / pixel_size
        y += spread * _smooth_noise(size, random)
        x += spread * _smooth_noise(size, random)
    image, label_map = sampled(picture, y, x)
    as_stained = None
    if recipe.stain_jitter > 0:
        as_stained = image
        image = stains_jittered(image, recipe.stain_jitter, random)
    footprint = Window(*(int(each) for each in (*np.floor(center - reach), *np.ceil(center + reach) + 1)))
    return replace(
        picture, image=image, label_map=label_map, tile=picture.tile or picture, footprint=footprint,
        as_stained=as_stained, ignored=ignored_at(picture, y, x),
    )  # fmt: skip


def plain_crop(picture: LabelledPicture, size: int, random: np.random.Generator) -> LabelledPicture:
    """Return a random crop as it is; a tile that is too small is continued by reflection."""
    grids = []
    for side in picture.label_map.shape:
        start = int(random.integers(side - size + 1)) if side >= size else -((size - side) // 2)
        grids.append(np.arange(size, dtype=np.float64) + start)
    rows, columns = np.meshgrid(*grids, indexing="ij")
    footprint = Window(int(grids[0][0]), int(grids[1][0]), int(grids[0][-1]) + 1, int(grids[1][-1]) + 1)
    image, label_map = sampled(picture, rows, columns)
    return replace(
        picture, image=image, label_map=label_map, tile=picture.tile or picture, footprint=footprint,
        ignored=ignored_at(picture, rows, columns),
    )  # fmt: skip


def reference_crop(crop: LabelledPicture, size: int, margin: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return another place of a crop's tile, RGB ``uint8 (size, size, 3)``, turned and mirrored at random.

    It does not overlap the crop without its margin, because a discriminator that saw the same place twice would learn
    it by heart (Hou et al. 2019, section 4.2). Where the tile has no room for that, it is what overlaps least. Of a
    woven tile with a lender, it is any place of the lender.
    """
    tile = crop.lender or crop.tile or crop
    taken = None if crop.lender is not None else crop.footprint
    if taken is not None and margin:
        # A pixel of the crop covers about as much of the tile in both directions.
        taken = taken.expanded(-math.floor(margin * min(taken.shape) / crop.label_map.shape[0]))
    rows, columns = (max(side - size, 0) + 1 for side in tile.label_map.shape)
    places = [(int(random.integers(rows)), int(random.integers(columns))) for _ in range(_REFERENCE_TRIES)]
    # Corners last: they are taken only where no random place is free.
    places += [(y, x) for y in (0, rows - 1) for x in (0, columns - 1)]
    windows = [Window(y, x, y + size, x + size) for y, x in places]
    chosen = windows[0] if taken is None else min(windows, key=lambda each: math.prod(each.intersection(taken).shape))
    y, x = np.meshgrid(np.arange(chosen.y0, chosen.y1), np.arange(chosen.x0, chosen.x1), indexing="ij")
    pixels, _ = sampled(tile, y.astype(np.float64), x.astype(np.float64))
    turned = np.rot90(pixels, int(random.integers(4)))
    return np.ascontiguousarray(turned[::-1] if random.integers(2) else turned)


def sampled(
    picture: LabelledPicture, y: NDArray[np.float64], x: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return image and label map at the places ``y, x`` of a picture, each ``(H, W)``.

    Bicubic interpolation leaves the image more of its sharpness than bilinear; labels are those of the nearest pixel.
    """
    import cv2

    across, down = _on_opencv_grid(y, x)
    image = cv2.remap(picture.image, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    # Whole numbers up to 2**24 are exact in float32, and a tile has fewer nuclei.
    labels = cv2.remap(
        picture.label_map.astype(np.float32), across, down, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(image, np.uint8), np.asarray(labels, np.int32)


def ignored_at(picture: LabelledPicture, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """Return where a picture is ignored at the places ``y, x``, ``bool (H, W)``: what the nearest pixel says."""
    if picture.ignored is None:
        return None
    import cv2

    ignored = picture.ignored.astype(np.uint8)
    nearest = cv2.remap(ignored, *_on_opencv_grid(y, x), cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(nearest, np.bool_)


def stains_jittered(image: NDArray[np.uint8], share: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return a picture with each stain strengthened or weakened by up to ``share`` (after Tellez et al. 2018)."""
    concentrations = separate_stains(image)
    concentrations[..., :2] *= 1.0 + share * random.uniform(-1, 1, 2).astype(np.float32)
    return combine_stains(concentrations)


def _on_opencv_grid(y: NDArray[np.float64], x: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return places as OpenCV takes them, x first; a few float32 digits off a whole pixel would blur."""
    return np.asarray(np.round(x.astype(np.float32), 3)), np.asarray(np.round(y.astype(np.float32), 3))


def _smooth_noise(size: int, random: np.random.Generator) -> NDArray[np.float64]:
    import cv2

    cells = max(size // _ELASTIC_GRID, 1) + 3
    coarse = random.standard_normal((cells, cells))
    fine = cv2.resize(coarse, ((cells - 1) * _ELASTIC_GRID,) * 2, interpolation=cv2.INTER_CUBIC)
    return np.asarray(fine[:size, :size], np.float64)
