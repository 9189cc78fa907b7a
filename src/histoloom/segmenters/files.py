"""What a segmenter has found, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from histoloom.layouts.files import save_layout
from histoloom.segmenters.segmentation import Segmentation
from histoloom.writing import written_together


def save_segmentation(
    segmentation: Segmentation, folder: str | Path, stem: str, provenance: dict[str, Any] | None = None
) -> Path:
    """Write ``STEM_labels.tif`` and ``STEM.geojson``, each with its ``.layout.json``, all of them or none.

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
    labels = f"{stem}_labels.tif"
    with written_together(folder, labels) as staging:
        save_layout(layout, staging / labels)
        save_layout(layout, staging / f"{stem}.geojson")
    return Path(folder) / labels
