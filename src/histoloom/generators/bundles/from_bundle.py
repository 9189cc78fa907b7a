"""What every generator that comes from a bundle says of itself."""

from __future__ import annotations

from pathlib import Path

from histoloom.models import BundleHeader


class FromBundle:
    """A file with a generator's network, known by its header; the weights are read when a look is prepared.

    Parameters
    ----------
    path
        The bundle.
    header
        What the bundle says of itself.

    Raises
    ------
    BundleError
        If the bundle is of something else than a generator.
    """

    def __init__(self, path: Path, header: BundleHeader) -> None:
        header.check_kind("generator", path.name)
        self._path, self.header = path, header

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self._path.stem

    @property
    def weights_sha256(self) -> str:
        """Hash of its weights."""
        return self.header.weights_sha256
