"""What a bundle says about itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from histoloom.conditions import Encoding, encoding_from_json
from histoloom.errors import BundleError, ConditionError, LookError
from histoloom.tiles.looks import NamedLook
from histoloom.tiles.stain_summary import StainSummary

SCHEMA_VERSION = 1
"""Version of the header; a reader refuses later ones, because it cannot know what they mean."""

PIXEL_SIZE_TOLERANCE = 0.05
"""Share by which a canvas's pixel size may differ from the bundle's before networks see nuclei of another size."""


class _Facts(BaseModel):
    # Unknown fields of a later minor version are kept out of the way, and not an error.
    model_config = ConfigDict(frozen=True, extra="ignore")


class ConditionFacts(_Facts):
    """How a layout becomes what the network sees.

    Attributes
    ----------
    encoding
        Name of the encoding.
    channels
        Its number of channels.
    settings
        The encoding's own settings, as JSON values.
    """

    encoding: str = Field(min_length=1)
    channels: int = Field(ge=1)
    settings: dict[str, Any] = Field(default_factory=dict)


class TrainingSource(_Facts):
    """One data set that a network was trained on.

    Attributes
    ----------
    name
        What it is called; never a path or a patient's data.
    licence
        Under which licence it was used, or ``"unknown"``.
    tiles
        How many tiles.
    validation_tiles
        How many of them were not trained on but held out to validate on; None where nobody recorded it.
    sha256
        Hash of its pixels and labels.
    woven
        How its tiles were woven, as JSON values; empty for real ones.
    """

    name: str
    licence: str = "unknown"
    tiles: int = Field(default=0, ge=0)
    validation_tiles: int | None = Field(default=None, ge=0)
    sha256: str = ""
    woven: dict[str, Any] = Field(default_factory=dict)


class NamedLookFacts(_Facts):
    """A look that a generator knows by name: a first weave needs no tile.

    Attributes
    ----------
    name
        What people call it; never a patient's data.
    stains
        `histoloom.tiles.StainSummary` as JSON values.
    texture
        The generator's own summary of its texture.
    """

    name: str = Field(min_length=1)
    stains: dict[str, Any]
    texture: tuple[float, ...] = ()

    @classmethod
    def of(cls, look: NamedLook) -> NamedLookFacts:
        """Return what a header keeps of a look."""
        return cls(**look.as_json())

    @property
    def look(self) -> NamedLook:
        """The look; raises `LookError` if it is damaged."""
        return NamedLook.of(self.name, StainSummary.from_json(self.stains), self.texture)


class JudgementFacts(_Facts):
    """How a discriminator's logits become probabilities and weights.

    Attributes
    ----------
    ratio
        Woven samples over real ones, of those that it was trained or calibrated on: c of Hou et al. 2019, equation 5.
    slope, intercept
        What its logits are multiplied by, and what is then added, so that they are log-odds (Platt 1999); 1 and 0 where
        nothing was fitted.
    reference_size
        Least height and width in pixels of the picture of another place of the same tile that it wants beside each
        picture; 0 for those that want none.
    sees
        ``"picture"``, or ``"condition and picture"`` for those that also see the layout.
    receptive_field
        Side in pixels of the square that one of its logits depends on; statistics of its window left aside.
    step
        Pixels from one of its logits to the next.
    """

    ratio: float = Field(default=1.0, gt=0.0, allow_inf_nan=False)
    slope: float = Field(default=1.0, ge=0.0, allow_inf_nan=False)
    intercept: float = Field(default=0.0, allow_inf_nan=False)
    reference_size: int = Field(default=0, ge=0)
    sees: Literal["picture", "condition and picture"] = "picture"
    receptive_field: int = Field(ge=1)
    step: int = Field(ge=1)


class BundleHeader(_Facts):
    """All that is needed to use the weights of a bundle, and to explain where they come from.

    Attributes
    ----------
    schema_version
        See `SCHEMA_VERSION`.
    kind
        ``"generator"``, ``"discriminator"``, ``"segmenter"`` or ``"classifier"``.
    system
        Name of the published system whose network it is.
    recipe
        With which it was trained; the network is built from it.
    condition
        What a generator sees; None for networks that see pictures.
    classes
        Names of the classes, in the order of their encoding.
    pixel_size
        µm per pixel that the network was trained at.
    normalization
        How its normalization behaves when it is used: ``"none"``, ``"batch statistics"`` (also when weaving: at one
        picture a time these are that picture's) or ``"running statistics"``.
    halo
        Pixels around a window that its pixels depend on; None where every pixel depends on all.
    tile_invariant
        Whether a window's pixels are those of the whole.
    step
        How many training steps it has seen.
    training_data
        What it was trained and validated on.
    looks
        Looks that a generator knows by name.
    judges
        How a discriminator's logits are read; None for networks that do not judge.
    histoloom_version
        Which version wrote it.
    weights_sha256
        Hash of all tensors. It shows damage, not intent: whoever changes the weights can change it too.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Literal["generator", "discriminator", "segmenter", "classifier"]
    system: str = Field(min_length=1)
    recipe: dict[str, Any]
    condition: ConditionFacts | None = None
    classes: tuple[str, ...] = ()
    pixel_size: float = Field(gt=0.0, allow_inf_nan=False)
    normalization: Literal["none", "batch statistics", "running statistics"]
    halo: int | None = Field(default=None, ge=0)
    tile_invariant: bool = False
    step: int = Field(default=0, ge=0)
    training_data: tuple[TrainingSource, ...] = ()
    looks: tuple[NamedLookFacts, ...] = ()
    judges: JudgementFacts | None = None
    histoloom_version: str = ""
    weights_sha256: str = ""

    @classmethod
    def from_json(cls, text: str, name: str) -> BundleHeader:
        """Read a header; ``name`` is what errors call the file.

        Raises
        ------
        BundleError
            If it is damaged or of a newer version.
        """
        try:
            values = json.loads(text)
        except ValueError:
            raise BundleError(f"The header of '{name}' is damaged; get the file again.") from None
        version = values.get("schema_version") if isinstance(values, dict) else None
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise BundleError(f"The header of '{name}' is damaged; get the file again.")
        if version > SCHEMA_VERSION:
            writer = values.get("histoloom_version") or "a newer version"
            raise BundleError(f"'{name}' was written by histoloom {writer}; update histoloom to use it.")
        try:
            return cls(**values)
        except ValidationError as error:
            field = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise BundleError(f"The header of '{name}' is damaged (its '{field}'); get the file again.") from None

    def named_looks(self, name: str) -> tuple[NamedLook, ...]:
        """Return the looks that the network knows; raises `BundleError` if one is damaged."""
        try:
            return tuple(each.look for each in self.looks)
        except LookError:
            raise BundleError(f"The header of '{name}' is damaged (its 'looks'); get the file again.") from None

    def encoding(self, name: str) -> Encoding:
        """Return how the network sees layouts; raises `BundleError` if it sees none, or in an unknown way."""
        if self.condition is None:
            raise BundleError(f"The header of '{name}' is damaged (its 'condition'); get the file again.")
        try:
            return encoding_from_json(self.condition.settings)
        except ConditionError as error:
            raise BundleError(f"'{name}' cannot be used: {error}") from error

    def check_kind(self, kind: str, name: str) -> None:
        """Raise `BundleError` if the network is of another kind."""
        if self.kind != kind:
            raise BundleError(f"'{name}' holds a {self.kind} and not a {kind}; choose another file.")

    def check_classes(self, classes: Iterable[str], name: str) -> None:
        """Raise `BundleError` if nuclei of some classes would be unknown to the network."""
        unknown = [each for each in dict.fromkeys(classes) if each not in self.classes]
        if unknown:
            raise BundleError(
                f"'{name}' does not know the class '{unknown[0]}' but only {', '.join(self.classes) or 'none'}; "
                "reclass these nuclei or choose another bundle."
            )

    def check_pixel_size(self, pixel_size: float, name: str) -> None:
        """Raise `BundleError` if pixels are not of the size that the network was trained at."""
        ratio = pixel_size / self.pixel_size
        if not 1 / (1 + PIXEL_SIZE_TOLERANCE) <= ratio <= 1 + PIXEL_SIZE_TOLERANCE:
            raise BundleError(
                f"'{name}' was trained at {self.pixel_size:g} µm per pixel and the canvas has {pixel_size:g}; "
                f"rescale the layout by {ratio:.3g} or choose another bundle."
            )
