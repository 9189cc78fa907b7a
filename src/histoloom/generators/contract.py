"""What every generator promises.

A generator is a pure function of (recipe, look, layout, seed). Preparing a look may be slow and is done once; weaving
is fast and may be asked for any window: the pixels of a window are those of the whole. Noise of the background is a
function of the seed and of canvas coordinates, noise of a nucleus a function of its texture seed in its own frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions import AcceptedStructure
from histoloom.layouts import Layout
from histoloom.recipes import Recipe
from histoloom.tiles.looks import AnyLook, NamedLook
from histoloom.window import Window


class PreparedGenerator(Protocol):
    """A generator that has studied a look and is ready to weave."""

    halo: int
    """How many pixels beyond an edited nucleus's bounding box, or a changed cell of the tissue map, may change."""

    def weave(self, layout: Layout, seed: int, window: Window | None = None) -> NDArray[np.uint8]:
        """Return RGB ``uint8 (H, W, 3)`` of a window of the canvas (default: all of it)."""


@runtime_checkable
class SeesStructure(Protocol):
    """A prepared generator that sees edges or structure maps, beside the layout."""

    def with_structure(self, structure: AcceptedStructure | None) -> PreparedGenerator:
        """Return the same with the structure that a person has accepted for the canvas, or without any."""


@runtime_checkable
class PreviewsSooner(Protocol):
    """A prepared generator that is quicker where bytes need not be those of the whole."""

    def preview(self, layout: Layout, seed: int, window: Window) -> NDArray[np.uint8]:
        """Return what `weave` does, to within 2 of 255."""


@runtime_checkable
class RefinesFirstPictures(Protocol):
    """A prepared generator that changes a first picture, which can be shown as well."""

    def preview_both(self, layout: Layout, seed: int, window: Window) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return a window as `PreviewsSooner.preview` does, and the first picture that it was made from."""


class Generator(Protocol):
    """A way to weave tissue: a name, a recipe, and the preparation of a look."""

    @property
    def name(self) -> str:
        """What records and the command line call it."""

    @property
    def title(self) -> str:
        """What people read."""

    @property
    def recipe_type(self) -> type[Recipe]:
        """Its settings."""

    @property
    def tile_invariant(self) -> bool:
        """Whether a prepared one may be asked for any window; else the whole canvas is woven at once."""

    @property
    def named_looks(self) -> tuple[NamedLook, ...]:
        """Looks that it knows by name; none for generators that copy from a tile."""

    @property
    def weights_sha256(self) -> str:
        """Hash of its trained weights; empty if it has none, and then weaving needs no PyTorch."""

    def prepare(self, look: AnyLook, recipe: Any, pixel_size: float) -> PreparedGenerator:
        """Study a look for canvases of the given pixel size (µm); raises `LookError` where it cannot serve."""


@dataclass(frozen=True, eq=False)
class WovenTile:
    """A woven picture with the layout that it obeys: what a segmenter trains on.

    Parameters
    ----------
    image
        RGB ``uint8 (H, W, 3)``.
    layout
        Where its nuclei are.
    seed, generator, recipe, look_sha256
        What it was woven from; the same values give the same bytes.
    importance_weight
        How much a learner should trust it; 1 until a discriminator has been asked.
    look_name
        Of a look that the generator knows by name, else None.
    weights_sha256
        Hash of the generator's trained weights; empty if it has none.
    structure_sha256
        Hash of the accepted structure that the generator saw; empty if there was none.
    """

    image: NDArray[np.uint8]
    layout: Layout
    seed: int
    generator: str
    recipe: dict[str, Any]
    look_sha256: str
    importance_weight: float = 1.0
    look_name: str | None = None
    weights_sha256: str = ""
    structure_sha256: str = ""
