from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from layout_strategies import QUICK, label_maps, layouts
from shapely.geometry import shape as shapely_shape

from histoloom.errors import LayoutError
from histoloom.layouts import (
    Layout,
    Nucleus,
    Outline,
    layout_from_coco,
    layout_from_geojson,
    layout_to_coco,
    layout_to_geojson,
)
from histoloom.layouts.nested_rings import even_odd_polygons


@QUICK
@given(layouts())
def test_a_layout_comes_back_from_geojson_exactly(layout):
    text = json.dumps(layout_to_geojson(layout))
    assert layout_from_geojson(json.loads(text)).equals(layout)


@QUICK
@given(label_maps)
def test_polygons_of_a_traced_map_are_valid_and_have_its_areas(label_map):
    for feature in layout_to_geojson(Layout.from_label_map(label_map))["features"]:
        geometry = shapely_shape(feature["geometry"])
        assert geometry.area == (label_map == int(feature["properties"]["name"])).sum()
        assert geometry.is_valid or geometry.buffer(0).area == geometry.area


@QUICK
@given(label_maps)
def test_without_our_own_members_the_pixels_still_come_back(label_map):
    document = layout_to_geojson(Layout.from_label_map(label_map))
    for feature in document["features"]:
        del feature["properties"]["histoloom"]
    del document["histoloom"]
    if not document["features"]:
        return
    back = layout_from_geojson(document, label_map.shape)
    np.testing.assert_array_equal(back.rasterize(), label_map)


def test_coordinates_count_from_the_corner_of_the_first_pixel():
    layout = Layout.from_label_map(np.array([[0, 0, 0], [0, 4, 0]]))
    (feature,) = layout_to_geojson(layout)["features"]
    assert shapely_shape(feature["geometry"]).bounds == (1.0, 1.0, 2.0, 2.0)
    assert feature["properties"]["classification"] == {"name": "nucleus", "color": [240, 228, 66]}
    assert feature["properties"]["objectType"] == "annotation"


def test_an_edited_polygon_counts_more_than_the_rings_kept_beside_it():
    crossing = Outline([[(1.1, 1.1), (9.3, 9.2), (9.1, 1.4), (1.2, 9.9)], [(2.2, 2.1), (5.5, 5.7), (7.1, 2.2)]])
    document = layout_to_geojson(Layout.from_nuclei([Nucleus.create(1, crossing)], (20, 20)))
    document["features"][0]["geometry"] = {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 0]]]}
    assert layout_from_geojson(document).nuclei[1].outline.area == pytest.approx(8.0)


def test_a_hole_belongs_to_its_shell_and_an_island_in_it_is_a_shell():
    squares = [np.array([(a, a), (a, b), (b, b), (b, a)], float) for a, b in ((0, 20), (3, 17), (6, 14), (30, 40))]
    found = even_odd_polygons(Outline(squares))
    assert [len(rings) for rings in found] == [2, 1, 1]


QUPATH = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "id": "a1b2c3d4-0000-4000-8000-000000000000",
            "geometry": {
                "type": "Polygon",
                "coordinates": [
                    [[10, 10], [20, 10], [20, 20], [10, 20], [10, 10]],
                    [[13, 13], [16, 13], [16, 16], [13, 16], [13, 13]],
                ],
            },
            "properties": {"objectType": "annotation", "classification": {"name": "Tumor", "color": [200, 0, 0]}},
        },
        {
            "type": "Feature",
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [[[[30, 30], [34, 30], [34, 34], [30, 30]]], [[[40, 40], [44, 40], [44, 44], [40, 40]]]],
            },
            "properties": {"object_type": "detection", "classification": {"name": "Stroma", "colorRGB": -6895466}},
        },
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [[[1, 1, 0], [5, 1, 0], [5, 5, 0], [1, 1, 0]]]},
            "properties": {},
        },
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [[[50, 1], [55, 1], [55, 5], [50, 1]]]},
            "properties": {"classification": {"names": ["Immune cells", "Positive"], "color": [1, 2, 3]}},
        },
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [3, 3]}, "properties": None},
        {"type": "Feature", "geometry": None, "properties": None},
    ],
}


def test_qupaths_exports_are_read_with_holes_pieces_and_both_kinds_of_colour():
    layout = layout_from_geojson(QUPATH, (60, 60), 0.5)
    names = {key: nucleus.class_name for key, nucleus in layout.nuclei.items()}
    assert names == {1: "tumor", 2: "Stroma", 3: "nucleus", 4: "Immune cells: Positive"}
    colors = {each.name: each.color for each in layout.classes}
    assert colors["tumor"] == (200, 0, 0)
    assert colors["Stroma"] == (150, 200, 150)
    assert (layout.rasterize() == 1).sum() == 100 - 9
    assert len(layout.nuclei[2].outline.rings) == 2
    assert layout.provenance["skipped"] == 2
    assert layout.pixel_size == 0.5


