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
from histoloom.conditions import AcceptedStructure
from histoloom.errors import HistoloomError, Stopped
from histoloom.generators.registry import generator_named
from histoloom.generators.weaving import check_fits_memory, weave
from histoloom.generators.woven_files import (
    ImageFormat,
    check_stem,
    save_woven,
    woven_name,
    write_synthetic_picture,
)
from histoloom.gui.canvas_layers import WOVEN
from histoloom.gui.live import live_weaving_of
from histoloom.jobs.batch import BatchEvent, PictureFailed
from histoloom.jobs.batch_process import weave_batch_beside
from histoloom.layouts import Layout
from histoloom.layouts.coco import layout_to_coco
from histoloom.layouts.columns import layout_fingerprint
from histoloom.layouts.files import save_layout
from histoloom.layouts.geojson import layout_to_geojson
from histoloom.recipes import Recipe
from histoloom.tiles.looks import AnyLook
from histoloom.tiles.tile import Tile
from histoloom.writing import write_json, written_together

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

RESEARCH_NOTICE = "For research, not for diagnosis."
"""What every export says."""


@dataclass(frozen=True)
class Weaving:
    """What tissue is woven from, beside the layout."""

    look: AnyLook
    generator: str
    recipe: Recipe | None
    seed: int
    structure: AcceptedStructure | None = None


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

    @property
    def has_picture(self) -> bool:
        """Whether there is woven tissue, or a real tile of the layout's size."""
        return self.weaving is not None or (self.tile is not None and self.tile.shape == self.layout.shape)

    @property
    def subject(self) -> str:
        """What an export of this is of, in words."""
        if self.weaving is not None:
            return f"woven tissue (seed {self.weaving.seed}) and its layout"
        return "the real tile and its layout" if self.has_picture else "the layout without a picture"


def contents_of(canvas: Canvas) -> CanvasContents:
    """Return what is on a canvas now.

    Tissue is exported only where some has been woven: a dock that has taken the tile as look does not make an
    annotated real tile a synthetic one.
    """
    live = live_weaving_of(canvas)
    weaving = None
    if live.look is not None and canvas.layers.find(WOVEN) is not None:
        weaving = Weaving(live.look, live.generator, live.recipe, live.seed, canvas.accepted_structure)
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
        Files of these names are replaced, all of them or none; see `files_of_export`.

    Raises
    ------
    HistoloomError
        If the canvas is too large for one picture, or the folder cannot be written to.
    """
    weaving = contents.weaving
    if weaving is None:
        return _export_real(contents, Path(folder), stem, image_format, coco)
    if generator_named(weaving.generator).weights_sha256:
        return _export_woven_beside(contents.layout, weaving, Path(folder), stem, image_format, coco, should_stop)
    woven = weave(
        contents.layout,
        weaving.look,
        generator=weaving.generator,
        recipe=weaving.recipe,
        seed=weaving.seed,
        structure=weaving.structure,
        should_stop=should_stop,
    )
    return save_woven(woven, folder, stem, image_format, coco)


def files_of_export(
    contents: CanvasContents, stem: str, image_format: ImageFormat = "png", coco: bool = True
) -> list[str]:
    """Return the names of the files that `export_canvas` would write, so that people can be asked about those there.

    Parameters
    ----------
    contents, stem, image_format, coco
        As for `export_canvas`.
    """
    names = _parts_of(contents, stem, image_format, coco)
    return sorted([*names.values(), f"{_name_of(contents, stem)}_labels.layout.json"])


def _name_of(contents: CanvasContents, stem: str) -> str:
    return stem if contents.weaving is None else woven_name(stem, contents.weaving.seed)


def _parts_of(contents: CanvasContents, stem: str, image_format: ImageFormat, coco: bool) -> dict[str, str]:
    name = _name_of(contents, stem)
    names = {"labels": f"{name}_labels.tif", "geojson": f"{name}.geojson", "record": f"{name}.json"}
    if contents.has_picture:
        names["image"] = f"{name}.{image_format}"
    if coco:
        names["coco"] = f"{name}.coco.json"
    return names


def _export_woven_beside(
    layout: Layout,
    weaving: Weaving,
    folder: Path,
    stem: str,
    image_format: ImageFormat,
    coco: bool,
    should_stop: Callable[[], bool] | None,
) -> dict[str, Path]:
    """Weave and write in another process, for generators that need PyTorch."""
    problems: list[str] = []

    def on_event(event: BatchEvent) -> None:
        if isinstance(event, PictureFailed):
            problems.append(event.sentence)

    finished = weave_batch_beside(
        [(stem, layout)],
        weaving.look,
        weaving.generator,
        weaving.recipe,
        [weaving.seed],
        folder,
        image_format,
        coco=coco,
        structure=weaving.structure,
        on_event=on_event,
        should_stop=should_stop,
    )
    if problems:
        raise HistoloomError(problems[0])
    if finished.was_stopped:
        raise Stopped("The export was stopped; export again.")
    names = _parts_of(CanvasContents(layout, weaving), stem, image_format, coco)
    return {part: folder / name for part, name in names.items()}


def _export_real(
    contents: CanvasContents, folder: Path, stem: str, image_format: ImageFormat, coco: bool
) -> dict[str, Path]:
    check_stem(stem)
    layout, tile = contents.layout, contents.tile
    check_fits_memory(layout.shape)
    facts: dict[str, Any] = {"synthetic": False, "notice": RESEARCH_NOTICE, "histoloom_version": __version__}
    names = _parts_of(contents, stem, image_format, coco)
    record = {
        **facts,
        "shape": list(layout.shape),
        "pixel_size": layout.pixel_size,
        "layout_sha256": layout_fingerprint(layout),
        "layout_provenance": dict(layout.provenance),
        "tile_provenance": dict(tile.provenance) if tile is not None and "image" in names else None,
        "files": sorted(name for part, name in names.items() if part != "record"),
    }
    with written_together(folder, names["record"]) as staging:
        if tile is not None and "image" in names:
            write_synthetic_picture(staging / names["image"], tile.read(), layout.pixel_size, facts)
        save_layout(layout, staging / names["labels"])
        write_json(staging / names["geojson"], layout_to_geojson(layout))
        if coco:
            write_json(staging / names["coco"], layout_to_coco(layout, f"{stem}.{image_format}"))
        write_json(staging / names["record"], record)
    return {part: folder / name for part, name in names.items()}
