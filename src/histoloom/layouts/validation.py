"""What is wrong with a label map of unknown origin, said in sentences, and how it is mended.

Masks of 0 and 255, palettes, bilinear-resized or renumbered maps and maps of another size are what people ask about
most when they train on their own labels. Nothing is mended silently: every step is a finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from histoloom.errors import LayoutError
from histoloom.layouts.layout import MAX_ID

_MOST_COLORS = 4096
_SPECK_AREA = 5


@dataclass(frozen=True)
class Finding:
    """One thing found in a label map.

    Parameters
    ----------
    kind
        ``"dimensions"``, ``"palette"``, ``"dtype"``, ``"fractions"``, ``"negatives"``, ``"binary"``, ``"pieces"``,
        ``"specks"``, ``"gaps"``, ``"size"`` or ``"empty"``.
    sentence
        What was found, and what repair does about it or what to do.
    repairable
        Whether `repair_label_map` mends it; what it cannot mend it refuses with the same sentence.
    ids
        The labels concerned, as far as they have numbers.
    """

    kind: str
    sentence: str
    repairable: bool = True
    ids: tuple[int, ...] = ()


def check_label_map(label_map: ArrayLike, image_shape: tuple[int, ...] | None = None) -> list[Finding]:
    """Say what is wrong with a label map.

    Parameters
    ----------
    label_map
        Any array that should be one: ``(H, W)`` numbers, 0 for background; or what programs make of it.
    image_shape
        Shape ``(H, W, ...)`` of the picture that it belongs to, where there is one.

    Returns
    -------
    list of Finding
        Empty if it can be used as it is. Maps that are empty, full, or hold one nucleus are fine.
    """
    _, findings = _examined(np.asarray(label_map), image_shape, _SPECK_AREA)
    return findings


def repair_label_map(
    label_map: ArrayLike,
    image_shape: tuple[int, ...] | None = None,
    *,
    speck_area: int = _SPECK_AREA,
) -> tuple[NDArray[np.int32], list[Finding]]:
    """Mend a label map.

    Parameters
    ----------
    label_map, image_shape
        As for `check_label_map`.
    speck_area
        Pieces of fewer pixels are taken for specks.

    Returns
    -------
    label_map, findings
        ``int32 (H, W)`` with ids 1..N, each one piece (pixels joined at a corner count as joined), and what was found
        and done. A map that needs nothing keeps its ids.

    Raises
    ------
    LayoutError
        If it cannot be mended: numbers that are not whole, photographs, no pixels, a size other than the picture's.
    """
    mended, findings = _examined(np.asarray(label_map), image_shape, speck_area)
    for finding in findings:
        if not finding.repairable:
            raise LayoutError(finding.sentence)
    if mended is None:
        raise LayoutError("The label map cannot be read as one; give whole numbers (H, W) with 0 as background.")
    return mended, findings


def require_same_size(label_map: NDArray[Any], image_shape: tuple[int, ...]) -> None:
    """Raise `LayoutError` unless a label map has its picture's height and width."""
    if tuple(label_map.shape[:2]) != tuple(image_shape[:2]):
        raise LayoutError(_other_size(label_map.shape, image_shape))


def _examined(
    raw: NDArray[Any], image_shape: tuple[int, ...] | None, speck_area: int
) -> tuple[NDArray[np.int32] | None, list[Finding]]:
    findings: list[Finding] = []
    flat = _as_plane(raw, findings)
    if flat is None:
        return None, findings
    if image_shape is not None and flat.shape != tuple(image_shape[:2]):
        findings.append(Finding("size", _other_size(flat.shape, image_shape), repairable=False))
        return None, findings
    whole = _as_whole_numbers(flat, findings)
    if whole is None:
        return None, findings
    was_palette = any(finding.kind == "palette" for finding in findings)
    if _is_mask(whole):
        whole = _split_mask(whole, findings)
    elif not was_palette:
        _note_gaps(whole, findings)
    whole = _one_piece_each(whole, findings, speck_area, colors=was_palette)
    return _numbered(whole), findings


