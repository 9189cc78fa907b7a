"""Recipes: one flat model per operation, shared by the form, the command line, the file and the function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic import Field as _Field

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


class Recipe(BaseModel):
    """Base of all recipes: frozen, and unknown fields are refused rather than ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """Build the recipe, with a one-sentence `RecipeError` in place of pydantic's report."""
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            which = f"The recipe's '{name}'" if name else "The recipe"
            message = first["msg"].removeprefix("Value error, ")
            raise RecipeError(f"{which} is not usable ({message}); correct it and try again.") from None

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
