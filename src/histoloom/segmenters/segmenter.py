"""A trained segmenter, ready to find nuclei in pictures of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from histoloom.errors import BundleError, LookError, SegmenterError
from histoloom.models import BUNDLE_SUFFIX, Bundle, bundle_path, check_shipped, load_bundle
from histoloom.models.header import PIXEL_SIZE_TOLERANCE
from histoloom.segmenters.contract import SegmenterNetwork
from histoloom.segmenters.folding import fold_norms
from histoloom.segmenters.instances import LEAST_AREA, instances_of
from histoloom.segmenters.registry import build_segmenter
from histoloom.segmenters.seams import BlockNuclei, MergedNuclei, blocks_of
from histoloom.segmenters.segmentation import Segmentation
from histoloom.segmenters.tiling import predicted_maps
from histoloom.tiles.nearest_pixels import nearest_pixels
from histoloom.tiles.normalization import ColorStatistics, normalize_reinhard
from histoloom.tiles.tile import Tile

HOUSE_SEGMENTER = "nuclei"
"""Finds nuclei where nothing else is said."""

_MOST_BLOCK = 2048
"""Side of a block in the segmenter's pixels; its maps take some hundred megabytes."""

_MARGIN, _SLACK = 32.0, 2.0
"""In µm: what a block sees beyond its core, more than the largest nuclei; and how far centres may differ at a seam."""

_LEAST_SCALE, _MOST_SCALE = 0.2, 5.0


