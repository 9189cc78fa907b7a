"""Which networks of Hou et al. (2019) are updated when, as the authors' code has it."""

from __future__ import annotations

from dataclasses import dataclass

from histoloom.training.systems.refiner_recipe import RefinerRecipe

_REMEMBERED_FROM = 0.9


@dataclass(frozen=True)
class Round:
    """What one training step updates.

    Parameters
    ----------
    refiner, learner, discriminator
        How often each.
    is_alone
        Whether the refiner only learns to change nothing.
    is_remembered
        Whether what the refiner makes by itself enters the history.
    """

    refiner: int = 0
    learner: int = 0
    discriminator: int = 0
    is_alone: bool = False
    is_remembered: bool = False


def main_round(recipe: RefinerRecipe) -> Round:
    """Return a round of all three networks."""
    return Round(recipe.refiner_updates, recipe.learner_updates, recipe.discriminator_updates)


def round_at(step: int, recipe: RefinerRecipe) -> Round:
    """Return what a step, counted from 0, updates.

    The code's 15,000: 1000 of the refiner alone, whose last tenth enters the history; 1000 of the discriminator; 1000
    of 2 refiner and 1 discriminator updates; 1000 of the learner; 10,000 of 2 refiner, 6 learner and 1 discriminator
    updates; 1000 of the learner. Without a learner its own are left out.
    """
    learns = recipe.learner_updates > 0
    last = recipe.learner_last if learns else 0
    phases = (
        (recipe.refiner_first, Round(refiner=recipe.refiner_updates, is_alone=True)),
        (recipe.discriminator_first, Round(discriminator=1)),
        (
            recipe.adversarial_first,
            Round(refiner=recipe.refiner_updates, discriminator=recipe.discriminator_updates),
        ),
        (recipe.learner_first if learns else 0, Round(learner=1)),
    )
    begin = 0
    for count, kind in phases:
        if step < begin + count:
            if kind.is_alone and step >= begin + _REMEMBERED_FROM * count:
                return Round(refiner=kind.refiner, is_alone=True, is_remembered=True)
            return kind
        begin += count
    return Round(learner=1) if last and step >= max(recipe.steps - last, begin) else main_round(recipe)
