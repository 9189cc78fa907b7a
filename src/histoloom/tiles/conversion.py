"""From the many ways to store a picture to RGB ``uint8``, or a refusal that says why not.

How values are scaled: 16-bit ones by the significant bits that the file declares (4095 becomes 255 for 12 bits), else
by the fewest bits, from 8 to 16, that hold the brightest value of the whole picture, since cameras of 10 to 14 bits
write 16-bit files that do not say so; floats from 0..1. Nothing is stretched to its own darkest and brightest value,
and the bits of a slide are found once, for all of its levels and windows. Transparent pixels lie over white, like
tissue on glass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import TileError

ColorSpace = Literal["rgb", "grey", "inverted_grey", "palette", "cmyk", "ycbcr"]
Alpha = Literal["straight", "premultiplied", "none"]

_SAMPLES = {"rgb": 3, "grey": 1, "inverted_grey": 1, "palette": 1, "cmyk": 4, "ycbcr": 3}
_STACKS = {"Z": "a z-stack of {} planes", "T": "a time series of {} frames"}


@dataclass(frozen=True, eq=False)
class Encoding:
    """How the numbers of a picture mean colours, where the file says so.

    Parameters
    ----------
    axes
        One letter for each axis: Y, X, S (samples of one colour), C (channels), Z, T; others are pages. None: guess.
    color_space
        None: guess from the number of samples.
    alpha
        What a sample beyond the colour's means: opacity, opacity that is multiplied in, or nothing.
    palette
        ``uint8 (N, 3)``, the colours of a palette picture.
    significant_bits
        Bits of integer samples that are used. None: all of the type's, but for 16-bit numpy arrays those that their
        brightest value needs; of lazy ones the brightest value is not known, so whoever opens them says how many.
    """

    axes: str | None = None
    color_space: ColorSpace | None = None
    alpha: Alpha = "straight"
    palette: NDArray[np.uint8] | None = None
    significant_bits: int | None = None


def as_rgb(pixels: Any, encoding: Encoding | None = None) -> Any:
    """Convert a picture to RGB.

    Parameters
    ----------
    pixels
        numpy or dask array, bool, ``uint8``, ``uint16`` or float in 0..1: grey ``(H, W)``, samples last
        ``(H, W, 1 to 4)`` or planar ``(3 or 4, H, W)``. Axes of length 1 before them are dropped.
    encoding
        What the file says about its numbers (default: guess from shape and type).

    Returns
    -------
    numpy or dask array
        RGB ``uint8 (H, W, 3)``, lazy if ``pixels`` is; ``pixels`` itself where nothing is to do.

    Raises
    ------
    TileError
        If the picture is a stack, has channels that are not colours, or values of a type or range without a fixed
        meaning. Ranges of lazy floats are checked when they are computed.
    """
    encoding = encoding or Encoding()
    pixels, axes = _without_single_axes(pixels, encoding.axes or _guessed_axes(pixels.shape))
    _refuse_stacks(pixels, axes)
    if 0 in pixels.shape:
        raise TileError("The picture has no pixels; export it again.")
    if axes == "YX":
        pixels, axes = pixels[..., None], "YXS"
    if axes != "YXS":
        pixels = pixels.transpose([axes.index(each) for each in ("Y", "X", axes.strip("YX"))])
    if encoding.significant_bits is None and pixels.dtype == np.uint16 and isinstance(pixels, np.ndarray):
        encoding = replace(encoding, significant_bits=significant_bits(pixels))
    convert = _converter(pixels.dtype, pixels.shape[2], encoding)
    if convert is None:
        return pixels
    if hasattr(pixels, "map_blocks"):
        whole = pixels.rechunk({2: -1})
        return whole.map_blocks(
            convert, dtype=np.uint8, chunks=(*whole.chunks[:2], (3,)), meta=np.empty((0, 0, 3), np.uint8)
        )
    return convert(np.asarray(pixels))


def significant_bits(pixels: NDArray[Any]) -> int:
    """Return the fewest bits, at least 8, that hold the brightest of some unsigned values."""
    return max(int(pixels.max(initial=0)).bit_length(), 8)


def _guessed_axes(shape: tuple[int, ...]) -> str:
    if len(shape) < 2:
        raise TileError(f"A picture has height and width, and this array has the shape {shape}; give an image.")
    samples_last = len(shape) > 2 and shape[-1] <= 4
    planar = len(shape) > 2 and not samples_last and shape[-3] in (3, 4)
    ending = "YXS" if samples_last else "SYX" if planar else "YX"
    # Whatever stands before is unknown: channels, planes or pages.
    return "Q" * (len(shape) - len(ending)) + ending


def _without_single_axes(pixels: Any, axes: str) -> tuple[Any, str]:
    if len(axes) != len(pixels.shape):
        raise TileError("The file contradicts itself about the axes of its picture; save it again as a plain RGB TIFF.")
    kept = [
        index
        for index, (letter, length) in enumerate(zip(axes, pixels.shape, strict=True))
        if letter in "YXS" or length != 1
    ]
    single = tuple(index for index in range(len(axes)) if index not in kept)
    return (pixels.squeeze(single) if single else pixels), "".join(axes[index] for index in kept)


def _refuse_stacks(pixels: Any, axes: str) -> None:
    if "Y" not in axes or "X" not in axes:
        raise TileError("The file holds no picture with height and width; choose an RGB image.")
    for letter, length in zip(axes, pixels.shape, strict=True):
        if letter in "YXS":
            continue
        if letter == "C":
            # Three 8-bit channels are how some programs store plain RGB; deeper ones are fluorescence.
            if length == 3 and pixels.dtype == np.uint8 and "S" not in axes and len(axes) == 3:
                continue
            raise TileError(
                f"The picture has {length} channels, as in fluorescence, and not the colours of a stained slide; "
                "export the brightfield picture as RGB."
            )
        what = _STACKS.get(letter, "{} pages").format(length)
        raise TileError(f"The file holds {what}, and a tile is one picture; export the one you want as RGB.")


def _converter(
    dtype: np.dtype[Any], samples: int, encoding: Encoding
) -> Callable[[NDArray[Any]], NDArray[np.uint8]] | None:
    """Return the function from ``(h, w, samples)`` to RGB, or None where nothing is to do."""
    space = encoding.color_space or ("grey" if samples <= 2 else "rgb")
    colors = _SAMPLES[space]
    if not colors <= samples <= colors + 1:
        raise TileError(
            f"The picture has {samples} samples for each pixel, and {space.replace('_', ' ')} needs {colors}; "
            "export it as RGB."
        )
    if space == "palette" and encoding.palette is None:
        raise TileError("The picture counts colours of a palette that the file lacks; export it as RGB.")
    scale = _scaler(dtype, encoding) if space != "palette" else None
    alpha = encoding.alpha if samples > colors else "none"
    if space == "rgb" and samples == 3 and scale is None:
        return None

    def convert(block: NDArray[Any]) -> NDArray[np.uint8]:
        values = block if scale is None else scale(block)
        rgb = _COLOR_SPACES[space](values[..., :colors], encoding)
        return (
            rgb if alpha == "none" else _over_white(rgb, values[..., colors:], premultiplied=alpha == "premultiplied")
        )

    return convert


def _scaler(dtype: np.dtype[Any], encoding: Encoding) -> Callable[[NDArray[Any]], NDArray[np.uint8]] | None:
    bits = encoding.significant_bits
    if dtype == np.uint8 and bits in (None, 8):
        return None
    if dtype == np.bool_:
        return lambda block: np.asarray(block * np.uint8(255))
    if dtype.kind == "u" and dtype.itemsize <= 2:
        highest = np.float32(2 ** (bits or dtype.itemsize * 8) - 1)

        def scale(block: NDArray[Any]) -> NDArray[np.uint8]:
            return np.asarray(np.minimum(block * (np.float32(255.0) / highest) + np.float32(0.5), 255.0), np.uint8)

        return scale
    if dtype.kind == "f":
        return _scaled_floats
    raise TileError(
        f"The picture's values are of the type {dtype.name}, whose brightness has no fixed meaning; "
        "export it as 8-bit RGB."
    )


def _scaled_floats(block: NDArray[np.floating]) -> NDArray[np.uint8]:
    if block.size:
        low, high = float(block.min()), float(block.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise TileError(
                "The picture has values that are not numbers (NaN or infinity); mend them or export 8-bit RGB."
            )
        if low < -1e-3 or high > 1.0 + 1e-3:
            raise TileError(
                f"The picture's floating-point values go from {low:.4g} to {high:.4g} and must lie in 0..1; "
                "scale them or export 8-bit RGB."
            )
    return np.asarray(np.clip(block, 0.0, 1.0) * 255.0 + 0.5, np.uint8)


def _over_white(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8], *, premultiplied: bool) -> NDArray[np.uint8]:
    opacity = alpha.astype(np.uint16)
    color = rgb.astype(np.uint16)
    if premultiplied:
        return np.asarray(np.minimum(color + (255 - opacity), 255), np.uint8)
    return np.asarray((color * opacity + 255 * (255 - opacity) + 127) // 255, np.uint8)


def _rgb_of_grey(values: NDArray[np.uint8], _encoding: Encoding) -> NDArray[np.uint8]:
    return np.repeat(values, 3, axis=-1)


def _rgb_of_inverted_grey(values: NDArray[np.uint8], _encoding: Encoding) -> NDArray[np.uint8]:
    return np.repeat(255 - values, 3, axis=-1)


def _rgb_of_rgb(values: NDArray[np.uint8], _encoding: Encoding) -> NDArray[np.uint8]:
    return np.ascontiguousarray(values)


def _rgb_of_palette(values: NDArray[Any], encoding: Encoding) -> NDArray[np.uint8]:
    palette = np.asarray(encoding.palette, np.uint8)
    return np.asarray(palette[np.minimum(values[..., 0], len(palette) - 1)])


def _rgb_of_cmyk(values: NDArray[np.uint8], _encoding: Encoding) -> NDArray[np.uint8]:
    # Without the printer's profile the inks are taken for ideal ones.
    light = 255 - values.astype(np.uint16)
    return np.asarray((light[..., :3] * light[..., 3:] + 127) // 255, np.uint8)


def _rgb_of_ycbcr(values: NDArray[np.uint8], _encoding: Encoding) -> NDArray[np.uint8]:
    """Convert full-range YCbCr (ITU-R BT.601, as in JPEG)."""
    luma = values[..., 0].astype(np.float32)
    blue, red = values[..., 1].astype(np.float32) - 128.0, values[..., 2].astype(np.float32) - 128.0
    rgb = np.stack([luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], axis=-1)
    return np.asarray(np.clip(rgb + 0.5, 0.0, 255.0), np.uint8)


_COLOR_SPACES: dict[str, Callable[[NDArray[Any], Encoding], NDArray[np.uint8]]] = {
    "rgb": _rgb_of_rgb,
    "grey": _rgb_of_grey,
    "inverted_grey": _rgb_of_inverted_grey,
    "palette": _rgb_of_palette,
    "cmyk": _rgb_of_cmyk,
    "ycbcr": _rgb_of_ycbcr,
}
