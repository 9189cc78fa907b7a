"""Real and woven tissue side by side, in a real window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QDockWidget, QTabBar, QWidget

from histoloom.gui.canvas import canvas_of
from histoloom.gui.comparison import camera_of
from histoloom.tiles.tile import Tile


@pytest.fixture
def window(make_napari_viewer: Any, qtbot: Any) -> Any:
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1300, 800)
    image = np.random.default_rng(0).integers(0, 255, (128, 160, 3), np.uint8)
    canvas_of(viewer).set_tile(Tile.from_array(image, 0.5), "a tile")
    for name in ("Zebra", "Alpha", "Middle"):
        content = QWidget()
        content.setMinimumWidth(300)
        viewer.window.add_dock_widget(content, name=name, area="right", tabify=True)
    dock(viewer, "Alpha").raise_()
    qtbot.wait(100)
    return viewer


def dock(viewer: Any, name: str) -> Any:
    return viewer.window._qt_window.findChild(QDockWidget, name)


def arrangement(viewer: Any) -> Any:
    """Widths, order of the tabs, and which one is in front."""
    main = viewer.window._qt_window
    names = ("Zebra", "Alpha", "Middle")
    bars = [bar for bar in main.findChildren(QTabBar) if bar.isVisible()]
    # A set, because Qt may keep an old bar for a moment.
    tabs = {tuple(bar.tabText(index) for index in range(bar.count())) for bar in bars}
    return {
        "width": dock(viewer, "Alpha").width(),
        "tabs": tabs,
        "front": [name for name in names if not dock(viewer, name).visibleRegion().isEmpty()],
        "canvas": main.centralWidget().width(),
    }


def second_view(viewer: Any) -> Any:
    return canvas_of(viewer).comparison._view


def test_both_views_follow_each_other_and_closing_restores_the_window(window: Any, qtbot: Any) -> None:
    comparison = canvas_of(window).comparison
    before = arrangement(window)
    assert before["front"] == ["Alpha"]
    assert before["tabs"] == {("Zebra", "Alpha", "Middle")}
    for _ in range(2):
        comparison.side_by_side()
        qtbot.wait(100)
        assert comparison.is_side_by_side
        second = second_view(window)
        assert second.width() >= 320
        assert arrangement(window)["tabs"] == before["tabs"]
        assert arrangement(window)["front"] == before["front"]
        first_camera, second_camera = camera_of(window), camera_of(second.viewer)
        first_camera.center, first_camera.zoom = (0.0, 20.0, 30.0), 3.0
        assert second_camera.center == pytest.approx((0.0, 20.0, 30.0))
        assert second_camera.zoom == pytest.approx(3.0)
        second_camera.center, second_camera.zoom = (0.0, 12.0, 40.0), 5.0
        assert first_camera.center == pytest.approx((0.0, 12.0, 40.0))
        assert first_camera.zoom == pytest.approx(5.0)
        comparison.side_by_side()
        qtbot.wait(100)
        assert not comparison.is_side_by_side
        assert arrangement(window) == before


def test_the_second_view_may_be_closed_by_its_own_button(window: Any, qtbot: Any) -> None:
    comparison = canvas_of(window).comparison
    before = arrangement(window)
    comparison.side_by_side()
    qtbot.wait(100)
    dock(window, "Real tile").title.close_button.click()
    qtbot.waitUntil(lambda: not comparison.is_side_by_side)
    qtbot.wait(100)
    assert arrangement(window) == before
    camera_of(window).zoom = 2.0
    comparison.side_by_side()
    assert camera_of(second_view(window).viewer).zoom == pytest.approx(2.0)
    comparison.close()


def test_docks_opened_in_between_stay(window: Any, qtbot: Any) -> None:
    comparison = canvas_of(window).comparison
    width = arrangement(window)["width"]
    comparison.side_by_side()
    qtbot.wait(100)
    window.window.add_dock_widget(QWidget(), name="Late", area="left")
    qtbot.wait(50)
    comparison.side_by_side()
    qtbot.wait(100)
    assert dock(window, "Late").isVisible()
    assert arrangement(window)["width"] == pytest.approx(width, abs=20)
