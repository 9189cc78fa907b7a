"""What networks learn of each nucleus, straight from label maps: offsets from its centre, depth, and its centre."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def offset_maps(label_map: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return HoVer-Net's maps (Graham et al. 2019, section III.A), as `histoloom.conditions.HoVerEncoding` does.

    Parameters
    ----------
    label_map
        ``(H, W)``, 0 for background.

    Returns
    -------
    NDArray[np.float32]
        ``(2, H, W)``: horizontal and vertical offset from the centre of mass, rounded to a pixel, of what of its
        nucleus lies in the map; -1 at its left or top and 1 at its right or bottom end, 0 in the background.
    """
    maps = np.zeros((2, *label_map.shape), np.float32)
    rows, columns = np.nonzero(label_map)
    if not len(rows):
        return maps
    labels = label_map[rows, columns]
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(labels[order]) != 0])
    counts = np.diff(np.r_[starts, len(order)])
    for values, positions in zip(maps, (columns, rows), strict=True):
        places = positions[order].astype(np.float64)
        centres = np.floor(np.add.reduceat(places, starts) / counts + 0.5)
        offsets = places - np.repeat(centres, counts)
        low, high = (np.repeat(each.reduceat(offsets, starts), counts) for each in (np.minimum, np.maximum))
        reach = np.where(offsets < 0, -low, high)
        values[rows[order], columns[order]] = offsets / np.where(reach == 0, 1.0, reach)
    return maps


def depth_map(label_map: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return ``float32 (H, W)``: depth below its nucleus's contour over the greatest depth there; 0 outside."""
    import cv2

    depth = np.zeros(label_map.shape, np.float32)
    for place, mask in _nuclei(label_map):
        padded = np.pad(mask, 1).astype(np.uint8)
        own = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        depth[place][mask] = own[mask] / own.max()
    return depth


def centre_map(label_map: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return ``float32 (H, W)``: 1 in the 3 x 3 pixels around each nucleus's centre of mass, 0 elsewhere.

    These are the detection targets of Hou et al. (2019) as their code makes them.
    """
    centres = np.zeros(label_map.shape, np.float32)
    for (rows, columns), mask in _nuclei(label_map):
        y, x = (int(each.mean() + 0.5) for each in np.nonzero(mask))
        y, x = y + rows.start, x + columns.start
        centres[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = 1.0
    return centres


def _nuclei(label_map: NDArray[np.integer]) -> list[tuple[tuple[slice, slice], NDArray[np.bool_]]]:
    from scipy.ndimage import find_objects

    boxes = enumerate(find_objects(np.asarray(label_map)), start=1)
    return [(box, label_map[box] == label) for label, box in boxes if box is not None]
