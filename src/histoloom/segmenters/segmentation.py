"""What a segmenter finds in a picture. Nothing here needs PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.layouts import Layout


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Nuclei of a picture.

    Parameters
    ----------
    label_map
        ``int32 (H, W)``: 0 for background, nuclei from 1 to N.
    classes
        What the segmenter tells apart.
    class_of
        ``uint8 (N + 1,)``: the class of each nucleus as an index into ``classes``; that of 0 has no meaning.
    probability
        ``float32 (N + 1,)``: how probably the pixels of each nucleus are of one, on average; 0 for the background.
    pixel_size
        µm per pixel of the picture.
    notes
        Sentences about what was done on the way, such as that the picture was rescaled.
    pixel_probability
        ``float32 (H, W)`` in 0..1: how probably each pixel is of a nucleus; None where nobody asked for it.
    """

    label_map: NDArray[np.int32]
    classes: tuple[str, ...]
    class_of: NDArray[np.uint8]
    probability: NDArray[np.float32]
    pixel_size: float
    notes: tuple[str, ...] = ()
    pixel_probability: NDArray[np.float32] | None = None

    @property
    def count(self) -> int:
        """How many nuclei there are."""
        return len(self.class_of) - 1

    def layout(self, provenance: Mapping[str, Any] | None = None) -> Layout:
        """Return the nuclei as a layout that can be edited and woven; its ids are the labels."""
        names = {label: self.classes[self.class_of[label]] for label in range(1, self.count + 1)}
        return Layout.from_label_map(self.label_map, self.pixel_size, names, provenance=dict(provenance or {}))
