"""Woven tiles on disk: the picture, its labels, its nuclei, and how it was made; all of them or none."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from histoloom import __version__
from histoloom.errors import WriteError
from histoloom.generators.contract import WovenTile
from histoloom.layouts.columns import layout_fingerprint
from histoloom.writing import write_json, written_whole

NOTICE = "Synthetic tissue, for research, not for diagnosis."
"""What every woven file says of itself."""

ImageFormat = Literal["png", "tif"]

_MICROMETRES_PER_INCH = 25400.0
_MICROMETRES_PER_CENTIMETRE = 10000.0


def save_woven(
    woven: WovenTile,
    folder: str | Path,
    stem: str,
    image_format: ImageFormat = "png",
    coco: bool = False,
) -> dict[str, Path]:
    """Write a woven tile and all that belongs to it; equal tiles give equal bytes, for no file holds a time.

    Parameters
    ----------
    woven
        The tile.
    folder
        Created where it does not exist.
    stem
        Names start with it and the seed: ``STEM_seedS.png``, ``STEM_seedS_labels.tif`` and its ``.layout.json``,
        ``STEM_seedS.geojson`` and ``STEM_seedS.json``.
    image_format
        ``"png"`` or ``"tif"``.
    coco
        Whether to write ``STEM_seedS.coco.json`` too.

    Returns
    -------
    dict
        Paths by what they hold: ``image``, ``labels``, ``geojson``, ``record`` and, if asked for, ``coco``.

    Raises
    ------
    WriteError
        If the folder cannot be written to, the disk is full, or the names are not usable; nothing is left behind.
    """
    check_stem(stem)
    if image_format not in ("png", "tif"):
        raise WriteError(f"Pictures cannot be written as '{image_format}'; choose png or tif.")
    target = Path(folder)
    name = woven_name(stem, woven.seed)
    names = {"image": f"{name}.{image_format}", "labels": f"{name}_labels.tif", "geojson": f"{name}.geojson"}
    if coco:
        names["coco"] = f"{name}.coco.json"
    try:
        target.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target))
    except OSError as error:
        raise _cannot_write(target, error) from error
    try:
        _write_parts(woven, staging, names)
        digests = {each.name: file_sha256(each) for each in sorted(staging.iterdir())}
        write_json(staging / f"{name}.json", {**record_of(woven), "files": digests})
        # The record comes last and goes first: where there is one, everything that it lists is there and belongs to it.
        (target / f"{name}.json").unlink(missing_ok=True)
        for each in [*digests, f"{name}.json"]:
            (staging / each).replace(target / each)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return {**{part: target / each for part, each in names.items()}, "record": target / f"{name}.json"}


def woven_name(stem: str, seed: int) -> str:
    """Return what the names of a woven tile's files start with."""
    return f"{stem}_seed{seed}"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, by which a record knows the files that belong to it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_stem(stem: str) -> None:
    """Refuse names that would leave the folder or that some system cannot store; raises `WriteError`."""
    if not stem or stem.startswith(".") or any(each in '/\\:*?"<>|' or ord(each) < 32 for each in stem):
        raise WriteError(f"'{stem}' cannot be part of a file name; use letters, digits, spaces, '-' and '_'.")


def record_of(woven: WovenTile) -> dict[str, Any]:
    """Return how a tile was made, as JSON values: enough to make it again, and to tell whether it is the same."""
    return {
        **_facts(woven),
        "recipe": woven.recipe,
        "look_sha256": woven.look_sha256,
        "look_name": woven.look_name,
        "weights_sha256": woven.weights_sha256,
        "structure_sha256": woven.structure_sha256,
        "layout_sha256": layout_fingerprint(woven.layout),
        "shape": list(woven.image.shape[:2]),
        "pixel_size": woven.layout.pixel_size,
        "importance_weight": woven.importance_weight,
        "layout_provenance": dict(woven.layout.provenance),
    }


def write_synthetic_picture(
    path: str | Path,
    pixels: NDArray[np.uint8],
    pixel_size: float,
    facts: dict[str, Any],
) -> None:
    """Write RGB ``uint8 (H, W, 3)`` as PNG or TIFF, by the path's suffix, with facts in its metadata.

    Parameters
    ----------
    path
        Ends with ``.png``, ``.tif`` or ``.tiff``; written whole or not at all.
    pixels
        The picture.
    pixel_size
        µm per pixel, stored as the file's resolution.
    facts
        JSON values; PNG keeps one text chunk for each, TIFF one JSON object as ImageDescription.

    Raises
    ------
    WriteError
        If the file cannot be written.
    """
    with written_whole(path) as beside:
        if Path(path).suffix == ".png":
            _write_png(beside, pixels, pixel_size, facts)
        else:
            _write_tiff(beside, pixels, pixel_size, facts)


def synthetic_facts(generator: str, seed: int) -> dict[str, Any]:
    """Return what the metadata of every woven picture holds."""
    return {
        "synthetic": True,
        "notice": NOTICE,
        "histoloom_version": __version__,
        "generator": generator,
        "seed": seed,
    }


def _facts(woven: WovenTile) -> dict[str, Any]:
    return synthetic_facts(woven.generator, woven.seed)


def _write_parts(woven: WovenTile, folder: Path, names: dict[str, str]) -> None:
    from histoloom.layouts.files import save_layout
    from histoloom.layouts.geojson import layout_to_geojson
    from histoloom.layouts.sidecar import write_compact_json

    write_synthetic_picture(folder / names["image"], woven.image, woven.layout.pixel_size, _facts(woven))
    save_layout(woven.layout, folder / names["labels"], _facts(woven))
    write_compact_json(folder / names["geojson"], {**layout_to_geojson(woven.layout), **_facts(woven)})
    if "coco" in names:
        from histoloom.layouts.coco import layout_to_coco

        document = layout_to_coco(woven.layout, names["image"])
        document["info"] |= _facts(woven)
        write_compact_json(folder / names["coco"], document)


def _write_png(path: Path, pixels: NDArray[np.uint8], pixel_size: float, facts: dict[str, Any]) -> None:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    for key, value in facts.items():
        text.add_itxt(key, value if isinstance(value, str) else json.dumps(value))
    dots_per_inch = _MICROMETRES_PER_INCH / pixel_size
    Image.fromarray(pixels).save(path, format="PNG", pnginfo=text, dpi=(dots_per_inch, dots_per_inch))


def _write_tiff(path: Path, pixels: NDArray[np.uint8], pixel_size: float, facts: dict[str, Any]) -> None:
    import tifffile

    per_centimetre = _MICROMETRES_PER_CENTIMETRE / pixel_size
    tifffile.imwrite(
        path,
        pixels,
        photometric="rgb",
        tile=(256, 256) if min(pixels.shape[:2]) > 256 else None,
        compression="adobe_deflate",
        predictor=True,
        resolution=(per_centimetre, per_centimetre),
        resolutionunit="CENTIMETER",
        description=json.dumps(facts),
        software=f"histoloom {facts.get('histoloom_version', __version__)}",
        metadata=None,
    )


def _cannot_write(target: Path, error: OSError) -> WriteError:
    reason = error.strerror or str(error)
    return WriteError(
        f"'{target}' cannot be written ({reason}); choose a folder that you may write to, with room left."
    )
