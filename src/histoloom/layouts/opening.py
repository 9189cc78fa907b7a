"""Opening a layout file of any kind."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from histoloom.errors import LayoutError
from histoloom.layouts.files import load_layout_with_notes
from histoloom.layouts.label_pictures import read_label_picture
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE, Layout
from histoloom.layouts.sidecar import read_sidecar, sidecar_path
from histoloom.layouts.validation import check_label_map, repair_label_map

SIDECAR_ENDING = ".layout.json"
LABEL_PICTURE_ENDINGS = (".png", ".bmp", ".npy")
LAYOUT_ENDINGS = (".tif", ".tiff", ".geojson", SIDECAR_ENDING, *LABEL_PICTURE_ENDINGS)
"""Endings that `open_layout` is for, in lower case."""

_LABEL_NAMES = ("_labels", "_label", "_mask", "_masks", "_inst")
_MENDED_BY_REPAIR = {"specks": "specks", "pieces": "labels in several pieces"}


def open_layout(path: str | Path, pixel_size: float | None = None, *, repair: bool = False) -> tuple[Layout, list[str]]:
    """Read a layout of any kind and say what was found on the way.

    Parameters
    ----------
    path
        A label map (TIFF, PNG, BMP, NPY), a GeoJSON, or the ``.layout.json`` of one of them.
    pixel_size
        µm per pixel of label maps and GeoJSON without a ``.layout.json``; default: what the file says, else 0.25.
    repair
        Whether label maps without a ``.layout.json`` lose their specks, and labels in several pieces become several
        nuclei; see `repair_label_map`. Ids then run from 1.

    Returns
    -------
    layout, notes
        What the file holds, and sentences for people.

    Raises
    ------
    LayoutError
        If the file is missing, damaged, or holds something else.
    """
    source = Path(path)
    name = source.name.lower()
    if name.endswith(SIDECAR_ENDING):
        return _beside_sidecar(source)
    if name.endswith(LABEL_PICTURE_ENDINGS):
        layout, notes = _from_picture(source), list[str]()
    else:
        layout, notes = load_layout_with_notes(source)
    if sidecar_path(source).exists() and not name.endswith(LABEL_PICTURE_ENDINGS):
        return layout, notes
    if pixel_size is not None:
        layout = replace(layout, pixel_size=pixel_size)
    if name.endswith(".geojson"):
        return layout, notes
    return _examined(source, layout, notes, repair)


def is_layout_file(path: str | Path) -> bool:
    """Tell by name, neighbours and header whether a file is a layout rather than a picture of tissue.

    Label maps are known by a ``.layout.json`` beside them, by whole numbers of 32 bits in one channel, or by a name
    such as ``tile_labels.png``. A file that cannot be read is none.
    """
    source = Path(path)
    name = source.name.lower()
    if name.endswith((".geojson", SIDECAR_ENDING, ".npy")):
        return True
    if not name.endswith(LAYOUT_ENDINGS):
        return False
    if layout_stem(source).lower().endswith(_LABEL_NAMES):
        return True
    return name.endswith((".tif", ".tiff")) and (sidecar_path(source).exists() or _holds_wide_integers(source))


def _holds_wide_integers(source: Path) -> bool:
    import tifffile

    try:
        with tifffile.TiffFile(source) as tiff:
            page = tiff.pages[0]
            return bool(page.samplesperpixel == 1 and page.dtype.kind in "iu" and page.dtype.itemsize >= 4)
    except Exception:  # noqa: BLE001 - tifffile raises whatever a damaged file makes it raise
        return False


def layout_stem(path: str | Path) -> str:
    """Return a layout file's name without its endings."""
    name = Path(path).name
    for ending in (SIDECAR_ENDING, *LAYOUT_ENDINGS):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return Path(path).stem


def _beside_sidecar(source: Path) -> tuple[Layout, list[str]]:
    stem = source.name[: -len(SIDECAR_ENDING)]
    for ending in (".geojson", ".tif", ".tiff"):
        beside = source.with_name(stem + ending)
        if beside.exists():
            return load_layout_with_notes(beside)
    sidecar = read_sidecar(source.with_name(f"{stem}.geojson"))
    if sidecar is None:
        raise LayoutError(f"'{source.name}' does not exist; check the name and the folder.")
    return sidecar.layout, []


def _from_picture(source: Path) -> Layout:
    label_map = read_label_picture(source)
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Layout.from_label_map(label_map, DEFAULT_PIXEL_SIZE, provenance={"file_sha256": digest})


def _examined(source: Path, layout: Layout, notes: Sequence[str], repair: bool) -> tuple[Layout, list[str]]:
    label_map = layout.rasterize()
    if repair:
        mended, findings = repair_label_map(label_map)
        if not findings:
            return layout, list(notes)
        said = [finding.sentence for finding in findings]
        return Layout.from_label_map(mended, layout.pixel_size, provenance=layout.provenance), [*notes, *said]
    kinds = [_MENDED_BY_REPAIR[each.kind] for each in check_label_map(label_map) if each.kind in _MENDED_BY_REPAIR]
    if kinds:
        return layout, [*notes, f"'{source.name}' has {' and '.join(kinds)}; they are kept unless you ask for repair."]
    return layout, list(notes)
