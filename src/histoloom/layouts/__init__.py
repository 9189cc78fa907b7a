"""Where nuclei are: the table, its rasterization, random generators, files, validation."""

from histoloom.layouts.classes import DEFAULT_CLASSES, NucleusClass, classes_for
from histoloom.layouts.coco import layout_from_coco, layout_to_coco
from histoloom.layouts.edits import CommandHistory, LayoutEdit, TissueChange
from histoloom.layouts.files import load_layout, load_layout_with_notes, save_layout
from histoloom.layouts.generators_by_name import LAYOUT_GENERATORS, LayoutGenerator
from histoloom.layouts.geojson import layout_from_geojson, layout_to_geojson
from histoloom.layouts.growth import grow_centroids
from histoloom.layouts.layout import Layout, blank_tissue_map
from histoloom.layouts.nucleus import Nucleus
from histoloom.layouts.opening import open_layout
from histoloom.layouts.outline import Outline
from histoloom.layouts.polygons import HouPolygonsRecipe, hou_polygons
from histoloom.layouts.random_layout import random_layout
from histoloom.layouts.random_recipe import PRESETS, RandomLayoutRecipe, preset_recipe
from histoloom.layouts.random_tissue import inferred_tissue_map, random_tissue_map
from histoloom.layouts.stamps import STAMPS, Stamp, stamp_nucleus
from histoloom.layouts.tile_folders import TileFolder, open_tile_folder
from histoloom.layouts.tile_tissue import tile_tissue_map
from histoloom.layouts.tissue_map import TissueMap
from histoloom.layouts.tissue_recipe import TissueMapRecipe
from histoloom.layouts.transforms import ReplicaRecipe, ShapeRecipe, replica, shape_similarity, shape_variant
from histoloom.layouts.validation import Finding, check_label_map, repair_label_map
from histoloom.layouts.variants import LAYOUT_VARIANTS, LayoutVariant, varied_layouts

__all__ = [
    "DEFAULT_CLASSES",
    "LAYOUT_GENERATORS",
    "LAYOUT_VARIANTS",
    "PRESETS",
    "STAMPS",
    "CommandHistory",
    "Finding",
    "HouPolygonsRecipe",
    "Layout",
    "LayoutEdit",
    "LayoutGenerator",
    "LayoutVariant",
    "Nucleus",
    "NucleusClass",
    "Outline",
    "RandomLayoutRecipe",
    "ReplicaRecipe",
    "ShapeRecipe",
    "Stamp",
    "TileFolder",
    "TissueChange",
    "TissueMap",
    "TissueMapRecipe",
    "blank_tissue_map",
    "check_label_map",
    "classes_for",
    "grow_centroids",
    "hou_polygons",
    "inferred_tissue_map",
    "layout_from_coco",
    "layout_from_geojson",
    "layout_to_coco",
    "layout_to_geojson",
    "load_layout",
    "load_layout_with_notes",
    "open_layout",
    "open_tile_folder",
    "preset_recipe",
    "random_layout",
    "random_tissue_map",
    "repair_label_map",
    "replica",
    "save_layout",
    "shape_similarity",
    "shape_variant",
    "stamp_nucleus",
    "tile_tissue_map",
    "varied_layouts",
]