class Segmenter:
    """A segmenter from a bundle.

    Parameters
    ----------
    bundle
        Weights and header.
    name
        What sentences call it.

    Raises
    ------
    BundleError
        If it is not one of a segmenter, or weights and header do not fit together.
    """

    def __init__(self, bundle: Bundle, name: str) -> None:
        bundle.header.check_kind("segmenter", name)
        self.header, self.name = bundle.header, name
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network: SegmenterNetwork = network_of(bundle, name).to(device).eval()
        fold_norms(self._network)

    @classmethod
    def load(cls, reference: str | Path = HOUSE_SEGMENTER, classes: Iterable[str] | None = None) -> Segmenter:
        """Return a segmenter by its name or its file.

        Parameters
        ----------
        reference
            Name of a shipped bundle or of an own one, or a file ending in ``.safetensors``.
        classes
            Classes of nuclei that it must be able to tell.

        Raises
        ------
        BundleError
            If there is none, or it is damaged, of a newer version, no segmenter, or for other classes.
        """
        text = str(reference)
        path = Path(text) if text.endswith(BUNDLE_SUFFIX) else bundle_path(text)
        if path is None:
            raise BundleError(
                f"There is no segmenter called '{text}'; give a bundle's file ({BUNDLE_SUFFIX}), or one of 'histoloom "
                "bundles list'."
            )
        check_shipped(path)
        return cls(load_bundle(path, kind="segmenter", classes=classes), path.name)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of nuclei that it tells apart."""
        return self.header.classes

    @property
    def pixel_size(self) -> float:
        """µm per pixel that it was trained at."""
        return self.header.pixel_size

    @property
    def network(self) -> SegmenterNetwork:
        """The network, in use and without norms."""
        return self._network

    def segment(
        self,
        picture: Tile | NDArray[np.uint8],
        pixel_size: float | None = None,
        *,
        augmented: bool = False,
        colors: ColorStatistics | None = None,
        of_pixels: bool = False,
        on_block: Callable[[int, int], None] | None = None,
    ) -> Segmentation:
        """Find the nuclei of a picture; memory beyond its label map does not grow with its size.

        Parameters
        ----------
        picture
            A tile, of which only the parts at work are read, or RGB ``uint8 (H, W, 3)``.
        pixel_size
            µm per pixel (default: what the tile says, else the segmenter's own, and a note says so). A picture of
            another pixel size than the segmenter's is rescaled for it, and a note says so.
        augmented
            Whether to average over quarter turns and mirrored forms, at eight times the time.
        colors
            Colours that the picture is given before (Reinhard et al. 2001), such as those of what the segmenter was
            trained on; None to leave it as it is. A picture without tissue is left as it is, and a note says so.
        of_pixels
            Whether to keep how probably each pixel is of a nucleus, `Segmentation.pixel_probability`.
        on_block
            Told how many blocks are done, and of how many.

        Raises
        ------
        SegmenterError
            If the picture is of another form, or its pixel size is too far from the segmenter's to rescale.
        """
        tile = _as_tile(picture)
        notes = []
        size = pixel_size or tile.pixel_size
        if size is None:
            size = self.pixel_size
            notes.append(f"The picture does not tell its pixel size; that of '{self.name}', {size:g} µm, was assumed.")
        factor = self._pixels_per_pixel(size)
        if factor != 1.0:
            way = "enlarged" if factor > 1 else "reduced"
            notes.append(
                f"The picture has {size:g} µm per pixel and '{self.name}' was trained at {self.pixel_size:g}, so it "
                f"was {way} {max(factor, 1 / factor):.3g} times for it; nuclei are given in the picture's own pixels."
            )
        own = None
        if colors is not None:
            try:
                own = ColorStatistics.of_tile(tile)
            except LookError:
                notes.append("The picture shows no tissue to match the colours of, so they were left as they are.")
        merged = MergedNuclei(tile.shape, max(round(_SLACK / size), 1))
        pixel_probability = np.zeros(tile.shape, np.float32) if of_pixels else None
        blocks = list(blocks_of(tile.shape, max(round(_MOST_BLOCK / factor), 1), round(_MARGIN / size)))
        for done, (core, outer) in enumerate(blocks, start=1):
            pixels = tile.read(outer)
            if colors is not None and own is not None:
                pixels = normalize_reinhard(pixels, colors, own)
            nuclei, probability = self._block(pixels, size, factor, augmented)
            merged.add(nuclei, core, outer)
            if pixel_probability is not None:
                pixel_probability[core.slices] = probability[core.relative_to(outer).slices]
            if on_block is not None:
                on_block(done, len(blocks))
        found = merged.result(int(LEAST_AREA / size**2))
        class_of = found.facts[:, 1:].argmax(axis=1).astype(np.uint8)
        return Segmentation(
            found.label_map, self.classes, class_of, found.facts[:, 0], size, tuple(notes), pixel_probability
        )

    def _block(
        self, pixels: NDArray[np.uint8], pixel_size: float, factor: float, augmented: bool
    ) -> tuple[BlockNuclei, NDArray[np.float32]]:
        shape = pixels.shape[:2]
        maps = predicted_maps(self._network, _resized(pixels, factor), augmented=augmented)
        classes = maps.pop("classes")
        labels = instances_of(maps, self.pixel_size if factor != 1.0 else pixel_size)
        inside = labels > 0
        own, count = labels[inside], int(labels.max()) + 1
        area = np.maximum(np.bincount(own, minlength=count), 1)
        values = (maps["nucleus"], *classes)
        facts = np.stack([np.bincount(own, weights=each[inside], minlength=count) / area for each in values], axis=1)
        probability = maps["nucleus"]
        if labels.shape != shape:
            nearest = nearest_pixels(labels.shape, shape)
            labels, probability = labels[nearest], probability[nearest]
        return BlockNuclei(labels, facts.astype(np.float32)), probability

    def _pixels_per_pixel(self, pixel_size: float) -> float:
        """Return how many of the segmenter's pixels one of the picture is wide; 1 where they are taken for the same."""
        factor = pixel_size / self.pixel_size
        if 1 / (1 + PIXEL_SIZE_TOLERANCE) <= factor <= 1 + PIXEL_SIZE_TOLERANCE:
            return 1.0
        if not _LEAST_SCALE <= factor <= _MOST_SCALE:
            raise SegmenterError(
                f"The picture has {pixel_size:g} µm per pixel and '{self.name}' was trained at {self.pixel_size:g}, "
                "too far apart to rescale; check the pixel size, or choose another segmenter."
            )
        return factor


def network_of(bundle: Bundle, name: str) -> SegmenterNetwork:
    """Return the network of a segmenter's bundle, with its weights, on the CPU; ``name`` is what errors call it.

    Raises
    ------
    BundleError
        If this version does not know its system, or weights and header do not fit together.
    """
    header = bundle.header
    if header.system != "segmenter":
        raise BundleError(
            f"'{name}' holds a network of the system '{header.system}', which this version cannot segment with; update "
            "histoloom, or choose another bundle."
        )
    weights = {key: torch.from_numpy(np.array(each)) for key, each in bundle.weights.items()}
    try:
        width = header.recipe.get("width") or 0
        network = build_segmenter(header.recipe["architecture"], len(header.classes), {"width": width} if width else {})
        network.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, RuntimeError, SegmenterError):
        raise BundleError(
            f"The weights in '{name}' are not those that its recipe tells of; get the file again."
        ) from None
    return network


def _as_tile(picture: Tile | NDArray[np.uint8]) -> Tile:
    if isinstance(picture, Tile):
        return picture
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise SegmenterError(
            f"A picture to segment must be RGB uint8 (H, W, 3), not {picture.dtype} {tuple(picture.shape)}; convert it "
            "first."
        )
    return Tile.from_array(picture)


def _resized(pixels: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    if factor == 1.0:
        return pixels
    import cv2

    height, width = (max(round(side * factor), 1) for side in pixels.shape[:2])
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=way), np.uint8)
