"""The one table of shortcuts: key bindings and help are both made from it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from html import escape
from typing import TYPE_CHECKING, Any

from histoloom.gui.canvas_layers import CENTROIDS, LAYOUT, ROLE_KEY, SKETCH, TISSUE
from histoloom.gui.tools import Tool
from histoloom.tiles.tissue import TISSUES

if TYPE_CHECKING:
    from histoloom.gui.canvas import Canvas

Action = Callable[["Canvas"], None]


class Context(Enum):
    """Where a shortcut means something."""

    EVERYWHERE = "On the canvas"
    BRUSH = "With the brush"
    SELECT = "With the Select tool"
    STAMP = "With the Stamp tool"
    SKETCH = "In the Sketch layer"
    CENTROIDS = "In the Centroids layer"
    TISSUE = "In the Tissue layer"


@dataclass(frozen=True)
class Shortcut:
    """One entry of the table.

    Parameters
    ----------
    keys
        napari's names of the key or keys, or of a gesture of the mouse.
    title
        What it does, for people.
    context
        Where it does it.
    name
        Name of the action, the same for keys that do the same.
    action
        What is called; None for gestures of the mouse, which the tools follow themselves.
    replaces
        What the key means in napari, where another meaning is put in its place while the tool is used.
    """

    keys: tuple[str, ...]
    title: str
    context: Context
    name: str
    action: Action | None = None
    replaces: str = ""


def _tool(tool: Tool) -> Action:
    def choose(canvas: Canvas) -> None:
        canvas.tool = tool

    return choose


def _toggle_outlines(canvas: Canvas) -> None:
    canvas.outlines_only = not canvas.outlines_only


def _reclass(number: int) -> Action:
    return lambda canvas: canvas.select_tool.reclass_number(number)


def _choose_class(number: int) -> Action:
    def choose(canvas: Canvas) -> None:
        if number <= len(canvas.layout.classes):
            canvas.class_name = canvas.layout.classes[number - 1].name

    return choose


def _choose_tissue(number: int) -> Action:
    return lambda canvas: canvas.tissue.choose(number)


_EVERYWHERE, _SELECT, _STAMP = Context.EVERYWHERE, Context.SELECT, Context.STAMP
_MODES = "a mode of the Labels layer"
_DIGITS = range(1, 10)

SHORTCUTS: tuple[Shortcut, ...] = (
    Shortcut(
        ("Control-Z",), "Undo, whatever it was", _EVERYWHERE, "undo", lambda c: c.undo(), "undo of one Labels layer"
    ),
    Shortcut(("Control-Shift-Z",), "Redo", _EVERYWHERE, "redo", lambda c: c.redo(), "redo of one Labels layer"),
    Shortcut(("N",), "Brush: each stroke is a new nucleus", _EVERYWHERE, "brush", _tool(Tool.BRUSH)),
    Shortcut(("U",), "Eraser", _EVERYWHERE, "eraser", _tool(Tool.ERASER)),
    Shortcut(
        ("G",), "Polygon: click its corners, double-click to close it", _EVERYWHERE, "polygon", _tool(Tool.POLYGON)
    ),
    Shortcut(("W",), "Stamp: click to place a nucleus", _EVERYWHERE, "stamp", _tool(Tool.STAMP)),
    Shortcut(("Q",), "Select and move whole nuclei", _EVERYWHERE, "select", _tool(Tool.SELECT)),
    Shortcut(("K",), "Freehand outline in the Sketch layer", _EVERYWHERE, "sketch", _tool(Tool.SKETCH)),
    Shortcut(
        ("Shift-K",),
        "Curve along which Generate stands a row of epithelium",
        _EVERYWHERE,
        "curve",
        _tool(Tool.CURVE),
    ),
    Shortcut(("H",), "Centroids: click where nuclei shall grow", _EVERYWHERE, "centroids", _tool(Tool.CENTROIDS)),
    Shortcut(
        ("Shift-T",), "Tissue brush: paint what lies between the nuclei", _EVERYWHERE, "tissue", _tool(Tool.TISSUE)
    ),
    Shortcut(("C",), "Real or woven tissue", _EVERYWHERE, "flicker", lambda c: c.comparison.flicker()),
    Shortcut(
        ("Shift-C",), "Real and woven side by side", _EVERYWHERE, "side_by_side", lambda c: c.comparison.side_by_side()
    ),
    Shortcut(("J",), "Show nuclei as outlines or filled", _EVERYWHERE, "outlines", _toggle_outlines),
    *(Shortcut((f"Alt-{n}",), f"Draw with class {n}", _EVERYWHERE, f"class_{n}", _choose_class(n)) for n in _DIGITS),
    Shortcut(("Drag",), "Draw a new nucleus; the others are protected", Context.BRUSH, "draw"),
    Shortcut(("Shift+drag",), "Draw a new nucleus over the others", Context.BRUSH, "draw_over"),
    Shortcut(("Ctrl+drag",), "Extend the nucleus under the cursor", Context.BRUSH, "extend"),
    Shortcut(("Right-drag",), "Draw around a nucleus and fill it (napari 0.9)", Context.BRUSH, "encircle"),
    Shortcut(("Click",), "Select a nucleus; beside all nuclei: select none", _SELECT, "click"),
    Shortcut(("Shift+click",), "Add a nucleus to the selection, or take it out", _SELECT, "add_click"),
    Shortcut(("Drag",), "Move the selected nuclei", _SELECT, "move"),
    Shortcut(("Shift+drag",), "Beside all nuclei: select those inside a box", _SELECT, "box"),
    Shortcut(("A",), "Select all nuclei", _SELECT, "select_all", lambda c: c.select_tool.select_all()),
    Shortcut(("R",), "Turn by 15° clockwise", _SELECT, "turn_right", lambda c: c.select_tool.rotate(15.0)),
    Shortcut(
        ("Shift-R",), "Turn by 15° counter-clockwise", _SELECT, "turn_left", lambda c: c.select_tool.rotate(-15.0)
    ),
    Shortcut(
        ("=",), "Enlarge by 10 %", _SELECT, "enlarge", lambda c: c.select_tool.scale(1.1), "the next label's number"
    ),
    Shortcut(
        ("-",), "Shrink by 10 %", _SELECT, "shrink", lambda c: c.select_tool.scale(1 / 1.1), "the next label's number"
    ),
    Shortcut(("D",), "Duplicate", _SELECT, "duplicate", lambda c: c.select_tool.duplicate()),
    Shortcut(("Delete", "Backspace"), "Delete", _SELECT, "delete", lambda c: c.select_tool.delete()),
    *(Shortcut((str(n),), f"Reclass to class {n}", _SELECT, f"reclass_{n}", _reclass(n), _MODES) for n in _DIGITS),
    Shortcut(("PageUp",), "Bring to the front", _SELECT, "front", lambda c: c.select_tool.bring_to_front()),
    Shortcut(("PageDown",), "Send to the back", _SELECT, "back", lambda c: c.select_tool.send_to_back()),
    Shortcut(("O",), "Edit the outline by its vertices", _SELECT, "edit_outline", lambda c: c.sketch.edit_outlines()),
    Shortcut(
        ("Escape",), "Take a drag back, or select none", _SELECT, "cancel", lambda c: c.select_tool.cancel(), _MODES
    ),
    Shortcut(("Click",), "Place a nucleus", _STAMP, "place"),
    Shortcut(("Drag",), "Strew nuclei along the way", _STAMP, "strew"),
    Shortcut(("Shift+wheel",), "Turn the stamp", _STAMP, "turn_wheel"),
    Shortcut(
        ("]",), "Turn the stamp clockwise", _STAMP, "stamp_right", lambda c: c.stamp_tool.turn(15.0), "the brush's size"
    ),
    Shortcut(
        ("[",),
        "Turn it counter-clockwise",
        _STAMP,
        "stamp_left",
        lambda c: c.stamp_tool.turn(-15.0),
        "the brush's size",
    ),
    Shortcut(
        ("=",), "Larger stamp", _STAMP, "stamp_larger", lambda c: c.stamp_tool.grow(1.1), "the next label's number"
    ),
    Shortcut(
        ("-",),
        "Smaller stamp",
        _STAMP,
        "stamp_smaller",
        lambda c: c.stamp_tool.grow(1 / 1.1),
        "the next label's number",
    ),
    Shortcut(
        ("Enter", "Escape"),
        "Finish the shape, or the editing of outlines",
        Context.SKETCH,
        "finish_sketch",
        lambda c: c.sketch.finish_or_close(),
        "finish drawing, which it does as well",
    ),
    Shortcut(("Y",), "Grow the points into nuclei", Context.CENTROIDS, "grow", lambda c: c.centroids.grow()),
    *(
        Shortcut((str(n),), f"Paint {name} tissue", Context.TISSUE, f"tissue_{n}", _choose_tissue(n), _MODES)
        for n, name in enumerate(TISSUES)
    ),
)
"""Every shortcut of the canvas."""


def bind_shortcuts(canvas: Canvas, target: Any, tool: Tool | None) -> None:
    """Bind the keys that mean something on a viewer or one of our layers, and free those that no longer do.

    Parameters
    ----------
    canvas
        What the actions act on; held weakly.
    target
        A napari viewer or layer.
    tool
        The tool in use, or None for a viewer.
    """
    role = getattr(target, "metadata", {}).get(ROLE_KEY) if tool is not None else None
    contexts = active_contexts(role, tool)
    for shortcut in SHORTCUTS:
        if shortcut.action is None or shortcut.context not in _contexts_of_role(role):
            continue
        if shortcut.context not in contexts:
            for key in shortcut.keys:
                target.bind_key(key, None)
    for shortcut in SHORTCUTS:
        if shortcut.action is not None and shortcut.context in contexts:
            for key in shortcut.keys:
                target.bind_key(key, _runner(canvas, shortcut.action), overwrite=True)


def active_contexts(role: str | None, tool: Tool | None) -> frozenset[Context]:
    """Return the contexts whose keys are bound on a layer of a role (None: the viewer) while a tool is used."""
    contexts = {Context.EVERYWHERE}
    if role == LAYOUT:
        contexts |= {context for context, needed in _TOOL_CONTEXTS.items() if tool in needed}
    elif role == SKETCH:
        contexts.add(Context.SKETCH)
    elif role == CENTROIDS:
        contexts.add(Context.CENTROIDS)
    elif role == TISSUE:
        contexts.add(Context.TISSUE)
    return frozenset(contexts)


def help_html() -> str:
    """Return the table as HTML, for the dock."""
    parts = []
    for context, rows in _by_context():
        lines = "".join(
            f"<tr><td><b>{escape(keys)}</b></td><td>&nbsp;&nbsp;{escape(title)}</td></tr>" for keys, title in rows
        )
        parts.append(f"<h4>{escape(context.value)}</h4><table>{lines}</table>")
    return "".join(parts)


def help_markdown() -> str:
    """Return the table as Markdown, for the documentation."""
    parts = []
    for context, rows in _by_context():
        lines = "\n".join(f"| `{keys}` | {title} |" for keys, title in rows)
        parts.append(f"## {context.value}\n\n| Keys | What they do |\n| --- | --- |\n{lines}\n")
    return "\n".join(parts)


_TOOL_CONTEXTS = {
    Context.BRUSH: {Tool.BRUSH, Tool.ERASER, Tool.FILL},
    Context.SELECT: {Tool.SELECT},
    Context.STAMP: {Tool.STAMP},
}


def _contexts_of_role(role: str | None) -> frozenset[Context]:
    if role == LAYOUT:
        return frozenset(_TOOL_CONTEXTS)
    return frozenset()


def _by_context() -> list[tuple[Context, list[tuple[str, str]]]]:
    table = []
    for context in Context:
        rows = [
            (" or ".join(_shown(key) for key in each.keys), _explained(each))
            for each in SHORTCUTS
            if each.context is context
        ]
        table.append((context, _without_digits(rows)))
    return table


def _explained(shortcut: Shortcut) -> str:
    if shortcut.action is not None and shortcut.replaces and shortcut.context is not Context.EVERYWHERE:
        return f"{shortcut.title} (in place of {shortcut.replaces})"
    return shortcut.title


def _without_digits(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Join the nine rows of a digit's shortcut into one."""
    joined = []
    for keys, title in rows:
        if keys.endswith("1") and "class 1" in title:
            joined.append((f"{keys} … 9", title.replace("class 1", "class 1 … 9")))
        elif not (keys[-1].isdigit() and "class " in title):
            joined.append((keys, title))
    return joined


def _shown(key: str) -> str:
    if len(key) == 1:
        return key
    return key.replace("Control", "Ctrl").replace("-", "+")


def _runner(canvas: Canvas, action: Action) -> Callable[[Any], None]:
    reference = weakref.ref(canvas)

    def run(_target: Any) -> None:
        alive = reference()
        if alive is not None:
            action(alive)

    return run