def _other_size(shape: tuple[int, ...], image_shape: tuple[int, ...]) -> str:
    return (
        f"The label map has {shape[0]} x {shape[1]} pixels but its image has {image_shape[0]} x {image_shape[1]}; "
        "give the labels of this image, resized with nearest neighbour where sizes differ by a factor."
    )


def _as_plane(raw: NDArray[Any], findings: list[Finding]) -> NDArray[Any] | None:
    if raw.dtype.kind not in "buif":
        sentence = f"The label map holds {raw.dtype} values, not numbers; give whole numbers with 0 as background."
        findings.append(Finding("dtype", sentence, repairable=False))
        return None
    array = raw
    if array.ndim == 3 and array.shape[-1] in (3, 4) and 1 not in array.shape[:2]:
        return _from_colors(array, findings)
    if array.ndim > 2 and sum(side > 1 for side in array.shape) <= 2:
        squeezed = np.squeeze(array)
        while squeezed.ndim < 2:
            squeezed = squeezed[np.newaxis]
        sentence = f"The label map has the shape {array.shape}; its axes of length 1 are dropped."
        findings.append(Finding("dimensions", sentence))
        array = squeezed
    if array.ndim != 2:
        sentence = f"The label map has {array.ndim} dimensions {array.shape}; give one plane (H, W)."
        findings.append(Finding("dimensions", sentence, repairable=False))
        return None
    if array.size == 0:
        findings.append(
            Finding("empty", "The label map has no pixels; give one of the image's size.", repairable=False)
        )
        return None
    return array


def _from_colors(array: NDArray[Any], findings: list[Finding]) -> NDArray[Any] | None:
    channels = array[..., :3]
    if array.dtype.kind == "f" and not np.isfinite(channels).all():
        sentence = "The label map holds values that are not numbers; export it again as whole numbers."
        findings.append(Finding("fractions", sentence, repairable=False))
        return None
    if array.size == 0:
        findings.append(
            Finding("empty", "The label map has no pixels; give one of the image's size.", repairable=False)
        )
        return None
    if np.array_equal(channels[..., 0], channels[..., 1]) and np.array_equal(channels[..., 0], channels[..., 2]):
        findings.append(Finding("palette", "The label map is a grey picture with equal channels; one of them is used."))
        return np.asarray(channels[..., 0])
    colors, index = np.unique(channels.reshape(-1, 3), axis=0, return_inverse=True)
    if len(colors) > _MOST_COLORS:
        sentence = (
            f"The label map is a colour picture with {len(colors):,} colours, which is a photograph or was smoothed; "
            "give a map of whole numbers, or a palette picture without smoothing."
        )
        findings.append(Finding("palette", sentence, repairable=False))
        return None
    labels = index.reshape(channels.shape[:2])
    counts = np.bincount(labels.ravel())
    black = np.flatnonzero((colors == 0).all(axis=1))
    background = int(black[0]) if len(black) else int(counts.argmax())
    red, green, blue = (int(value) for value in colors[background])
    findings.append(
        Finding(
            "palette",
            f"The label map is a colour picture; its {len(colors) - 1} colours besides the background "
            f"({red}, {green}, {blue}) are taken for labels and every connected piece for a nucleus.",
        )
    )
    return np.where(labels == background, 0, np.where(labels < background, labels + 1, labels))


def _as_whole_numbers(array: NDArray[Any], findings: list[Finding]) -> NDArray[np.int64] | None:
    if array.dtype.kind == "f":
        fractional = ~np.isfinite(array) | (array != np.floor(array))
        if fractional.any():
            sentence = (
                f"The label map has {int(fractional.sum()):,} pixels that are not whole numbers, as smoothing or a "
                "bilinear resize makes them; export it again with nearest neighbour."
            )
            findings.append(Finding("fractions", sentence, repairable=False))
            return None
        findings.append(Finding("dtype", f"The label map holds whole numbers as {array.dtype}; they become int32."))
    if array.dtype.kind == "f" and np.abs(array.astype(np.float64)).max() >= 2.0**63:
        sentence = "The label map holds ids too large to be ids; export it again with whole numbers."
        findings.append(Finding("dtype", sentence, repairable=False))
        return None
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        _, index = np.unique(np.concatenate([np.zeros(1, np.uint64), array.ravel()]), return_inverse=True)
        findings.append(Finding("gaps", f"The label map's ids exceed {MAX_ID:,}; they are renumbered from 1."))
        return index[1:].reshape(array.shape).astype(np.int64)
    whole = array.astype(np.int64)
    negative = whole < 0
    if negative.any():
        values = np.unique(whole[negative])
        findings.append(
            Finding(
                "negatives",
                f"The label map has {int(negative.sum()):,} pixels with negative values; they become background.",
                ids=tuple(int(value) for value in values[:20]),
            )
        )
        whole[negative] = 0
    return whole


