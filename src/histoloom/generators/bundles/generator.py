"""A generator from a bundle whose network is not tile-invariant: it weaves in windows that the canvas decides about."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from copy import copy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions import AcceptedStructure, Encoding
from histoloom.errors import BundleError
from histoloom.generators.bundles.anchored_windows import AnchoredWindows
from histoloom.generators.bundles.from_bundle import FromBundle
from histoloom.generators.bundles.recipe import BundleRecipe
from histoloom.generators.bundles.resampling import Resampling, network_pixels_per_pixel
from histoloom.generators.bundles.seen import Picture, seen_condition, sees_classes, with_known_classes
from histoloom.generators.texture import TextureRecipe, TextureWeaver
from histoloom.keyed_random import keyed_hash
from histoloom.layouts import Layout
from histoloom.layouts.transforms import rescaled
from histoloom.models import BundleHeader, load_bundle
from histoloom.models.shipped import check_shipped
from histoloom.tiles.looks import AnyLook, NamedLook, look_with_pixels
from histoloom.tiles.nearest_pixels import nearest_pixels
from histoloom.window import Window

if TYPE_CHECKING:
    from histoloom.generators.networks.bundled import BundledNetwork

_MOST_KEPT_BYTES = 96 * 2**20
_MOST_SIDE = 2048


class BundleGenerator(FromBundle):
    """Weaves with the network of one bundle, in the colours that it was trained on.

    Parameters
    ----------
    path
        The bundle; only its header is read until a look is prepared.
    header
        What the bundle says of itself.

    Raises
    ------
    BundleError
        If the bundle is of something else than a generator, or its header is damaged.
    """

    recipe_type: ClassVar[type[BundleRecipe]] = BundleRecipe
    # Its windows are anchored at the canvas, so any other window can be asked for.
    tile_invariant: ClassVar[bool] = True

    def __init__(self, path: Path, header: BundleHeader) -> None:
        super().__init__(path, header)
        self._encoding = header.encoding(path.name)
        self._side = _side(header, path.name)
        self.named_looks: tuple[NamedLook, ...] = header.named_looks(path.name)

    @property
    def title(self) -> str:
        """Name, system and training steps."""
        return f"{self.name} ({self.header.system}, {self.header.step:,} steps)"

    def prepare(self, look: AnyLook, recipe: BundleRecipe, pixel_size: float) -> PreparedBundle:
        """Load the network for canvases of a pixel size.

        Parameters
        ----------
        look
            Only used where structure is that of the texture weaver's picture, which needs a tile's look.
        recipe
            How a layout is made into what the network sees.
        pixel_size
            µm per pixel of the canvas.

        Raises
        ------
        BundleError
            If the file is not whole, or for another pixel size and ``recipe.rescale`` is off.
        LookError
            If the texture weaver cannot work with the look.
        """
        factor = network_pixels_per_pixel(self.header, self._path.name, pixel_size, rescale=recipe.rescale)
        picture = None
        if recipe.structure == "texture weaver":
            with_pixels = look_with_pixels(look, "Texture weaver (no training)")
            picture = _texture_picture(TextureWeaver(), with_pixels, self.header.pixel_size)
        network = _network(self._path, self._path.stat().st_mtime_ns if self._path.is_file() else 0)
        return PreparedBundle(
            network, self.header, self._path.name, self._encoding, self._side, recipe, factor, picture
        )


class PreparedBundle:
    """A network that is loaded and ready to weave.

    Parameters
    ----------
    network
        With its weights.
    header, name
        What the bundle says of itself, and what errors call it.
    encoding
        How it sees layouts.
    side
        Height and width of its windows.
    recipe
        How layouts are made into that.
    factor
        How many of its pixels one of the canvas is wide.
    picture
        The texture weaver, for ``recipe.structure`` of that name.
    """

    def __init__(
        self,
        network: BundledNetwork,
        header: BundleHeader,
        name: str,
        encoding: Encoding,
        side: int,
        recipe: BundleRecipe,
        factor: float,
        picture: Picture | None,
    ) -> None:
        self._network = network
        self._header, self._name, self._encoding = header, name, encoding
        self._recipe, self._factor, self._picture = recipe, factor, picture
        self._side = side
        self._structure: AcceptedStructure | None = None
        self._woven: OrderedDict[tuple[int, bytes], NDArray[np.float32]] = OrderedDict()
        # All of a window may change with any pixel that its network sees.
        self.halo = math.ceil((side + 2) / factor) + 4

    def with_structure(self, structure: AcceptedStructure | None) -> PreparedBundle:
        """Return the same with the structure that a person has accepted for the canvas, or without any."""
        other = copy(self)
        other._structure = structure  # noqa: SLF001 - its own class
        return other

    def weave(self, layout: Layout, seed: int, window: Window | None = None) -> NDArray[np.uint8]:
        """Return RGB ``uint8 (H, W, 3)`` of a window of the canvas (default: all of it).

        Raises
        ------
        BundleError
            If nuclei have a class that the network does not know.
        ConditionError
            If the structure that it shall see is missing.
        """
        window = layout.window if window is None else window
        nuclei = layout.nuclei_in(window.expanded(self.halo))
        near = replace(layout, nuclei={each.id: each for each in nuclei})
        if sees_classes(self._encoding):
            known, unknown_as = self._header.classes, self._recipe.unknown_classes_as
            near = with_known_classes(near, nuclei, known, unknown_as, self._name)
        if self._factor == 1.0:
            picture = self._blended(near, self._structure, seed, window)
        else:
            scaled = replace(rescaled(near, self._factor), pixel_size=self._header.pixel_size)
            resampling = Resampling(self._factor, scaled.shape)
            structure = self._structure and _resized(self._structure, layout.shape, scaled.shape)
            source = self._blended(scaled, structure, seed, resampling.source_window(window))
            picture = resampling.resampled(source, window)
        return np.ascontiguousarray((picture + np.float32(0.5)).astype(np.uint8).transpose(1, 2, 0))

    def _blended(
        self, layout: Layout, structure: AcceptedStructure | None, seed: int, window: Window
    ) -> NDArray[np.float32]:
        """Return ``float32 (3, H, W)`` in 0..255: what the anchored windows show, blended where they overlap."""
        anchored = AnchoredWindows(layout.shape, self._side)
        result = np.zeros((3, *window.shape), np.float32)
        for each in anchored.meeting(window):
            part = each.intersection(window)
            inside = part.relative_to(each).slices
            rows, columns = anchored.weights(each)
            # In the order of the windows, whatever is asked for: sums of floats depend on their order.
            weights = rows[inside[0], None] * columns[inside[1]]
            result[:, *part.relative_to(window).slices] += (
                self._woven_in(layout, structure, seed, each)[:, *inside] * weights
            )
        return np.asarray(np.clip(result, 0.0, 255.0), np.float32)

    def _woven_in(
        self, layout: Layout, structure: AcceptedStructure | None, seed: int, window: Window
    ) -> NDArray[np.float32]:
        condition = seen_condition(self._encoding, layout, window, self._recipe.structure, structure, self._picture)
        noise = int(keyed_hash(seed, window.y0, window.x0, 0xB0D1E) >> np.uint64(1))
        key = noise, hashlib.sha256(condition.tobytes()).digest()
        picture = self._woven.get(key)
        if picture is None:
            picture = self._woven[key] = self._network.weave(condition, noise)
            while len(self._woven) > 1 and len(self._woven) * picture.nbytes > _MOST_KEPT_BYTES:
                self._woven.popitem(last=False)
        else:
            self._woven.move_to_end(key)
        return picture


@lru_cache(maxsize=2)
def _network(path: Path, changed: int) -> BundledNetwork:  # noqa: ARG001 - a file that was changed is read again
    from histoloom.generators.networks.bundled import BundledNetwork

    check_shipped(path)
    return BundledNetwork(load_bundle(path, kind="generator"), path.name)


def _side(header: BundleHeader, name: str) -> int:
    """Return the side of a window: that of the network's training crops, as it can be halved."""
    size, depth = header.recipe.get("crop_size"), header.recipe.get("depth")
    if not isinstance(size, int) or not isinstance(depth, int) or not (size >= 8 and 1 <= depth <= 11):
        raise BundleError(f"The header of '{name}' is damaged (its 'recipe'); get the file again.")
    multiple = 1 << depth
    return min(-(-size // multiple) * multiple, max(_MOST_SIDE, multiple))


def _texture_picture(weaver: TextureWeaver, look: AnyLook, pixel_size: float) -> Picture:
    prepared = weaver.prepare(look, TextureRecipe(), pixel_size)
    # The seed of a picture that only edges are taken of makes no difference worth a choice.
    return lambda layout: prepared.weave(layout, 0)


def _resized(structure: AcceptedStructure, canvas: tuple[int, int], shape: tuple[int, int]) -> AcceptedStructure:
    """Return accepted structure of a canvas at another pixel size; one of another canvas stays as it is."""
    if structure.labels.shape != canvas:
        return structure
    places = nearest_pixels(canvas, shape)
    return replace(structure, labels=structure.labels[places], corrected=structure.corrected[places])
