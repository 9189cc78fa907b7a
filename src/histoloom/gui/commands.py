"""``histoloom view`` and ``histoloom demo``: the command line's way into the viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from histoloom.errors import HistoloomError, TileError


def view(paths: list[Path] | None = None, /) -> int:
    """Open napari with the docks, and what is given.

    Parameters
    ----------
    paths
        Pictures, slides, layouts (.geojson, .layout.json, label maps), or a folder of tiles. The last picture and the
        last layout lie on the canvas.
    """
    from histoloom.gui.opening import open_path, open_viewer

    chosen = paths or []
    for path in chosen:
        if not path.exists():
            raise TileError(f"'{path.name}' does not exist; check the name and the folder.")
    _check_qt()
    viewer, docks = open_viewer()
    try:
        # Pictures first: an untouched canvas takes their size.
        for path in sorted(chosen, key=_is_layout):
            if path.is_dir():
                docks["Tiles"].open_path(path)
            else:
                open_path(viewer, path, docks["Tiles"])
        viewer.reset_view()
    except HistoloomError:
        viewer.close()
        raise
    import napari

    napari.run()
    return 0


def demo(
    tile: Path | None = None,
    *,
    folder: Path = Path("demo"),
    scripted: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Open napari with a sample tile (or yours), a random layout and live weaving.

    Where there is no display, the same happens under a virtual one: nuclei are added, moved and deleted by themselves,
    and window.png, woven.png and layout.tif are left in the folder.

    Parameters
    ----------
    tile
        A picture of real tissue (default: the colon sample, whose DAB stain is recoloured as eosin).
    folder
        Where the demo that runs by itself leaves its results.
    scripted
        Run by itself also where there is a display.
    """
    from histoloom.gui.demo import run_demo

    if tile is not None and not tile.exists():
        raise TileError(f"'{tile.name}' does not exist; check the name and the folder.")
    _check_qt()
    run_demo(tile, folder, scripted)
    return 0


def _check_qt() -> None:
    try:
        import qtpy.QtWidgets  # noqa: F401
    except (ImportError, RuntimeError) as error:
        # qtpy's own error for "no binding" is an ImportError or a RuntimeError, by its version.
        raise HistoloomError(
            "The viewer needs a Qt binding that loads, and there is none "
            f'({" ".join(str(error).split())[:120]}); python -m pip install "histoloom[all]" gets one.'
        ) from error


def _is_layout(path: Path) -> bool:
    from histoloom.layouts.opening import is_layout_file

    return path.is_file() and is_layout_file(path)
