"""Pictures are judged in a process that stays, may die, and says in a sentence what is wrong."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from histoloom.errors import BundleError, ImportanceError, Stopped
from histoloom.importance.critic import Critic
from histoloom.jobs.judge_process import JudgeProcess, Order
from histoloom.jobs.judged_folder import judge_folder
from histoloom.models import inspect_bundle
from histoloom.tiles.samples import embedded_sample
from small_bundles import small_bundle
from small_critic import small_critic


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.asarray(embedded_sample().read())[:160, :200].copy()


@pytest.fixture(scope="module")
def process() -> Iterator[JudgeProcess]:
    process = JudgeProcess()
    yield process
    process.close()


@pytest.fixture(scope="module")
def critic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_critic(tmp_path_factory.mktemp("critic") / "small.safetensors", ratio=3.0)


def test_an_answer_is_that_of_the_library_and_the_process_stays(
    process: JudgeProcess, critic: Path, picture: np.ndarray
) -> None:
    first, seconds = process.judge(Order(critic, picture, 0.5))
    pid = process.pid
    expected = Critic.load(critic).judge(picture, 0.5)
    np.testing.assert_allclose(first.logits, expected.logits, rtol=1e-4, atol=1e-4)
    assert (first.step, first.shape, first.ratio) == (expected.step, expected.shape, 3.0)
    assert seconds > 0
    process.judge(Order(critic, picture, 0.5))
    assert process.pid == pid


def test_a_reference_is_used_and_its_want_is_told(process: JudgeProcess, tmp_path: Path, picture: np.ndarray) -> None:
    comparing = small_critic(tmp_path / "comparing.safetensors", reference_size=96)
    with pytest.raises(ImportanceError, match="got no reference"):
        process.judge(Order(comparing, picture, 0.5))
    with pytest.raises(ImportanceError, match="is the picture itself"):
        process.judge(Order(comparing, picture, 0.5, picture))
    reference = np.asarray(embedded_sample().read())[200:400, 200:400].copy()
    found, _ = process.judge(Order(comparing, picture, 0.5, reference))
    expected = Critic.load(comparing).judge(picture, 0.5, reference=reference)
    np.testing.assert_allclose(found.logits, expected.logits, rtol=1e-4, atol=1e-4)


def test_what_the_critic_refuses_arrives_as_its_sentence(
    process: JudgeProcess, critic: Path, tmp_path: Path, picture: np.ndarray
) -> None:
    with pytest.raises(ImportanceError, match=r"0\.25 µm per pixel and .small\.safetensors. was trained at 0\.5"):
        process.judge(Order(critic, picture, 0.25))
    with pytest.raises(ImportanceError, match="give a larger picture"):
        process.judge(Order(critic, picture[:40, :40], 0.5))
    with pytest.raises(BundleError, match="choose another critic"):
        process.judge(Order(tmp_path / "gone.safetensors", picture, 0.5))
    with pytest.raises(BundleError, match="holds a generator and not a discriminator"):
        process.judge(Order(small_bundle(tmp_path / "generator.safetensors"), picture, 0.5))


def test_a_process_that_died_is_started_again(process: JudgeProcess, critic: Path, picture: np.ndarray) -> None:
    before, _ = process.judge(Order(critic, picture, 0.5))
    pid = process.pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], 5)
    after, _ = process.judge(Order(critic, picture, 0.5))
    np.testing.assert_array_equal(after.logits, before.logits)
    assert process.pid not in (pid, None)


def test_a_closed_process_judges_nothing_and_leaves_nothing_behind(critic: Path, picture: np.ndarray) -> None:
    closed = JudgeProcess()
    closed.close()
    closed.close()
    with pytest.raises(Stopped):
        closed.judge(Order(critic, picture, 0.5))
    assert closed.pid is None


def test_a_folder_is_judged_and_what_cannot_be_is_told(
    process: JudgeProcess, critic: Path, tmp_path: Path, picture: np.ndarray
) -> None:
    from PIL import Image

    folder = tmp_path / "woven"
    folder.mkdir()
    for name, pixels in (("a.png", picture), ("b.png", picture[:120, :120]), ("small.png", picture[:40, :40])):
        Image.fromarray(pixels).save(folder / name)
    (folder / "weights.csv").write_text("file,weight,decision\na.png,0,reject\nb.png,1,\nsmall.png,1,\n")
    chosen = critic, inspect_bundle(critic)
    told: list[tuple[int, int]] = []
    found = judge_folder(process, chosen, folder, on_progress=lambda done, of: told.append((done, of)))
    assert [each.file for each in found.tiles] == ["a.png", "b.png"]
    assert found.problems[0].startswith("'small.png': ")
    assert found.decisions == {"a.png": "reject"}
    assert found.tiles[0].thumbnail.shape[1] == 72
    assert not found.tiles[0].is_labelled
    assert told == [(0, 3), (1, 3), (2, 3)]
    with pytest.raises(Stopped):
        judge_folder(process, chosen, folder, should_stop=lambda: True)
    for name in ("a.png", "b.png"):
        (folder / name).unlink()
    with pytest.raises(ImportanceError, match="No tile of 'woven' could be judged"):
        judge_folder(process, chosen, folder)
