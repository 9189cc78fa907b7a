"""Finding the nuclei of a tile in a process of its own, so that the viewer's process never imports torch."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from histoloom import errors
from histoloom.errors import HistoloomError, SegmenterError, Stopped, TileError, WeaveProcessError
from histoloom.jobs.messages import Message, layout_of, read_message, write_message
from histoloom.jobs.processor import background_environment
from histoloom.layouts import Layout, tile_tissue_map
from histoloom.models import BundleHeader, known_bundles
from histoloom.tiles.sentences import one_line
from histoloom.tiles.tile import Tile
from histoloom.window import Window

_HOUSE_SEGMENTER = "nuclei"


@dataclass(frozen=True, eq=False)
class FoundNuclei:
    """What a segmenter has found in a tile.

    Parameters
    ----------
    layout
        The nuclei, of the tile's size and with the segmenter's classes, and the tissue map of the tile.
    label_map
        The layout's rasterization, ``int32 (H, W)``, made here so that the viewer need not wait for it.
    segmenter
        The bundle's name.
    notes
        Sentences about what was done on the way, such as that the tile was rescaled.
    """

    layout: Layout
    label_map: NDArray[np.int32]
    segmenter: str
    notes: tuple[str, ...] = ()


class NucleiSearch:
    """One search for the nuclei of a tile. It keeps nothing on disk.

    Parameters
    ----------
    tile
        Where to look.
    segmenter
        A bundle's file.
    pixel_size
        µm per pixel where the tile does not say it; a note then tells so.
    on_progress
        Told how many parts of the tile are done, and of how many: (0, 0) while the segmenter is loaded. It is called
        in the thread of `run`.
    window
        The part of the tile to look in (default: all of it), which is then the size of what is found.
    """

    def __init__(
        self,
        tile: Tile,
        segmenter: Path,
        pixel_size: float,
        on_progress: Callable[[int, int], object] | None = None,
        window: Window | None = None,
    ) -> None:
        self._tile, self._segmenter, self._pixel_size = tile, segmenter, pixel_size
        self._on_progress, self._window = on_progress, window
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopped = False

    def run(self) -> FoundNuclei:
        """Search, and return what was found; call it from a thread.

        Raises
        ------
        Stopped
            If somebody called `stop`.
        TileError
            If the tile cannot be read any more.
        SegmenterError
            If the process cannot be started or dies, or the tile's pixel size is too far from the segmenter's.
        BundleError
            If the bundle cannot be used.
        """
        pixels = self._pixels()
        order = Message(
            "segment",
            {
                "segmenter": str(self._segmenter.absolute()),
                "pixel_size": self._tile.pixel_size or self._pixel_size,
                "provenance": dict(self._tile.provenance),
            },
            {"pixels": pixels},
        )
        process = self._started()
        with process:
            try:
                found = self._answer(process, order)
            except (OSError, WeaveProcessError):
                found = None
            finally:
                process.kill()
        if self._is_stopped:
            raise Stopped("The search for nuclei was stopped; nothing was changed.")
        if found is None:
            raise SegmenterError(
                "The process that looks for nuclei died, perhaps for want of memory; close other programs and find "
                "nuclei again."
            )
        layout = _with_tissue(layout_of(found), pixels)
        notes = tuple(found.values["notes"])
        if self._tile.pixel_size is None:
            size = f"{self._pixel_size:g} µm"
            notes = (f"The tile does not tell its pixel size, so that of the canvas, {size}, was taken.", *notes)
        return FoundNuclei(layout, layout.rasterize(), self._segmenter.stem, notes)

    def stop(self) -> None:
        """End the search at once, from any thread; `run` then raises `Stopped`."""
        with self._lock:
            self._is_stopped = True
            if self._process is not None:
                self._process.kill()

    def _pixels(self) -> NDArray[np.uint8]:
        try:
            return self._tile.read(self._window)
        except HistoloomError:
            raise
        except Exception as error:
            # Readers raise whatever a file that was closed or moved makes them raise.
            raise TileError(f"The tile cannot be read any more ({one_line(error)}); open it again.") from error

    def _started(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_stopped:
                raise Stopped("The search for nuclei was stopped; nothing was changed.")
            try:
                self._process = subprocess.Popen(
                    [sys.executable or "python", "-P", "-m", "histoloom.jobs.nuclei_worker"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    bufsize=0,
                    env=background_environment(),
                    creationflags=_CREATION_FLAGS,
                )
            except OSError as error:
                raise SegmenterError(
                    f"The process that looks for nuclei cannot be started ({error.strerror or error}); check that "
                    "Python can be run."
                ) from error
            return self._process

    def _answer(self, process: subprocess.Popen[bytes], order: Message) -> Message | None:
        """Return the message with the nuclei, or None if the process fell silent."""
        incoming, outgoing = cast("FileIO", process.stdout), cast("FileIO", process.stdin)
        write_message(outgoing, order)
        while (message := read_message(incoming)) is not None:
            if message.kind == "progress":
                if self._on_progress is not None:
                    self._on_progress(message.values["done"], message.values["of"])
                continue
            if message.kind == "failure":
                kind = getattr(errors, message.values["error"], HistoloomError)
                raise cast("HistoloomError", kind(message.values["sentence"]))
            return message
        return None


def _with_tissue(layout: Layout, pixels: NDArray[np.uint8]) -> Layout:
    """Return a layout with what lies between its nuclei, without which glass and stroma would be woven alike."""
    return layout.with_tissue_map(tile_tissue_map(layout, Tile.from_array(pixels, layout.pixel_size)))


def known_segmenters() -> list[tuple[Path, BundleHeader]]:
    """Return files and headers of the segmenters that can be used; that called ``nuclei`` is the first."""
    known = [(entry.path, entry.header) for entry in known_bundles("segmenter") if entry.header is not None]
    return sorted(known, key=lambda each: each[0].stem != _HOUSE_SEGMENTER)


_CREATION_FLAGS = 0
if sys.platform == "win32":
    _CREATION_FLAGS = subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
