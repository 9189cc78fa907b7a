"""Variation of how a crop looks, so that a segmenter knows tissue of other stains, scanners and magnifications."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LookError
from histoloom.recipes import Recipe, recipe_field
from histoloom.tiles.stains import HEMATOXYLIN_EOSIN, optical_density, rgb_from_optical_density
from histoloom.training.data import LabelledPicture

_ROUGHEST_JPEG, _FINEST_JPEG = 40, 95


class AppearanceRecipe(Recipe):
    """How far crops are changed. Each change is drawn anew for each crop."""

    stain_gain: float = recipe_field(
        0.4, "Stain gain", "Each stain of a tile is strengthened or weakened by a factor of up to exp of this.",
        ge=0.0, le=2.0,
    )  # fmt: skip
    stain_shift: float = recipe_field(
        0.05, "Stain shift", "Largest density of each stain that is added everywhere or taken away.", ge=0.0, le=1.0
    )
    stain_turn: float = recipe_field(
        0.08, "Stain turn", "Standard deviation of what is added to the colour vector of each stain.", ge=0.0, le=1.0
    )
    contrast: float = recipe_field(
        0.15, "Contrast", "Brightness, contrast and gamma are changed by up to this share.", ge=0.0, le=0.9
    )
    blur: float = recipe_field(
        0.35, "Blur", "Largest standard deviation of a blur, in half of the crops.", unit="µm", ge=0.0, le=10.0
    )
    coarseness: float = recipe_field(
        2.2, "Coarseness", "Some crops are shrunk by up to this and enlarged again, as from a lower magnification.",
        ge=1.0, le=8.0,
    )  # fmt: skip
    noise: float = recipe_field(
        6.0, "Noise", "Largest standard deviation of noise, in grey levels, in half of the crops.", ge=0.0, le=64.0
    )
    compressed: float = recipe_field(
        0.3, "Compressed", "Share of crops that are compressed as JPEG, at a random quality.", ge=0.0, le=1.0
    )


def varied(
    crop: LabelledPicture, recipe: AppearanceRecipe, pixel_size: float, random: np.random.Generator
) -> NDArray[np.uint8]:
    """Return a crop's image as another stain, scanner or magnification might show it: RGB ``uint8 (H, W, 3)``.

    Parameters
    ----------
    crop
        With the tile that it is of, whose own stains are the ones that are varied.
    recipe
        How far.
    pixel_size
        µm per pixel.
    random
        Decides about everything.
    """
    image = crop.image
    try:
        vectors = np.asarray(crop.stains.vectors)
    except LookError:
        vectors = np.asarray(HEMATOXYLIN_EOSIN)
    image = stains_varied(image, vectors, recipe, random)
    image = _tone_varied(image, recipe.contrast, random)
    return _sharpness_varied(image, recipe, pixel_size, random)


def stains_varied(
    image: NDArray[np.uint8], vectors: NDArray[np.float32], recipe: AppearanceRecipe, random: np.random.Generator
) -> NDArray[np.uint8]:
    """Return a picture in other stains, after Tellez et al. (2019), who vary gain and shift in one fixed basis.

    Concentrations are taken in the tile's own vectors, scaled and shifted, and shown in vectors that have been turned:
    to a network, how one laboratory's haematoxylin differs from another's is a matter of hue as much as of strength.

    Parameters
    ----------
    image
        RGB ``uint8 (H, W, 3)``.
    vectors
        Unit rows ``(2, 3)`` of the tile's stains.
    recipe, random
        How far, and what.
    """
    basis = _with_residual(vectors)
    gain = np.exp(recipe.stain_gain * random.uniform(-1, 1, 3))
    shift = recipe.stain_shift * random.uniform(-1, 1, 3)
    # The residual holds what is no stain, and most of a scanner's noise.
    shift[2] = 0.0
    turned = np.maximum(vectors + recipe.stain_turn * random.standard_normal((2, 3)), 0.01)
    shown = _with_residual(turned / np.linalg.norm(turned, axis=1, keepdims=True))
    matrix = (np.linalg.inv(basis) * gain) @ shown
    density = optical_density(image) @ matrix.astype(np.float32) + (shift @ shown).astype(np.float32)
    return rgb_from_optical_density(density)


def _with_residual(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    first, second = np.asarray(vectors, np.float64)
    across = np.cross(first, second)
    length = np.linalg.norm(across)
    # Two vectors of almost one colour have no plane, and their inverse would blow noise up.
    if length < 0.1:
        first, second = np.asarray(HEMATOXYLIN_EOSIN, np.float64)
        across = np.cross(first, second)
        length = np.linalg.norm(across)
    return np.stack([first, second, across / length])


def _tone_varied(image: NDArray[np.uint8], share: float, random: np.random.Generator) -> NDArray[np.uint8]:
    if share == 0.0:
        return image
    gamma, slope, lift = 1.0 + share * random.uniform(-1, 1, 3)
    values = (np.arange(256) / 255.0) ** gamma
    values = (values - 0.5) * slope + 0.5 * lift
    table: NDArray[np.uint8] = (values * 255.0 + 0.5).clip(0, 255).astype(np.uint8)
    return np.asarray(table.take(image))


def _sharpness_varied(
    image: NDArray[np.uint8], recipe: AppearanceRecipe, pixel_size: float, random: np.random.Generator
) -> NDArray[np.uint8]:
    import cv2

    # All are drawn, whether they are used or not, so that one setting does not change what another draws.
    coarse, blurred, noisy, compressed = random.random(4)
    factor, spread, grain = random.random(3)
    quality = int(random.integers(_ROUGHEST_JPEG, _FINEST_JPEG + 1))
    seed = random.integers(2**32)
    height, width = image.shape[:2]
    if recipe.coarseness > 1.0 and coarse < 0.4:
        shrink = recipe.coarseness**factor
        small = (max(round(width / shrink), 1), max(round(height / shrink), 1))
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    if recipe.blur > 0.0 and blurred < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), max(spread * recipe.blur / pixel_size, 0.05))
    if recipe.noise > 0.0 and noisy < 0.5:
        draws = np.random.default_rng(seed).standard_normal(image.shape, np.float32)
        image = (image + (grain * recipe.noise) * draws + 0.5).clip(0, 255).astype(np.uint8)
    if compressed < recipe.compressed:
        _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))
    return np.asarray(image, np.uint8)
