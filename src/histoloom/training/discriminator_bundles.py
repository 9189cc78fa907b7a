"""The discriminators of trainings, which bundles of generators leave out, as bundles of their own."""

from __future__ import annotations

import numpy as np

from histoloom.errors import RunError
from histoloom.importance.networks import JUDGES, judgement_facts, new_judge
from histoloom.models import Bundle, inspect_bundle, load_bundle
from histoloom.runs import Run
from histoloom.training.checkpoints import load_checkpoint

_DISCRIMINATOR = "discriminator"


def discriminator_bundle(run: Run) -> Bundle:
    """Return the discriminator of a run's newest checkpoint, as critics take it.

    Its logits are not calibrated: the header says slope 1, intercept 0 and, as trainings show discriminators as many
    woven pictures as real ones, ratio 1.

    Parameters
    ----------
    run
        Of a system that trains a discriminator beside its generator; of a critic it is the critic, calibrated.

    Raises
    ------
    RunError
        If the run has no checkpoint yet, or a damaged one, or its system no discriminator.
    BundleError
        If the checkpoint's bundle is missing or damaged.
    """
    path = run.latest_checkpoint()
    made = run.bundle_path(max(run.checkpoints()))
    header = inspect_bundle(made)
    if header.kind == "discriminator":
        return load_bundle(made)
    network = load_checkpoint(path)["networks"].get(_DISCRIMINATOR)
    if network is None or header.system not in JUDGES:
        raise RunError(
            f"The run '{run.folder.name}' is one of '{header.system}', which trains no discriminator that could judge; "
            f"give a run of one of: {', '.join(sorted(JUDGES))}."
        )
    channels = header.condition.channels if header.condition is not None else 0
    facts = judgement_facts(header.system, header.recipe, channels)
    # Where windows have a side of their own, logits depend on the statistics of a window, or on all of it.
    is_local = new_judge(header.system, header.recipe, channels).side is None
    changes = {
        "kind": "discriminator",
        "normalization": "none" if is_local else "batch statistics",
        "halo": facts.receptive_field // 2 if is_local else None,
        "tile_invariant": is_local,
        "looks": (),
        "judges": facts,
    }
    weights = {name: np.asarray(each.detach().cpu().numpy()) for name, each in network.items()}
    return Bundle(header.model_copy(update=changes), weights)
