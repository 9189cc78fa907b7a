"""Layouts on disk: a label map TIFF or a GeoJSON, each with its ``.layout.json``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LayoutError, WriteError
from histoloom.layouts.geojson import geojson_header, layout_from_geojson, layout_to_geojson
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE, MAX_ID, MAX_RASTER_PIXELS, Layout
from histoloom.layouts.nucleus import Nucleus
from histoloom.layouts.outline import Outline
from histoloom.layouts.sidecar import Sidecar, read_sidecar, write_compact_json, write_sidecar
from histoloom.layouts.tracing import trace_label_map
from histoloom.layouts.validation import repair_label_map
from histoloom.window import Window
from histoloom.writing import written_whole

_TIFF_ENDINGS = (".tif", ".tiff")
_GEOJSON_ENDINGS = (".geojson", ".json")
_TILE = 512
_CENTIMETRE = 1e4
_CONTENT = "histoloom label map: 0 is background, every other value is one nucleus's id"


def save_layout(layout: Layout, path: str | Path, marks: Mapping[str, Any] | None = None) -> Path:
    """Write a layout.

    Parameters
    ----------
    layout
        What to write.
    path
        ``.tif`` or ``.tiff`` for a label map (int32, tiled, compressed, with the pixel size), ``.geojson`` for polygons
        that QuPath opens. ``NAME.layout.json`` beside it keeps what neither holds.
    marks
        JSON values that every file shall say of itself, such as that it belongs to synthetic tissue.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    LayoutError
        If the ending is another, or the canvas is too large for a label map.
    WriteError
        If a file cannot be written; each is written whole or not at all.
    """
    target = Path(path)
    ending = target.suffix.lower()
    if target.name.endswith(".layout.json") or ending not in (*_TIFF_ENDINGS, ".geojson"):
        raise LayoutError(f"'{target.name}' names no format for a layout; end it in .tif or .geojson.")
    if ending == ".geojson":
        write_compact_json(target, {**layout_to_geojson(layout), **(marks or {})})
        write_sidecar(target, layout, marks=marks)
        return target
    height, width = layout.shape
    if height * width > MAX_RASTER_PIXELS:
        raise LayoutError(
            f"A label map of {height} x {width} pixels is too large for one file; save the layout as .geojson."
        )
    write_sidecar(target, layout, _write_label_map(layout, target, marks or {}), marks)
    return target


def load_layout(path: str | Path) -> Layout:
    """Read a layout; see `load_layout_with_notes`, whose notes it leaves out."""
    return load_layout_with_notes(path)[0]


def load_layout_with_notes(path: str | Path) -> tuple[Layout, list[str]]:
    """Read a layout and say what was found on the way.

    Parameters
    ----------
    path
        A label map ``.tif`` or a ``.geojson``, with or without the ``.layout.json`` beside it.

    Returns
    -------
    layout, notes
        Where the file was edited by another program since its sidecar was written, the file is right about the nuclei
        that changed and the sidecar about all others; notes say so in sentences, and say what was mended in maps of
        unknown origin.

    Raises
    ------
    LayoutError
        If a file cannot be read, is cut short, or holds something else.
    """
    source = Path(path)
    ending = source.suffix.lower()
    if not source.exists():
        raise LayoutError(f"'{source.name}' is not there; check the path.")
    if source.is_dir():
        raise LayoutError(f"'{source.name}' is a folder; give a label map .tif or a .geojson in it.")
    if ending in _TIFF_ENDINGS:
        label_map, pixel_size = _read_label_map(source)
        sidecar = read_sidecar(source)
        if sidecar is None:
            return _from_label_map_alone(source, label_map, pixel_size)
        return _label_map_over_table(label_map, pixel_size, sidecar)
    if ending in _GEOJSON_ENDINGS:
        sidecar = read_sidecar(source)
        known = sidecar.layout if sidecar else None
        layout = layout_from_geojson(source, known.shape if known else None, known.pixel_size if known else None)
        if known is None:
            provenance = {**layout.provenance, "file_sha256": _file_sha256(source)}
            return replace(layout, provenance=provenance), _skipped_note(layout)
        return _polygons_over_table(layout, known)
    raise LayoutError(f"'{source.name}' is not a layout by its ending; give a label map .tif or a .geojson.")


def stated_pixel_size(path: str | Path) -> float | None:
    """Return µm per pixel as a layout's file or its sidecar says, None where neither does or can be read."""
    source = Path(path)
    try:
        sidecar = read_sidecar(source)
        if sidecar is not None:
            return sidecar.layout.pixel_size
        if source.suffix.lower() in _TIFF_ENDINGS:
            import tifffile

            with tifffile.TiffFile(source) as tiff:
                return _pixel_size(tiff.pages[0])
        if source.suffix.lower() in _GEOJSON_ENDINGS:
            return geojson_header(source)[1]
    except Exception:  # noqa: BLE001 - who reads the file itself says what is wrong with it
        return None
    return None


