import csv
import json

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from histoloom.errors import HistoloomError, LayoutError, TileError
from histoloom.layouts import Layout
from histoloom.layouts.tile_folders import TileFolder, TilePair, open_tile_folder

SHAPE = (70, 90)
SQUARES = np.zeros(SHAPE, np.int32)
SQUARES[5:15, 5:20] = 1
SQUARES[5:15, 20:30] = 2
SQUARES[40:60, 50:70] = 5


def write_image(path, shape=SHAPE):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)).save(path)


def write_labels(path, label_map=SQUARES):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, label_map)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, label_map.astype(np.uint16))
    else:
        Image.fromarray(label_map.astype(np.uint8)).save(path)


@pytest.mark.parametrize(
    ("image", "label", "said"),
    [
        ("images/a.png", "labels/a.tif", "label maps (TIFF)"),
        ("Images/a.png", "Labels/a.npy", "label maps (NPY)"),
        ("Tissue Images/a.tif", "masks/a.png", "label maps (PNG)"),
        ("images/a.png", "labels/a_label.tif", "label maps (TIFF)"),
        ("a.bmp", "a_anno.bmp", "label maps (GlaS _anno.bmp)"),
        ("a.png", "a_labels.tif", "label maps (TIFF)"),
        ("a.png", "a.npy", "label maps (NPY)"),
        ("a.png", "labels/a.tif", "label maps (TIFF)"),
    ],
)
def test_pictures_and_label_maps_are_paired_by_name(tmp_path, image, label, said):
    write_image(tmp_path / image)
    write_labels(tmp_path / label)
    folder = open_tile_folder(tmp_path)
    assert folder.description == f"1 tile with {said}"
    assert folder.ids == ("a",)
    tile, layout = folder.open("a")
    assert tile.shape == SHAPE
    assert np.array_equal(layout.rasterize(), SQUARES)
    assert folder.pairs[0].image_path == tmp_path / image
    assert folder.pairs[0].label_path == tmp_path / label


def test_classes_come_from_types_beside_the_labels_by_number_or_name(tmp_path):
    for name, types in {"a": {"1": 2, "2": 3, "5": 9}, "b": {"1": "Mitosis"}}.items():
        write_image(tmp_path / "images" / f"{name}.png")
        write_labels(tmp_path / "labels" / f"{name}.tif")
        (tmp_path / "types").mkdir(exist_ok=True)
        (tmp_path / "types" / f"{name}.json").write_text(json.dumps(types))
    folder = open_tile_folder(tmp_path)
    assert folder.description == "2 tiles with label maps (TIFF), classes from JSON"
    assert _classes(folder.open("a")[1]) == {1: "inflammatory", 2: "epithelial", 5: "class 9"}
    assert _classes(folder.open("b")[1]) == {1: "Mitosis", 2: "nucleus", 5: "nucleus"}
    named = open_tile_folder(tmp_path, class_names={2: "plasma cell", 3: "x", 9: "y"})
    assert _classes(named.open("a")[1]) == {1: "plasma cell", 2: "x", 5: "y"}


def _classes(layout):
    return {id_: nucleus.class_name for id_, nucleus in layout.nuclei.items()}


@pytest.mark.parametrize("form", ["none", "inst_type", "type_map"])
def test_hovernet_files_give_instances_and_types(tmp_path, form):
    write_image(tmp_path / "Images" / "train_1.png")
    values = {"inst_map": SQUARES.astype(np.float64)}
    if form == "inst_type":
        values["inst_type"] = np.array([[2], [5], [4]])
    elif form == "type_map":
        types = np.zeros(SHAPE)
        types[SQUARES == 1], types[SQUARES == 2], types[SQUARES == 5] = 2, 5, 4
        types[5, 5] = 7
        values["type_map"] = types
    (tmp_path / "Labels").mkdir()
    savemat(tmp_path / "Labels" / "train_1.mat", values)
    folder = open_tile_folder(tmp_path)
    assert folder.description == "1 tile with HoVer-Net labels (MAT)"
    layout = folder.open("train_1")[1]
    assert np.array_equal(layout.rasterize(), SQUARES)
    expected = dict.fromkeys((1, 2, 5), "nucleus") if form == "none" else {1: "inflammatory", 2: "spindle", 5: "tumor"}
    assert _classes(layout) == expected


