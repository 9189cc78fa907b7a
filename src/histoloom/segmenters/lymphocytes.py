"""A trained lymphocyte classifier, applied at points and to whole pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from histoloom.errors import BundleError, SegmenterError
from histoloom.models import BUNDLE_SUFFIX, Bundle, bundle_path, load_bundle
from histoloom.models.header import PIXEL_SIZE_TOLERANCE
from histoloom.segmenters.hou_classifier import PATCH, STEP, HouClassifier
from histoloom.tiles.tile import Tile

_CENTER = PATCH // 2
_BLOCK = 512
"""Pixels of the classifier's own size in a block, a multiple of `STEP`."""

_TOGETHER = 64
_LEAST_SCALE, _MOST_SCALE = 0.2, 5.0
_APART = 3.5
"""µm between two lymphocytes that are found: half of one's diameter."""


class LymphocyteClassifier:
    """A classifier from a bundle.

    Parameters
    ----------
    bundle
        Weights and header.
    name
        What sentences call it.

    Raises
    ------
    BundleError
        If it is not one of a lymphocyte classifier, or weights and header do not fit together.
    """

    def __init__(self, bundle: Bundle, name: str) -> None:
        bundle.header.check_kind("classifier", name)
        self.header, self.name = bundle.header, name
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = _network_of(bundle, name).to(self._device).eval()

    @classmethod
    def load(cls, reference: str | Path) -> LymphocyteClassifier:
        """Return a classifier by its name among the bundles, or its file ending in ``.safetensors``.

        Raises
        ------
        BundleError
            If there is none, or it is damaged, of a newer version, or no classifier.
        """
        text = str(reference)
        path = Path(text) if text.endswith(BUNDLE_SUFFIX) else bundle_path(text)
        if path is None:
            raise BundleError(
                f"There is no classifier called '{text}'; train one ('histoloom train lymphocytes') and give its "
                f"bundle ({BUNDLE_SUFFIX})."
            )
        return cls(load_bundle(path, kind="classifier"), path.name)

    @property
    def pixel_size(self) -> float:
        """µm per pixel that it was trained at."""
        return self.header.pixel_size

    def at(
        self, picture: Tile | NDArray[np.uint8], points: ArrayLike, pixel_size: float | None = None
    ) -> NDArray[np.float32]:
        """Return how probably a lymphocyte is at each of some points.

        A patch that reaches beyond the picture's border sees the picture reflected there.

        Parameters
        ----------
        picture
            A tile, or RGB ``uint8 (H, W, 3)``.
        points
            ``(N, 2)``, row and column in the picture's pixels.
        pixel_size
            µm per pixel (default: what the tile says, else the classifier's own).

        Returns
        -------
        NDArray[np.float32]
            ``(N,)`` in 0..1, as if half of all patches had a lymphocyte at their centre.

        Raises
        ------
        SegmenterError
            If a point lies outside the picture, or the picture is of another form or too far from the classifier's
            pixel size.
        """
        pixels, factor = self._prepared(picture, pixel_size)
        height, width = _shape_of(picture)
        places = np.asarray(points, np.float64).reshape(-1, 2)
        outside = ~((places >= -0.5) & (places <= np.array([height, width]) - 0.5)).all(axis=1)
        if outside.any():
            row, column = places[outside][0]
            raise SegmenterError(
                f"The point at row {row:g}, column {column:g} lies outside of the picture of {height} x {width} "
                "pixels; give points as row and column in its own pixels."
            )
        own = np.rint((places + 0.5) * factor - 0.5).astype(np.int64)
        own = np.clip(own, 0, np.array(pixels.shape[:2]) - 1)
        padded = _padded(pixels)
        found = np.empty(len(own), np.float32)
        for first in range(0, len(own), _TOGETHER):
            patches = [padded[y : y + PATCH, x : x + PATCH] for y, x in own[first : first + _TOGETHER]]
            found[first : first + _TOGETHER] = self._probability(np.stack(patches))[:, 0, 0]
        return found

    def probability_map(
        self, picture: Tile | NDArray[np.uint8], pixel_size: float | None = None
    ) -> NDArray[np.float32]:
        """Return how probably a lymphocyte is at each pixel of a picture, ``float32 (H, W)`` in 0..1.

        Patches lie `STEP` pixels of the classifier's size apart; what lies between is interpolated.

        Parameters
        ----------
        picture, pixel_size
            As of `at`.

        Raises
        ------
        SegmenterError
            As `at`.
        """
        import cv2

        pixels, factor = self._prepared(picture, pixel_size)
        rows, columns = (-(-side // STEP) for side in pixels.shape[:2])
        # As far as the last patch reaches, which begins at a multiple of a step.
        padded = _padded(pixels, (rows - 1) * STEP + 1 - pixels.shape[0], (columns - 1) * STEP + 1 - pixels.shape[1])
        coarse = np.empty((rows, columns), np.float32)
        for top, left in _corners(rows, columns):
            seen = padded[top * STEP : top * STEP + _BLOCK + PATCH - 1, left * STEP : left * STEP + _BLOCK + PATCH - 1]
            found = self._probability(seen[None])[0]
            coarse[top : top + found.shape[0], left : left + found.shape[1]] = found
        height, width = _shape_of(picture)
        y, x = ((((np.arange(side) + 0.5) * factor - 0.5) / STEP).astype(np.float32) for side in (height, width))
        across, down = np.meshgrid(x, y)
        smooth = cv2.remap(coarse, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(smooth, np.float32)

    def _probability(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities ``(B, h, w)`` of pictures ``uint8 (B, H, W, 3)``."""
        with torch.inference_mode():
            seen = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).to(self._device)
            logits = self._network(seen.float().div_(255.0))
            return np.asarray(torch.sigmoid(logits.float())[:, 0].cpu().numpy())

    def _prepared(self, picture: Tile | NDArray[np.uint8], pixel_size: float | None) -> tuple[NDArray[np.uint8], float]:
        """Return a picture at the classifier's pixel size, and by what it was enlarged for that."""
        if isinstance(picture, Tile):
            size = pixel_size or picture.pixel_size or self.pixel_size
            pixels = picture.read()
        else:
            size, pixels = pixel_size or self.pixel_size, picture
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
            raise SegmenterError(
                f"A picture to look for lymphocytes in must be RGB uint8 (H, W, 3), not {pixels.dtype} "
                f"{tuple(pixels.shape)}; convert it first."
            )
        factor = size / self.pixel_size
        if not _LEAST_SCALE <= factor <= _MOST_SCALE:
            raise SegmenterError(
                f"The picture has {size:g} µm per pixel and '{self.name}' was trained at {self.pixel_size:g}, too far "
                "apart to rescale; check the pixel size, or choose another classifier."
            )
        if 1 / (1 + PIXEL_SIZE_TOLERANCE) <= factor <= 1 + PIXEL_SIZE_TOLERANCE:
            return pixels, 1.0
        import cv2

        height, width = (max(round(side * factor), 1) for side in pixels.shape[:2])
        way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(pixels, (width, height), interpolation=way), np.uint8), factor


def lymphocytes_in(probability: NDArray[np.float32], pixel_size: float, least: float = 0.5) -> NDArray[np.int64]:
    """Return the peaks of a map, ``(N, 2)`` row and column, most probable first, no two of them within 3.5 µm.

    Parameters
    ----------
    probability
        As `LymphocyteClassifier.probability_map` gives it.
    pixel_size
        µm per pixel of the map.
    least
        Lower peaks are none.
    """
    from skimage.feature import peak_local_max

    apart = max(round(_APART / pixel_size), 1)
    found = peak_local_max(probability, min_distance=apart, threshold_abs=least, exclude_border=False)
    return np.asarray(found, np.int64)


def _network_of(bundle: Bundle, name: str) -> HouClassifier:
    header = bundle.header
    if header.system != "lymphocytes":
        raise BundleError(
            f"'{name}' holds a network of the system '{header.system}', which this version does not know as a "
            "classifier; update histoloom, or choose another bundle."
        )
    try:
        network = HouClassifier(int(header.recipe["width"]))
        network.load_state_dict({key: torch.from_numpy(np.array(each)) for key, each in bundle.weights.items()})
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise BundleError(
            f"The weights in '{name}' are not those that its recipe tells of; get the file again."
        ) from None
    return network


def _shape_of(picture: Tile | NDArray[np.uint8]) -> tuple[int, int]:
    height, width = picture.shape[:2]
    return int(height), int(width)


def _padded(pixels: NDArray[np.uint8], down: int = 0, across: int = 0) -> NDArray[np.uint8]:
    """Return a picture continued by reflection, so that every pixel is the centre of a patch, and some more or less."""
    below, right = _CENTER + down, _CENTER + across
    # What is taken away is less than what was added, as patches begin at multiples of a step.
    mode = "reflect" if min(pixels.shape[:2]) > 1 else "edge"
    return np.pad(pixels, ((_CENTER, below), (_CENTER, right), (0, 0)), mode=mode)  # type: ignore[call-overload,no-any-return]


def _corners(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    step = _BLOCK // STEP
    return ((top, left) for top in range(0, rows, step) for left in range(0, columns, step))