def _is_mask(labels: NDArray[np.int64]) -> bool:
    values = np.unique(labels)
    return values[values != 0].tolist() in ([1], [255])


def _split_mask(labels: NDArray[np.int64], findings: list[Finding]) -> NDArray[np.int64]:
    from scipy.ndimage import label

    value = int(labels.max())
    pieces, count = label(labels != 0, np.ones((3, 3)))
    if count == 1 and value == 1:
        return labels
    findings.append(
        Finding(
            "binary",
            f"The label map is a mask of 0 and {value}; its {_counted(count, 'connected piece')} "
            f"{'becomes a nucleus' if count == 1 else 'become nuclei'}, and nuclei that touch become one.",
            ids=(value,),
        )
    )
    return np.asarray(pieces, np.int64)


def _one_piece_each(
    labels: NDArray[np.int64], findings: list[Finding], speck_area: int, *, colors: bool
) -> NDArray[np.int64]:
    from skimage.measure import label

    if not labels.any():
        return labels
    # A zero put before the pixels makes the background 0 even where the map has none.
    _, dense = np.unique(np.concatenate([[0], labels.ravel()]), return_inverse=True)
    pieces = label(dense[1:].reshape(labels.shape).astype(np.int32), background=0, connectivity=2)
    found, first = np.unique(pieces.ravel(), return_index=True)
    names, owner = found[found > 0], labels.ravel()[first[found > 0]]
    areas = np.bincount(pieces.ravel())[names]
    speck = areas < speck_area
    if speck.any():
        lost = sorted(set(owner[speck].tolist()) - set(owner[~speck].tolist()))
        findings.append(
            Finding(
                "specks",
                f"The label map has {_counted(int(speck.sum()), 'speck')} of fewer than {speck_area} pixels, which "
                f"{'becomes' if int(speck.sum()) == 1 else 'become'} background; draw larger nuclei if they are meant.",
                ids=tuple(int(each) for each in (lost or np.unique(owner[speck]))[:20]),
            )
        )
    kept_owner, kept_name = owner[~speck], names[~speck]
    # The largest piece of each label keeps it; np.unique reports the first of equals.
    order = np.lexsort((kept_name, -areas[~speck], kept_owner))
    kept_owner, kept_name = kept_owner[order], kept_name[order]
    further = np.concatenate([[False], kept_owner[1:] == kept_owner[:-1]]) if len(kept_owner) else np.zeros(0, bool)
    if further.any() and not colors:
        split = np.unique(kept_owner[further])
        findings.append(
            Finding(
                "pieces",
                f"The label map has {_counted(len(split), 'label')} in several pieces; each further piece becomes "
                "a nucleus of its own.",
                ids=tuple(int(each) for each in split[:20]),
            )
        )
    if not speck.any() and not further.any():
        return labels
    new = np.zeros(int(pieces.max()) + 1, np.int64)
    highest = int(labels.max())
    new[kept_name] = np.where(further, highest + np.cumsum(further), kept_owner)
    return np.asarray(new[pieces])


def _note_gaps(labels: NDArray[np.int64], findings: list[Finding]) -> None:
    values = np.unique(labels)
    values = values[values != 0]
    if len(values) and int(values[-1]) != len(values):
        sentence = (
            f"The label map's ids have gaps ({_counted(len(values), 'label')} numbered up to {int(values[-1]):,}); "
            "they are renumbered from 1."
        )
        findings.append(Finding("gaps", sentence))


def _numbered(labels: NDArray[np.int64]) -> NDArray[np.int32]:
    values = np.unique(labels)
    values = values[values != 0]
    return np.where(labels == 0, 0, np.searchsorted(values, labels) + 1).astype(np.int32)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
