"""Where nuclei are: the table, its rasterization, random generators, files, validation."""

from histoloom.layouts.classes import DEFAULT_CLASSES, NucleusClass, classes_for
from histoloom.layouts.edits import CommandHistory, LayoutEdit
from histoloom.layouts.layout import Layout, TissueMap
from histoloom.layouts.nucleus import Nucleus
from histoloom.layouts.outline import Outline

__all__ = [
    "DEFAULT_CLASSES",
    "CommandHistory",
    "Layout",
    "LayoutEdit",
    "Nucleus",
    "NucleusClass",
    "Outline",
    "TissueMap",
    "classes_for",
]
