"""Aperio ImageScope's XML annotations, as MoNuSeg (Kumar et al. 2017) and MoNuSAC are published in."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LayoutError
from histoloom.layouts.classes import DEFAULT_CLASS
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE, Layout
from histoloom.layouts.nucleus import Nucleus
from histoloom.layouts.outline import Outline
from histoloom.tiles.sentences import one_line

_CORNER_TO_CENTER = 0.5


def read_aperio_xml(path: Path, shape: tuple[int, int], pixel_size: float = DEFAULT_PIXEL_SIZE) -> Layout:
    """Read the regions of an ImageScope file as nuclei; polygons may overlap, and stay whole.

    ImageScope counts from the corner of the first pixel, layouts from its centre, so half a pixel is taken off. Regions
    of fewer than three points are left out; a negative region is a hole of the region before it. An annotation layer's
    attribute name is the class, as in MoNuSAC.

    Raises
    ------
    LayoutError
        If the file is damaged or no ImageScope file.
    """
    try:
        # expat (2.4 and later) limits the growth of entities by itself.
        root = ElementTree.parse(path).getroot()  # noqa: S314
    except FileNotFoundError:
        raise LayoutError(f"'{path.name}' does not exist; check the name and the folder.") from None
    except (ElementTree.ParseError, OSError, ValueError) as error:
        raise LayoutError(
            f"'{path.name}' cannot be read as XML ({one_line(error)}); copy or export it again."
        ) from error
    annotations = [root] if root.tag == "Annotation" else list(root.iter("Annotation"))
    if not annotations:
        raise LayoutError(f"'{path.name}' has no annotation; give an XML file of Aperio ImageScope.")
    nuclei: list[Nucleus] = []
    for annotation in annotations:
        class_name = _class_name(annotation)
        for region in annotation.iter("Region"):
            ring = _ring(region, path)
            if ring is None:
                continue
            if region.get("NegativeROA") == "1" and nuclei:
                last = nuclei[-1]
                nuclei[-1] = last.reshaped(Outline([*last.outline.rings, ring]))
            else:
                nuclei.append(Nucleus.create(len(nuclei) + 1, Outline([ring]), class_name))
    return Layout.from_nuclei(nuclei, shape, pixel_size)


def _class_name(annotation: ElementTree.Element) -> str:
    attribute = annotation.find("Attributes/Attribute")
    name = (attribute.get("Name") or "").strip() if attribute is not None else ""
    return DEFAULT_CLASS if name.lower() in ("", "description") else name.lower()


def _ring(region: ElementTree.Element, path: Path) -> NDArray[np.float64] | None:
    try:
        points = [(float(each.attrib["Y"]), float(each.attrib["X"])) for each in region.iter("Vertex")]
    except (KeyError, ValueError):
        raise LayoutError(f"'{path.name}' has a point without coordinates; export the annotations again.") from None
    if len(points) > 1 and points[0] == points[-1]:
        points.pop()
    if len(points) < 3:
        return None
    return np.array(points, np.float64) - _CORNER_TO_CENTER
