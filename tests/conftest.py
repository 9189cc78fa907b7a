"""Fixtures for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what docks save by themselves, and bundles, out of the user's folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("HISTOLOOM_MODELS", str(tmp_path_factory.mktemp("models")))
        # Most tests are of something else than what weaves, and importing torch takes each process seconds.
        patch.setenv("HISTOLOOM_GENERATOR", "texture")
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real tiles beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real tiles beside the repository are absent")
    return folder
