"""One table makes the key bindings and the help."""

from __future__ import annotations

import re

import pytest
from canvas_mouse import assert_shows_the_truth
from napari.components import ViewerModel
from napari.layers import Labels, Points, Shapes
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.shortcuts import default_shortcuts

from histoloom.gui.canvas import Canvas
from histoloom.gui.canvas_layers import CENTROIDS, LAYOUT, SKETCH, TISSUE
from histoloom.gui.shortcuts import SHORTCUTS, Context, active_contexts, help_html, help_markdown
from histoloom.gui.tools import Tool

KEYS = [(each, key) for each in SHORTCUTS if each.action is not None for key in each.keys]
TOOLS = {
    Context.SELECT: Tool.SELECT,
    Context.STAMP: Tool.STAMP,
    Context.SKETCH: Tool.SKETCH,
    Context.TISSUE: Tool.TISSUE,
}
OF_LAYERS = ("label", "brush", "polygon", "point", "shape", "plane", "activate", "select_a", "contrast")
VIEWER_ACTIONS = [name for name in default_shortcuts if not any(part in name for part in OF_LAYERS)]


@pytest.mark.parametrize(("shortcut", "key"), KEYS, ids=lambda value: getattr(value, "name", value))
def test_every_entry_is_bound_where_it_means_something(canvas: Canvas, shortcut, key: str) -> None:
    canvas.tool = Tool.CENTROIDS
    canvas.tool = TOOLS.get(shortcut.context, Tool.BRUSH)
    role = {Context.SKETCH: SKETCH, Context.CENTROIDS: CENTROIDS, Context.TISSUE: TISSUE}.get(shortcut.context, LAYOUT)
    assert coerce_keybinding(key) in canvas.layers.find(role).keymap


@pytest.mark.parametrize("shortcut", SHORTCUTS, ids=lambda value: value.name)
def test_every_entry_is_in_both_helps(shortcut) -> None:
    title = re.sub(r"class \d$", "class", shortcut.title)
    for text in (help_html(), help_markdown()):
        assert title in text


def test_no_key_means_two_things_at_once() -> None:
    for tool in Tool:
        for role in (LAYOUT, SKETCH, CENTROIDS, TISSUE):
            contexts = active_contexts(role, tool)
            keys = [str(coerce_keybinding(key)) for each, key in KEYS if each.context in contexts]
            assert len(keys) == len(set(keys)), (tool, role)


def test_no_key_takes_one_of_the_viewer() -> None:
    viewer_keys = {str(coerce_keybinding(key)) for key in ViewerModel.class_keymap}
    viewer_keys |= {str(key) for name in VIEWER_ACTIONS for key in default_shortcuts[name]}
    ours = {str(coerce_keybinding(key)) for _, key in KEYS}
    assert not ours & viewer_keys


def test_napari_keys_of_layers_are_only_replaced_where_the_table_says_so() -> None:
    def keys_of(kind: str) -> set[str]:
        return {str(key) for name, keys in default_shortcuts.items() if kind in name for key in keys}

    labels = {str(coerce_keybinding(key)) for key in Labels.class_keymap} | keys_of("labels_") | keys_of("brush_size")
    labels |= keys_of("label_id") | keys_of("polygon") - keys_of("add_polygon")
    shapes = {str(coerce_keybinding(key)) for key in Shapes.class_keymap} | keys_of("shape") | keys_of("add_")
    points = {str(coerce_keybinding(key)) for key in Points.class_keymap} | keys_of("points")
    for shortcut, key in KEYS:
        taken = set()
        if shortcut.context in {Context.EVERYWHERE, Context.SELECT, Context.STAMP, Context.TISSUE}:
            taken |= labels
        if shortcut.context in {Context.EVERYWHERE, Context.SKETCH}:
            taken |= shapes
        if shortcut.context in {Context.EVERYWHERE, Context.CENTROIDS}:
            taken |= points
        assert str(coerce_keybinding(key)) not in taken or shortcut.replaces, shortcut.name


def test_select_keys_are_free_again_with_another_tool(canvas: Canvas) -> None:
    layer = canvas.layout_layer()
    canvas.tool = Tool.SELECT
    assert coerce_keybinding("1") in layer.keymap
    canvas.tool = Tool.BRUSH
    assert coerce_keybinding("1") not in layer.keymap


def test_keys_do_what_they_say(canvas: Canvas) -> None:
    canvas.tool = Tool.SELECT
    layer = canvas.layout_layer()
    canvas.select({1})
    layer.keymap[coerce_keybinding("Delete")](layer)
    assert 1 not in canvas.layout.nuclei
    canvas.viewer.keymap[coerce_keybinding("Control-Z")](canvas.viewer)
    assert 1 in canvas.layout.nuclei
    assert_shows_the_truth(canvas)
