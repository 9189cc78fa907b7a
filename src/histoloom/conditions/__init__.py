"""What a generator sees: named encodings of layouts, and of structure in pictures."""

from histoloom.conditions.accepted import AcceptedStructure
from histoloom.conditions.class_maps import ClassesEncoding, ClassesRecipe
from histoloom.conditions.edges import EdgeRecipe, detect_edges, edge_halo, found_edges, resolved_edges
from histoloom.conditions.encoding import Encoding
from histoloom.conditions.mask_and_structure import MaskAndStructureEncoding, MaskAndStructureRecipe
from histoloom.conditions.nuclei_and_tissue import NucleiAndTissueEncoding, NucleiAndTissueRecipe
from histoloom.conditions.nucleus_maps import DistanceEncoding, HoVerEncoding
from histoloom.conditions.registry import ENCODINGS, encoding_from_json
from histoloom.conditions.stacked import StackedEncoding
from histoloom.conditions.structure_labels import (
    BACKGROUND,
    EDGE,
    NUCLEUS,
    StructureLabelsEncoding,
    StructureLabelsRecipe,
    structure_labels,
)
from histoloom.conditions.structure_maps import (
    StructureMapRecipe,
    found_structure,
    resolved_structure_map,
    structure_map,
    structure_map_halo,
)

__all__ = [
    "BACKGROUND",
    "EDGE",
    "ENCODINGS",
    "NUCLEUS",
    "AcceptedStructure",
    "ClassesEncoding",
    "ClassesRecipe",
    "DistanceEncoding",
    "EdgeRecipe",
    "Encoding",
    "HoVerEncoding",
    "MaskAndStructureEncoding",
    "MaskAndStructureRecipe",
    "NucleiAndTissueEncoding",
    "NucleiAndTissueRecipe",
    "StackedEncoding",
    "StructureLabelsEncoding",
    "StructureLabelsRecipe",
    "StructureMapRecipe",
    "detect_edges",
    "edge_halo",
    "encoding_from_json",
    "found_edges",
    "found_structure",
    "resolved_edges",
    "resolved_structure_map",
    "structure_labels",
    "structure_map",
    "structure_map_halo",
]
