"""The house generator's training: a layout, noise and a look in; discriminators that know the look as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from histoloom.conditions import (
    EdgeRecipe,
    NucleiAndTissueEncoding,
    NucleiAndTissueRecipe,
    detect_edges,
    resolved_edges,
)
from histoloom.conditions.nuclei_and_tissue import TISSUE_REACH
from histoloom.errors import TrainingError
from histoloom.generators.networks.canonical_stain import (
    canonical_pictures,
    jittered_stains,
    pictures_of,
    relative_concentrations,
    stain_numbers,
)
from histoloom.generators.networks.loom import MARGIN, LoomNetwork, level_widths
from histoloom.generators.networks.loom_discriminator import LoomDiscriminator
from histoloom.keyed_random import keyed_uniform
from histoloom.layouts.classes import DEFAULT_CLASS
from histoloom.models import ConditionFacts
from histoloom.tiles.tissue import cell_densities, tissue_cell_pixels, tissue_values, usual_eosin
from histoloom.training.batches import Batch
from histoloom.training.data import LabelledPicture, TrainingData
from histoloom.training.losses.distributions import patch_distribution_loss, value_distribution_loss
from histoloom.training.losses.feature_matching import local_feature_matching_loss
from histoloom.training.losses.mode_seeking import mode_seeking_loss
from histoloom.training.nuclei_to_learn import check_training_nuclei
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.systems.contract import Losses, NetworkFacts, Work
from histoloom.training.systems.encodings import condition_facts
from histoloom.training.systems.loom_noise import drawn_noise
from histoloom.training.systems.loom_recipe import LoomRecipe

_MATCHING_CELL = 4
_MEANS_CELL, _NUCLEAR_CELL = 16, 4
_COLORS = np.array([[255, 255, 255], [240, 150, 170], [160, 130, 200], [200, 30, 40]], np.uint8)


class Loom:
    """Hinge GAN with local feature matching, patch distributions, and a bounded mode-seeking term on the noise."""

    name: ClassVar[str] = "loom"
    title: ClassVar[str] = "loom (the house generator)"
    recipe_type: ClassVar[type[TrainingRecipe]] = LoomRecipe
    saved: ClassVar[str] = "generator"
    facts = NetworkFacts("generator", "none", halo=MARGIN + TISSUE_REACH, tile_invariant=True)
    margin = MARGIN
    crop_multiple = 16
    compares_conditions = False

    def __init__(self, recipe: LoomRecipe, data: TrainingData) -> None:
        if recipe.stain_jitter > 0:
            raise TrainingError(
                "loom shakes the stains of looks ('Stain vector jitter', 'Stain strength jitter'), and a crop that is "
                "stained unlike its tile would teach it nothing; set 'Stain jitter' to 0."
            )
        check_training_nuclei(data.training)
        self.recipe: LoomRecipe = recipe
        self._data = data
        self._edges: WeakKeyDictionary[LabelledPicture, EdgeRecipe] = WeakKeyDictionary()
        self._eosin: WeakKeyDictionary[LabelledPicture, float] = WeakKeyDictionary()
        classes = tuple(name for name in data.classes if name != DEFAULT_CLASS)
        self.encoding = NucleiAndTissueEncoding(NucleiAndTissueRecipe.checked(classes=classes))
        self._class_index = np.array([self.encoding.class_index(name) for name in data.classes])

    @property
    def condition(self) -> ConditionFacts:
        """What the generator sees."""
        return condition_facts(self.encoding)

    @property
    def planes(self) -> int:
        """The condition's, and before them the labels, whose noise is their own."""
        return 1 + len(self.encoding.channels)

    @property
    def reference_size(self) -> int:
        """Side of the pictures that show how a tile looks."""
        return self.recipe.reference_size

    @property
    def relative_rates(self) -> Mapping[str, float]:
        """The discriminator's is the larger one, so that it keeps up (Heusel et al. 2017)."""
        return {"discriminator": self.recipe.discriminator_pace}

    def encode(self, crop: LabelledPicture) -> NDArray[np.float32]:
        """Return labels and condition ``float32 (planes, H, W)`` of a crop, with its tissue and edges."""
        cell = tissue_cell_pixels(self._data.pixel_size)
        height, width = crop.label_map.shape
        usual = self._usual_eosin(crop.tile or crop)
        tissue = tissue_values(crop.image, self._data.pixel_size, crop.label_map > 0, usual)
        tissue = np.pad(tissue.repeat(cell, axis=0).repeat(cell, axis=1)[:height, :width], TISSUE_REACH, mode="edge")
        index_of = {int(label): int(self._class_index[crop.class_of[label]]) for label in np.unique(crop.label_map)}
        index_of.pop(0, None)
        values = self.encoding.encode_ids(np.pad(crop.label_map, 1, mode="edge"), index_of, tissue)
        # Which crops come with edges is a function of the crop; finding them in all would take longer than the rest.
        if keyed_uniform(*(crop.footprint or (0,))) < self.recipe.show_edges:
            edges = detect_edges(crop.image, self._edge_recipe(crop.tile or crop), self._data.pixel_size)
            values = self.encoding.with_edges(values, edges)
        return np.concatenate([crop.label_map[None].astype(np.float32), values])

    def _usual_eosin(self, tile: LabelledPicture) -> float:
        if tile not in self._eosin:
            self._eosin[tile] = usual_eosin(cell_densities(tile.image, self._data.pixel_size, tile.label_map > 0))
        return self._eosin[tile]

    def _edge_recipe(self, tile: LabelledPicture) -> EdgeRecipe:
        """Return the recipe with the thresholds of a whole tile, as accepted edges have those of a whole picture."""
        if tile not in self._edges:
            self._edges[tile] = resolved_edges(tile.image, EdgeRecipe(), self._data.pixel_size)
        return self._edges[tile]

    def picture_of(self, condition: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return tissue in pale colours, nuclei and contours in dark ones, without the margin."""
        inner = condition[1:, self.margin : -self.margin, self.margin : -self.margin]
        tissue = inner[self.encoding.tissue_channels]
        picture: NDArray[np.uint8] = _COLORS[tissue.argmax(axis=0)]
        picture[inner[0] > 0] = (60, 50, 130)
        picture[inner[1 + len(self.encoding.recipe.classes)] > 0] = (20, 10, 60)
        return picture

    def build(self) -> dict[str, nn.Module]:
        """Return generator and discriminator."""
        channels = len(self.encoding.channels)
        return {
            "generator": LoomNetwork(channels, level_widths(self.recipe.width)),
            "discriminator": LoomDiscriminator(channels, self.recipe.discriminator_width),
        }

    def step(self, work: Work, batch: Batch) -> Losses:
        """Update the discriminator, then the generator, on two weaves of each crop."""
        recipe = self.recipe
        stains = jittered_stains(_given(batch.stains), recipe.vector_jitter, recipe.maximum_jitter)
        ids, condition = batch.condition[:, :1], self._partly_hidden(batch.condition[:, 1:])
        wanted = relative_concentrations(batch.image, stains)
        real = canonical_pictures(wanted)
        reference = canonical_pictures(relative_concentrations(_given(batch.reference), stains))

        twice = torch.cat([condition, condition])
        noise = drawn_noise(torch.cat([ids, ids]))
        numbers = stain_numbers(stains)
        generator = work.networks["generator"]
        made = generator(twice, noise, reference, numbers)
        woven = canonical_pictures(made)
        inner = condition[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
        seen = torch.cat([inner, inner])

        discriminator = work.networks["discriminator"]
        real_logits, real_features = discriminator(real, inner, reference)
        woven_logits, _ = discriminator(woven.detach(), seen, reference)
        judged = _mean([functional.relu(1.0 - each).mean() for each in real_logits]) + _mean(
            [functional.relu(1.0 + each).mean() for each in woven_logits]
        )
        work.update("discriminator", judged)

        with work.frozen("discriminator") as frozen:
            logits, features = frozen(woven, seen, reference)
            adversarial = -_mean([each.mean() for each in logits])
            matching = local_feature_matching_loss(
                features, [[torch.cat([each, each]) for each in layers] for layers in real_features], _MATCHING_CELL
            )
            first, second = woven.chunk(2)
            first_noise, second_noise = zip(*(each.chunk(2) for each in noise), strict=True)
            bound = recipe.mode_seeking_bound
            seeking = mode_seeking_loss(_flat(first_noise), _flat(second_noise), first, second, bound)
            real_twice = torch.cat([real, real])
            regions = [inner[:, :1], 1.0 - inner[:, :1]]
            tone = _local_means_distance(woven, real_twice)
            nuclear = _nuclear_distance(woven, real_twice, seen[:, :1])
            texture = patch_distribution_loss(woven, real, regions, repeats=2)
            values = value_distribution_loss(made, wanted, regions, repeats=2)
            weighted = recipe.feature_matching_weight * matching + recipe.mode_seeking_weight * seeking
            weighted = weighted + recipe.patch_distribution_weight * texture
            weighted = weighted + recipe.value_distribution_weight * values
            weighted = weighted + recipe.local_means_weight * tone + recipe.nuclear_means_weight * nuclear
            work.update("generator", adversarial + weighted)
        losses = {
            "discriminator": judged, "adversarial": adversarial, "matching": matching, "mode seeking": seeking,
            "local means": tone, "nuclear means": nuclear, "patches": texture, "values": values,
        }  # fmt: skip
        return {name: each.detach() for name, each in losses.items()}

    def validate(self, networks: Mapping[str, nn.Module], batch: Batch) -> Losses:
        """Return how far local means of woven canonical pictures are from those of the real tile."""
        woven = self._concentrations(networks["generator"], batch)
        real = relative_concentrations(batch.image, _given(batch.stains))
        return {"local means": _local_means_distance(canonical_pictures(woven), canonical_pictures(real))}

    def weave(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """Return pictures ``(B, 3, H, W)`` in -1..1, with the looks of the batch's tiles; edges are hidden."""
        return pictures_of(self._concentrations(network, batch), _given(batch.stains))

    def _concentrations(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        condition = batch.condition[:, 1:].clone()
        condition[:, self.encoding.edge_channels] = 0.0
        stains = _given(batch.stains)
        reference = canonical_pictures(relative_concentrations(_given(batch.reference), stains))
        woven: torch.Tensor = network(condition, drawn_noise(batch.condition[:, :1]), reference, stain_numbers(stains))
        return woven.float()

    def _partly_hidden(self, condition: torch.Tensor) -> torch.Tensor:
        """Return conditions as layouts without tissue map or classes have them, each with its own chance."""
        recipe, encoding = self.recipe, self.encoding
        shown = torch.ones_like(condition[:, :, :1, :1])
        for channels, share in (
            (encoding.tissue_channels, 1.0 - recipe.forget_tissue),
            (encoding.class_channels, 1.0 - recipe.forget_classes),
        ):
            shown[:, channels] = (torch.rand(len(condition), 1, 1, 1, device=condition.device) < share).float()
        return condition * shown


def _given(looks: torch.Tensor | None) -> torch.Tensor:
    if looks is None:
        raise ValueError("Batches of this system come with looks.")
    return looks


def _local_means_distance(woven: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    return functional.l1_loss(functional.avg_pool2d(woven, _MEANS_CELL), functional.avg_pool2d(real, _MEANS_CELL))


def _nuclear_distance(woven: torch.Tensor, real: torch.Tensor, nuclei: torch.Tensor) -> torch.Tensor:
    """Return the distance of finer means where nuclei are: their places are known, so their pixels can be compared."""
    share = functional.avg_pool2d(nuclei, _NUCLEAR_CELL)
    apart = functional.avg_pool2d(woven - real, _NUCLEAR_CELL).abs().mean(1, keepdim=True)
    return (apart * share).sum() / share.sum().clamp(min=1.0)


def _flat(noise: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat([each.flatten(1) for each in noise], 1)


def _mean(values: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.stack(list(values)).mean()
