from __future__ import annotations

import json
import os

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from layout_strategies import label_maps, layouts

from histoloom.errors import LayoutError, WriteError
from histoloom.layouts import (
    Layout,
    Nucleus,
    Outline,
    RandomLayoutRecipe,
    TissueMap,
    load_layout,
    load_layout_with_notes,
    random_layout,
    save_layout,
)
from histoloom.layouts.sidecar import sidecar_path

EACH_EXAMPLE_OVERWRITES = settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@pytest.fixture
def layout() -> Layout:
    drawn = random_layout(RandomLayoutRecipe(height=600, width=700, overlap_fraction=0.3, density=6000), 1)
    tissue = TissueMap(np.arange(6, dtype=np.uint8).reshape(2, 3) % 5, 300)
    return Layout(drawn.nuclei, drawn.shape, 0.5, drawn.classes, tissue, drawn.provenance)


@pytest.mark.parametrize("ending", [".tif", ".tiff", ".geojson"])
@EACH_EXAMPLE_OVERWRITES
@given(layouts())
def test_any_layout_comes_back_from_disk_exactly(tmp_path, ending, layout):
    path = save_layout(layout, tmp_path / f"layout{ending}")
    back, notes = load_layout_with_notes(path)
    assert back.equals(layout)
    assert notes == []


@pytest.mark.parametrize("ending", [".tif", ".geojson"])
def test_tissue_map_and_provenance_come_back(tmp_path, layout, ending):
    back = load_layout(save_layout(layout, tmp_path / f"a{ending}"))
    assert back.equals(layout)
    assert json.loads(json.dumps(dict(back.provenance))) == json.loads(json.dumps(dict(layout.provenance)))


@EACH_EXAMPLE_OVERWRITES
@given(label_maps)
def test_a_label_map_without_a_sidecar_is_read_as_it_is(tmp_path, label_map):
    path = tmp_path / "foreign.tif"
    tifffile.imwrite(path, label_map)
    if set(np.unique(label_map).tolist()) - {0} == {1}:
        return
    np.testing.assert_array_equal(load_layout(path).rasterize(), label_map)


def test_the_label_map_tells_its_pixel_size_and_what_it_is(tmp_path, layout):
    path = save_layout(layout, tmp_path / "a.tif")
    with tifffile.TiffFile(path) as tiff:
        assert "label map" in tiff.pages[0].description
        assert tiff.pages[0].is_tiled
        np.testing.assert_array_equal(tiff.asarray(), layout.rasterize())
    sidecar_path(path).unlink()
    alone = load_layout(path)
    assert alone.pixel_size == pytest.approx(0.5)
    assert "file_sha256" in alone.provenance
    np.testing.assert_array_equal(alone.rasterize(), layout.rasterize())


def test_a_mask_without_a_sidecar_is_split_into_nuclei_and_that_is_said(tmp_path):
    mask = np.zeros((30, 30), np.uint8)
    mask[2:9, 2:9] = mask[15:25, 15:25] = 255
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    layout, notes = load_layout_with_notes(tmp_path / "mask.tif")
    assert len(layout.nuclei) == 2
    assert "mask of 0 and 255" in notes[0]


def test_where_the_label_map_was_edited_elsewhere_it_is_right_and_the_table_keeps_the_rest(tmp_path, layout):
    path = save_layout(layout, tmp_path / "a.tif")
    label_map = layout.rasterize()
    visible = [key for key in layout.nuclei if (label_map == key).sum() > 60]
    erased, grown = visible[3], visible[7]
    label_map[label_map == erased] = 0
    rows, columns = np.nonzero(label_map == grown)
    label_map[rows.min() : rows.max() + 3, columns.min() : columns.max() + 1] = grown
    label_map[0:9, 0:9] = 7777
    tifffile.imwrite(path, label_map)
    back, notes = load_layout_with_notes(path)
    np.testing.assert_array_equal(back.rasterize(), label_map)
    assert "edited by another program" in notes[0]
    assert erased not in back.nuclei
    assert back.nuclei[grown].texture_seed == layout.nuclei[grown].texture_seed
    assert back.nuclei[grown].anchor == layout.nuclei[grown].anchor
    assert 7777 in back.nuclei
    kept = [key for key in layout.nuclei if back.nuclei.get(key) == layout.nuclei[key]]
    assert len(kept) > 0.9 * len(layout.nuclei)
    assert back.tissue_map is not None


@EACH_EXAMPLE_OVERWRITES
@given(layouts(), label_maps)
def test_whatever_the_label_map_was_changed_to_is_what_loads(tmp_path, layout, label_map):
    path = save_layout(layout, tmp_path / "a.tif")
    tifffile.imwrite(path, label_map)
    np.testing.assert_array_equal(load_layout(path).rasterize(), label_map)


def test_a_label_map_of_another_size_than_its_sidecar_is_read_alone_and_that_is_said(tmp_path, layout):
    path = save_layout(layout, tmp_path / "a.tif")
    tifffile.imwrite(path, layout.rasterize()[:300])
    back, notes = load_layout_with_notes(path)
    assert back.shape == (300, 700)
    assert "now 300 x 700" in notes[0]


