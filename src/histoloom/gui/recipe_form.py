"""Forms for recipes: any `Recipe` class becomes a form through magicgui's public `create_widget`."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

import annotated_types
from magicgui.widgets import create_widget
from pydantic.fields import FieldInfo
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from superqt import QCollapsible

from histoloom.errors import RecipeError
from histoloom.recipes import Recipe

_LARGEST = 2**31 - 1
_FINEST_STEP = 1e-9
_NAMES = tuple[str, ...]
_SEPARATOR = ", "


class RecipeForm(QWidget):
    """A form with a row for each field of a recipe that a form can show.

    Titles, units, limits and tooltips come from the recipe; values that the form cannot show (such as curves) keep what
    the recipe had. Input that contradicts itself is explained in one sentence beneath the form.

    Parameters
    ----------
    recipe_type
        The kind of recipe.
    hidden
        Names of fields that are set from elsewhere.
    advanced
        Names of fields that are folded away at first.
    choices
        What fields of words may be, by name, where that is known; the recipe itself takes others too.
    first
        Names of fields that come before the others.
    parent
        Qt parent.
    """

    changed = Signal(object)
    """The new recipe, whenever the form holds a usable one."""

    def __init__(
        self,
        recipe_type: type[Recipe],
        hidden: Collection[str] = (),
        advanced: Collection[str] = (),
        choices: Mapping[str, Sequence[str]] | None = None,
        first: Sequence[str] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._choices = choices or {}
        self._type = recipe_type
        self._recipe = recipe_type()
        self._widgets: dict[str, Any] = {}
        self._is_loading = False
        self._problem = QLabel()
        self._problem.setWordWrap(True)
        self._problem.setStyleSheet("color: #d55e00;")
        self._problem.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        names = [
            name for name in dict.fromkeys([*first, *recipe_type.model_fields]) if name in recipe_type.model_fields
        ]
        column.addLayout(self._rows([name for name in names if name not in {*hidden, *advanced}]))
        folded = [name for name in names if name in advanced and name not in hidden]
        if folded:
            column.addWidget(self._collapsible(folded))
        column.addWidget(self._problem)
        reset = QPushButton("Reset to defaults")
        reset.clicked.connect(self.reset)
        column.addWidget(reset)

    @property
    def recipe(self) -> Any:
        """The recipe that the form shows; setting it fills the form.

        Raises
        ------
        RecipeError
            If the values contradict each other.
        """
        shown = {name: self._shown(name, widget.value) for name, widget in self._widgets.items()}
        return self._type.checked(**(self._recipe.model_dump() | shown))

    @recipe.setter
    def recipe(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._is_loading = True
        try:
            for name, widget in self._widgets.items():
                value = getattr(recipe, name)
                if isinstance(value, float):
                    _make_room(widget, value)
                elif name in self._choices and value not in widget.choices:
                    widget.choices = [*widget.choices, value]
                widget.value = _SEPARATOR.join(value) if isinstance(value, tuple) else value
        finally:
            self._is_loading = False
        self._on_changed()

    @property
    def problem(self) -> str:
        """The sentence about what is wrong, or nothing."""
        return str(self._problem.text())

    @property
    def fields(self) -> Mapping[str, Any]:
        """The magicgui widget of each field."""
        return self._widgets

    def reset(self) -> None:
        """Fill the form with the defaults."""
        self.recipe = self._type()

    def _rows(self, names: Collection[str]) -> QFormLayout:
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name in names:
            field = self._type.model_fields[name]
            widget = _widget_of(name, field, self._choices.get(name))
            if widget is None:
                continue
            self._widgets[name] = widget
            label = QLabel(field.title or name)
            label.setToolTip(field.description or "")
            form.addRow(label, widget.native)
            widget.changed.connect(self._on_changed)
        return form

    def _shown(self, name: str, value: Any) -> Any:
        """Return what the recipe holds where a widget shows a value."""
        if self._type.model_fields[name].annotation != _NAMES:
            return value
        return tuple(each.strip() for each in str(value).split(",") if each.strip())

    def _collapsible(self, names: Collection[str]) -> QCollapsible:
        inner = QWidget()
        inner.setLayout(self._rows(names))
        folded = QCollapsible("Advanced")
        folded.setDuration(0)
        folded.addWidget(inner)
        return folded

    def _on_changed(self) -> None:
        if self._is_loading:
            return
        try:
            recipe = self.recipe
        except RecipeError as error:
            self._problem.setText(str(error))
            self._problem.show()
            return
        self._problem.setText("")
        self._problem.hide()
        self.changed.emit(recipe)


def _widget_of(name: str, field: FieldInfo, choices: Sequence[str] | None = None) -> Any:
    """Return a magicgui widget for a field, or None if no form can show it."""
    annotation: Any = field.annotation
    options: dict[str, Any]
    if choices is not None:
        options = {"tooltip": field.description or "", "choices": list(choices)}
        return create_widget(value=field.default, annotation=annotation, name=name, options=options)
    if annotation == _NAMES:
        tooltip = f"{field.description or ''} Separate them by commas.".strip()
        names = _SEPARATOR.join(field.default)
        return create_widget(value=names, annotation=str, name=name, options={"tooltip": tooltip})
    if not (annotation in {bool, int, float, str} or get_origin(annotation) is Literal):
        return None
    options = {"tooltip": field.description or ""}
    if annotation in {int, float}:
        options |= _limits(field, annotation is int)
    elif get_origin(annotation) is Literal:
        options["choices"] = list(get_args(annotation))
    widget = create_widget(value=field.default, annotation=annotation, name=name, options=options)
    if annotation is float and hasattr(widget.native, "setDecimals"):
        # A spin box rounds what it shows, and the form must give back what it was given.
        widget.native.setDecimals(max(2, _decimals(float(field.default)), _decimals(options["step"])))
        widget.value = field.default
    extra = field.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else None
    if unit and hasattr(widget.native, "setSuffix"):
        widget.native.setSuffix(f" {unit}")
    return widget


def _limits(field: FieldInfo, whole: bool) -> dict[str, Any]:
    """Return a spin box's range and step from pydantic's constraints."""
    low, high, step = -float(_LARGEST), float(_LARGEST), None
    above = below = False
    for rule in field.metadata:
        if isinstance(rule, annotated_types.Ge | annotated_types.Gt):
            low, above = float(getattr(rule, "ge", getattr(rule, "gt", low))), isinstance(rule, annotated_types.Gt)
        elif isinstance(rule, annotated_types.Le | annotated_types.Lt):
            high, below = float(getattr(rule, "le", getattr(rule, "lt", high))), isinstance(rule, annotated_types.Lt)
        elif isinstance(rule, annotated_types.MultipleOf):
            step = float(getattr(rule, "multiple_of", 1.0))
    if whole:
        step = int(step or 1)
        return {"min": int(low) + above * step, "max": int(high) - below * step, "step": step}
    default = float(field.default)
    step = step or _step(default, low, high)
    # The least that a spin box tells from the limit itself.
    least = 10.0 ** -max(2, _decimals(default), _decimals(step))
    return {"min": low + above * least, "max": high - below * least, "step": step}


def _step(default: float, low: float, high: float) -> float:
    """Return a step of one significant digit, about a twentieth of the usual value."""
    size = abs(default) or min(abs(low), abs(high)) or 1.0
    return max(10.0 ** math.floor(math.log10(min(size, high - low) / 5.0)), _FINEST_STEP)


def _make_room(widget: Any, value: float) -> None:
    """Let a spin box show a value of any number of decimals as it is; rounding it would change the recipe."""
    if hasattr(widget.native, "setDecimals"):
        widget.native.setDecimals(max(widget.native.decimals(), _decimals(value)))
    if value < widget.min:
        widget.min = value
    if value > widget.max:
        widget.max = value


def _decimals(value: float) -> int:
    """Return how many digits follow the point."""
    exponent = Decimal(str(value)).normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0
