"""The patches that the study of lymphocytes scores on, and two ways to tell them that learn nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import TrainingError
from histoloom.keyed_random import keyed_generator
from histoloom.layouts.classes import DEFAULT_CLASS
from histoloom.segmenters.otsu_watershed import otsu_nuclei
from histoloom.tiles.stains import optical_density
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.lymphocyte_targets import centroids_of

_BACKGROUND = 341
_CLEAR = 2.5
_DISC = 1.5
"""µm: radius about a point in which darkness is measured."""


@dataclass(frozen=True, eq=False)
class TilePoints:
    """Patches of one held-out tile.

    Parameters
    ----------
    id
        The tile's.
    picture
        Its picture and nuclei.
    points
        Centres of patches ``(N, 2)``, row and column.
    is_positive, is_nucleus
        Whether a lymphocyte, and whether any nucleus, is at each centre, ``bool (N,)``.
    """

    id: str
    picture: LabelledPicture
    points: NDArray[np.float64]
    is_positive: NDArray[np.bool_]
    is_nucleus: NDArray[np.bool_]


def points_of(data: TrainingData, names: Sequence[str], positive: str, background: float) -> list[TilePoints]:
    """Return the patches of all held-out tiles: the centroids of nuclei whose class is known, and points outside.

    Background points are drawn evenly from the pixels of no nucleus, 2.5 µm or more from any lymphocyte's centroid, so
    many for each nucleus; the same for all arms and seeds.

    Raises
    ------
    TrainingError
        If no held-out tile has lymphocytes, or none other nuclei.
    """
    found = []
    for place, (name, picture) in enumerate(zip(names, data.validation, strict=True)):
        centroids, of_class = centroids_of(picture)
        classes = np.array([data.classes[each] for each in of_class], object)
        known = classes != DEFAULT_CLASS
        nuclei, is_positive = centroids[known], classes[known] == positive
        random = keyed_generator(0, _BACKGROUND, place)
        free = np.argwhere(picture.label_map == 0)
        drawn = free[random.permutation(len(free))].astype(np.float64)
        centers, wanted = centroids[classes == positive], round(background * float(known.sum()))
        drawn = _away_from(drawn, centers, _CLEAR / data.pixel_size, wanted)
        outside = np.zeros(len(drawn), bool)
        found.append(
            TilePoints(
                name,
                picture,
                np.concatenate([nuclei, drawn]),
                np.concatenate([np.asarray(is_positive, bool), outside]),
                np.concatenate([np.ones(len(nuclei), bool), outside]),
            )
        )
    if not any(each.is_positive.any() for each in found) or not any(
        (each.is_nucleus & ~each.is_positive).any() for each in found
    ):
        raise TrainingError(
            f"The held-out tiles have no nuclei of the class '{positive}' beside others to tell them from; hold more "
            "out, or give labels with classes."
        )
    return found


def _away_from(
    points: NDArray[np.float64], centers: NDArray[np.float64], distance: float, count: int
) -> NDArray[np.float64]:
    """Return the first points that lie so far from all centres."""
    from scipy.spatial import KDTree

    if not len(centers) or not len(points):
        return points[:count]
    # A few more than are wanted, since most will do.
    few = points[: 20 * count]
    return np.asarray(few[KDTree(centers).query(few)[0] >= distance][:count])


def darkness_at(picture: NDArray[np.uint8], points: NDArray[np.float64], pixel_size: float) -> NDArray[np.float64]:
    """Return the mean optical density of red, green and blue in a disc of 1.5 µm about each point ``(N,)``."""
    import cv2

    radius = max(round(_DISC / pixel_size), 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.float32)
    mean = cv2.filter2D(optical_density(picture).mean(axis=2), -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT_101)
    rows, columns = _pixels(points, mean.shape)
    return np.asarray(mean[rows, columns], np.float64)


def dark_roundness_at(
    picture: NDArray[np.uint8], points: NDArray[np.float64], pixel_size: float
) -> NDArray[np.float64]:
    """Return how dark and round the nucleus at each point is ``(N,)``, as Otsu's threshold and a watershed find it.

    That is its mean optical density of red, green and blue times its roundness, 4 pi times its area over the square of
    its outline's length, at most 1; 0 where no nucleus is found.
    """
    from skimage.measure import regionprops_table

    labels = otsu_nuclei(picture, pixel_size)
    table = regionprops_table(
        labels, optical_density(picture).mean(axis=2), properties=("label", "area", "perimeter", "intensity_mean")
    )
    value = np.zeros(int(labels.max(initial=0)) + 1)
    around = np.maximum(table["perimeter"], 1.0) ** 2
    value[table["label"]] = table["intensity_mean"] * np.minimum(4.0 * np.pi * table["area"] / around, 1.0)
    rows, columns = _pixels(points, labels.shape)
    return np.asarray(value[labels[rows, columns]], np.float64)


FLOORS: Mapping[str, Callable[[NDArray[np.uint8], NDArray[np.float64], float], NDArray[np.float64]]] = MappingProxyType(
    {"darkness": darkness_at, "dark-roundness": dark_roundness_at}
)
"""Ways to tell lymphocytes that learn nothing."""

FLOOR_TITLES: Mapping[str, str] = MappingProxyType({
    "darkness": "Darkness at the point (learns nothing)",
    "dark-roundness": "Darkness x roundness of the Otsu nucleus there (learns nothing)",
})  # fmt: skip


def _pixels(points: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    whole = np.rint(points).astype(np.int64)
    return np.clip(whole[:, 0], 0, shape[0] - 1), np.clip(whole[:, 1], 0, shape[1] - 1)