REGION = '<Region NegativeROA="{}"><Vertices>{}</Vertices></Region>'


def region(points, negative=0):
    return REGION.format(negative, "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in points))


def write_xml(path, *regions, name=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    attributes = f'<Attributes><Attribute Name="{name}"/></Attributes>'
    path.write_text(
        f"<Annotations><Annotation>{attributes}<Regions>{''.join(regions)}</Regions></Annotation></Annotations>"
    )


def test_monuseg_outlines_stay_whole_where_they_overlap(tmp_path):
    write_image(tmp_path / "Tissue Images" / "TCGA-18-5592-01Z-00-DX1.png")
    write_xml(
        tmp_path / "Annotations" / "TCGA-18-5592-01Z-00-DX1.xml",
        region([(10, 10), (30, 10), (30, 20), (10, 20), (10, 10)]),
        region([(20, 10), (40, 10), (40, 20), (20, 20)]),
        region([(24, 12), (36, 12), (36, 18), (24, 18)], negative=1),
        region([(1, 1), (2, 2)]),
        name="Epithelial",
    )
    folder = open_tile_folder(tmp_path)
    assert folder.description == "1 tile with ImageScope outlines (XML, as MoNuSeg), 1 patient from TCGA barcodes"
    layout = folder.open(folder.ids[0])[1]
    first, second = (layout.nuclei[id_].outline.mask(layout.window) for id_ in (1, 2))
    expected = np.zeros(SHAPE, bool)
    expected[10:20, 10:30] = True
    assert np.array_equal(first, expected)
    assert second.sum() == 20 * 10 - 12 * 6
    assert len(layout.nuclei) == 2
    assert _classes(layout)[1] == "epithelial"


def test_data_science_bowl_masks_become_one_layout(tmp_path):
    for name in ("00ae", "01bf"):
        write_image(tmp_path / name / "images" / f"{name}.png")
        for label in (1, 2, 5):
            write_labels(tmp_path / name / "masks" / f"{label}.png", (label == SQUARES) * 255)
    folder = open_tile_folder(tmp_path)
    assert folder.description == "2 tiles with one mask for each nucleus (Data Science Bowl)"
    assert np.array_equal(folder.open("01bf")[1].rasterize() > 0, SQUARES > 0)
    assert sorted(folder.open("01bf")[1].nuclei) == [1, 2, 3]
    assert open_tile_folder(tmp_path / "00ae").ids == ("00ae",)


def test_a_mask_of_0_and_255_is_taken_apart_into_connected_pieces(tmp_path):
    write_image(tmp_path / "images" / "a.png")
    write_labels(tmp_path / "masks" / "a.png", (SQUARES > 0) * 255)
    layout = open_tile_folder(tmp_path).open("a")[1]
    assert len(layout.nuclei) == 2
    assert np.array_equal(layout.rasterize() > 0, SQUARES > 0)


def test_the_indices_of_a_palette_picture_are_its_labels(tmp_path):
    write_image(tmp_path / "images" / "a.png")
    palette = Image.fromarray(SQUARES.astype(np.uint8))
    palette.putpalette(list(range(200, 215)) + [0] * 753)
    (tmp_path / "labels").mkdir()
    palette.save(tmp_path / "labels" / "a.png")
    assert np.array_equal(open_tile_folder(tmp_path).open("a")[1].rasterize(), SQUARES)


def test_pixel_size_of_the_folder_holds_for_tile_and_layout(tmp_path):
    write_image(tmp_path / "images" / "a.png")
    write_labels(tmp_path / "labels" / "a.tif")
    tile, layout = open_tile_folder(tmp_path, 0.5).open("a")
    assert (tile.pixel_size, layout.pixel_size) == (0.5, 0.5)


def test_pictures_without_labels_open_beside_those_with(tmp_path):
    for name in "ab":
        write_image(tmp_path / "images" / f"{name}.png")
    write_labels(tmp_path / "labels" / "a.tif")
    folder = open_tile_folder(tmp_path)
    assert folder.description == "2 tiles, 1 with label maps (TIFF), 1 without labels"
    assert folder.open("b")[1] is None
    assert folder.open("a")[1] is not None


def test_a_picture_named_like_labels_is_a_picture_unless_it_can_be_labels(tmp_path):
    write_image(tmp_path / "face_mask.png")
    assert open_tile_folder(tmp_path, labels_required=False).ids == ("face_mask",)


def test_qupath_outlines_open_with_their_classes(tmp_path):
    write_image(tmp_path / "images" / "a.png")
    ring = [[10, 10], [30, 10], [30, 20], [10, 20], [10, 10]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"objectType": "detection", "classification": {"name": "Tumor", "color": [200, 0, 0]}},
    }
    (tmp_path / "annotations").mkdir()
    text = json.dumps({"type": "FeatureCollection", "features": [feature]})
    (tmp_path / "annotations" / "a.geojson").write_text(text)
    folder = open_tile_folder(tmp_path)
    assert folder.description == "1 tile with QuPath outlines (GeoJSON)"
    layout = folder.open("a")[1]
    assert layout.shape == SHAPE
    assert layout.rasterize()[10:20, 10:30].all()
    assert (layout.rasterize() > 0).sum() == 200
    assert _classes(layout)[1].lower() == "tumor"


def write_coco(path, size=SHAPE):
    segmentation = [[10, 10, 30, 10, 30, 20, 10, 20]]
    document = {
        "images": [
            {"id": index, "file_name": f"images/{name}.png", "height": size[0], "width": size[1]}
            for index, name in enumerate("ab")
        ],
        "annotations": [{"id": 9, "image_id": 1, "category_id": 4, "segmentation": segmentation, "iscrowd": 0}],
        "categories": [{"id": 4, "name": "plasma"}],
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))


