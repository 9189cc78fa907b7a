"""Nuclei of a tile, found in a process of its own that can be stopped and can die."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil
import pytest

from dark_segmenter import dark_segmenter
from histoloom.errors import SegmenterError, Stopped, TileError
from histoloom.jobs.nuclei_search import NucleiSearch, known_segmenters
from histoloom.models import shipped
from histoloom.tiles.tile import Tile
from histoloom.tiles.tissue import BLANK
from small_bundles import small_bundle


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dark_segmenter(tmp_path_factory.mktemp("segmenter") / "dark.safetensors")


def spotted_tile(pixel_size: float | None = 0.5, radius: float = 8.0) -> Tile:
    """Return two dark discs, the right one very dark."""
    rows, columns = np.indices((64, 96))
    picture = np.full((64, 96, 3), (235, 215, 230), np.uint8)
    for x, color in ((24, (110, 70, 150)), (70, (40, 30, 80))):
        picture[(rows - 32) ** 2 + (columns - x) ** 2 < radius**2] = color
    return Tile.from_array(picture, pixel_size, file_sha256="1234")


def children() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "nuclei_worker" in " ".join(each.cmdline())]


def test_nuclei_come_with_class_origin_and_what_was_done_on_the_way(segmenter: Path) -> None:
    told: list[tuple[int, int]] = []
    found = NucleiSearch(spotted_tile(), segmenter, 0.25, lambda done, of: told.append((done, of))).run()
    layout = found.layout
    assert [each.class_name for each in layout.nuclei.values()] == ["epithelial", "inflammatory"]
    assert layout.pixel_size == 0.5
    assert layout.provenance["file_sha256"] == "1234"
    assert layout.provenance["segmenter"] == "dark.safetensors"
    np.testing.assert_array_equal(found.label_map, layout.rasterize())
    assert found.label_map.shape == (64, 96)
    assert 150 < (found.label_map == 1).sum() < 260
    assert "0.5 µm per pixel and 'dark.safetensors' was trained at 0.25" in found.notes[0]
    assert "enlarged 2 times" in found.notes[0]
    assert told == [(0, 0), (0, 1), (1, 1)]
    assert not children()


def test_what_lies_between_the_nuclei_is_that_of_the_tile(segmenter: Path) -> None:
    half_glass = np.full((64, 96, 3), 250, np.uint8)
    half_glass[:, 48:] = (215, 130, 180)
    half_glass[28:36, 70:78] = (40, 30, 80)
    tissue = NucleiSearch(Tile.from_array(half_glass, 0.5), segmenter, 0.25).run().layout.tissue_map
    assert tissue is not None
    columns = np.arange(tissue.values.shape[1]) * tissue.cell_size
    assert (tissue.values[:, columns < 32] == BLANK).all()
    assert (tissue.values[:, columns > 56] != BLANK).all()


def test_what_the_segmenter_refuses_arrives_as_its_sentence(segmenter: Path) -> None:
    with pytest.raises(SegmenterError, match="too far apart to rescale"):
        NucleiSearch(spotted_tile(pixel_size=4.0), segmenter, 0.25).run()


def test_a_stopped_search_leaves_no_process_behind(segmenter: Path) -> None:
    search = NucleiSearch(spotted_tile(), segmenter, 0.25, lambda _done, _of: search.stop())
    with pytest.raises(Stopped, match="nothing was changed"):
        search.run()
    assert not children()
    with pytest.raises(Stopped):
        search.run()


def test_a_process_that_dies_is_told_of(segmenter: Path) -> None:
    search = NucleiSearch(spotted_tile(), segmenter, 0.25, lambda _done, _of: [each.kill() for each in children()])
    with pytest.raises(SegmenterError, match="looks for nuclei died"):
        search.run()


def test_a_tile_whose_file_was_closed_is_told_of(segmenter: Path) -> None:
    class Closed:
        shape, ndim, dtype = (64, 96, 3), 3, np.dtype(np.uint8)

        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise ValueError("seek of closed file")

    with pytest.raises(TileError, match=r"cannot be read any more \(seek of closed file\); open it again"):
        NucleiSearch(Tile((Closed(),)), segmenter, 0.25).run()


def test_only_segmenters_that_can_be_used_are_known_the_house_one_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HISTOLOOM_MODELS", str(tmp_path))
    assert [path.stem for path, _ in known_segmenters()] == ["nuclei"]
    monkeypatch.setattr(shipped, "shipped_folder", lambda: tmp_path / "shipped")
    assert known_segmenters() == []
    small_bundle(tmp_path / "generator.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    for name in ("dark", "nuclei"):
        dark_segmenter(tmp_path / f"{name}.safetensors")
    assert [path.stem for path, _ in known_segmenters()] == ["nuclei", "dark"]
