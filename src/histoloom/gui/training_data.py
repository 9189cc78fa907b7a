"""What a training shall see, frozen so that the viewer may change while it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from histoloom.errors import TrainingError
from histoloom.evaluation import looks_semantic
from histoloom.gui.canvas_layers import (
    AGREEMENT,
    IGNORE,
    JUDGED,
    LAYOUT,
    PREDICTION,
    PREVIEW,
    REFINING,
    ROLE_KEY,
    STRUCTURE,
    TILE,
    TISSUE,
    WOVEN,
)
from histoloom.gui.ignored_regions import ignored_regions_of
from histoloom.gui.readers import LAYOUT_KEY, TILE_KEY
from histoloom.gui.writers import pixel_size_of
from histoloom.jobs.frozen_tiles import LabelledTile, freeze_tiles
from histoloom.layouts import Layout, repair_label_map
from histoloom.tiles.tile import Tile

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer

    from histoloom.gui.canvas import Canvas

_OTHER_LABELS = frozenset({STRUCTURE, TISSUE, AGREEMENT, PREDICTION, IGNORE})


@dataclass(frozen=True)
class DataChoice:
    """Tiles to train on.

    Parameters
    ----------
    name
        What bundles call those of the viewer.
    folders
        The folders that they lie in; none for those of the viewer.
    tiles
        Returns those of the viewer as they were when they were chosen; it may take long.
    tile_pixel_size
        µm per pixel of the folders' tiles, or None for what their files say.
    licences
        Under which licence each folder, or the viewer's tiles, may be used.
    labels_required
        Whether tiles of the viewer must have nuclei.
    """

    name: str
    folders: tuple[Path, ...]
    tiles: Callable[[], list[LabelledTile]]
    tile_pixel_size: float | None = None
    licences: tuple[str, ...] = ("unknown",)
    labels_required: bool = True

    def written(self, folder: Path, crop: float) -> tuple[Path, ...]:
        """Return the folders to train on: the chosen ones, or one made in ``folder``; see `freeze_tiles`."""
        if self.folders:
            return self.folders
        return (freeze_tiles(self.tiles(), folder / self.name, crop, labels_required=self.labels_required),)


def canvas_tiles(canvas: Canvas) -> Callable[[], list[LabelledTile]]:
    """Return the canvas's tile and nuclei as they are now.

    Raises
    ------
    TrainingError
        If there is no tile, or the regions of it that are ignored are of another size.
    """
    tile, layout = canvas.tile, canvas.layout
    # A tile whose layer was deleted is seen by nobody.
    if tile is None or canvas.layers.find(TILE) is None:
        raise TrainingError("There is no real tile on the canvas; open one with its nuclei, or choose a folder.")
    ignored = ignored_regions_of(canvas).mask()
    return lambda: [LabelledTile("the canvas", tile, layout, ignored=ignored)]


def image_layers(layers: Any) -> list[Image]:
    """Return the layers that may be tiles: RGB pictures, except previews of trainings and views of refining."""
    return [each for each in layers if _is(each, "Image") and each.rgb and _role(each) not in {PREVIEW, REFINING}]


def is_real(image: Image) -> bool:
    """Whether a picture is real tissue as far as we know, and not one that we wove."""
    return _role(image) not in {WOVEN, JUDGED}


def label_layers(layers: Any) -> list[Labels]:
    """Return the layers that may say where nuclei are."""
    return [each for each in layers if _is(each, "Labels") and _role(each) not in _OTHER_LABELS]


def likely_labels(image: Image, labels: list[Labels]) -> Labels | None:
    """Return the labels that most likely belong to a picture: of its size, best of its name; none for woven ones."""
    if _role(image) == WOVEN:
        return None
    fitting = [each for each in labels if tuple(each.data.shape) == _shape_of(image)]
    named = [each for each in fitting if image.name.lower() in each.name.lower()]
    return next(iter([*named, *fitting]), None)


def layer_tiles(
    pairs: Sequence[tuple[Image, Labels | None]], canvas: Canvas, *, split_masks: bool = False
) -> Callable[[], list[LabelledTile]]:
    """Return pictures and labels of layers as they are now.

    Parameters
    ----------
    pairs
        Pictures, and the labels of each; None for a picture without any.
    canvas
        Whose nuclei some of these labels may be.
    split_masks
        Whether the pieces of semantic masks are nuclei.

    Raises
    ------
    TrainingError
        If there are none, or labels look like a semantic mask and nobody said what to make of it.
    """
    if not pairs:
        raise TrainingError("No picture has labels yet; choose the labels of at least one, or choose a folder.")
    if not split_masks:
        for labels in (each for _, each in pairs if each is not None):
            _refuse_semantic(labels, canvas)
    frozen = [_frozen(image, labels, canvas) for image, labels in pairs]
    return lambda: [each() for each in frozen]


def _frozen(image: Image, labels: Labels | None, canvas: Canvas) -> Callable[[], LabelledTile]:
    _, meta, _ = image.as_layer_data_tuple()
    name, size = image.name, pixel_size_of(meta)
    is_woven = _role(image) == WOVEN
    known = image.metadata.get(TILE_KEY)
    picture = image.data[0] if image.multiscale else image.data
    if isinstance(picture, np.ndarray) and not isinstance(known, Tile):
        picture = picture.copy()  # layers are painted and woven into in place
    layout = canvas.layout if labels is not None and labels is canvas.layers.find(LAYOUT) else None
    label_map = None if layout is not None or labels is None else np.array(_pixels(labels))
    read = None if labels is None else labels.metadata.get(LAYOUT_KEY)
    ignored = ignored_regions_of(canvas).mask() if image is canvas.layers.find(TILE) else None

    def labelled() -> LabelledTile:
        tile = known if isinstance(known, Tile) else Tile.from_array(np.asarray(picture[..., :3]), size)
        nuclei = Layout.empty(tile.shape, tile.pixel_size or size) if labels is None else layout
        if nuclei is None and label_map is not None:
            mended, _ = repair_label_map(label_map)
            names = {each.id: each.class_name for each in read.nuclei.values()} if isinstance(read, Layout) else {}
            classes = {"classes": read.classes} if isinstance(read, Layout) else {}
            nuclei = Layout.from_label_map(mended, tile.pixel_size or size, names, **classes)
        if nuclei is None:
            raise TrainingError(f"The labels of '{name}' are gone; choose others.")
        return LabelledTile(name, tile, nuclei, is_woven, ignored)

    return labelled


def _refuse_semantic(labels: Labels, canvas: Canvas) -> None:
    if labels is not canvas.layers.find(LAYOUT) and looks_semantic(np.asarray(_pixels(labels))):
        raise TrainingError(
            f"The labels '{labels.name}' look like a semantic mask, in which one label stands for many nuclei; switch "
            "'Split masks' on in the recipe to take its pieces for nuclei, or choose labels of single nuclei."
        )


def _pixels(labels: Labels) -> Any:
    return labels.data[0] if labels.multiscale else labels.data


def _shape_of(image: Image) -> tuple[int, ...]:
    picture = image.data[0] if image.multiscale else image.data
    return tuple(picture.shape[:2])


def _role(layer: Layer) -> str:
    return str(layer.metadata.get(ROLE_KEY, ""))


def _is(layer: Layer, kind: str) -> bool:
    return type(layer).__name__ == kind and (layer.ndim == 2)