def test_one_coco_file_labels_all_the_pictures_that_it_lists(tmp_path):
    for name in "abc":
        write_image(tmp_path / "images" / f"{name}.png")
    write_coco(tmp_path / "annotations" / "instances.json")
    folder = open_tile_folder(tmp_path)
    assert folder.description == "3 tiles, 2 with outlines (COCO JSON), 1 without labels"
    assert not folder.open("a")[1].nuclei
    assert list(_classes(folder.open("b")[1]).values()) == ["plasma"]
    assert (folder.open("b")[1].rasterize() > 0).sum() == 200
    assert folder.open("c")[1] is None


def test_a_coco_file_that_lists_another_size_or_is_damaged_is_refused(tmp_path):
    write_image(tmp_path / "images" / "a.png")
    write_coco(tmp_path / "annotations" / "instances.json", (80, 80))
    with pytest.raises(LayoutError, match="80 x 80 pixels and their picture 70 x 90"):
        open_tile_folder(tmp_path).open("a")
    (tmp_path / "annotations" / "instances.json").write_text('{"images": [')
    with pytest.raises(LayoutError, match="lists no images as COCO JSON does"):
        open_tile_folder(tmp_path)


# Bad input


def test_a_folder_that_is_missing_or_a_file_or_empty(tmp_path):
    with pytest.raises(TileError, match="'gone' does not exist"):
        open_tile_folder(tmp_path / "gone")
    (tmp_path / "file").touch()
    with pytest.raises(TileError, match="is a file and not a folder"):
        open_tile_folder(tmp_path / "file")
    with pytest.raises(TileError, match=r"holds no tiles .it has no pictures.; choose the folder"):
        open_tile_folder(tmp_path)


def test_a_folder_with_no_pairs(tmp_path):
    write_image(tmp_path / "images" / "a.png")
    write_labels(tmp_path / "labels" / "b.tif")
    with pytest.raises(TileError, match=r"None of the 1 pictures .* has labels of the same name"):
        open_tile_folder(tmp_path)
    assert open_tile_folder(tmp_path, labels_required=False).description == "1 tile, 1 without labels"


def test_a_folder_of_labels_only(tmp_path):
    write_labels(tmp_path / "labels" / "a.tif")
    with pytest.raises(TileError, match="1 label files and no pictures"):
        open_tile_folder(tmp_path)


