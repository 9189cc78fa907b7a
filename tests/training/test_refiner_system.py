"""The refiner is trained in turn with its discriminator and its learner, on first pictures of its tiles' textures."""

from __future__ import annotations

from contextlib import contextmanager
from copy import deepcopy

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from histoloom.errors import TrainingError
from histoloom.generators import generator_named
from histoloom.generators.networks.critic import CriticNetwork
from histoloom.generators.networks.hou_discriminator import HouDiscriminator
from histoloom.generators.networks.hou_refiner import HouRefiner
from histoloom.generators.refiner import PictureRefiner, RefinerWeaveRecipe
from histoloom.importance.critic import Critic
from histoloom.models import TrainingSource, inspect_bundle, save_bundle
from histoloom.runs import BUNDLE
from histoloom.tiles import Look, Tile
from histoloom.tiles.samples import embedded_sample
from histoloom.training.batches import Batch, Batches
from histoloom.training.checkpoints import load_checkpoint
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.discriminator_bundles import discriminator_bundle
from histoloom.training.engine import train
from histoloom.training.first_pictures import FirstPictures
from histoloom.training.memory import estimate_memory
from histoloom.training.optimization import Optimization
from histoloom.training.systems.presets import presets_of
from histoloom.training.systems.refiner import Refiner
from histoloom.training.systems.refiner_recipe import RefinerRecipe
from histoloom.window import Window

SMALL = {
    "steps": 10, "batch_size": 4, "crop_size": 56, "reference_size": 40, "width": 4, "blocks": 1, "kernel": 3,
    "discriminator_width": 4, "discriminator_pace": 1.0, "learner_width": 2, "learner_updates": 1, "history": 6,
    "refiner_first": 2, "discriminator_first": 1, "adversarial_first": 2, "learner_first": 1, "learner_last": 1,
    "optimizer": "adam", "learning_rate": 1e-3, "first_pictures": 1, "validation_crops": 2, "previews": 1,
    "compared_weaves": 2, "checkpoint_every": 5, "precision": "32-true", "device": "cpu",
}  # fmt: skip


def tiles() -> list[LabelledPicture]:
    whole = embedded_sample().read()
    parts = [whole[:160, :160], whole[:160, 96:256], whole[96:256, :160]]
    empty = np.zeros((160, 160), np.int32)
    return [LabelledPicture(np.ascontiguousarray(each), empty, np.zeros(1, np.uint8)) for each in parts]


def data() -> TrainingData:
    first, second, third = tiles()
    source = (TrainingSource(name="colon", tiles=3),)
    return TrainingData((first, second), (third,), ("nucleus",), 0.25, source, {"by": "tile"})


DATA = data()


class Recorder:
    """Takes gradients as the loop does, and no step."""

    def __init__(self, networks):
        self.networks = networks
        self.updated: list[str] = []

    @contextmanager
    def frozen(self, name):
        network = self.networks[name]
        network.requires_grad_(False)
        yield network
        network.requires_grad_(True)

    def update(self, name, loss):
        self.updated.append(name)
        loss.backward()


def some_batch(system: Refiner) -> Batch:
    made = Batches(DATA, system.recipe, system.encode, margin=system.margin, reference_size=system.reference_size)
    return made.at(0)


def test_hardness_moves_the_refiner_and_not_the_learner():
    recipe = RefinerRecipe(
        **SMALL | {"regularization_weight": 0.0, "realism_weight": 0.0, "hardness_weight": 1e-3, "refiner_updates": 1}
    )
    system = Refiner(recipe, DATA)
    torch.manual_seed(0)
    networks = system.build()
    work = Recorder(networks)
    seen = system._seen(some_batch(system))
    losses = system._refine(work, seen, system._round)
    assert work.updated == ["refiner"]
    assert float(losses["hardness"]) < 0
    assert any(each.grad is not None and each.grad.any() for each in networks["refiner"].parameters())
    assert all(each.grad is None for name in ("learner", "discriminator") for each in networks[name].parameters())

    def hardness() -> float:
        with torch.no_grad():
            return float(system._refine(_Quiet(networks), seen, system._round)["hardness"])

    before = hardness()
    with torch.no_grad():
        for each in networks["refiner"].parameters():
            if each.grad is not None:
                each -= 1e-2 * each.grad
    assert hardness() < before


def test_a_real_step_down_the_hardness_loss_leaves_the_learner_as_it_was():
    recipe = RefinerRecipe(**SMALL | {"realism_weight": 0.0, "hardness_weight": 1e-3, "refiner_updates": 1})
    system = Refiner(recipe, DATA)
    torch.manual_seed(0)
    work = Optimization(Fabric(accelerator="cpu", devices=1), system.build(), recipe)
    before = {name: deepcopy(each.state_dict()) for name, each in work.plain_networks.items()}
    system._refine(work, system._seen(some_batch(system)), system._round)
    moved = {
        name: any(not torch.equal(value, before[name][key]) for key, value in each.state_dict().items())
        for name, each in work.plain_networks.items()
    }
    assert moved == {"refiner": True, "discriminator": False, "learner": False}
    learner = work.plain_networks["learner"]
    assert all(each.grad is None and each.requires_grad for each in learner.parameters())


