"""The recipe of random tissue maps."""

from __future__ import annotations

from typing import Any

from histoloom.recipes import Recipe, recipe_field


def blank_fraction_field(default: float = 0.05) -> Any:
    """Declare how much of the canvas is blank."""
    return recipe_field(
        default,
        "Blank ground",
        "Fraction of the canvas that is blank: clefts and gaps without nuclei, besides the lumens of glands.",
        ge=0.0,
        le=1.0,
    )


def blood_fraction_field(default: float = 0.01) -> Any:
    """Declare how much of the canvas blood vessels take."""
    return recipe_field(
        default,
        "Blood",
        "Fraction of the canvas that blood in vessels takes, where nuclei leave room for them.",
        ge=0.0,
        le=0.5,
    )


def cellular_coverage_field(default: float = 0.14) -> Any:
    """Declare how close nuclei lie where the ground between them is cytoplasm."""
    return recipe_field(
        default,
        "Cellular from",
        "Fraction of the ground that nuclei other than spindle-celled ones cover where it turns from fibrous to "
        "cellular.",
        gt=0.0,
        le=1.0,
    )


class TissueMapRecipe(Recipe):
    """Random tissue between given nuclei: cytoplasm, fibres, clefts and blood vessels."""

    blank_fraction: float = blank_fraction_field()
    blood_fraction: float = blood_fraction_field()
    cellular_coverage: float = cellular_coverage_field()
    fibre_angle: float = recipe_field(
        20.0,
        "Fibre direction",
        "Direction along which clefts and vessels are drawn out, counter-clockwise from the right.",
        unit="°",
        ge=-360.0,
        le=360.0,
    )
    gradient: float = recipe_field(
        0.0,
        "Stroma gradient",
        "How far blank ground keeps to the stroma's side: 0 not at all, 1 wholly.",
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
