"""What a click on the canvas can mean."""

from __future__ import annotations

from enum import Enum


class Tool(Enum):
    """The tools, each with the napari mode that its layer is in while it is used."""

    PAN = "Move the view"
    BRUSH = "Brush"
    ERASER = "Eraser"
    POLYGON = "Polygon"
    FILL = "Fill"
    STAMP = "Stamp"
    SELECT = "Select"
    SKETCH = "Freehand"
    CURVE = "Curve"
    CENTROIDS = "Centroids"
    TISSUE = "Tissue"

    @property
    def napari_mode(self) -> str:
        """Mode of the Layout, Sketch, Centroids or Tissue layer."""
        return _MODES[self]

    @classmethod
    def of_napari_mode(cls, mode: str) -> Tool | None:
        """Return the tool that a mode of the Layout layer stands for when the user chose it in napari."""
        return _TOOLS.get(mode)


_MODES = {
    Tool.PAN: "pan_zoom",
    Tool.BRUSH: "paint",
    Tool.ERASER: "erase",
    Tool.POLYGON: "polygon",
    Tool.FILL: "fill",
    Tool.STAMP: "pan_zoom",
    Tool.SELECT: "pan_zoom",
    Tool.SKETCH: "add_polygon_lasso",
    Tool.CURVE: "add_path",
    Tool.CENTROIDS: "add",
    Tool.TISSUE: "paint",
}
_TOOLS = {
    "pan_zoom": Tool.PAN,
    "paint": Tool.BRUSH,
    "erase": Tool.ERASER,
    "polygon": Tool.POLYGON,
    "fill": Tool.FILL,
}
