"""The recipe of random layouts, and ready-made ones by the name of the tissue that they resemble."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self

from pydantic import model_validator

from histoloom.errors import RecipeError
from histoloom.layouts.tissue_recipe import (
    TissueMapRecipe,
    blank_fraction_field,
    blood_fraction_field,
    cellular_coverage_field,
)
from histoloom.recipes import Recipe, recipe_field

RANDOM_CLASSES = ("epithelial", "inflammatory", "spindle", "tumor", "other")
"""The classes that random layouts mix, in the order of their fields."""

MOST_NUCLEI = 1_000_000
"""More nuclei than this are refused: the table would not fit an ordinary computer's memory."""

_MOST_GLANDS = 5000

Curve = tuple[tuple[float, float], ...]


class ClassShape(NamedTuple):
    """Size and shape of one class in a recipe."""

    share: float
    diameter: float
    spread: float
    elongation: float
    irregularity: float


def _share(name: str, default: float) -> Any:
    return recipe_field(
        default, f"{name}: share", f"How many of the nuclei are {name}, relative to the other shares.", ge=0.0, le=100.0
    )


def _diameter(name: str, default: float) -> Any:
    return recipe_field(
        default,
        f"{name}: diameter",
        f"Mean diameter of {name} nuclei (of the disc with the same area).",
        unit="µm",
        ge=1.0,
        le=60.0,
    )


def _spread(name: str, default: float) -> Any:
    return recipe_field(
        default,
        f"{name}: size spread",
        f"Standard deviation of the diameter of {name} nuclei, as a fraction of its mean.",
        ge=0.0,
        le=0.6,
    )


def _elongation(name: str, default: float) -> Any:
    return recipe_field(
        default, f"{name}: elongation", f"Mean length of {name} nuclei over their width.", ge=1.0, le=6.0
    )


def _irregularity(name: str, default: float) -> Any:
    return recipe_field(
        default,
        f"{name}: irregularity",
        f"How far {name} nuclei depart from smooth ellipses: 0 not at all, 1 wildly.",
        ge=0.0,
        le=1.0,
    )


