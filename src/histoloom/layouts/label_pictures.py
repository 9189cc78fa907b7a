"""Label maps stored as pictures or arrays, and folders with one mask for each nucleus."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LayoutError
from histoloom.tiles.sentences import one_line

LABEL_PICTURE_SUFFIXES = (".tif", ".tiff", ".npy", ".png", ".bmp")
"""Files that `read_label_picture` reads."""


def read_label_picture(path: Path, *, split_masks: bool = True) -> NDArray[np.int32]:
    """Read a label map from PNG, TIFF, BMP or NPY.

    A mask of two values, 0 and 255 (or booleans), is taken for foreground, and each connected piece becomes a label.
    The indices of a palette picture are its labels, whatever colours they have.

    Parameters
    ----------
    path
        The file.
    split_masks
        False gives masks as they are, with one label.

    Returns
    -------
    NDArray[np.int32]
        ``(H, W)``, 0 is background.

    Raises
    ------
    LayoutError
        If the file is damaged, or holds anything else than whole numbers from 0 in ``(H, W)``.
    """
    stored = _read_plane(path)
    if stored.ndim == 3 and stored.shape[2] in (3, 4) and bool((stored[..., :3] == stored[..., :1]).all()):
        stored = stored[..., 0]
    if stored.ndim != 2:
        raise LayoutError(
            f"'{path.name}' has the shape {stored.shape} and a label map has (height, width); "
            "export one whole number for each pixel, not colours."
        )
    if not stored.size:
        raise LayoutError(f"'{path.name}' has no pixels; export the label map again.")
    if split_masks and (stored.dtype.kind == "b" or (stored.dtype == np.uint8 and _is_mask(stored))):
        return _connected_pieces(stored)
    if stored.dtype.kind == "f" and not bool(np.all(stored == np.rint(stored))):
        raise LayoutError(f"'{path.name}' holds fractions, and labels are whole numbers; export the label map again.")
    if stored.dtype.kind not in "buif" or float(stored.min()) < 0 or float(stored.max()) > np.iinfo(np.int32).max:
        raise LayoutError(
            f"'{path.name}' holds labels outside 0..{np.iinfo(np.int32).max}; renumber them and export it again."
        )
    return stored.astype(np.int32)


def read_mask_folder(masks: Sequence[Path], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Read masks with one nucleus each (Data Science Bowl 2018) into one label map ``int32 (H, W)``.

    Labels follow the sorted names of the files. Where masks overlap, the later one lies on top.
    """
    label_map = np.zeros(shape, np.int32)
    for label, path in enumerate(sorted(masks), 1):
        mask = _read_plane(path)
        if mask.ndim == 3:
            mask = np.asarray(mask[..., :3].any(axis=-1))
        if mask.shape != shape:
            raise LayoutError(
                f"The mask '{path.name}' is {_size(mask.shape)} pixels and the picture {_size(shape)}; "
                "put masks and pictures of the same size together."
            )
        np.putmask(label_map, mask > 0, label)
    return label_map


def read_ignored(path: Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Read a mask of regions to ignore, such as ``ID_ignore.png``: ``bool (H, W)``, True where it is not 0.

    Parameters
    ----------
    path
        PNG, TIFF, BMP or NPY, of any kind; of colours, black is 0.
    shape
        Height and width of the picture that it belongs to.

    Raises
    ------
    LayoutError
        If the file is missing or damaged, or the mask has another size than its picture.
    """
    mask = _read_plane(path)
    if mask.ndim == 3 and mask.shape[2] in (3, 4):
        mask = np.asarray(mask[..., :3].any(axis=-1))
    if mask.shape != shape:
        raise LayoutError(
            f"The regions to ignore in '{path.name}' are {_size(mask.shape)} pixels and their picture {_size(shape)}; "
            "put masks and pictures of the same size together."
        )
    return np.asarray(mask != 0, np.bool_)


def read_probability(path: Path) -> NDArray[Any]:
    """Read a picture of one number for each pixel, ``(H, W)``, as it is stored: TIFF, NPY, or grey PNG or BMP.

    Raises
    ------
    LayoutError
        If the file is missing, damaged, or of several numbers for each pixel.
    """
    plane = _read_plane(path)
    if plane.ndim != 2:
        raise LayoutError(
            f"'{path.name}' has the shape {plane.shape} and not one number for each pixel; give the probability of "
            "nuclei alone."
        )
    return plane


def _read_plane(path: Path) -> NDArray[Any]:
    """Return what a file holds without axes of length 1, except where these are its height or width."""
    stored = _read(path)
    if stored.ndim == 3 and stored.shape[2] == 1:
        return stored[..., 0]
    while stored.ndim > 2 and 1 in stored.shape:
        stored = stored.squeeze(stored.shape.index(1))
    return stored


def _read(path: Path) -> NDArray[Any]:
    try:
        match path.suffix.lower():
            case ".npy":
                return np.asarray(np.load(path, allow_pickle=False))
            case ".tif" | ".tiff":
                import tifffile

                with tifffile.TiffFile(path) as file:
                    if not len(file.pages):
                        raise ValueError("it holds no picture")
                    return np.asarray(file.pages[0].asarray() if len(file.pages) == 1 else file.asarray())
            case _:
                return _read_with_pillow(path)
    except FileNotFoundError:
        raise LayoutError(f"'{path.name}' does not exist; check the name and the folder.") from None
    except Exception as error:
        reason = one_line(error) if "BytesIO" not in str(error) else "not a picture"
        raise LayoutError(
            f"'{path.name}' cannot be read as a label map ({reason}); copy or export it again."
        ) from error


def _read_with_pillow(path: Path) -> NDArray[Any]:
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        # From bytes: Pillow's own messages give the whole path of a file.
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            return np.asarray(image)


def _is_mask(stored: NDArray[np.uint8]) -> bool:
    values = np.flatnonzero(np.bincount(stored.ravel(), minlength=256))
    return bool(values.tolist() in ([255], [0, 255]))


def _connected_pieces(mask: NDArray[Any]) -> NDArray[np.int32]:
    from scipy import ndimage

    pieces, _ = ndimage.label(mask > 0, structure=np.ones((3, 3), bool))
    return np.asarray(pieces, np.int32)


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in shape)
