"""What can be truth or prediction in a viewer: the nuclei on the canvas, a labels layer, a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from histoloom.errors import EvaluationError
from histoloom.evaluation.label_files import Labels, label_file
from histoloom.gui.canvas_layers import LAYOUT
from histoloom.gui.readers import LAYOUT_KEY
from histoloom.gui.writers import known_pixel_size
from histoloom.layouts import Layout
from histoloom.layouts.classes import DEFAULT_CLASS

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

Placing = Mapping[str, Any]
"""``scale``, ``translate`` and ``units`` of a layer."""

_MICROMETRES = ("micrometer", "micrometer")


@dataclass(frozen=True, eq=False)
class FrozenLabels:
    """Labels as they were at one moment, which another thread may read.

    Parameters
    ----------
    finish
        Returns them for the size of the other side, ``(H, W)`` or None; it may take long.
    are_instances
        Whether every label is one nucleus for certain.
    """

    finish: Callable[[tuple[int, int] | None], Labels]
    are_instances: bool = False

    def read(self, shape: tuple[int, int] | None = None, /) -> Labels:
        """Return the labels."""
        return self.finish(shape)


@dataclass(frozen=True)
class CanvasLabels:
    """The nuclei on the canvas."""

    @property
    def title(self) -> str:
        """What people call it."""
        return "The nuclei on the canvas"

    def is_there(self, canvas: Canvas) -> bool:
        """Whether there is something to compare."""
        return canvas.is_open

    def freeze(self, canvas: Canvas) -> FrozenLabels:
        """Return the nuclei as they are now, with what is being painted."""
        layout, layer = canvas.layout, canvas.layers.find(LAYOUT)
        drawn = None
        if layer is not None and tuple(layer.data.shape) == layout.shape:
            drawn = np.array(layer.data)
        return FrozenLabels(partial(_of_layout, layout, drawn), are_instances=True)

    def placing(self, canvas: Canvas) -> Placing | None:
        """Return where it lies."""
        return micrometres(canvas.layout.pixel_size)


@dataclass(frozen=True)
class LayerLabels:
    """A labels layer of the viewer."""

    layer: Any

    @property
    def title(self) -> str:
        """What people call it."""
        return str(self.layer.name)

    def is_there(self, canvas: Canvas) -> bool:
        """Whether the layer is still in the viewer."""
        return self.layer in canvas.viewer.layers

    def freeze(self, _canvas: Canvas) -> FrozenLabels:
        """Return what is in the layer now."""
        layer = self.layer
        data = layer.data[0] if layer.multiscale else layer.data
        pixels = data.copy() if isinstance(data, np.ndarray) else data  # layers are painted in place
        known = layer.metadata.get(LAYOUT_KEY)
        pixel_size = known_pixel_size(layer.scale, layer.units)
        return FrozenLabels(partial(_of_layer, pixels, known if isinstance(known, Layout) else None, pixel_size))

    def placing(self, _canvas: Canvas) -> Placing | None:
        """Return where it lies."""
        layer = self.layer
        return {"scale": tuple(layer.scale), "translate": tuple(layer.translate), "units": tuple(layer.units)}


@dataclass(frozen=True)
class FileLabels:
    """A file of labels, read again only when it has changed."""

    path: Path
    _known: dict[tuple[int, int, tuple[int, int] | None], Labels] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def title(self) -> str:
        """What people call it."""
        return self.path.name

    def is_there(self, _canvas: Canvas) -> bool:
        """A file that has been deleted is told of when it is read."""
        return True

    def freeze(self, _canvas: Canvas) -> FrozenLabels:
        """Return what reads the file."""
        return FrozenLabels(self._read)

    def placing(self, _canvas: Canvas) -> Placing | None:
        """Return None: it lies where the other side does."""
        return None

    def _read(self, shape: tuple[int, int] | None) -> Labels:
        try:
            facts = self.path.stat()
        except OSError as error:
            raise EvaluationError(
                f"'{self.path.name}' cannot be read any more ({error.strerror}); choose another file."
            ) from error
        state = facts.st_mtime_ns, facts.st_size, shape
        labels = self._known.get(state)
        if labels is None:
            labels = label_file(self.path).read(shape)
            self._known.clear()
            self._known[state] = labels
        return labels


ComparedLabels = CanvasLabels | LayerLabels | FileLabels


def micrometres(pixel_size: float) -> Placing:
    """Return the place of a picture whose upper left pixel is the origin."""
    return {"scale": (pixel_size, pixel_size), "translate": (0.0, 0.0), "units": _MICROMETRES}


def _of_layout(layout: Layout, drawn: Any, _shape: tuple[int, int] | None) -> Labels:
    classes = {key: nucleus.class_name for key, nucleus in layout.nuclei.items()}
    return Labels(layout.rasterize() if drawn is None else drawn, _known(classes), layout.pixel_size)


def _of_layer(pixels: Any, known: Layout | None, pixel_size: float | None, _shape: tuple[int, int] | None) -> Labels:
    classes = None if known is None else {key: each.class_name for key, each in known.nuclei.items()}
    return Labels(np.asarray(pixels), _known(classes), pixel_size)


def _known(classes: dict[int, str] | None) -> dict[int, str] | None:
    return classes if classes and set(classes.values()) - {DEFAULT_CLASS} else None
