"""The dock's tools, classes and stamps."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, QSize
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from histoloom.gui.shortcuts import SHORTCUTS
from histoloom.gui.tools import Tool
from histoloom.layouts.stamps import STAMPS

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

_TOOLS = (
    Tool.BRUSH,
    Tool.ERASER,
    Tool.POLYGON,
    Tool.STAMP,
    Tool.SELECT,
    Tool.SKETCH,
    Tool.CURVE,
    Tool.CENTROIDS,
    Tool.FILL,
    Tool.TISSUE,
)
_COLUMNS = 3
_RANDOM = -1
_BUTTON_STYLE = """
QToolButton { padding: 3px; border-radius: 3px; background: rgba(128, 128, 128, 50); }
QToolButton:hover { background: rgba(128, 128, 128, 110); }
QToolButton:checked { background: rgba(0, 114, 178, 200); }
"""


class ToolPanel(QWidget):
    """Buttons for the tools, the classes and the stamps.

    Parameters
    ----------
    canvas
        What they act on.
    parent
        Qt parent.
    """

    def __init__(self, canvas: Canvas, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._canvas_reference = weakref.ref(canvas)
        self._tool_buttons: dict[Tool, QToolButton] = {}
        self._class_buttons: dict[str, QToolButton] = {}
        self._tool_group = QButtonGroup(self)
        self._tool_group.setExclusive(False)
        # napari's themes draw tool buttons flat, on or off.
        self.setStyleSheet(_BUTTON_STYLE)
        self._class_group = QButtonGroup(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self._tools())
        self._classes = QGridLayout()
        column.addLayout(self._classes)
        column.addLayout(self._stamps(canvas))
        column.addLayout(self._centroids())
        self._outlines = QCheckBox("Show outlines only")
        self._outlines.setToolTip("Leaves the tissue inside the nuclei visible (J)")
        self._outlines.setChecked(canvas.outlines_only)
        self._outlines.toggled.connect(self._on_outlines)
        column.addWidget(self._outlines)
        canvas.tool_changed.connect(self._on_tool_changed)
        canvas.class_changed.connect(self._on_class_changed)
        canvas.outlines_changed.connect(self._on_outlines_changed)
        canvas.stamp_changed.connect(self._on_stamp_changed)
        canvas.layout_replaced.connect(self._fill_classes)
        self._fill_classes()
        self._on_tool_changed(canvas.tool)

    def _tools(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(3)
        keys = {each.name: each.keys[0] for each in SHORTCUTS}
        for index, tool in enumerate(_TOOLS):
            button = QToolButton()
            button.setText(tool.value)
            button.setCheckable(True)
            key = keys.get(tool.name.lower(), "").replace("-", "+")
            button.setToolTip(f"{tool.value} ({key})" if key else tool.value)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.clicked.connect(partial(self._choose_tool, tool))
            self._tool_group.addButton(button)
            self._tool_buttons[tool] = button
            grid.addWidget(button, index // _COLUMNS, index % _COLUMNS)
        return grid

    def _stamps(self, canvas: Canvas) -> QVBoxLayout:
        row = QHBoxLayout()
        self._stamp_box = QComboBox()
        for name, stamp in STAMPS.items():
            self._stamp_box.addItem(f"{name} ({stamp.diameter:g} µm)", name)
        self._stamp_box.setCurrentIndex(self._stamp_box.findData(canvas.stamp_tool.name))
        self._stamp_box.activated.connect(self._choose_stamp)
        row.addWidget(QLabel("Stamp"))
        row.addWidget(self._stamp_box, 1)
        self.stamp_size = QDoubleSpinBox()
        self.stamp_size.setDecimals(1)
        self.stamp_size.setSingleStep(0.5)
        self.stamp_size.setSuffix(" µm")
        self.stamp_size.setToolTip("Diameter of the next stamp (= and -)")
        self.stamp_turn = QSpinBox()
        self.stamp_turn.setRange(_RANDOM, 359)
        self.stamp_turn.setSingleStep(15)
        self.stamp_turn.setSpecialValueText("random")
        self.stamp_turn.setSuffix("°")
        self.stamp_turn.setToolTip(
            "Direction of the next stamp's long axis, counter-clockwise from the right ([ and ]); "
            "below 0 each stamp is turned at random"
        )
        self._on_stamp_changed()
        self.stamp_size.valueChanged.connect(self._choose_size)
        self.stamp_turn.valueChanged.connect(self._choose_turn)
        second = QHBoxLayout()
        second.addWidget(QLabel("Size"))
        second.addWidget(self.stamp_size, 1)
        second.addWidget(QLabel("Turned"))
        second.addWidget(self.stamp_turn, 1)
        both = QVBoxLayout()
        both.addLayout(row)
        both.addLayout(second)
        return both

    def _centroids(self) -> QHBoxLayout:
        row = QHBoxLayout()
        grow = QPushButton("Grow centroids")
        grow.setToolTip("Makes a nucleus of the current stamp around each point (Y)")
        grow.clicked.connect(self._grow)
        fill = QPushButton("Layout → centroids")
        fill.setToolTip("Puts the centre of every nucleus into the Centroids layer")
        fill.clicked.connect(self._fill_centroids)
        row.addWidget(grow)
        row.addWidget(fill)
        return row

    def _fill_classes(self, _layout: object = None) -> None:
        canvas = self._canvas_reference()
        if canvas is None:
            return
        for button in self._class_buttons.values():
            self._class_group.removeButton(button)
            self._classes.removeWidget(button)
            button.hide()
            button.deleteLater()
        self._class_buttons = {}
        for index, each in enumerate(canvas.layout.classes):
            button = QToolButton()
            button.setCheckable(True)
            button.setText(each.name)
            button.setIcon(_swatch(each.color))
            button.setIconSize(QSize(12, 12))
            button.setToolButtonStyle(button.toolButtonStyle().ToolButtonTextBesideIcon)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.setToolTip(f"Draw nuclei of this class (Alt+{index + 1})" if index < 9 else "Draw this class")
            button.clicked.connect(partial(self._choose_class, each.name))
            self._class_group.addButton(button)
            self._class_buttons[each.name] = button
            self._classes.addWidget(button, index // 3, index % 3)
        self._on_class_changed(canvas.class_name)

    def _choose_tool(self, tool: Tool, _checked: bool = False) -> None:
        canvas = self._canvas_reference()
        if canvas is not None:
            canvas.tool = Tool.PAN if canvas.tool is tool else tool
            self._on_tool_changed(canvas.tool)

    def _choose_class(self, name: str, _checked: bool = False) -> None:
        canvas = self._canvas_reference()
        if canvas is not None:
            canvas.class_name = name

    def _choose_stamp(self, index: int) -> None:
        canvas = self._canvas_reference()
        if canvas is not None:
            canvas.stamp_tool.name = str(self._stamp_box.itemData(index))
            canvas.tool = Tool.STAMP

    def _choose_size(self, diameter: float) -> None:
        canvas = self._canvas_reference()
        if canvas is not None:
            canvas.stamp_tool.diameter = diameter

    def _choose_turn(self, degrees: int) -> None:
        canvas = self._canvas_reference()
        if canvas is not None:
            canvas.stamp_tool.orientation = None if degrees == _RANDOM else float(degrees)

    def _grow(self) -> None:
        canvas = self._canvas_reference()
        if canvas is not None:
            canvas.centroids.grow()

    def _fill_centroids(self) -> None:
        canvas = self._canvas_reference()
        if canvas is not None:
            canvas.centroids.fill_from_layout()

    def _on_outlines(self, checked: bool) -> None:
        canvas = self._canvas_reference()
        if canvas is not None:
            canvas.outlines_only = checked

    def _on_outlines_changed(self, value: bool) -> None:
        self._outlines.setChecked(value)

    def _on_tool_changed(self, tool: Tool) -> None:
        for each, button in self._tool_buttons.items():
            button.setChecked(each is tool)

    def _on_class_changed(self, name: str) -> None:
        button = self._class_buttons.get(name)
        if button is not None:
            button.setChecked(True)

    def _on_stamp_changed(self) -> None:
        canvas = self._canvas_reference()
        if canvas is None:
            return
        stamp = canvas.stamp_tool
        self._stamp_box.setCurrentIndex(self._stamp_box.findData(stamp.name))
        # The boxes round; what the keys have set must not come back rounded.
        with QSignalBlocker(self.stamp_size), QSignalBlocker(self.stamp_turn):
            self.stamp_size.setRange(*stamp.diameter_range)
            self.stamp_size.setValue(stamp.diameter)
            self.stamp_turn.setValue(_RANDOM if stamp.orientation is None else round(stamp.orientation) % 360)


def _swatch(color: tuple[int, int, int]) -> QIcon:
    pixmap = QPixmap(12, 12)
    pixmap.fill(QColor(*color))
    return QIcon(pixmap)
