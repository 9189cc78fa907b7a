"""A segmenter of a bundle: pictures of any size, seams, other pixel sizes, and what it cannot be used for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from histoloom.cli import main
from histoloom.errors import BundleError, SegmenterError
from histoloom.layouts.files import load_layout, save_layout
from histoloom.models import Bundle, BundleHeader, save_bundle
from histoloom.segmenters import segmenter as segmenter_module
from histoloom.segmenters import tiling
from histoloom.segmenters.contract import OutputName, SegmenterNetwork
from histoloom.segmenters.folding import fold_norms
from histoloom.segmenters.nucleus_maps import offset_maps
from histoloom.segmenters.registry import build_segmenter, register_architecture
from histoloom.segmenters.seams import blocks_of
from histoloom.segmenters.segmenter import Segmenter
from histoloom.segmenters.tiling import predicted_maps
from histoloom.window import Window

register_architecture("dark", f"{__name__}:DarkPixels")


class DarkPixels(SegmenterNetwork):
    """Takes what absorbs much for nuclei, of class 2 on the left of a window and of class 1 on its right."""

    name = "dark"
    title = "Dark pixels"
    outputs: tuple[OutputName, ...] = ("classes",)

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.slope = torch.nn.Parameter(torch.tensor(20.0))

    def predict(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        dark = -x.mean(1, keepdim=True) * self.slope
        return {"classes": torch.cat([-dark, dark, dark + 1][: self.classes + 1], 1)}

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def bundle_of(name: str = "dark", classes: tuple[str, ...] = ("nucleus",), **changes: object) -> Bundle:
    recipe: dict[str, object] = {"architecture": name, "width": 0 if name == "dark" else 4}
    network = build_segmenter(name, len(classes), {"width": 4} if name != "dark" else None)
    weights = {key: each.numpy() for key, each in network.state_dict().items()}
    values = {
        "kind": "segmenter", "system": "segmenter", "recipe": recipe, "classes": classes, "pixel_size": 0.25,
        "normalization": "running statistics", **changes,
    }  # fmt: skip
    return Bundle(BundleHeader(**values), weights)  # type: ignore[arg-type]


def dark_segmenter(**changes: object) -> Segmenter:
    return Segmenter(bundle_of(**changes), "dark.safetensors")  # type: ignore[arg-type]


def picture_of(label_map: NDArray[np.int32]) -> NDArray[np.uint8]:
    return np.where(label_map[..., None] > 0, [60, 40, 90], [235, 215, 230]).astype(np.uint8)


def nuclei_in_rows(shape: tuple[int, int]) -> NDArray[np.int32]:
    rows, columns = np.indices(shape)
    inside = ((rows % 40 - 20) ** 2 + (columns % 40 - 20) ** 2) < 12**2
    numbers = rows // 40 * -(-shape[1] // 40) + columns // 40 + 1
    return np.where(inside, numbers, 0).astype(np.int32)


def same_partition(one: NDArray[np.int32], other: NDArray[np.int32]) -> bool:
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


def test_nuclei_are_found_where_they_are_with_class_and_probability() -> None:
    label_map = nuclei_in_rows((80, 120))
    found = dark_segmenter(classes=("epithelial", "inflammatory")).segment(picture_of(label_map), 0.25)
    np.testing.assert_array_equal(found.label_map > 0, label_map > 0)
    assert (found.probability[1:] > 0.99).all()
    assert {found.classes[each] for each in found.class_of[1:]} == {"inflammatory"}
    layout = found.layout({"segmenter": "dark"})
    np.testing.assert_array_equal(layout.rasterize(), found.label_map)
    assert layout.nuclei[1].class_name == "inflammatory"


@pytest.mark.parametrize("shape", [(20, 700), (1000, 33), (641, 642), (1300, 64)])
def test_weights_of_windows_sum_to_one(shape: tuple[int, int]) -> None:
    total = np.zeros(shape)
    for window, weights in tiling._windows(shape):
        assert Window.of_shape(shape).contains(window)
        assert max(window.shape) <= tiling._MOST_SIDE
        total[window.slices] += weights
    np.testing.assert_allclose(total, 1.0, atol=1e-5)


def test_tiled_equals_whole_away_from_the_border(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 416, 3), np.uint8)
    network = build_segmenter("hover-unet", 2, {"width": 4}).eval()
    whole = predicted_maps(network, picture)
    monkeypatch.setattr(tiling, "_MOST_SIDE", 288)
    monkeypatch.setattr(tiling, "_OVERLAP", 128)
    tiled = predicted_maps(network, picture)
    assert whole.keys() == tiled.keys() == {"nucleus", "classes", "offsets"}
    for name, each in whole.items():
        np.testing.assert_allclose(tiled[name], each, atol=1e-2)


def test_turned_and_mirrored_forms_of_offsets_mean_the_same() -> None:
    class Offsets(SegmenterNetwork):
        name = title = "offsets of what it sees"
        outputs: tuple[OutputName, ...] = ("nucleus", "offsets")

        def predict(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            labels = (x[:, 0] < -1).numpy().astype(np.int32)
            maps = torch.from_numpy(np.stack([offset_maps(each) for each in labels]))
            return {"nucleus": torch.from_numpy(labels)[:, None].float() * 20 - 10, "offsets": maps}

        def encode(self, x: torch.Tensor) -> torch.Tensor:
            return x

    network = Offsets(1)
    network.weight = torch.nn.Parameter(torch.zeros(1))
    label_map = np.zeros((48, 48), np.int32)
    label_map[10:31, 8:35] = 1
    label_map[24:31, 8:20] = 0
    once, averaged = (predicted_maps(network, picture_of(label_map), augmented=each) for each in (False, True))
    # Centres are rounded to pixels, to another one in a mirrored picture.
    np.testing.assert_allclose(averaged["offsets"], once["offsets"], atol=0.12)
    np.testing.assert_allclose(averaged["nucleus"], once["nucleus"], atol=1e-5)


def test_nuclei_on_seams_are_found_once_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = picture_of(nuclei_in_rows((330, 410)))
    segmenter = dark_segmenter()
    whole = segmenter.segment(picture, 0.25)
    monkeypatch.setattr(segmenter_module, "_MOST_BLOCK", 100)
    told: list[tuple[int, int]] = []
    blocks = segmenter.segment(picture, 0.25, on_block=lambda done, of: told.append((done, of)))
    assert told[-1] == (20, 20)
    assert whole.count == blocks.count
    assert same_partition(whole.label_map, blocks.label_map)
    assert (blocks.probability[1:] > 0.9).all()


def test_blocks_cover_the_picture_once() -> None:
    covered = np.zeros((230, 101), int)
    for core, outer in blocks_of((230, 101), 64, 10):
        covered[core.slices] += 1
        assert outer.contains(core)
        assert Window.of_shape(covered.shape).contains(outer)
    assert (covered == 1).all()


def test_a_picture_of_another_pixel_size_is_rescaled_and_that_is_said() -> None:
    label_map = nuclei_in_rows((120, 160))
    small = label_map[::2, ::2]
    found = dark_segmenter().segment(picture_of(small), 0.5)
    assert found.label_map.shape == small.shape
    assert found.count == len(np.unique(small)) - 1
    assert "0.5 µm per pixel" in found.notes[0]
    assert "enlarged 2 times" in found.notes[0]
    assert dark_segmenter().segment(picture_of(label_map), 0.255).notes == ()
    assert "0.25 µm, was assumed" in dark_segmenter().segment(picture_of(label_map)).notes[0]


def test_tiny_and_empty_pictures_have_their_size() -> None:
    blank = np.full((7, 50, 3), 240, np.uint8)
    found = dark_segmenter().segment(blank, 0.25)
    assert found.label_map.shape == (7, 50)
    assert found.count == 0
    assert found.layout().nuclei == {}


def test_folded_norms_give_the_same_numbers() -> None:
    network = build_segmenter("hover-unet", 2, {"width": 4})
    picture = torch.rand(2, 3, 48, 48)
    network(picture)
    network.eval()
    with torch.no_grad():
        before = network(picture)
        fold_norms(network)
        after = network(picture)
    assert not [each for each in network.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    for name, each in before.items():
        torch.testing.assert_close(after[name], each, atol=1e-4, rtol=1e-4)


def test_what_cannot_be_segmented_is_said() -> None:
    with pytest.raises(SegmenterError, match="RGB uint8"):
        dark_segmenter().segment(np.zeros((40, 40), np.uint8))
    with pytest.raises(SegmenterError, match="too far apart to rescale"):
        dark_segmenter().segment(np.zeros((40, 40, 3), np.uint8), 3.0)


def test_bundles_that_are_no_use_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "dark.safetensors"
    save_bundle(bundle_of(), path)
    assert Segmenter.load(path, classes=["nucleus"]).classes == ("nucleus",)
    with pytest.raises(BundleError, match="does not know the class 'epithelial'"):
        Segmenter.load(path, classes=["epithelial"])
    with pytest.raises(BundleError, match="There is no segmenter called 'nothing'"):
        Segmenter.load("nothing")
    with pytest.raises(BundleError, match="holds a generator and not a segmenter"):
        Segmenter(bundle_of(kind="generator"), "dark")
    with pytest.raises(BundleError, match="which this version cannot segment with"):
        Segmenter(bundle_of(system="other"), "dark")
    with pytest.raises(BundleError, match="not those that its recipe tells of"):
        Segmenter(bundle_of(recipe={"architecture": "unet", "width": 4}), "dark")


def test_the_command_writes_labels_and_polygons_and_goes_on_after_a_bad_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    label_map = nuclei_in_rows((80, 120))
    Image.fromarray(picture_of(label_map)).save(tmp_path / "tile.png")
    (tmp_path / "bad.png").write_text("no picture")
    path = tmp_path / "dark.safetensors"
    save_bundle(bundle_of(), path)
    images = [str(tmp_path / name) for name in ("bad.png", "tile.png")]
    assert main(["segment", *images, "--segmenter", str(path), "-o", str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    assert "1 segmented, 1 failed" in said.out
    assert "bad.png: " in said.err
    assert "6 nuclei" in said.err
    labels, polygons = (load_layout(tmp_path / "out" / each) for each in ("tile_labels.tif", "tile.geojson"))
    np.testing.assert_array_equal(labels.rasterize() > 0, label_map > 0)
    assert len(labels.nuclei) == len(polygons.nuclei) == 6
    assert labels.provenance["segmenter"] == "dark.safetensors"
    assert not (tmp_path / "out" / "tile_probability.tif").exists()
    assert main(["segment", images[1], "--segmenter", str(path), "-o", str(tmp_path / "out"), "--probability"]) == 0
    capsys.readouterr()
    found = [str(tmp_path / "out" / f"tile_{each}.tif") for each in ("labels", "probability")]
    assert main(["score", found[0], found[0], "--probability", found[1], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["auroc"] == 1.0
    coarse = ["--pixel-size", "0.5", "--segmenter", str(path), "-o", str(tmp_path / "coarse")]
    assert main(["segment", images[1], *coarse]) == 0
    assert (
        "tile.png: The picture has 0.5 µm per pixel and 'dark.safetensors' was trained at 0.25, so it was enlarged 2"
    ) in capsys.readouterr().err
    assert load_layout(tmp_path / "coarse" / "tile_labels.tif").shape == label_map.shape
    assert main(["segment", images[1], "--pixel-size", "4", *coarse[2:]]) == 1
    assert "too far apart to rescale" in capsys.readouterr().err
    assert main(["segment", *images, str(tmp_path / "other" / "tile.tif"), "-o", str(tmp_path)]) == 1
    assert "Two pictures are called 'tile'" in capsys.readouterr().err


def test_labels_that_no_segmenter_has_found_are_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    Image.fromarray(picture_of(nuclei_in_rows((80, 120)))).save(tmp_path / "tile.png")
    path = tmp_path / "dark.safetensors"
    save_bundle(bundle_of(), path)
    line = ["segment", str(tmp_path / "tile.png"), "--segmenter", str(path), "-o", str(tmp_path)]
    assert main(line) == 0
    assert main(line) == 0, "what was found before is replaced"
    drawn = load_layout(tmp_path / "tile_labels.tif")
    save_layout(replace(drawn, provenance={}), tmp_path / "tile_labels.tif")
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    assert main(line) == 1
    assert "'tile_labels.tif' is in" in capsys.readouterr().err
    (tmp_path / "tile_labels.layout.json").write_text("damaged")
    (tmp_path / "tile_labels.tif").unlink()
    assert main(line) == 1
    assert "'tile_labels.layout.json' is in" in capsys.readouterr().err
    assert (tmp_path / "tile.geojson").read_bytes() == before["tile.geojson"]
