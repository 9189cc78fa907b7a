"""Sample tiles: one that is always there, and public slides that are fetched when asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from histoloom.errors import TileError
from histoloom.tiles.sentences import one_line
from histoloom.tiles.stains import HEMATOXYLIN_DAB, combine_stains, separate_stains
from histoloom.tiles.tile import Tile

EMBEDDED_SAMPLE_TITLE = "Colon, haematoxylin and DAB recoloured as eosin"
"""What the embedded sample must be called wherever it is shown: it is not a true H&E stain."""

EMBEDDED_SAMPLE_PIXEL_SIZE = 0.5
"""µm per pixel of the embedded sample: an assumption, as its file does not say. Its oval nuclei are about 15 to 20
pixels long, which is 7 to 10 µm."""

# Chosen by eye beside real H&E of colon: scanners show eosin less purple than Ruifrok's, the counterstain of
# immunohistochemistry is thin, and dense DAB would be far darker than any eosin, so it levels off.
_SHOWN_STAINS = np.array([[0.62, 0.70, 0.36], [0.12, 0.86, 0.48]], np.float32)
_HEMATOXYLIN_GAIN = 1.8
_MOST_EOSIN = 0.34
_DAB_SCALE = 0.25
_GLASS = 0.02

_SECONDS_OF_SILENCE = 30
_CHUNK_BYTES = 65536


@dataclass(frozen=True)
class PublicSample:
    """A public slide that is fetched on demand.

    Parameters
    ----------
    file_name, sha256
        Its file and the file's pinned hash.
    source
        Folder of it on the web, with a slash at the end.
    title, licence
        What to call it, and under what terms it may be used.
    """

    file_name: str
    sha256: str
    source: str
    title: str
    licence: str


PUBLIC_SAMPLES = {
    "CMU-1-Small-Region.svs": PublicSample(
        "CMU-1-Small-Region.svs",
        "ed92d5a9f2e86df67640d6f92ce3e231419ce127131697fbbce42ad5e002c8a7",
        "https://openslide.cs.cmu.edu/download/openslide-testdata/Aperio/",
        "H&E, region of slide CMU-1 (Aperio SVS, 2220 x 2967)",
        "CC0-1.0",
    ),
}
"""Public samples by name."""


def embedded_sample() -> Tile:
    """Return the sample that needs no network: `EMBEDDED_SAMPLE_TITLE`.

    It is the real colon tile of scikit-image (``data.immunohistochemistry``, 512 x 512; courtesy of the Center for
    Microscopy And Molecular Imaging), stained with haematoxylin and, brown, diaminobenzidine (DAB). The two are
    separated in optical density (Ruifrok and Johnston 2001) and the brown one is shown in the colour of eosin.
    """
    from skimage import data

    rgb = np.asarray(data.immunohistochemistry(), np.uint8)
    stains = np.maximum(separate_stains(rgb, HEMATOXYLIN_DAB)[..., :2] - _GLASS, 0.0)
    stains[..., 0] *= _HEMATOXYLIN_GAIN
    stains[..., 1] = _MOST_EOSIN * -np.expm1(-stains[..., 1] / _DAB_SCALE)
    pixels = combine_stains(stains, _SHOWN_STAINS)
    return Tile.from_array(
        pixels,
        EMBEDDED_SAMPLE_PIXEL_SIZE,
        file_sha256=hashlib.sha256(rgb.tobytes()).hexdigest(),
        format="scikit-image sample",
        title=EMBEDDED_SAMPLE_TITLE,
    )


def sample_cache_folder(folder: str | Path | None = None) -> Path:
    """Return where samples are kept: ``folder``, else ``HISTOLOOM_CACHE``, else the system's place for caches."""
    chosen = folder or os.environ.get("HISTOLOOM_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("histoloom", appauthor=False))


def fetch_sample(
    name: str,
    cache_folder: str | Path | None = None,
    *,
    base_url: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Return the file of a public sample, downloading it unless it is in the cache whole.

    Parameters
    ----------
    name
        A key of `PUBLIC_SAMPLES`.
    cache_folder
        Where to keep it (default: `sample_cache_folder`).
    base_url
        Another place that serves the same file, such as a mirror inside a hospital; the pinned hash holds there too.
    on_progress
        Called with (bytes so far, bytes in all) while it downloads. What it raises, such as `Stopped`, ends the
        download and leaves nothing behind.

    Raises
    ------
    TileError
        If there is no such sample, the download fails, what arrives is another file than the pinned one, or the cache
        cannot be written to.
    """
    sample = PUBLIC_SAMPLES.get(name)
    if sample is None:
        raise TileError(f"There is no sample called '{name}'; choose one of: {', '.join(PUBLIC_SAMPLES)}.")
    import pooch
    import requests

    folder = sample_cache_folder(cache_folder)
    url = f"{(base_url or sample.source).rstrip('/')}/{sample.file_name}"
    responses: list[requests.Response] = []
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        fetched = pooch.retrieve(
            url,
            f"sha256:{sample.sha256}",
            sample.file_name,
            folder,
            downloader=pooch.HTTPDownloader(
                progressbar=_Progress(on_progress) if on_progress else False,
                chunk_size=_CHUNK_BYTES,
                timeout=_SECONDS_OF_SILENCE,
                # Kept to be closed: pooch leaves the connection open when a download ends early.
                hooks={"response": lambda response, *_, **__: responses.append(response)},
            ),
        )
    except requests.RequestException as error:
        reason = _reason(error)
        raise TileError(
            f"The sample '{name}' could not be downloaded ({reason}); "
            f"check the network, or put the file into '{folder}'."
        ) from error
    except ValueError as error:
        raise TileError(
            f"What was downloaded as the sample '{name}' is not the expected file (its hash differs) and was deleted; "
            "try again later or from another network."
        ) from error
    except OSError as error:
        raise TileError(
            f"The sample '{name}' cannot be kept in '{folder}' ({one_line(error)}); choose another cache folder."
        ) from error
    finally:
        for response in responses:
            response.close()
        logger.setLevel(level)
    return Path(fetched)


class _Progress:
    """What pooch wants of a progress bar, as a callback."""

    def __init__(self, on_progress: Callable[[int, int], None]) -> None:
        self.total = 0
        self._done = 0
        self._on_progress = on_progress

    def update(self, count: int) -> None:
        # pooch counts whole chunks, the last one too.
        self._done = min(self._done + count, self.total)
        self._on_progress(self._done, self.total)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        pass


def _reason(error: Exception) -> str:
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "the server does not answer"
    return "no connection"
