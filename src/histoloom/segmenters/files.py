"""What a segmenter has found, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from histoloom.errors import LayoutError, WriteError
from histoloom.layouts.files import save_layout
from histoloom.layouts.sidecar import read_sidecar, sidecar_path
from histoloom.segmenters.segmentation import Segmentation
from histoloom.writing import written_together


def save_segmentation(
    segmentation: Segmentation,
    folder: str | Path,
    stem: str,
    provenance: dict[str, Any] | None = None,
) -> Path:
    """Write ``STEM_labels.tif`` and ``STEM.geojson``, each with its ``.layout.json``, all of them or none.

    Where the probability of pixels is known, ``STEM_probability.tif`` has it, ``float32 (H, W)``.

    Parameters
    ----------
    segmentation
        What was found.
    folder
        Made if it is not there; older files of these names are replaced.
    stem
        What the names start with.
    provenance
        JSON values that the layouts shall keep.

    Returns
    -------
    Path
        The label map.

    Raises
    ------
    WriteError
        If the folder cannot be written to.
    """
    layout = segmentation.layout(provenance)
    labels, polygons = _names(stem)
    with written_together(folder, labels) as staging:
        save_layout(layout, staging / labels)
        save_layout(layout, staging / polygons)
        if segmentation.pixel_probability is not None:
            import tifffile

            probability = staging / f"{stem}_probability.tif"
            tifffile.imwrite(probability, segmentation.pixel_probability, compression="zlib")
    return Path(folder) / labels


def check_replaceable(folder: str | Path, stem: str) -> None:
    """Refuse to write `save_segmentation`'s files over labels that no segmenter has found, such as drawn ones.

    Parameters
    ----------
    folder, stem
        As of `save_segmentation`.

    Raises
    ------
    WriteError
        If such labels are there.
    """
    for name in _names(stem):
        path = Path(folder) / name
        present = next((each for each in (path, sidecar_path(path)) if each.exists()), None)
        if present is not None and not _was_found(path):
            raise WriteError(
                f"'{present.name}' is in '{Path(folder)}' already, and not found by a segmenter; choose another folder "
                "for what is found, or move it away."
            )


def _names(stem: str) -> tuple[str, str]:
    return f"{stem}_labels.tif", f"{stem}.geojson"


def _was_found(path: Path) -> bool:
    try:
        known = read_sidecar(path)
    except LayoutError:
        return False
    return known is not None and "segmenter" in known.layout.provenance
