"""Structure that a person has looked at, corrected and accepted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histoloom.conditions.mask_and_structure import MaskAndStructureEncoding
from histoloom.conditions.structure_labels import EDGE, StructureLabelsEncoding, structure_labels
from histoloom.errors import ConditionError
from histoloom.layouts import Layout
from histoloom.window import Window


@dataclass(frozen=True, eq=False)
class AcceptedStructure:
    """Structure of one canvas, frozen with what it was made by.

    Parameters
    ----------
    labels
        ``uint8 (H, W)`` of the canvas: 0, 128 and 255 for structure labels, 0 and 255 for a structure map.
    encoding
        How it was made, with automatic thresholds as numbers.
    corrected
        ``bool (H, W)``: which pixels a person has painted.
    """

    labels: NDArray[np.uint8]
    encoding: StructureLabelsEncoding | MaskAndStructureEncoding
    corrected: NDArray[np.bool_]

    @property
    def sha256(self) -> str:
        """Hash of all of it: equal structure gives equal tissue."""
        digest = hashlib.sha256(json.dumps([self.labels.shape, self.encoding.as_json()], sort_keys=True).encode())
        digest.update(np.ascontiguousarray(self.labels).tobytes())
        digest.update(np.packbits(self.corrected).tobytes())
        return digest.hexdigest()

    def condition(self, layout: Layout, window: Window | None = None) -> NDArray[np.float32]:
        """Return what the encoding would give, with the structure that was accepted: ``float32 (C, H, W)``.

        Nuclei are those of the layout as it is now, so that what is drawn later is seen as well; only where a person
        has painted, labels stay as they were accepted.

        Raises
        ------
        ConditionError
            If the canvas has another size by now.
        """
        if self.labels.shape != layout.shape:
            raise ConditionError(
                f"The accepted structure has {self.labels.shape[0]} x {self.labels.shape[1]} pixels and the canvas "
                f"{layout.shape[0]} x {layout.shape[1]}; accept it again in the Structure dock."
            )
        window = layout.window if window is None else window
        common = window.intersection(layout.window)
        edges, painted = np.zeros((2, *window.shape), bool)
        ids = layout.rasterize(window)
        if not common.is_empty:
            inside = common.relative_to(window).slices
            accepted = self.labels[common.slices]
            edges[inside] = accepted == EDGE
            painted[inside] = self.corrected[common.slices]
        if isinstance(self.encoding, MaskAndStructureEncoding):
            return np.stack([ids > 0, edges]).astype(np.float32)
        labels = structure_labels(ids, edges)
        if painted.any():
            labels[painted] = accepted[painted[inside]]
        return np.asarray(labels[None] / np.float32(255.0), np.float32)