class _Quiet(Recorder):
    def update(self, name, loss):
        self.updated.append(name)


def test_what_the_learner_learns_moves_only_the_learner():
    system = Refiner(RefinerRecipe(**SMALL), DATA)
    torch.manual_seed(0)
    networks = system.build()
    work = Recorder(networks)
    system._learn(work, system._seen(some_batch(system)), 2)
    assert work.updated == ["learner"]
    assert any(each.grad is not None and each.grad.any() for each in networks["learner"].parameters())
    assert all(each.grad is None for name in ("refiner", "discriminator") for each in networks[name].parameters())


def test_a_round_updates_each_network_as_often_as_it_is_its_turn():
    system = Refiner(RefinerRecipe(**SMALL | {"learner_updates": 3}), DATA)
    work = _Quiet(system.build())
    batch = some_batch(system)
    system.begin_step(0)
    assert set(system.step(work, batch)) == {"regularization"}
    assert work.updated == ["refiner"] * 2
    work.updated.clear()
    system.begin_step(6)
    losses = system.step(work, batch)
    assert work.updated == ["refiner", "refiner", "learner", "learner", "learner", "discriminator"]
    assert set(losses) == {"regularization", "realism", "hardness", "learner", "real", "woven"}


def test_real_pairs_are_of_one_tile_even_where_first_pictures_get_other_references():
    system = Refiner(RefinerRecipe(**SMALL | {"other_references": 1.0}), DATA)
    batch = some_batch(system)
    assert torch.equal(system._seen(batch)[2], batch.reference.roll(1, 0))
    seen = []

    class Watched(_Quiet):
        def __init__(self, networks):
            super().__init__(networks)
            inner = self.networks["discriminator"]
            self.networks = self.networks | {"discriminator": lambda *each: seen.append(each) or inner(*each)}

    system._discriminate(Watched(system.build()), system._seen(batch), batch, 4)
    pictures, references = seen[0]
    for picture, reference in zip(pictures, references, strict=True):
        place = next(index for index in range(4) if torch.equal(batch.image[index], picture))
        assert torch.equal(reference, batch.reference[place])


def test_a_condition_is_a_first_picture_with_its_nuclei_and_their_centres():
    system = Refiner(RefinerRecipe(**SMALL), DATA)
    side = 56 + 2 * system.margin
    crop = LabelledPicture(
        DATA.training[0].image[:side, :side],
        DATA.training[0].label_map[:side, :side],
        np.zeros(1, np.uint8),
        tile=DATA.training[0],
        footprint=Window(0, 0, side, side),
    )
    encoded = system.encode(crop)
    assert encoded.shape == (5, side, side)
    np.testing.assert_array_equal(encoded, system.encode(crop))
    picture, labels = Refiner(RefinerRecipe(**SMALL), DATA)._first_pictures.beside(crop, side)
    np.testing.assert_allclose((encoded[:3] + 1) * 127.5, picture.transpose(2, 0, 1), atol=1e-3)
    np.testing.assert_array_equal(encoded[3] > 0, labels > 0)
    shown = system.picture_of(encoded)
    np.testing.assert_array_equal(shown, picture[system.margin : -system.margin, system.margin : -system.margin])


def test_a_tile_without_texture_borrows_anothers_and_none_is_said():
    blank = LabelledPicture(
        np.full((160, 160, 3), 245, np.uint8), np.zeros((160, 160), np.int32), np.zeros(1, np.uint8)
    )
    borrowed, _ = FirstPictures([blank, DATA.training[0]], 0.25, 1, 0).beside(blank, 64)
    assert borrowed.std() > 5
    with pytest.raises(TrainingError, match="No tile can lend its textures to first pictures"):
        FirstPictures([blank], 0.25, 1, 0).beside(blank, 64)


def test_a_batch_that_updates_cannot_share_is_refused():
    with pytest.raises(TrainingError, match="3 updates of the refiner cannot share out a batch of 2"):
        Refiner(RefinerRecipe(**SMALL | {"refiner_updates": 3, "batch_size": 2}), DATA)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return train(RefinerRecipe(**SMALL), DATA, folder)


def test_a_run_stopped_and_resumed_equals_one_that_never_stopped(run, tmp_path):
    recipe = RefinerRecipe(**SMALL)
    asked = []
    half = train(recipe, DATA, tmp_path / "half", should_stop=lambda: len(asked) == 7 or bool(asked.append(0)))
    assert max(half.checkpoints()) < 10
    train(recipe, DATA, half.folder, resume_from=half.latest_checkpoint())
    ends = [load_checkpoint(each.latest_checkpoint()) for each in (run, half)]
    assert len(ends[0]["system"]["parts"][0]) == 6
    for name in ("refiner", "discriminator", "learner"):
        for key, value in ends[0]["networks"][name].items():
            assert torch.equal(value, ends[1]["networks"][name][key]), (name, key)
    assert all(torch.equal(*pair) for pair in zip(*(each["system"]["parts"] for each in ends), strict=True))