def raster_sha256(layout: Layout) -> str:
    """Return the SHA-256 of a layout's label map (int32, little-endian, row by row), made band by band."""
    digest = hashlib.sha256()
    for band in _bands(layout):
        digest.update(band.astype("<i4", copy=False).tobytes())
    return digest.hexdigest()


def _bands(layout: Layout) -> Iterator[NDArray[np.int32]]:
    height, width = layout.shape
    for y in range(0, height, _TILE):
        yield layout.rasterize(Window(y, 0, min(y + _TILE, height), width))


def _write_label_map(layout: Layout, target: Path, marks: Mapping[str, Any]) -> str:
    """Write the label map band by band, so that memory stays small, and return its hash."""
    import tifffile

    digest = hashlib.sha256()

    def tiles() -> Iterator[NDArray[np.int32]]:
        for band in _bands(layout):
            digest.update(band.astype("<i4", copy=False).tobytes())
            for x in range(0, layout.shape[1], _TILE):
                tile = np.zeros((_TILE, _TILE), np.int32)
                part = band[:, x : x + _TILE]
                tile[: part.shape[0], : part.shape[1]] = part
                yield tile

    per_centimetre = _CENTIMETRE / layout.pixel_size
    with written_whole(target) as beside:
        try:
            tifffile.imwrite(
                beside,
                tiles(),
                shape=layout.shape,
                dtype=np.int32,
                tile=(_TILE, _TILE),
                compression="zlib",
                photometric="minisblack",
                byteorder="<",
                bigtiff=layout.shape[0] * layout.shape[1] * 4 > 2**32 - 2**25,
                resolution=(per_centimetre, per_centimetre),
                resolutionunit="CENTIMETER",
                description=json.dumps({"content": _CONTENT, **marks}) if marks else _CONTENT,
                software="histoloom",
                metadata=None,
            )
        except (ValueError, RuntimeError) as error:
            raise WriteError(f"'{target.name}' cannot be written as TIFF ({error}); try another folder.") from error
    return digest.hexdigest()


def _read_label_map(source: Path) -> tuple[NDArray[Any], float | None]:
    import tifffile

    try:
        with tifffile.TiffFile(source) as tiff:
            page = tiff.pages[0]
            pixels = page.shape[0] * page.shape[1] if len(page.shape) > 1 else 0
            if pixels > MAX_RASTER_PIXELS:
                raise LayoutError(f"'{source.name}' has too many pixels to open whole; cut it into smaller maps.")
            array = tiff.asarray(series=0)
            if page.photometric == tifffile.PHOTOMETRIC.PALETTE and array.ndim == 2:
                # The indices of a palette picture are its labels; the colours are only for show.
                array = np.asarray(array)
            return np.asarray(array), _pixel_size(page)
    except LayoutError:
        raise
    except OSError as error:
        raise LayoutError(f"'{source.name}' cannot be opened ({error.strerror or error}); check the file.") from error
    except Exception as error:
        raise LayoutError(
            f"'{source.name}' is not a readable TIFF; it may be cut short, so export it again."
        ) from error


def _pixel_size(page: Any) -> float | None:
    """Return µm per pixel as a page's resolution tags say, None where they say nothing usable."""
    unit = page.tags.get("ResolutionUnit")
    tag = page.tags.get("XResolution")
    micrometres = {2: 25400.0, 3: _CENTIMETRE}.get(int(unit.value) if unit is not None else 2)
    if tag is None or micrometres is None:
        return None
    numerator, denominator = tag.value
    # 72 to 300 dots an inch say how large to print, not how large a nucleus is.
    if not numerator or not denominator or micrometres * denominator / numerator > 10.0:
        return None
    return float(micrometres * denominator / numerator)


def _from_label_map_alone(source: Path, raw: NDArray[Any], pixel_size: float | None) -> tuple[Layout, list[str]]:
    usable = raw.ndim == 2 and raw.dtype.kind in "iu" and raw.size and raw.min() >= 0 and raw.max() <= MAX_ID
    notes: list[str] = []
    if usable and set(np.unique(raw).tolist()) - {0} not in ({1}, {255}):
        # Ids with gaps and nuclei in pieces are fine for a table, and whoever wrote them may count on them.
        label_map = raw.astype(np.int32)
    else:
        label_map, findings = repair_label_map(raw, speck_area=1)
        notes = [finding.sentence for finding in findings]
    provenance = {"file_sha256": _file_sha256(source)}
    size = DEFAULT_PIXEL_SIZE if pixel_size is None else pixel_size
    return Layout.from_label_map(label_map, size, provenance=provenance), notes