@pytest.mark.parametrize("kind", ["tif", "mat", "masks"])
def test_labels_of_another_size_than_the_picture_are_refused_with_both_sizes(tmp_path, kind):
    if kind == "masks":
        write_image(tmp_path / "a" / "images" / "a.png", (80, 80))
        write_labels(tmp_path / "a" / "masks" / "1.png", (SQUARES > 0) * 255)
    else:
        write_image(tmp_path / "images" / "a.png", (80, 80))
        (tmp_path / "labels").mkdir()
        if kind == "tif":
            write_labels(tmp_path / "labels" / "a.tif")
        else:
            savemat(tmp_path / "labels" / "a.mat", {"inst_map": SQUARES})
    with pytest.raises(LayoutError, match=r"70 x 90 pixels and (their|the) picture 80 x 80"):
        open_tile_folder(tmp_path).open("a")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.tif", b"II*\0junk", "cannot be read as a label map"),
        ("a.png", b"", "cannot be read as a label map"),
        ("a.npy", b"junk", "cannot be read as a label map"),
        ("a.mat", b"junk", "cannot be read as a MATLAB file"),
        ("a.xml", b"<Annotations>", "cannot be read as XML"),
        ("a.xml", b"<html/>", "has no annotation"),
        ("a.xml", b"<Annotation><Region><Vertex X='1'/></Region></Annotation>", "point without coordinates"),
    ],
)
def test_damaged_labels_are_refused(tmp_path, name, content, sentence):
    write_image(tmp_path / "images" / "a.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / name).write_bytes(content)
    with pytest.raises(LayoutError, match=sentence) as caught:
        open_tile_folder(tmp_path).open("a")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("label_map", "sentence"),
    [
        (
            np.random.default_rng(0).integers(0, 9, (*SHAPE, 3), np.uint8),
            "one whole number for each pixel, not colours",
        ),
        (np.full(SHAPE, 0.5), "holds fractions"),
        (np.full(SHAPE, -1), "outside 0"),
        (np.full(SHAPE, 2**40), "outside 0"),
        (np.full(SHAPE, "a"), "outside 0"),
        (np.zeros((0, 4), int), "no pixels"),
    ],
)
def test_arrays_that_are_no_label_maps_are_refused(tmp_path, label_map, sentence):
    write_image(tmp_path / "images" / "a.png")
    write_labels(tmp_path / "labels" / "a.npy", label_map)
    with pytest.raises(LayoutError, match=sentence):
        open_tile_folder(tmp_path).open("a")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"other": 1}, "has no 'inst_map'"),
        ({"inst_map": np.zeros((2, 2, 2))}, "is no map of labels"),
        ({"inst_map": SQUARES, "inst_type": np.array([1])}, "1 types for 3 nuclei"),
        ({"inst_map": SQUARES, "type_map": np.zeros((3, 3))}, "another size than its 'inst_map'"),
    ],
)
def test_mat_files_that_are_not_hovernets_are_refused(tmp_path, values, sentence):
    write_image(tmp_path / "images" / "a.png")
    (tmp_path / "labels").mkdir()
    savemat(tmp_path / "labels" / "a.mat", values)
    with pytest.raises(LayoutError, match=sentence):
        open_tile_folder(tmp_path).open("a")


@pytest.mark.parametrize("text", ["[1]", "{", '{"a": 1}', '{"1": null}'])
def test_types_that_are_none_are_refused(tmp_path, text):
    write_image(tmp_path / "images" / "a.png")
    write_labels(tmp_path / "labels" / "a.tif")
    (tmp_path / "types").mkdir()
    (tmp_path / "types" / "a.json").write_text(text)
    with pytest.raises(LayoutError, match="does not give a class for each label"):
        open_tile_folder(tmp_path).open("a")


def test_an_unknown_tile_is_refused(tmp_path):
    write_image(tmp_path / "images" / "a.png")
    with pytest.raises(TileError, match="has no tile 'b'"):
        open_tile_folder(tmp_path, labels_required=False).open("b")


# Splits