def test_its_bundle_is_a_generator_that_sees_pictures_and_weaves(run):
    path = run.folder / BUNDLE
    header = inspect_bundle(path)
    assert (header.kind, header.system, header.condition) == ("generator", "refiner", None)
    assert (header.normalization, header.tile_invariant, header.halo) == ("none", True, 4)
    look = Look.from_tile(Tile.from_array(DATA.training[0].image, 0.25))
    layout = DATA.training[0].layout(("nucleus",), 0.25)
    assert generator_named(str(path)).prepare(look, RefinerWeaveRecipe(), 0.25).weave(layout, 0).shape == (160, 160, 3)
    refined = PictureRefiner(path).refine(DATA.training[1].image, 0.25, DATA.training[0].image)
    assert refined.shape == (160, 160, 3)


def test_what_is_validated_says_how_much_is_changed_and_how_real_it_looks(run):
    events = [each for each in run.events() if each["kind"] == "Validated"]
    assert set(events[-1]["losses"]) == {"change", "real", "refined", "first"}
    assert run.previews()


@pytest.mark.parametrize("name", ["small", "code"])
def test_every_preset_is_a_recipe_whose_networks_can_see_its_crops(name):
    recipe = RefinerRecipe.checked(**presets_of("refiner")[name])
    assert estimate_memory(Refiner(recipe, DATA), 2, recipe.crop_size) > 0


def test_the_papers_preset_is_the_default_and_the_codes_has_its_numbers():
    paper, code = (RefinerRecipe.checked(**presets_of("refiner")[name]) for name in ("paper", "code"))
    assert paper == RefinerRecipe()
    assert (paper.regularization_weight, paper.realism_weight, paper.hardness_weight) == (1.0, 1.0, 1e-7)
    assert (paper.l1_weight, paper.l2_weight) == (1e-5, 1e-4)
    assert (code.l1_weight, code.l2_weight, code.crop_size) == (1e-3, 1e-2, 400)
    assert (code.learning_rate, code.learning_rate * code.discriminator_pace) == pytest.approx((3e-6, 3e-5))
    assert (code.momentum, code.gradient_clip, code.history) == (0.95, 50.0, 64_000)
    networks = Refiner(code, DATA).build()
    assert (code.square_term, code.over_map, code.realism_form) == ("squared norm", "sum", "-log D")
    assert code.weight_clip == "code"
    assert (paper.square_term, paper.over_map, paper.realism_form) != (
        code.square_term,
        code.over_map,
        code.realism_form,
    )
    assert paper.weight_clip == "none"
    assert isinstance(networks["refiner"], HouRefiner)
    assert isinstance(networks["discriminator"], HouDiscriminator)
    assert len(networks["refiner"].blocks) == 5


def test_momentum_and_limits_of_single_weights_are_what_optimizes(tmp_path):
    limited = {"optimizer": "momentum", "learning_rate": 1e-3, "gradient_clip": 1e-3, "clip_apart": True}
    recipe = RefinerRecipe(**SMALL | limited | {"steps": 2, "refiner_first": 2, "learner_updates": 0})
    trained = train(recipe, DATA, tmp_path / "run")
    kept = load_checkpoint(trained.latest_checkpoint())["optimizers"]["refiner"]["state"]
    norms = [float(each["momentum_buffer"].norm()) for each in kept.values() if each["momentum_buffer"] is not None]
    # Two rounds of two limited gradients each, of which momentum keeps 95 %.
    assert 0 < max(norms) <= 4e-3


def test_the_critics_network_may_be_the_discriminator_and_judges_as_a_bundle(tmp_path):
    critics = {"discriminator": "critic", "crop_size": 99, "reference_size": 100}
    schedule = {"steps": 3, "refiner_first": 0, "discriminator_first": 1, "adversarial_first": 2, "learner_updates": 0}
    recipe = RefinerRecipe(**SMALL | critics | schedule)
    assert isinstance(Refiner(recipe, DATA).build()["discriminator"], CriticNetwork)
    trained = train(recipe, DATA, tmp_path / "run")
    save_bundle(discriminator_bundle(trained), tmp_path / "judge.safetensors")
    first, second, _ = (each.image for each in DATA.training + DATA.validation)
    judged = Critic.load(tmp_path / "judge.safetensors").judge(first, 0.25, reference=second)
    assert judged.logits.shape == (10, 10)
    assert np.isfinite(judged.logits).all()


def test_crops_smaller_than_the_critic_sees_are_refused():
    with pytest.raises(TrainingError, match="crops or references have 56; give a crop size and a reference size from"):
        Refiner(RefinerRecipe(**SMALL | {"discriminator": "critic", "reference_size": 120}), DATA)