def _label_map_over_table(raw: NDArray[Any], pixel_size: float | None, sidecar: Sidecar) -> tuple[Layout, list[str]]:
    table = sidecar.layout
    label_map = raw
    whole = label_map.ndim == 2 and label_map.dtype.kind in "iu" and (not label_map.size or label_map.min() >= 0)
    notes: list[str] = []
    if not whole or (label_map.size and label_map.max() > MAX_ID):
        label_map, findings = repair_label_map(raw, speck_area=1)
        notes = [finding.sentence for finding in findings]
    label_map = np.ascontiguousarray(label_map, "<i4")
    if hashlib.sha256(label_map.tobytes()).hexdigest() == sidecar.raster_sha256 and label_map.shape == table.shape:
        return table, notes
    if label_map.shape != table.shape:
        notes.append(
            f"The label map is now {label_map.shape[0]} x {label_map.shape[1]} pixels, not {table.shape[0]} x "
            f"{table.shape[1]} as when it was saved; all nuclei were taken from it."
        )
        names = {key: nucleus.class_name for key, nucleus in table.nuclei.items()}
        size = table.pixel_size if pixel_size is None else pixel_size
        fresh = Layout.from_label_map(label_map, size, names, classes=table.classes)
        return fresh, notes
    layout, changed = _with_edited_pixels(table, label_map)
    if changed:
        nuclei = "1 nucleus was" if changed == 1 else f"{changed:,} nuclei were"
        notes.append(f"The label map was edited by another program since it was saved; {nuclei} taken from it anew.")
    return layout, notes


def _with_edited_pixels(table: Layout, label_map: NDArray[np.int32]) -> tuple[Layout, int]:
    """Return the table with the nuclei that differ from a label map taken from there, and their number."""
    edited: set[int] = set()
    layout = table
    while True:
        drawn = layout.rasterize()
        differs = drawn != label_map
        if not differs.any():
            return layout, len(edited)
        # Taking a nucleus from the map may uncover one that lay hidden below, which then differs in turn.
        found = set(np.unique(drawn[differs]).tolist()) | set(np.unique(label_map[differs]).tolist())
        edited |= found - {0}
        rings = trace_label_map(np.where(np.isin(label_map, list(edited)), label_map, 0))
        changes: dict[int, Nucleus | None] = {}
        for key in edited:
            if key not in rings:
                changes[key] = None
                continue
            outline = Outline.from_checked_rings(tuple(rings[key]))
            known = table.nuclei.get(key)
            changes[key] = known.reshaped(outline) if known else Nucleus.create(key, outline, table.classes[0].name)
        layout = table.with_nuclei(changes)


def _polygons_over_table(layout: Layout, table: Layout) -> tuple[Layout, list[str]]:
    """Return the file's nuclei with what only the sidecar knows, and notes of what was edited since."""
    nuclei: dict[int, Nucleus] = {}
    changed = 0
    for key, nucleus in layout.nuclei.items():
        known = table.nuclei.get(key)
        if known is None:
            changed += 1
            nuclei[key] = nucleus
        elif known.outline == nucleus.outline and known.class_name == nucleus.class_name:
            nuclei[key] = known
        else:
            changed += 1
            nuclei[key] = replace(known, outline=nucleus.outline, class_name=nucleus.class_name)
    changed += len(table.nuclei.keys() - nuclei.keys())
    notes = _skipped_note(layout)
    if changed:
        count = "1 nucleus" if changed == 1 else f"{changed:,} nuclei"
        notes.append(f"The GeoJSON was edited by another program since it was saved; {count} changed.")
    names = {each.name for each in table.classes}
    classes = (*table.classes, *(each for each in layout.classes if each.name not in names))
    used = {nucleus.class_name for nucleus in nuclei.values()}
    classes = tuple(each for each in classes if each.name in names or each.name in used)
    return replace(table, nuclei=nuclei, classes=classes), notes


def _skipped_note(layout: Layout) -> list[str]:
    skipped = layout.provenance.get("skipped", 0)
    if not skipped:
        return []
    what = "1 object that is" if skipped == 1 else f"{skipped:,} objects that are"
    return [f"The GeoJSON holds {what} no area (points or lines); the rest was read."]


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
