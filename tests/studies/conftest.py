"""Fixtures for studies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tile_folders import write_tiles


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small lose more by handing work between threads than they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiles(tmp_path_factory):
    """Eight tiles of four patients."""
    return write_tiles(tmp_path_factory.mktemp("data") / "tiles", tiles=8, patients=4)
