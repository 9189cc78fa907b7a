"""Encodings: what they hold, that windows agree with the whole, and their way through JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_canvases import CLASSES, PIXEL_SIZE, QUICK, canvases, tissue, windows

from histoloom.conditions import (
    BACKGROUND,
    EDGE,
    ENCODINGS,
    NUCLEUS,
    AcceptedStructure,
    ClassesEncoding,
    ClassesRecipe,
    DistanceEncoding,
    Encoding,
    HoVerEncoding,
    MaskAndStructureEncoding,
    MaskAndStructureRecipe,
    StackedEncoding,
    StructureLabelsEncoding,
    StructureLabelsRecipe,
    detect_edges,
    encoding_from_json,
    structure_map,
)
from histoloom.errors import ConditionError
from histoloom.layouts import Layout, Nucleus, Outline
from histoloom.window import Window

EVERY_KIND: list[Encoding] = [
    ClassesEncoding(),
    ClassesEncoding(ClassesRecipe(classes=CLASSES[::-1], background=False, contour=False)),
    DistanceEncoding(),
    HoVerEncoding(),
    StructureLabelsEncoding(),
    StructureLabelsEncoding(StructureLabelsRecipe(source="contours")),
    StructureLabelsEncoding(StructureLabelsRecipe(automatic=False, low=6.0, high=30.0, channel="haematoxylin")),
    StructureLabelsEncoding(StructureLabelsRecipe(automatic=False, low=20.0, high=20.0)),
    *(
        StructureLabelsEncoding(StructureLabelsRecipe(detector=name, automatic=False, high=30.0, source="picture"))
        for name in ("roberts", "prewitt", "sobel", "log", "zero_crossing")
    ),
    *(MaskAndStructureEncoding(MaskAndStructureRecipe(method=name)) for name in ("otsu", "fixed", "local")),
    MaskAndStructureEncoding(MaskAndStructureRecipe(method="local", side="brighter", channel="eosin", sigma=0.0)),
    MaskAndStructureEncoding(MaskAndStructureRecipe(source="contours")),
    StackedEncoding([ClassesEncoding(), StructureLabelsEncoding()]),
]
every_kind = pytest.mark.parametrize("encoding", EVERY_KIND, ids=repr)


@every_kind
@given(data=st.data())
@QUICK
def test_a_window_is_a_part_of_the_whole(encoding: Encoding, data: st.DataObject) -> None:
    layout = data.draw(canvases())
    picture = tissue(layout.shape) if encoding.needs_picture else None
    window = data.draw(windows(layout.shape))
    larger = window.union(layout.window)

    whole = encoding.encode(layout, larger, picture)
    part = encoding.encode(layout, window, picture)

    assert part.dtype == np.float32
    assert part.shape == (len(encoding.channels), *window.shape)
    np.testing.assert_array_equal(part, whole[:, *window.relative_to(larger).slices])
    assert np.isfinite(whole).all()
    assert np.abs(whole).max(initial=0.0) <= 1.0


@pytest.mark.parametrize("encoding", [each for each in EVERY_KIND if each.halo(PIXEL_SIZE)], ids=repr)
def test_the_halo_is_as_much_of_the_picture_as_decides(encoding: Encoding) -> None:
    halo = encoding.halo(PIXEL_SIZE)
    assert halo is not None
    layout = Layout.empty((90, 90), PIXEL_SIZE)
    window = Window(40, 42, 50, 55)
    picture = tissue(layout.shape)
    other = tissue(layout.shape, seed=1)
    near = window.expanded(halo)
    other[near.slices] = picture[near.slices]

    np.testing.assert_array_equal(encoding.encode(layout, window, picture), encoding.encode(layout, window, other))


@every_kind
def test_json_gives_the_encoding_back(encoding: Encoding) -> None:
    written = json.loads(json.dumps(encoding.as_json()))

    assert encoding_from_json(written) == encoding
    assert encoding_from_json(written).channels == encoding.channels


@every_kind
def test_resolving_leaves_nothing_to_the_picture_and_changes_nothing(encoding: Encoding) -> None:
    layout = Layout.empty((64, 80), PIXEL_SIZE)
    picture = tissue(layout.shape)

    resolved = encoding.resolved(picture, PIXEL_SIZE)

    np.testing.assert_array_equal(resolved.encode(layout, None, picture), encoding.encode(layout, None, picture))
    assert resolved.resolved(tissue(layout.shape, 5), PIXEL_SIZE) == resolved
    assert encoding_from_json(resolved.as_json()) == resolved


@given(canvases())
@QUICK
def test_classes_come_back_from_the_one_hot_channels(layout: Layout) -> None:
    encoding = ClassesEncoding(ClassesRecipe(classes=CLASSES))
    wanted = np.zeros(layout.shape, np.uint8)
    for nucleus in layout.stacked:
        wanted[nucleus.outline.mask(layout.window)] = CLASSES.index(nucleus.class_name) + 1

    values = encoding.encode(layout)

    np.testing.assert_array_equal(encoding.decode(values), wanted)
    np.testing.assert_array_equal(values[:-1].sum(axis=0), 1.0)
    np.testing.assert_array_equal(
        ClassesEncoding(ClassesRecipe(classes=CLASSES, background=False)).decode(values[1:]), wanted
    )


def test_the_contour_runs_between_nuclei_that_touch() -> None:
    labels = np.zeros((8, 12), np.int32)
    labels[2:6, 2:6], labels[2:6, 6:10] = 1, 2
    values = ClassesEncoding().encode(Layout.from_label_map(labels, PIXEL_SIZE))

    assert values[-1][3, 5] == values[-1][3, 6] == 1.0
    assert values[-1][3, 3] == 0.0
    assert values[-1][0].sum() == 0.0


@given(canvases())
@QUICK
def test_structure_labels_are_the_papers_and_come_back(layout: Layout) -> None:
    encoding = StructureLabelsEncoding()
    picture = tissue(layout.shape)
    edges = detect_edges(picture, encoding.recipe, PIXEL_SIZE)
    wanted = np.where(layout.rasterize() > 0, NUCLEUS, BACKGROUND)
    wanted[edges] = EDGE

    decoded = encoding.decode(encoding.encode(layout, None, picture))

    assert (BACKGROUND, NUCLEUS, EDGE) == (0, 128, 255)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, wanted)


@given(canvases())
@QUICK
def test_mask_and_structure_map_come_back(layout: Layout) -> None:
    encoding = MaskAndStructureEncoding()
    picture = tissue(layout.shape)

    mask, structure = encoding.decode(encoding.encode(layout, None, picture))

    np.testing.assert_array_equal(mask, layout.rasterize() > 0)
    np.testing.assert_array_equal(structure, structure_map(picture, encoding.recipe, PIXEL_SIZE))


def test_depth_is_the_same_wherever_arrays_lie_in_memory() -> None:
    nuclei = [Nucleus.create(1, Outline.ellipse((24.0, 12.0), (17.3, 5.7), 0.2))]
    layout = Layout.from_nuclei(nuclei, (50, 30), PIXEL_SIZE)
    ids = layout.rasterize()
    rows, columns = np.nonzero(ids)
    outside = np.argwhere(np.pad(ids, 1) == 0) - 1
    nearest = [((outside - place) ** 2).sum(axis=1).min() for place in zip(rows, columns, strict=True)]
    wanted = np.sqrt(np.array(nearest, np.float32))

    whole = DistanceEncoding().encode(layout)
    np.testing.assert_array_equal(whole[0, rows, columns], wanted / wanted.max())
    kept = []
    for size in range(1, 60):
        kept.append(np.empty(size * 7, np.uint8))  # moves what is allocated next
        np.testing.assert_array_equal(DistanceEncoding().encode(layout), whole)
    part = DistanceEncoding().encode(layout, Window(7, 6, 42, 17))
    np.testing.assert_array_equal(part, whole[:, 7:42, 6:17])


@given(canvases())
@QUICK
def test_nucleus_maps_give_the_mask_back(layout: Layout) -> None:
    mask = layout.rasterize() > 0
    for encoding in (DistanceEncoding(), HoVerEncoding()):
        np.testing.assert_array_equal(encoding.decode(encoding.encode(layout)), mask)


def test_depth_is_one_in_the_middle_of_each_nucleus_and_small_at_its_rim() -> None:
    layout = Layout.from_nuclei(
        [
            Nucleus.create(1, Outline.ellipse((20.0, 20.0), (10.0, 10.0))),
            Nucleus.create(2, Outline.ellipse((20.0, 50.0), (4.0, 4.0))),
        ],
        (40, 70),
        PIXEL_SIZE,
    )
    (depth,) = DistanceEncoding().encode(layout)

    assert depth[20, 20] == depth[20, 50] == 1.0
    assert 0.0 < depth[20, 11] < 0.2
    assert depth[20, 35] == 0.0


def test_offsets_grow_to_the_right_and_down_and_reach_one_on_each_side() -> None:
    layout = Layout.from_nuclei([Nucleus.create(7, Outline.ellipse((20.3, 25.1), (9.0, 12.0)))], (40, 50), PIXEL_SIZE)
    nucleus, horizontal, vertical = HoVerEncoding().encode(layout)

    inside = nucleus > 0
    assert horizontal[inside].min() == vertical[inside].min() == -1.0
    assert horizontal[inside].max() == vertical[inside].max() == 1.0
    columns = np.flatnonzero(inside[20])
    assert (np.diff(horizontal[20, columns]) > 0).all()
    rows = np.flatnonzero(inside[:, 25])
    assert (np.diff(vertical[rows, 25]) > 0).all()
    assert not horizontal[~inside].any()


def test_two_nuclei_that_touch_have_offsets_of_their_own() -> None:
    labels = np.zeros((20, 30), np.int32)
    labels[5:15, 5:15], labels[5:15, 15:25] = 1, 2
    _, horizontal, _ = HoVerEncoding().encode(Layout.from_label_map(labels, PIXEL_SIZE))

    assert horizontal[10, 14] == 1.0
    assert horizontal[10, 15] == -1.0


def test_what_cannot_be_encoded_is_explained() -> None:
    layout = Layout.from_nuclei([Nucleus.create(1, Outline.ellipse((9.0, 9.0), (5.0, 5.0)), "mitosis")], (20, 20))
    with pytest.raises(ConditionError, match=r"'mitosis'.*reclass"):
        ClassesEncoding().encode(layout)
    with pytest.raises(ConditionError, match="needs a picture"):
        StructureLabelsEncoding().encode(layout)
    with pytest.raises(ConditionError, match="10 x 20 pixels and the layout 20 x 20"):
        MaskAndStructureEncoding().encode(layout, None, tissue((10, 20)))
    with pytest.raises(ConditionError, match="RGB"):
        StructureLabelsEncoding().encode(layout, None, np.zeros((20, 20, 3), np.float32))
    with pytest.raises(ConditionError, match="no parts"):
        StackedEncoding([])


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "has no name"),
        ({"recipe": {}}, "has no name"),
        ({"name": "hologram"}, "newer histoloom"),
        ({"name": "structure-labels", "recipe": {"sigma": -1.0}}, "'sigma' is not usable"),
        ({"name": "structure-labels", "recipe": {"colour": 1}}, "'colour' is not usable"),
        ({"name": "structure-labels", "recipe": 3}, "not an object"),
        ({"name": "stacked"}, "no list of parts"),
    ],
)
def test_damaged_and_foreign_encodings_are_refused_with_a_sentence(value: object, sentence: str) -> None:
    with pytest.raises(ConditionError, match=sentence):
        encoding_from_json(value)


def test_every_registered_name_is_its_own() -> None:
    assert all(name == kind.name for name, kind in ENCODINGS.items())
    assert len(ENCODINGS) == 6


def test_accepted_structure_follows_the_layout_but_keeps_what_was_painted() -> None:
    layout = Layout.from_nuclei([Nucleus.create(1, Outline.ellipse((10.0, 10.0), (5.0, 5.0)))], (30, 40), PIXEL_SIZE)
    encoding = StructureLabelsEncoding()
    picture = tissue(layout.shape)
    labels = encoding.labels(layout, None, picture)
    painted = np.zeros(layout.shape, bool)
    painted[20:24, 30:34] = True
    labels[painted] = NUCLEUS
    accepted = AcceptedStructure(labels, encoding, painted)

    np.testing.assert_array_equal(encoding.decode(accepted.condition(layout)), labels)
    window = Window(-3, 15, 25, 45)
    np.testing.assert_array_equal(
        accepted.condition(layout, window)[:, 3:, :25], accepted.condition(layout)[:, :25, 15:40]
    )
    moved = layout.with_nuclei({1: layout.nuclei[1].moved(8.0, 8.0)})
    after = encoding.decode(accepted.condition(moved))
    np.testing.assert_array_equal(after == EDGE, labels == EDGE)
    assert (after[painted] == NUCLEUS).all()
    assert (after == NUCLEUS)[18, 18] or (after == EDGE)[18, 18]
    with pytest.raises(ConditionError, match="accept it again"):
        accepted.condition(layout.resized((31, 40)))