def test_a_geojson_edited_elsewhere_keeps_what_only_the_sidecar_knows(tmp_path, layout):
    path = save_layout(layout, tmp_path / "a.geojson")
    document = json.loads(path.read_text())
    first, second = document["features"][0], document["features"][1]
    for feature in document["features"]:
        del feature["properties"]["histoloom"]
    first["properties"]["classification"] = {"name": "Tumor", "color": [200, 0, 0]}
    del document["features"][2]
    del document["histoloom"]
    path.write_text(json.dumps(document))
    back, notes = load_layout_with_notes(path)
    key, other = int(first["properties"]["name"]), int(second["properties"]["name"])
    assert back.nuclei[key].class_name == "tumor"
    assert back.nuclei[key].texture_seed == layout.nuclei[key].texture_seed
    assert back.nuclei[other] == layout.nuclei[other]
    assert len(back.nuclei) == len(layout.nuclei) - 1
    assert back.tissue_map is not None
    assert "2 nuclei changed" in notes[0]


def test_equal_layouts_are_written_as_equal_bytes(tmp_path, layout):
    for ending in (".tif", ".geojson"):
        first, second = save_layout(layout, tmp_path / f"a{ending}"), save_layout(layout, tmp_path / f"b{ending}")
        assert first.read_bytes() == second.read_bytes()
        assert sidecar_path(first).read_bytes() == sidecar_path(second).read_bytes()


def damaged_tiff(tmp_path, layout):
    path = save_layout(layout, tmp_path / "a.tif")
    path.write_bytes(path.read_bytes()[:-2000])
    return path


def empty_file(tmp_path, _layout):
    (tmp_path / "a.tif").touch()
    return tmp_path / "a.tif"


def text_called_tiff(tmp_path, _layout):
    (tmp_path / "a.tif").write_text("no picture")
    return tmp_path / "a.tif"


def damaged_geojson(tmp_path, layout):
    path = save_layout(layout, tmp_path / "a.geojson")
    path.write_text(path.read_text()[:-50])
    return path


def damaged_sidecar(tmp_path, layout):
    path = save_layout(layout, tmp_path / "a.tif")
    sidecar_path(path).write_text(sidecar_path(path).read_text()[:-50])
    return path


def newer_sidecar(tmp_path, layout):
    path = save_layout(layout, tmp_path / "a.tif")
    sidecar_path(path).write_text(json.dumps({"format": "histoloom layout", "schema_version": 99}))
    return path


def foreign_sidecar(tmp_path, layout):
    path = save_layout(layout, tmp_path / "a.tif")
    sidecar_path(path).write_text("[1, 2]")
    return path


def sidecar_without_columns(tmp_path, layout):
    path = save_layout(layout, tmp_path / "a.tif")
    document = json.loads(sidecar_path(path).read_text())
    document["nuclei"]["anchor"].pop()
    sidecar_path(path).write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (damaged_tiff, "not a readable TIFF"),
        (empty_file, "not a readable TIFF"),
        (text_called_tiff, "not a readable TIFF"),
        (damaged_geojson, "not readable GeoJSON"),
        (damaged_sidecar, "damaged or cut short"),
        (newer_sidecar, "schema version 99"),
        (foreign_sidecar, "not a histoloom layout"),
        (sidecar_without_columns, "damaged or cut short"),
        (lambda folder, _: folder / "absent.tif", "not there"),
        (lambda folder, _: folder, "is a folder"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(tmp_path, layout, make, sentence):
    path = make(tmp_path, layout)
    with pytest.raises(LayoutError, match=sentence) as refusal:
        load_layout(path)
    assert str(tmp_path) not in str(refusal.value)


def test_an_ending_that_means_no_layout_is_refused(tmp_path, layout):
    (tmp_path / "a.xyz").touch()
    with pytest.raises(LayoutError, match="not a layout by its ending"):
        load_layout(tmp_path / "a.xyz")
    for name in ("a.png", "a.layout.json", "a"):
        with pytest.raises(LayoutError, match=r"\.tif or \.geojson"):
            save_layout(layout, tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no such permissions")
def test_a_place_that_cannot_be_written_is_said_and_nothing_is_left_there(tmp_path, layout):
    blocker = tmp_path / "blocker"
    blocker.write_text("a file where a folder should be")
    for ending in (".tif", ".geojson"):
        with pytest.raises(WriteError, match="cannot be written"):
            save_layout(layout, blocker / f"a{ending}")
    assert [path.name for path in tmp_path.iterdir()] == ["blocker"]


def test_a_save_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path, layout, monkeypatch):
    path = save_layout(layout, tmp_path / "a.tif")
    before = path.read_bytes()

    def fail(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", fail)
    with pytest.raises(WriteError, match="No space left"):
        save_layout(Layout.empty((9, 9)), path)
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.layout.json", "a.tif"]


def test_a_canvas_too_large_for_a_label_map_is_refused_before_anything_is_written(tmp_path):
    nucleus = Nucleus.create(1, Outline.ellipse((5.0, 5.0), (3.0, 3.0)))
    huge = Layout.from_nuclei([nucleus], (100_000, 100_000))
    with pytest.raises(LayoutError, match=r"save the layout as \.geojson"):
        save_layout(huge, tmp_path / "a.tif")
    assert not list(tmp_path.iterdir())
    assert load_layout(save_layout(huge, tmp_path / "a.geojson")).equals(huge)


@pytest.mark.realdata
def test_real_label_maps_come_back_pixel_for_pixel(shared_data, tmp_path):
    for path in sorted((shared_data / "consep_train" / "labels").glob("*.tif"))[:3]:
        label_map = tifffile.imread(path)
        layout = Layout.from_label_map(label_map)
        np.testing.assert_array_equal(layout.rasterize(), label_map)
        back = load_layout(save_layout(layout, tmp_path / path.name))
        assert back.equals(layout)
