"""The whole way once, through a real window and real mouse events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from canvas_mouse import assert_shows_the_truth
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from histoloom.gui.canvas import canvas_of
from histoloom.gui.tools import Tool
from histoloom.layouts import Layout


@pytest.fixture
def window(make_napari_viewer: Any, layout: Layout, qtbot: Any) -> Any:
    viewer = make_napari_viewer(show=True)
    canvas = canvas_of(viewer)
    canvas.open_layout(layout)
    canvas.layout_layer().brush_size = 5
    viewer.reset_view()
    qtbot.wait(100)
    return viewer


def drag(viewer: Any, qtbot: Any, *positions: tuple[float, float], key: Any = None) -> None:
    """Drag the mouse over the drawing area, through Qt."""
    native = viewer.window._qt_viewer.canvas.native
    camera = viewer.scene.camera
    scale = viewer.layers["Layout"].scale[0]

    def point(position: tuple[float, float]) -> QPoint:
        y, x = ((np.array(position) * scale - np.array(camera.center)[-2:]) * camera.zoom).tolist()
        return QPoint(round(x + native.width() / 2), round(y + native.height() / 2))

    modifier = key or Qt.KeyboardModifier.NoModifier
    QTest.mouseMove(native, point(positions[0]))
    QTest.mousePress(native, Qt.MouseButton.LeftButton, modifier, point(positions[0]))
    for position in positions[1:]:
        QTest.mouseMove(native, point(position))
        qtbot.wait(20)  # napari looks at the mouse at most every 5 ms
    QTest.mouseRelease(native, Qt.MouseButton.LeftButton, modifier, point(positions[-1]))
    qtbot.wait(20)


def test_draw_move_and_undo_with_a_real_mouse(window: Any, qtbot: Any, layout: Layout) -> None:
    canvas = canvas_of(window)
    canvas.tool = Tool.BRUSH
    drag(window, qtbot, (80.0, 60.0), (80.0, 65.0), (80.0, 72.0))
    assert sorted(canvas.layout.nuclei) == [1, 2, 3, 4]
    assert canvas.layout.nuclei[4].outline.centroid == pytest.approx((80.0, 66.0), abs=2.0)
    assert_shows_the_truth(canvas)

    canvas.tool = Tool.SELECT
    center = tuple(window.scene.camera.center)
    drag(window, qtbot, (25.0, 25.0), (30.0, 32.0), (36.0, 45.0), (36.0, 45.0))
    assert tuple(window.scene.camera.center) == center
    moved = np.array(canvas.layout.nuclei[1].outline.centroid) - layout.nuclei[1].outline.centroid
    np.testing.assert_allclose(moved, [11, 20], atol=1.5)
    assert_shows_the_truth(canvas)

    drag(window, qtbot, (95.0, 5.0), (85.0, 10.0), (80.0, 15.0), (80.0, 15.0))
    assert tuple(window.scene.camera.center) != center

    while canvas.history.undoable:
        canvas.undo()
    assert canvas.layout.equals(layout)
    assert_shows_the_truth(canvas)


def test_the_proxy_that_napari_hands_to_docks_leads_to_the_same_canvas(window: Any) -> None:
    from napari.utils._proxies import PublicOnlyProxy

    assert canvas_of(PublicOnlyProxy(window)) is canvas_of(window)