def folder_of(patients):
    pairs = tuple(TilePair(f"{index:03d}", None, patient=patient) for index, patient in enumerate(patients))
    return TileFolder(None, pairs, "")


@given(st.lists(st.sampled_from("abcdefgh"), min_size=3, max_size=60), st.integers(0, 2**31))
def test_a_split_keeps_patients_together_and_loses_no_tile(patients, seed):
    folder = folder_of(patients)
    if len(set(patients)) < 3:
        with pytest.raises(TileError, match=r"\d patients cannot be split into 3 parts"):
            folder.split(seed=seed)
        return
    split = folder.split(seed=seed)
    assert sorted(id_ for ids in split.values() for id_ in ids) == list(folder.ids)
    assert all(split.values())
    owner = {pair.id: pair.patient for pair in folder.pairs}
    parts = [{owner[id_] for id_ in ids} for ids in split.values()]
    assert sum(map(len, parts)) == len(set(patients))
    assert split == folder.split(seed=seed)


def test_a_split_by_tile_meets_its_fractions_and_follows_its_seed():
    folder = folder_of([None] * 100)
    split = folder.split("tile", {"train": 8, "validation": 2})
    assert {name: len(ids) for name, ids in split.items()} == {"train": 80, "validation": 20}
    assert split != folder.split("tile", {"train": 8, "validation": 2}, seed=1)
    # The same on every machine and in every version.
    assert folder_of("abcdef").split(seed=3) == {
        "train": ["001", "002", "003", "005"],
        "validation": ["000"],
        "test": ["004"],
    }


@pytest.mark.parametrize("fractions", [{}, {"train": 0}, {"train": -1, "test": 2}, {"train": float("nan")}])
def test_fractions_that_are_none_are_refused(fractions):
    with pytest.raises(TileError, match="must all be above 0"):
        folder_of("abc").split(fractions=fractions)


def test_a_split_by_patient_without_patients_is_refused():
    with pytest.raises(TileError, match=r"patients of 2 tiles are not known .*split by tile"):
        folder_of(["a", None, None]).split()


def test_patients_and_organs_come_from_the_table(tmp_path):
    for name in "abc":
        write_image(tmp_path / "images" / f"{name}.png")
        write_labels(tmp_path / "labels" / f"{name}.tif")
    with (tmp_path / "meta.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "patient", "organ"], ["a", "01", "colon"], ["b", "01", ""], ["c", "02"]])
    folder = open_tile_folder(tmp_path)
    assert [pair.organ for pair in folder.pairs] == ["colon", None, None]
    assert folder.description == "3 tiles with label maps (TIFF), 2 patients from meta.csv"
    assert folder.split(fractions={"train": 2, "test": 1}) == {"train": ["a", "b"], "test": ["c"]}


def test_a_damaged_table_is_refused(tmp_path):
    write_image(tmp_path / "images" / "a.png")
    (tmp_path / "meta.csv").write_bytes(b"id,patient\n\xff\xfe,1")
    with pytest.raises(LayoutError, match=r"'meta\.csv' cannot be read as a table"):
        open_tile_folder(tmp_path, labels_required=False)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tnbc_p01-08", "37 tiles with label maps (TIFF), 8 patients from meta.csv"),
        ("consep_train", "27 tiles with label maps (TIFF), classes from JSON"),
        ("dsb2018_pinkHE", "4 tiles with label maps (TIFF)"),
        ("research_only/monuseg_train", "30 tiles with label maps (TIFF), 30 patients from TCGA barcodes"),
        ("research_only/glas_dev", "52 tiles with label maps (TIFF), 9 patients from meta.csv"),
    ],
)
def test_real_folders_are_recognized(shared_data, name, said):
    folder = open_tile_folder(shared_data / name)
    assert folder.description == said
    tile, layout = folder.open(folder.ids[0])
    assert isinstance(layout, Layout)
    assert layout.shape == tile.shape
    assert len(layout.nuclei) > 10


@pytest.mark.realdata
def test_real_labels_without_pictures_say_so(shared_data):
    with pytest.raises(HistoloomError, match="103 label files and no pictures"):
        open_tile_folder(shared_data / "puma_layouts")
