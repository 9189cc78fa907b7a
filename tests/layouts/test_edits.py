from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from layout_strategies import QUICK, layouts, outlines

from histoloom.layouts import CommandHistory, Layout, LayoutEdit, Nucleus
from histoloom.layouts.edits import remove
from histoloom.window import Window


def changes_to(layout: Layout) -> st.SearchStrategy[dict[int, Nucleus | None]]:
    keys = st.sampled_from([*layout.nuclei, 101, 102])
    nuclei = outlines.map(lambda shape: Nucleus.create(1, shape))
    return st.dictionaries(keys, st.none() | nuclei, max_size=4).map(
        lambda rows: {
            key: None if row is None else Nucleus.create(key, row.outline, z_order=1) for key, row in rows.items()
        }
    )


@QUICK
@given(layouts(), st.data())
def test_an_edit_and_its_inverse_leave_the_layout_as_it_was(layout, data):
    edit = LayoutEdit.of("Change", layout, data.draw(changes_to(layout)))
    changed = edit.applied_to(layout)
    assert edit.inverse.applied_to(changed).equals(layout)
    assert edit.inverse.inverse == edit


@QUICK
@given(layouts(), st.data())
def test_pixels_change_only_within_an_edits_window(layout, data):
    edit = LayoutEdit.of("Change", layout, data.draw(changes_to(layout)))
    differs = layout.rasterize() != edit.applied_to(layout).rasterize()
    inside = edit.window.intersection(layout.window)
    if not inside.is_empty:
        differs[inside.slices] = False
    assert not differs.any()


@QUICK
@given(layouts())
def test_an_edit_that_changes_nothing_is_empty(layout):
    assert LayoutEdit.of("Same", layout, dict(layout.nuclei)).is_empty
    assert remove(layout, [10**9 + 7]).is_empty


class Replay:
    """A command over one holder of a layout, as the canvas has."""

    def __init__(self, holder: dict[str, Layout], edit: LayoutEdit) -> None:
        self.holder, self.edit, self.title = holder, edit, edit.title

    def do(self) -> None:
        self.holder["layout"] = self.edit.applied_to(self.holder["layout"])

    def undo(self) -> None:
        self.holder["layout"] = self.edit.inverse.applied_to(self.holder["layout"])


@QUICK
@given(layouts(), st.data())
def test_undoing_all_and_redoing_all_ends_where_it_began(layout, data):
    holder, history, states = {"layout": layout}, CommandHistory(), [layout]
    for number in range(data.draw(st.integers(1, 4))):
        edit = LayoutEdit.of(f"Edit {number}", holder["layout"], data.draw(changes_to(layout)))
        command = Replay(holder, edit)
        command.do()
        history.push(command)
        states.append(holder["layout"])
    for expected in reversed(states[:-1]):
        assert history.undo() is not None
        assert holder["layout"].equals(expected)
    assert history.undo() is None
    for expected in states[1:]:
        assert history.redo() is not None
        assert holder["layout"].equals(expected)
    assert history.redo() is None


def test_a_new_command_forgets_what_was_undone():
    layout = Layout.empty((5, 5))
    holder, history = {"layout": layout}, CommandHistory(limit=2)
    for title in ("one", "two", "three"):
        history.push(Replay(holder, LayoutEdit(title, {}, {})))
    assert history.undoable == ("two", "three")
    assert history.undo() == "three"
    assert history.redoable == ("three",)
    history.push(Replay(holder, LayoutEdit("four", {}, {})))
    assert history.redo() is None
    assert history.undoable == ("two", "four")


@QUICK
@given(outlines, st.integers(-500, 500), st.integers(-500, 500))
def test_moving_by_whole_pixels_and_back_is_exact_on_the_texture_grid(shape, dy, dx):
    nucleus = Nucleus.create(1, shape)
    assert nucleus.moved(dy, dx).moved(-dy, -dx).anchor == nucleus.anchor


def test_texture_and_identity_stay_when_a_nucleus_is_turned_scaled_and_reclassed():
    from histoloom.layouts import Outline

    nucleus = Nucleus.create(4, Outline.ellipse((9.0, 9.0), (3.0, 5.0)))
    changed = nucleus.rotated(0.4).scaled(1.5).reclassed("tumor")
    assert (changed.id, changed.texture_seed) == (nucleus.id, nucleus.texture_seed)
    assert changed.angle == nucleus.angle + 0.4
    assert changed.outline.area > 2.2 * nucleus.outline.area


@QUICK
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 30), st.integers(0, 4)), max_size=8))
def test_painted_tissue_is_undone_step_by_step_and_done_again(strokes):
    layout = Layout.empty((60, 70))
    states, edits = [layout], []
    for y, x, size, tissue in strokes:
        painted = layout.with_tissue(Window(y, x, y + size, x + size), tissue)
        edit = LayoutEdit.of_tissue("Paint tissue", layout, painted.tissue_map)
        assert edit.applied_to(layout).equals(painted)
        before, after = layout.tissue_pixels(), painted.tissue_pixels()
        if edit.tissue is None:
            np.testing.assert_array_equal(after, before)
        else:
            inside = edit.tissue.window.intersection(layout.window).slices
            before[inside] = after[inside]
            np.testing.assert_array_equal(after, before)
        layout = painted
        states.append(layout)
        edits.append(edit)
    for edit, wanted in zip(reversed(edits), reversed(states[:-1]), strict=True):
        layout = edit.inverse.applied_to(layout)
        assert layout.equals(wanted)
    for edit, wanted in zip(edits, states[1:], strict=True):
        layout = edit.applied_to(layout)
        assert layout.equals(wanted)


@QUICK
@given(layouts())
def test_painting_tissue_keeps_the_order_of_the_nuclei(layout):
    near = layout.nuclei_in(layout.window)
    painted = layout.with_tissue(layout.window, 2)
    assert painted.stacked == layout.stacked
    assert painted.nuclei_in(layout.window) == near
