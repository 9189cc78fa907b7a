"""Export of the canvas: picture, label map, GeoJSON, COCO and a JSON about them, in one folder.

Woven tissue is woven anew from what the canvas holds, so that picture and layout belong together whatever the live
preview shows, and the bytes are those of the library and the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from histoloom import __version__
from histoloom.generators.weaving import check_fits_memory, weave
from histoloom.generators.woven_files import ImageFormat, check_stem, save_woven, write_synthetic_picture
from histoloom.gui.live import live_weaving_of
from histoloom.layouts import Layout
from histoloom.layouts.coco import layout_to_coco
from histoloom.layouts.columns import layout_fingerprint
from histoloom.layouts.files import save_layout
from histoloom.layouts.geojson import layout_to_geojson
from histoloom.recipes import Recipe
from histoloom.tiles.looks import Look
from histoloom.tiles.tile import Tile
from histoloom.writing import write_json

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

RESEARCH_NOTICE = "For research, not for diagnosis."
"""What every export says."""


@dataclass(frozen=True)
class Weaving:
    """What tissue is woven from, beside the layout."""

    look: Look
    generator: str
    recipe: Recipe | None
    seed: int


@dataclass(frozen=True, eq=False)
class CanvasContents:
    """What an export needs of a canvas, taken at one moment, so that a thread can do the rest.

    Parameters
    ----------
    layout
        Where the nuclei are.
    weaving
        How its tissue is woven; None where nothing is.
    tile
        The real tile beneath; exported where nothing is woven and it has the canvas's size.
    """

    layout: Layout
    weaving: Weaving | None = None
    tile: Tile | None = None


def contents_of(canvas: Canvas) -> CanvasContents:
    """Return what is on a canvas now."""
    live = live_weaving_of(canvas)
    weaving = None if live.look is None else Weaving(live.look, live.generator, live.recipe, live.seed)
    return CanvasContents(canvas.layout, weaving, canvas.tile)


def export_canvas(
    contents: CanvasContents,
    folder: str | Path,
    stem: str,
    image_format: ImageFormat = "png",
    coco: bool = True,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, Path]:
    """Write what is on a canvas.

    Parameters
    ----------
    contents
        See `contents_of`.
    folder
        Created where it does not exist.
    stem
        What the names start with. Woven tissue is named as by `save_woven`: ``STEM_seedS.png`` and so on; a real tile
        ``STEM.png``, ``STEM_labels.tif``, ``STEM.geojson``, ``STEM.coco.json`` and ``STEM.json``.
    image_format
        ``"png"`` or ``"tif"``.
    coco
        Whether to write COCO JSON.
    should_stop
        Asked now and then while tissue is woven.

    Returns
    -------
    dict
        Paths by what they hold: ``image`` (unless there is none), ``labels``, ``geojson``, ``record`` and ``coco``.

    Raises
    ------
    HistoloomError
        If the canvas is too large for one picture, or the folder cannot be written to.
    """
    weaving = contents.weaving
    if weaving is None:
        return _export_real(contents, Path(folder), stem, image_format, coco)
    woven = weave(
        contents.layout,
        weaving.look,
        generator=weaving.generator,
        recipe=weaving.recipe,
        seed=weaving.seed,
        should_stop=should_stop,
    )
    return save_woven(woven, folder, stem, image_format, coco)


def _export_real(
    contents: CanvasContents, folder: Path, stem: str, image_format: ImageFormat, coco: bool
) -> dict[str, Path]:
    check_stem(stem)
    layout, tile = contents.layout, contents.tile
    check_fits_memory(layout.shape)
    facts: dict[str, Any] = {"synthetic": False, "notice": RESEARCH_NOTICE, "histoloom_version": __version__}
    paths = {"labels": folder / f"{stem}_labels.tif", "geojson": folder / f"{stem}.geojson"}
    if tile is not None and tile.shape == layout.shape:
        paths["image"] = folder / f"{stem}.{image_format}"
        write_synthetic_picture(paths["image"], tile.read(), layout.pixel_size, facts)
    save_layout(layout, paths["labels"])
    write_json(paths["geojson"], layout_to_geojson(layout))
    if coco:
        paths["coco"] = folder / f"{stem}.coco.json"
        write_json(paths["coco"], layout_to_coco(layout, f"{stem}.{image_format}"))
    # The record comes last: where there is one, everything that it lists is there.
    paths["record"] = folder / f"{stem}.json"
    record = {
        **facts,
        "shape": list(layout.shape),
        "pixel_size": layout.pixel_size,
        "layout_sha256": layout_fingerprint(layout),
        "layout_provenance": dict(layout.provenance),
        "tile_provenance": dict(tile.provenance) if tile is not None and "image" in paths else None,
        "files": sorted(path.name for part, path in paths.items() if part != "record"),
    }
    write_json(paths["record"], record)
    return paths