class RandomLayoutRecipe(Recipe):
    """Random nuclei as tissue has them: classes, sizes, clusters, stroma, rows of epithelium, glands."""

    height: int = recipe_field(1024, "Height", "Height of the canvas.", unit="px", ge=1, le=100_000)
    width: int = recipe_field(1024, "Width", "Width of the canvas.", unit="px", ge=1, le=100_000)
    pixel_size: float = recipe_field(0.25, "Pixel size", "Size of one pixel.", unit="µm", ge=0.01, le=10.0)

    density: float = recipe_field(
        5000.0, "Density", "Nuclei in each square millimetre.", unit="nuclei/mm²", ge=0.0, le=40_000.0
    )
    count: int = recipe_field(
        0, "Count", "Number of nuclei; 0 lets the density decide.", unit="nuclei", ge=0, le=MOST_NUCLEI
    )
    min_spacing: float = recipe_field(
        0.5, "Spacing", "Least distance between the outlines of two nuclei.", unit="µm", ge=0.0, le=50.0
    )
    overlap_fraction: float = recipe_field(
        0.0, "Overlapping", "Fraction of the nuclei that may lie partly over others.", ge=0.0, le=1.0
    )

    epithelial_share: float = _share("epithelial", 0.45)
    epithelial_diameter: float = _diameter("epithelial", 7.2)
    epithelial_spread: float = _spread("epithelial", 0.2)
    epithelial_elongation: float = _elongation("epithelial", 1.5)
    epithelial_irregularity: float = _irregularity("epithelial", 0.4)
    inflammatory_share: float = _share("inflammatory", 0.3)
    inflammatory_diameter: float = _diameter("inflammatory", 5.5)
    inflammatory_spread: float = _spread("inflammatory", 0.14)
    inflammatory_elongation: float = _elongation("inflammatory", 1.25)
    inflammatory_irregularity: float = _irregularity("inflammatory", 0.25)
    spindle_share: float = _share("spindle", 0.25)
    spindle_diameter: float = _diameter("spindle", 5.6)
    spindle_spread: float = _spread("spindle", 0.25)
    spindle_elongation: float = _elongation("spindle", 2.6)
    spindle_irregularity: float = _irregularity("spindle", 0.4)
    tumor_share: float = _share("tumor", 0.0)
    tumor_diameter: float = _diameter("tumor", 9.5)
    tumor_spread: float = _spread("tumor", 0.24)
    tumor_elongation: float = _elongation("tumor", 1.4)
    tumor_irregularity: float = _irregularity("tumor", 0.5)
    other_share: float = _share("other", 0.0)
    other_diameter: float = _diameter("other", 6.0)
    other_spread: float = _spread("other", 0.2)
    other_elongation: float = _elongation("other", 1.4)
    other_irregularity: float = _irregularity("other", 0.45)

    cluster_fraction: float = recipe_field(
        0.2, "Clustered", "Fraction of the nuclei that lie in clusters, each of one class.", ge=0.0, le=1.0
    )
    cluster_size: float = recipe_field(15.0, "Cluster size", "Mean number of nuclei in a cluster.", ge=2.0, le=1000.0)
    cluster_radius: float = recipe_field(
        20.0,
        "Cluster radius",
        "Standard deviation of a cluster's nuclei about its middle.",
        unit="µm",
        gt=0.0,
        le=500.0,
    )

    gradient: float = recipe_field(
        0.0,
        "Stroma gradient",
        "How far the density falls across the canvas, from tissue to spindle-celled stroma: 0 not at all, 1 wholly.",
        ge=0.0,
        le=1.0,
    )
    gradient_angle: float = recipe_field(
        0.0,
        "Gradient direction",
        "Where the stroma lies, counter-clockwise from the right.",
        unit="°",
        ge=-360.0,
        le=360.0,
    )
    fibre_angle: float = recipe_field(
        20.0,
        "Fibre direction",
        "Direction of the fibres, counter-clockwise from the right.",
        unit="°",
        ge=-360.0,
        le=360.0,
    )
    fibre_alignment: float = recipe_field(
        0.85,
        "Fibre alignment",
        "How closely spindle nuclei follow the fibres: 0 not at all, 1 exactly.",
        ge=0.0,
        le=1.0,
    )
    fibre_waviness: float = recipe_field(
        0.4, "Fibre waviness", "How much the fibres wind: 0 straight, 1 in whorls.", ge=0.0, le=1.0
    )

    rows: tuple[Curve, ...] = recipe_field(
        (),
        "Rows",
        "Curves along which epithelium stands, each a list of points (y, x); closed ones leave a lumen.",
        unit="µm",
    )
    row_layers: int = recipe_field(1, "Row layers", "Nuclei behind each other in a row of epithelium.", ge=1, le=8)
    row_spacing: float = recipe_field(
        6.5, "Row spacing", "Distance of neighbours along a row of epithelium.", unit="µm", ge=1.0, le=100.0
    )
    row_elongation: float = recipe_field(
        2.1,
        "Row elongation",
        "Mean length of nuclei in rows over their width; they stand across the row.",
        ge=1.0,
        le=6.0,
    )
    row_disorder: float = recipe_field(
        0.5, "Row disorder", "How irregularly nuclei stand in rows: 0 as on a ruler, 1 scattered.", ge=0.0, le=1.0
    )
    row_class: Literal["epithelial", "inflammatory", "spindle", "tumor", "other"] = recipe_field(
        "epithelial", "Row class", "Class of the nuclei in rows and glands."
    )
    gland_density: float = recipe_field(
        0.0, "Glands", "Round glands of epithelium in each square millimetre.", unit="glands/mm²", ge=0.0, le=400.0
    )
    gland_diameter: float = recipe_field(
        75.0, "Gland diameter", "Mean diameter of the glands.", unit="µm", ge=15.0, le=1000.0
    )

    tissue_map: bool = recipe_field(True, "Tissue map", "Whether to draw what lies between the nuclei, too.")
    blank_fraction: float = blank_fraction_field()
    blood_fraction: float = blood_fraction_field()
    cellular_coverage: float = cellular_coverage_field()

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.requested > MOST_NUCLEI:
            raise ValueError(
                f"{self.requested:,} nuclei are more than the {MOST_NUCLEI:,} that a layout may have; "
                "lower the density or the canvas size"
            )
        if self.requested > 0 and sum(shape.share for shape in self.class_shapes.values()) <= 0.0:
            raise ValueError("all class shares are 0; give at least one class a share above 0")
        if self.gland_density * self.area > _MOST_GLANDS:
            raise ValueError(f"more than {_MOST_GLANDS:,} glands; lower their density or the canvas size")
        if any(len(curve) < 2 for curve in self.rows):
            raise ValueError("a row needs a curve of at least two points")
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """Canvas height and width in pixels."""
        return self.height, self.width

    @property
    def area(self) -> float:
        """Canvas area in mm²."""
        return self.height * self.width * self.pixel_size**2 * 1e-6

    @property
    def requested(self) -> int:
        """Number of nuclei asked for, by count or by density."""
        return self.count or round(self.density * self.area)

    @property
    def tissue(self) -> TissueMapRecipe:
        """What lies between the nuclei."""
        return TissueMapRecipe(**{name: getattr(self, name) for name in TissueMapRecipe.model_fields})

    @property
    def class_shapes(self) -> dict[str, ClassShape]:
        """Size and shape of each class by its name."""
        return {
            name: ClassShape(*(float(getattr(self, f"{name}_{part}")) for part in ClassShape._fields))
            for name in RANDOM_CLASSES
        }