def test_without_a_size_the_canvas_holds_all_polygons():
    layout = layout_from_geojson(QUPATH["features"])
    assert layout.shape == (44, 55)
    single = layout_from_geojson(QUPATH["features"][0])
    assert single.shape == (20, 20)


def test_objects_with_clashing_ids_all_come_in():
    document = layout_to_geojson(Layout.from_label_map(np.array([[1, 0, 2]])))
    document["features"] += json.loads(json.dumps(document["features"]))
    assert sorted(layout_from_geojson(document).nuclei) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"type": "Topology"}, "no GeoJSON features"),
        ([1, 2], "no GeoJSON features"),
        ("", r"cannot be opened|not readable"),
        ({"type": "FeatureCollection", "features": []}, "no polygons"),
        ({"type": "FeatureCollection", "features": [], "histoloom": {"schema_version": 7}}, "schema version 7"),
        (
            {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[["a", "b"], [1, 2], [3, 4]]]}},
            "coordinates",
        ),
        ({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": 5}}, "coordinates"),
    ],
)
def test_what_is_no_geojson_is_refused_in_a_sentence(document, sentence):
    with pytest.raises(LayoutError, match=sentence):
        layout_from_geojson(document)


@QUICK
@given(label_maps)
def test_a_label_map_comes_back_from_coco(label_map):
    layout = Layout.from_label_map(label_map)
    document = json.loads(json.dumps(layout_to_coco(layout, "tile.png")))
    back = layout_from_coco(document)
    np.testing.assert_array_equal(back.rasterize(), label_map)
    for annotation in document["annotations"]:
        mask = label_map == annotation["id"]
        x, y, width, height = annotation["bbox"]
        assert annotation["area"] == mask.sum() == mask[y : y + height, x : x + width].sum()


def test_coco_keeps_classes_and_chooses_the_image_by_name():
    nucleus = Nucleus.create(3, Outline.ellipse((10.0, 10.0), (4.0, 6.0)), "tumor")
    document = layout_to_coco(Layout.from_nuclei([nucleus], (20, 20)), "folder/tile_1.png")
    document["images"].append({"id": 2, "file_name": "tile_2.png", "height": 5, "width": 5})
    assert layout_from_coco(document, "tile_1.tif").nuclei[3].class_name == "tumor"
    assert layout_from_coco(document, 2).nuclei == {}
    with pytest.raises(LayoutError, match="holds 2 images"):
        layout_from_coco(document)
    with pytest.raises(LayoutError, match=r"no image 'other\.png'"):
        layout_from_coco(document, "other.png")


def with_segmentation(segmentation, **annotation):
    return {
        "images": [{"id": 7, "file_name": "a.png", "height": 4, "width": 5}],
        "categories": [{"id": 1, "name": "Tumor"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "segmentation": segmentation, **annotation}],
    }


def test_run_lengths_are_read_plain_and_compressed_down_the_columns():
    mask = np.zeros((4, 5), int)
    mask[1:3, 1:4] = 1
    mask[3, 2] = 1
    plain = {"size": [4, 5], "counts": [5, 2, 2, 3, 1, 2, 5]}
    # The same counts in COCO's compressed text: 5, 2, 2, then differences to the count two before: 1, -1, -1, 4.
    compressed = {"size": [4, 5], "counts": "5221OO4"}
    for segmentation in (plain, compressed):
        layout = layout_from_coco(with_segmentation(segmentation))
        np.testing.assert_array_equal(layout.rasterize(), mask)
        assert layout.nuclei[1].class_name == "tumor"


def test_parts_of_a_coco_polygon_that_overlap_are_joined_and_not_cancelled():
    square, shifted = [0, 0, 3, 0, 3, 3, 0, 3], [1, 1, 4, 1, 4, 4, 1, 4]
    layout = layout_from_coco(with_segmentation([square, shifted]))
    assert (layout.rasterize() == 1).sum() == 9 + 9 - 4


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "not COCO"),
        ({"images": []}, "not COCO"),
        (with_segmentation({"size": [4, 5], "counts": [3]}), "segmentation"),
        (with_segmentation({"size": [4, 5], "counts": "é"}), "segmentation"),
        (with_segmentation([[1, 2, 3]]), "segmentation"),
        ({"images": [{"id": 1, "file_name": "a", "height": 0, "width": 3}]}, "height and width"),
        ({"images": [{"id": 1, "file_name": "a"}]}, "lacks sizes"),
    ],
)
def test_what_is_no_coco_is_refused_in_a_sentence(document, sentence):
    with pytest.raises(LayoutError, match=sentence):
        layout_from_coco(document)
