"""Critics: discriminators of every system judge pictures of any size, and say what they cannot judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from histoloom.errors import BundleError, HistoloomError, ImportanceError, LookError
from histoloom.importance import Judgement, nucleus_weights
from histoloom.importance.critic import Critic
from histoloom.importance.networks import JUDGES, register_judge
from histoloom.models import Bundle, load_bundle, save_bundle
from small_bundles import small_layout
from small_discriminators import small_discriminator
from tissue_pictures import tissue_picture

SYSTEMS = ("critic", "refiner", "pix2pix", "mode-seeking-pix2pix", "loom")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("critics")


@pytest.fixture(scope="module", params=SYSTEMS)
def critic(request: pytest.FixtureRequest, folder: Path) -> Critic:
    torch.set_num_threads(1)
    return Critic.load(small_discriminator(folder / f"{request.param}.safetensors", request.param, scale=3.0))


@pytest.fixture(scope="module")
def plain(folder: Path) -> Critic:
    return Critic.load(small_discriminator(folder / "plain.safetensors", recipe={"reference_size": 0}, scale=2.0))


@pytest.fixture(scope="module")
def comparing(folder: Path) -> Critic:
    return Critic.load(small_discriminator(folder / "comparing.safetensors", scale=2.0))


def what_it_needs(critic: Critic, shape: tuple[int, int]) -> dict[str, object]:
    return {
        "reference": tissue_picture((110, 120), seed=9) if critic.needs_reference else None,
        "layout": small_layout(shape) if critic.needs_layout else None,
    }


@pytest.mark.parametrize("shape", [(100, 100), (131, 200)])
def test_every_discriminator_judges_pictures_of_any_size(critic, shape):
    judged = critic.judge(tissue_picture(shape), 0.5, **what_it_needs(critic, shape))

    assert judged.shape == shape
    assert judged.logits.shape == tuple(-(-side // judged.step) for side in shape)
    assert judged.logits.dtype == np.float32
    assert np.isfinite(judged.logits).all()
    assert 0.0 <= judged.probability_real <= 1.0
    assert judged.weight_map().shape == shape
    assert judged.weight_map((0.2, 2.0)).min() >= np.float32(0.2)


def test_the_same_picture_is_judged_the_same_again(critic):
    picture, needs = tissue_picture((120, 140)), what_it_needs(critic, (120, 140))

    first, second = (critic.judge(picture, 0.5, **needs) for _ in range(2))

    np.testing.assert_array_equal(first.logits, second.logits)


def test_what_is_far_away_does_not_change_what_is_said_of_a_place(plain):
    picture = tissue_picture((200, 320))
    other = picture.copy()
    other[:, 220:] = 255

    one, two = plain.judge(picture, 0.5).logits, plain.judge(other, 0.5).logits

    near = (220 - plain.facts.receptive_field) // plain.facts.step
    np.testing.assert_allclose(one[:, :near], two[:, :near], atol=1e-5)
    assert not np.allclose(one[:, -1], two[:, -1])


def test_windows_of_a_large_picture_give_the_map_of_the_whole(plain, monkeypatch):
    picture = tissue_picture((230, 333))
    whole = plain.judge(picture, 0.5).logits

    monkeypatch.setattr("histoloom.importance.judging.windows.MOST_SIDE", 130)

    np.testing.assert_allclose(plain.judge(picture, 0.5).logits, whole, atol=1e-4)


def test_logits_lie_where_they_look(folder, monkeypatch):
    # A critic that says how dark the middle of a patch is.
    critic = Critic.load(small_discriminator(folder / "dark.safetensors", recipe={"reference_size": 0}))
    judge = critic._judge
    field, step = judge.receptive_field, judge.step

    def darkness(picture, condition, reference):
        middle = picture[0, 0, field // 2 :, field // 2 :]
        rows, columns = ((side - field) // step + 1 for side in picture.shape[2:])
        return -middle[::step, ::step][:rows, :columns]

    monkeypatch.setattr(judge, "logits", darkness)
    # Darker and darker downwards and to the right.
    places = np.arange(290)
    ramp = (255 - places[:, None] // 2 - places // 3).astype(np.uint8)

    found = critic.judge(np.repeat(ramp[..., None], 3, axis=2), 0.5).logit_map()

    # Between the first and the last centre of a patch.
    inner = slice(60, 210)
    np.testing.assert_allclose(127.5 * (1 - found)[inner, inner], ramp[inner, inner], atol=2.0)


def test_calibration_and_ratio_of_the_header_are_applied(folder, plain):
    picture = tissue_picture((120, 120))
    facts = {"slope": 2.0, "intercept": -0.5, "ratio": 3.0}
    path = small_discriminator(folder / "other.safetensors", recipe={"reference_size": 0}, scale=2.0, judges=facts)

    judged = Critic.load(path).judge(picture, 0.5)

    np.testing.assert_allclose(judged.logits, 2.0 * plain.judge(picture, 0.5).logits - 0.5, rtol=1e-5)
    probability = judged.probability_real
    assert judged.weight() == pytest.approx(3.0 * probability / (1.0 - probability))


def test_the_reference_decides(comparing):
    picture = tissue_picture((120, 120))
    pale = 255 - (255 - tissue_picture((100, 100), seed=4)) // 2

    one = comparing.judge(picture, 0.5, reference=tissue_picture((100, 100), seed=4))
    two = comparing.judge(picture, 0.5, reference=pale)

    assert not np.allclose(one.logits, two.logits)


@pytest.mark.parametrize("critic", ["critic", "refiner", "loom"], indirect=True)
@pytest.mark.parametrize("level", [0, 10, 240, 255])
def test_a_reference_without_tissue_is_refused(critic, level):
    needs = {**what_it_needs(critic, (120, 120)), "reference": np.full((110, 120, 3), level, np.uint8)}

    with pytest.raises(LookError, match="The reference shows no tissue"):
        critic.judge(tissue_picture((120, 120)), 0.5, **needs)


@pytest.mark.parametrize("place", [(0, 0), (1, 0), (7, 91), (123, 45), (200, 200)])
def test_a_reference_that_holds_the_picture_anywhere_is_refused(comparing, place):
    real = tissue_picture((300, 300), seed=6)
    cut = real[place[0] : place[0] + 100, place[1] : place[1] + 100]
    other = cut.copy()
    other[50, 50, 2] ^= 1

    for image, reference in ((cut, real), (real, cut)):
        with pytest.raises(ImportanceError, match="is the picture itself, or holds it"):
            comparing.judge(image, 0.5, reference=reference)
    assert comparing.judge(other, 0.5, reference=real).shape == (100, 100)


def test_blank_tissue_beside_a_reference_that_has_some_is_judged(comparing):
    real = tissue_picture((260, 260), seed=6)
    real[100:230, 100:230] = 245

    judged = comparing.judge(np.full((110, 110, 3), 245, np.uint8), 0.5, reference=real)

    assert np.isfinite(judged.weight())


PICTURE = tissue_picture((120, 130))
REFERENCE = tissue_picture((120, 130), seed=5)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "got no reference"),
        ({"reference": PICTURE}, "The reference is the picture itself"),
        ({"reference": PICTURE[:100, -100:]}, "The reference is the picture itself, or holds it"),
        ({"reference": REFERENCE[:90]}, "The reference has 90 x 130 pixels and .* at least 100 x 100"),
        ({"reference": REFERENCE[..., 0]}, "A reference must be RGB uint8"),
        (
            {"reference": REFERENCE, "pixel_size": 0.25},
            "0.25 µm per pixel and 'comparing.safetensors' was trained at 0.5",
        ),
        ({"reference": REFERENCE, "pixel_size": 0.0}, "A pixel size of 0 µm is not possible"),
        ({"reference": REFERENCE, "image": PICTURE[:98]}, "98 x 130 pixels and .* trained on at least 99 x 99"),
        ({"reference": REFERENCE, "image": PICTURE / 255.0}, "A picture to judge must be RGB uint8"),
    ],
)
def test_what_a_comparing_critic_cannot_judge_is_said_in_a_sentence(comparing, values, sentence):
    given = {"image": PICTURE, "pixel_size": 0.5, "reference": None, **values}

    with pytest.raises(ImportanceError, match=sentence):
        comparing.judge(given["image"], given["pixel_size"], reference=given["reference"])


@pytest.mark.parametrize("system", ["pix2pix", "loom"])
def test_a_critic_that_sees_layouts_asks_for_the_right_one(folder, system):
    critic = Critic.load(small_discriminator(folder / f"layout_{system}.safetensors", system))

    with pytest.raises(ImportanceError, match="got no layout"):
        critic.judge(PICTURE, 0.5, reference=REFERENCE)
    with pytest.raises(ImportanceError, match="its layout 96 x 96; give the layout that it was woven from"):
        critic.judge(PICTURE, 0.5, reference=REFERENCE, layout=small_layout((96, 96)))


def test_a_picture_smaller_than_what_a_network_of_fixed_size_was_trained_on_is_refused(folder):
    critic = Critic.load(small_discriminator(folder / "fixed.safetensors", "mode-seeking-pix2pix"))

    with pytest.raises(
        ImportanceError, match=r"60 x 130 pixels and 'fixed\.safetensors' was trained on at least 64 x 64"
    ):
        critic.judge(PICTURE[:60], 0.5)


def test_a_critic_whose_weights_have_diverged_is_refused(folder):
    critic = Critic.load(small_discriminator(folder / "wild.safetensors", recipe={"reference_size": 0}, scale=1e12))

    with pytest.raises(ImportanceError, match=r"'wild\.safetensors' are not all numbers"):
        critic.judge(PICTURE, 0.5)


def test_bundles_that_cannot_judge_are_refused(folder):
    path = small_discriminator(folder / "sound.safetensors")
    sound = load_bundle(path)

    def saved(name: str, weights=None, **facts) -> Path:
        header = sound.header.model_copy(update=facts)
        save_bundle(Bundle(header, weights or sound.weights), folder / f"{name}.safetensors")
        return folder / f"{name}.safetensors"

    for wrong, sentence in (
        (saved("generator", kind="generator"), "holds a generator and not a discriminator"),
        (saved("silent", judges=None), "does not say how it judges"),
        (saved("foreign", system="spade"), "the system 'spade', which this version cannot judge with"),
        (saved("other", recipe={"width": 5, "reference_size": 96}), "not those that its recipe tells of"),
        (saved("damaged", recipe={}), "not those that its recipe tells of"),
        (saved("stepped", judges=sound.header.judges.model_copy(update={"step": 4})), "does not say how it judges"),
        (folder / "nowhere.safetensors", "There is no file 'nowhere.safetensors'"),
        ("nobody", "There is no critic called 'nobody'"),
    ):
        with pytest.raises(BundleError, match=sentence):
            Critic.load(wrong)


def test_systems_of_others_can_be_registered(monkeypatch):
    monkeypatch.setattr("histoloom.importance.networks.JUDGES", dict(JUDGES))

    register_judge("mine", "package.module:Judge")
    with pytest.raises(ImportanceError, match="has a discriminator already"):
        register_judge("critic", "package.module:Judge")
    with pytest.raises(ImportanceError, match="not the place of a discriminator"):
        register_judge("yours", "somewhere")


def test_nuclei_where_the_picture_looks_woven_weigh_less():
    layout = small_layout((96, 96))
    left = np.where(np.arange(12) < 6, -3.0, 3.0).astype(np.float32)
    judged = Judgement(np.tile(left, (12, 1)), 8, (96, 96))

    weights = nucleus_weights(layout, judged)

    assert weights.keys() <= layout.nuclei.keys()
    for key, weight in weights.items():
        column = layout.nuclei[key].outline.centroid[1]
        if abs(column - 48) > 15:
            assert weight == pytest.approx(np.exp(-3.0 if column < 48 else 3.0), rel=0.02)
    assert min(nucleus_weights(layout, judged, (0.2, 2.0)).values()) == 0.2


def test_the_layout_of_another_picture_has_no_nucleus_weights():
    judged = Judgement(np.zeros((12, 12), np.float32), 8, (96, 96))

    with pytest.raises(ImportanceError, match="The layout has 90 x 75 pixels"):
        nucleus_weights(small_layout((90, 75)), judged)


def test_a_judgement_is_of_its_picture_and_of_numbers():
    with pytest.raises(ImportanceError, match="does not belong to a picture of 96 x 96"):
        Judgement(np.zeros((11, 12), np.float32), 8, (96, 96))
    with pytest.raises(ImportanceError, match="not all numbers"):
        Judgement(np.full((12, 12), np.nan, np.float32), 8, (96, 96))


def test_a_critic_that_is_quite_sure_still_gives_a_finite_weight():
    judged = Judgement(np.full((2, 2), 80.0, np.float32), 8, (16, 16), ratio=2.0)

    assert judged.probability_real == 1.0
    assert judged.weight() == pytest.approx(2.0 * np.exp(80.0))
    assert judged.weight((0.2, 2.0)) == 2.0


def test_the_mean_probability_counts_squares_by_their_pixels():
    judged = Judgement(np.array([[0.0, 50.0]], np.float32), 8, (8, 10))

    assert judged.probability_real == pytest.approx(0.8 * 0.5 + 0.2)


def test_errors_are_sentences_for_people():
    assert issubclass(ImportanceError, HistoloomError)