PRESETS: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "mixed": {},
        "colon glands": {
            "density": 6000.0,
            "gland_density": 60.0,
            "gland_diameter": 80.0,
            "row_layers": 2,
            "min_spacing": 0.25,
            "epithelial_share": 0.05,
            "inflammatory_share": 0.6,
            "spindle_share": 0.35,
            "cluster_fraction": 0.15,
            "fibre_waviness": 0.9,
            "blank_fraction": 0.03,
        },
        "dense lymphoid": {
            "density": 13500.0,
            "min_spacing": 0.2,
            "epithelial_share": 0.0,
            "inflammatory_diameter": 6.0,
            "inflammatory_share": 0.95,
            "spindle_share": 0.05,
            "cluster_fraction": 0.0,
            "blank_fraction": 0.01,
        },
        "stroma": {
            "density": 2200.0,
            "epithelial_share": 0.0,
            "inflammatory_share": 0.15,
            "spindle_share": 0.85,
            "spindle_elongation": 3.2,
            "cluster_fraction": 0.1,
            "blank_fraction": 0.1,
            "blood_fraction": 0.03,
        },
        "tumor nests": {
            "density": 5500.0,
            "epithelial_share": 0.0,
            "inflammatory_share": 0.3,
            "spindle_share": 0.2,
            "tumor_share": 0.5,
            "cluster_fraction": 0.6,
            "cluster_size": 40.0,
            "cluster_radius": 35.0,
            "overlap_fraction": 0.03,
        },
        "tissue edge": {"density": 4500.0, "gradient": 0.9, "cluster_fraction": 0.1, "blank_fraction": 0.25},
        "sparse": {"density": 900.0, "cluster_fraction": 0.1, "blank_fraction": 0.12, "blood_fraction": 0.02},
    }
)
"""What each preset changes of the default recipe."""


def preset_recipe(name: str, **changes: Any) -> RandomLayoutRecipe:
    """Return the recipe of a preset, with further fields changed.

    Raises
    ------
    RecipeError
        If there is no such preset, or a field is not usable.
    """
    if name not in PRESETS:
        raise RecipeError(f"There is no preset '{name}'; choose one of: {', '.join(PRESETS)}.")
    return RandomLayoutRecipe.checked(**{**PRESETS[name], **changes})
