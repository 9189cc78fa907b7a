"""A tile without its nuclei: inpainting of the super-segmentation (Hou et al. 2019, section 4.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoloom.keyed_random import keyed_hash

_COLOR_SCALE = 1.5
_SHIFTS = 48


def inpaint_background(
    density: NDArray[np.float32], holes: NDArray[np.bool_], pixel_size: float
) -> NDArray[np.float32]:
    """Fill the places of nuclei with what surrounds them.

    Telea's method alone, as in the paper, smears: whole nuclei become smooth facets between which streaks run. Here it
    fills only the slowly varying colour, at a quarter of the size, and the grain and fibres on top of that are copied
    from elsewhere in the same tile, in connected pieces.

    Parameters
    ----------
    density
        Optical density ``float32 (H, W, 3)``.
    holes
        ``bool (H, W)``: where nuclei are.
    pixel_size
        µm per pixel.

    Returns
    -------
    NDArray[np.float32]
        Optical density ``(H, W, 3)``, unchanged outside the holes.
    """
    color = _slow_color(density, holes, _COLOR_SCALE / pixel_size)
    grain = density - color
    grain[holes] = 0.0
    # Outliers, such as the rim of a hole, would stand out as chips wherever they are copied.
    most = 2.5 * grain[~holes].std(axis=0) if not holes.all() else 0.0
    np.clip(grain, -most, most, out=grain)
    filled = density.copy()
    filled[holes] = color[holes]
    height, width = holes.shape
    piece = np.zeros(holes.shape, np.uint8)
    pixels, grains, pieces = filled.reshape(-1, 3), grain.reshape(-1, 3), piece.reshape(-1)
    rows, columns = np.nonzero(holes)
    for attempt in range(_SHIFTS):
        if not len(rows):
            break
        key = int(keyed_hash(attempt, height, width))
        dy, dx, mirror_y, mirror_x = key % height, (key >> 20) % width, (key >> 40) & 1, (key >> 41) & 1
        source_y = ((height - 1 - rows if mirror_y else rows) - dy) % height
        source_x = ((width - 1 - columns if mirror_x else columns) - dx) % width
        source = source_y * width + source_x
        usable = ~holes.reshape(-1)[source]
        reached = (rows * width + columns)[usable]
        pixels[reached] += grains.take(source[usable], axis=0)
        pieces[reached] = attempt + 1
        rows, columns = rows[~usable], columns[~usable]
    return np.maximum(_with_soft_joints(filled, piece), np.float32(0))


def _with_soft_joints(filled: NDArray[np.float32], piece: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Blur where one copied piece meets another, and nowhere else."""
    import cv2

    around = np.ones((3, 3), np.uint8)
    joint = (cv2.dilate(piece, around) != cv2.erode(piece, around)) & (piece > 0)
    share = cv2.GaussianBlur(cv2.dilate(joint.astype(np.float32), around), (0, 0), 1.0)[..., None]
    share *= (piece > 0)[..., None]
    return np.asarray(filled + share * (cv2.GaussianBlur(filled, (0, 0), 1.2) - filled), np.float32)


def _slow_color(density: NDArray[np.float32], holes: NDArray[np.bool_], sigma: float) -> NDArray[np.float32]:
    """Return the tile's slowly varying colour, continued through the holes."""
    import cv2

    height, width = holes.shape
    valid = (~holes).astype(np.float32)
    weight = cv2.GaussianBlur(valid, (0, 0), sigma)[..., None]
    near = cv2.GaussianBlur(density * valid[..., None], (0, 0), sigma) / np.maximum(weight, 1e-3)

    small = (max(width // 4, 1), max(height // 4, 1))
    far_hole = cv2.resize((weight < 0.02).astype(np.float32), small, interpolation=cv2.INTER_AREA) > 0
    coarse = cv2.resize(np.where(weight < 0.02, np.float32(0), near), small, interpolation=cv2.INTER_AREA)
    # OpenCV inpaints bytes; one step of them is 1/100 of the range of optical density, and is smoothed away after.
    as_bytes = np.clip(coarse * 100.0, 0, 255).astype(np.uint8)
    telea = cv2.inpaint(as_bytes, far_hole.astype(np.uint8), 3, cv2.INPAINT_TELEA).astype(np.float32) / 100.0
    coarse = np.where(far_hole[..., None], telea, coarse)
    coarse = cv2.GaussianBlur(coarse, (0, 0), max(sigma / 4, 1.0))
    far = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    trust = np.clip(weight / 0.3, 0, 1)
    return np.asarray(near * trust + far * (1 - trust), np.float32)
