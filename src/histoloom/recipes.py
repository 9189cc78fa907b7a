"""Recipes: one flat model per operation, shared by the form, the command line, the file and the function."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic import Field as _Field
from pydantic_core import ErrorDetails

from histoloom.errors import RecipeError


def recipe_field(
    default: Any,
    title: str,
    description: str,
    *,
    unit: str | None = None,
    **limits: Any,
) -> Any:
    """Declare a recipe's field with all that a form, a help text and a check need.

    Parameters
    ----------
    default
        The value when nothing is said.
    title
        Short label for forms.
    description
        One sentence for tooltips and ``--help``.
    unit
        The unit shown beside the value, such as ``"µm"``; biology is never given in pixels.
    **limits
        pydantic's constraints: ``ge``, ``le``, ``gt``, ``lt``, ``multiple_of``.
    """
    extra: dict[str, Any] | None = {"unit": unit} if unit else None
    return _Field(default, title=title, description=description, json_schema_extra=extra, **limits)


def usable_seed(seed: Any) -> int:
    """Return a seed as an int.

    Parameters
    ----------
    seed
        Whole number from 0 to 2**63 - 1, of Python's or numpy's types.

    Raises
    ------
    RecipeError
        If it is something else.
    """
    try:
        number = -1 if isinstance(seed, bool) else operator.index(seed)
    except TypeError:
        number = -1
    if not 0 <= number < 2**63:
        raise RecipeError(f"A seed of {seed} is not usable; give a whole number from 0 to 2**63 - 1.")
    return number


class Recipe(BaseModel):
    """Base of all recipes: frozen, and unknown fields are refused rather than ignored.

    Types are strict: a whole number may stand for a float, but no text and no truth value for a number, since a recipe
    that means something else than it says is worse than one that is refused.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, strict=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _in_plain_types(cls, values: Any) -> Any:
        return {name: _plain(value) for name, value in values.items()} if isinstance(values, Mapping) else values

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """Build the recipe, with a one-sentence `RecipeError` in place of pydantic's report."""
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            which = f"The recipe's '{name}'" if name else "The recipe"
            raise RecipeError(f"{which} is not usable ({_reason(first)}); correct it and try again.") from None

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a recipe from a JSON file."""
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise RecipeError(f"'{Path(path).name}' is not a readable recipe ({error}); give a JSON file.") from error
        if not isinstance(values, dict):
            raise RecipeError(f"'{Path(path).name}' holds no recipe; it must be one JSON object.")
        return cls.checked(**values)

    def as_json(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values."""
        return self.model_dump(mode="json")


def _plain(value: Any) -> Any:
    """Return numpy's numbers as Python's, and JSON's lists as the tuples that frozen recipes hold."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return tuple(_plain(each) for each in value)
    return value


def _reason(problem: ErrorDetails) -> str:
    value = problem["input"]
    if isinstance(value, float) and not math.isfinite(value):
        return "it is not a number" if math.isnan(value) else "it is infinite"
    return problem["msg"].removeprefix("Value error, ")
