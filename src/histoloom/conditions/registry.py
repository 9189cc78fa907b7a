"""The encodings by name, and their way through JSON into bundles and back."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from histoloom.conditions.class_maps import ClassesEncoding
from histoloom.conditions.encoding import Encoding, RecipeEncoding
from histoloom.conditions.mask_and_structure import MaskAndStructureEncoding
from histoloom.conditions.nuclei_and_tissue import NucleiAndTissueEncoding
from histoloom.conditions.nucleus_maps import DistanceEncoding, HoVerEncoding
from histoloom.conditions.stacked import StackedEncoding
from histoloom.conditions.structure_labels import StructureLabelsEncoding
from histoloom.errors import ConditionError, RecipeError

ENCODINGS: MappingProxyType[str, type[RecipeEncoding[Any]]] = MappingProxyType(
    {
        each.name: each
        for each in (
            ClassesEncoding,
            StructureLabelsEncoding,
            MaskAndStructureEncoding,
            DistanceEncoding,
            HoVerEncoding,
            NucleiAndTissueEncoding,
        )
    }
)
"""Name -> encoding, without the one that stacks others."""


def encoding_from_json(value: Any) -> Encoding:
    """Return the encoding that `Encoding.as_json` wrote.

    Raises
    ------
    ConditionError
        If the value is not of that form, names an encoding that this version does not know, or has a recipe with
        values that are not possible.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise ConditionError("The encoding has no name; a bundle that says so is damaged, get it again.")
    name = value["name"]
    if name == StackedEncoding.name:
        parts = value.get("parts")
        if not isinstance(parts, list):
            raise ConditionError("The stacked encoding has no list of parts; a bundle that says so is damaged.")
        return StackedEncoding(encoding_from_json(part) for part in parts)
    if name not in ENCODINGS:
        raise ConditionError(
            f"The encoding '{name}' is none of {', '.join(ENCODINGS)}; it may be of a newer histoloom, so update it."
        )
    kind = ENCODINGS[name]
    recipe = value.get("recipe", {})
    if not isinstance(recipe, Mapping):
        raise ConditionError(f"The recipe of the encoding '{name}' is not an object; a bundle that says so is damaged.")
    try:
        return kind(kind.recipe_type.checked(**recipe))
    except RecipeError as error:
        raise ConditionError(f"The encoding '{name}' cannot be used. {error}") from error
