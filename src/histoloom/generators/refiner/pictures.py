"""Refining of pictures that are there already, whatever made them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import BundleError, LookError
from histoloom.generators.refiner.networks import refiner_network
from histoloom.models import BundleHeader, inspect_bundle

_CELL = 512
_LEAST_SIDE = 38


class PictureRefiner:
    """A refiner of pictures.

    Parameters
    ----------
    path
        Its bundle.

    Raises
    ------
    BundleError
        If the file is missing, damaged, or not of a refiner.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self.header: BundleHeader = inspect_bundle(self._path)
        """What the bundle says of itself."""
        self.header.check_kind("generator", self._path.name)
        if self.header.system != "refiner":
            raise BundleError(
                f"'{self._path.name}' is of the system '{self.header.system}' and refines no pictures; choose the "
                "bundle of a refiner."
            )
        self._network = refiner_network(self._path)

    def refine(
        self, picture: NDArray[np.uint8], pixel_size: float, reference: NDArray[np.uint8] | None
    ) -> NDArray[np.uint8]:
        """Return the picture, more like the tissue of the reference.

        Parameters
        ----------
        picture
            RGB ``uint8 (H, W, 3)``.
        pixel_size
            µm per pixel of both, that of the bundle to within 5 %.
        reference
            Real tissue, RGB ``uint8 (h, w, 3)``, at least 38 x 38.

        Raises
        ------
        LookError
            If there is no reference, it is too small, or it is the picture itself.
        BundleError
            If the pixel size is another.
        """
        if reference is None:
            raise LookError(
                f"'{self._path.name}' refines a picture towards real tissue and was given none; give a patch of a "
                "real tile as reference."
            )
        if min(reference.shape[:2]) < _LEAST_SIDE:
            raise LookError(
                f"The reference is only {reference.shape[0]} x {reference.shape[1]} pixels; give a patch of at least "
                f"{_LEAST_SIDE} x {_LEAST_SIDE}."
            )
        if np.array_equal(picture, reference):
            raise LookError(
                "The reference is the very picture that shall be refined; give another patch, of a real tile."
            )
        self.header.check_pixel_size(pixel_size, self._path.name)
        vector, margin = self._network.reference(reference), self._network.margin
        # Reflected at its sides, because the network has never seen where a picture ends.
        wide = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
        refined = np.empty_like(picture)
        height, width = picture.shape[:2]
        for y in range(0, height, _CELL):
            for x in range(0, width, _CELL):
                rows, columns = slice(y, min(y + _CELL, height)), slice(x, min(x + _CELL, width))
                seen = wide[rows.start : rows.stop + 2 * margin, columns.start : columns.stop + 2 * margin]
                values = self._network.refine(seen, vector)[:, margin:-margin, margin:-margin]
                refined[rows, columns] = (values + np.float32(0.5)).astype(np.uint8).transpose(1, 2, 0)
        return refined
