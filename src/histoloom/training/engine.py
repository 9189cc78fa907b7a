"""The training loop of all systems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from histoloom.errors import HistoloomError, RunError, TrainingError
from histoloom.models import Bundle, BundleHeader, JudgementFacts, load_bundle, save_bundle
from histoloom.runs import BUNDLE, Run, run_locked
from histoloom.training.batches import Batch, Batches, as_pictures
from histoloom.training.beginning import (
    begin_with,
    bundle_to_begin_with,
    check_beginning,
    facts_of_beginning,
    told_before,
)
from histoloom.training.best_score import BestScore
from histoloom.training.checkpoints import load_checkpoint, save_checkpoint
from histoloom.training.data import TrainingData
from histoloom.training.devices import device_name, environment_of, fabric_for
from histoloom.training.divergence import DivergenceWatch
from histoloom.training.events import (
    CheckpointSaved,
    OnEvent,
    PreviewSaved,
    StepsDone,
    TrainingContinued,
    TrainingEvent,
    TrainingFailed,
    TrainingFinished,
    TrainingPaused,
    TrainingStarted,
    Validated,
    event_as_json,
)
from histoloom.training.figures import measured_figures
from histoloom.training.memory import check_crop, check_memory, fitting_words, free_memory
from histoloom.training.meter import Meter
from histoloom.training.optimization import Optimization
from histoloom.training.previews import save_preview
from histoloom.training.randomness import keyed_torch
from histoloom.training.recipe import TrainingRecipe
from histoloom.training.stop_and_pause import Requests
from histoloom.training.systems.contract import (
    CalibratedSystem,
    JudgedSystem,
    RememberingSystem,
    System,
    WeavingSystem,
)
from histoloom.training.systems.registry import system_for

_WEIGHTS, _STEP, _WOVEN = range(101, 104)
_PREVIEW_SEEDS = 2
_REAL, _FIRST_WOVEN = 1, 2
"""Places in a row of a preview, after the condition."""


def train(
    recipe: TrainingRecipe,
    data: TrainingData,
    folder: str | Path,
    *,
    on_event: OnEvent | None = None,
    should_stop: Callable[[], bool] | None = None,
    resume_from: str | Path | None = None,
    begin_from: str | Path | None = None,
    devices: int = 1,
    nodes: int = 1,
) -> Run:
    """Train a system, or go on with a run.

    On a CPU, a run that was stopped and resumed has the weights of one that never stopped, bit by bit: what a step sees
    and draws is a function of seed and step.

    Parameters
    ----------
    recipe
        Its type says which system.
    data
        Tiles to train and validate on.
    folder
        The run folder: new or empty, or that of the run to resume.
    on_event
        Told what happens, as it happens, on the process that writes the run.
    should_stop
        Asked after each step; a run that is stopped saves a checkpoint first. Other processes stop or pause a run by
        `Run.request_stop` and `Run.request_pause`; what was asked before training begins is forgotten.
    resume_from
        A checkpoint of the run in ``folder``, such as `Run.latest_checkpoint`.
    begin_from
        A segmenter's bundle with whose weights a new training begins, such as the latest of another run; that run's
        optimizer is not gone on with. A run that is resumed knows its weights, and leaves it alone.
    devices, nodes
        How many devices on each of how many machines. Over several, the command line is started once for each.

    Returns
    -------
    Run
        The run folder; it has a final bundle unless training was stopped.

    Raises
    ------
    TrainingError
        If device, memory or data do not do, the weights to begin with are another network's, or losses diverge.
    RunError
        If the folder is taken, in use, or holds another recipe's run, or a checkpoint is damaged.
    WriteError
        If the folder cannot be written to.
    """
    first = None if begin_from is None or resume_from is not None else bundle_to_begin_with(begin_from)
    told = first.header.classes if first is not None else told_before(folder) if resume_from is not None else ()
    system = system_for(recipe, replace(data, told=told) if told else data)
    if first is not None:
        check_beginning(first, system, data.classes)
    check_crop(system)
    fabric = fabric_for(recipe, devices, nodes)
    fabric.launch()
    mixed = fabric.strategy.precision.precision != "32-true"
    needed = check_memory(system, free_memory(fabric.device), mixed=mixed)
    with run_locked(folder) if fabric.is_global_zero else nullcontext():
        resumed = None if resume_from is None else load_checkpoint(resume_from)
        if fabric.is_global_zero and resumed is not None:
            _check_same(Run.open(folder), recipe, data)
        elif fabric.is_global_zero:
            begun = {} if first is None else facts_of_beginning(first)
            Run.create(folder, recipe.as_json(), environment_of(fabric) | _data_facts(data) | begun)
        if fabric.is_global_zero:
            Run.open(folder).clear_requests()
        # The others see the folder once it is a run.
        fabric.barrier()
        run = Run.open(folder)
        loop = _Loop(
            fabric, system, data, run, needed, on_event or (lambda _: None), should_stop or (lambda: False), first
        )
        with loop.failures_told(), _threads_of(run):
            if resumed is not None:
                loop.restore(resumed)
            loop.run_steps()
        fabric.barrier()
        if fabric.is_global_zero:
            run.clear_requests()
    return run


class _Loop:
    """One process's part of a training that is under way."""

    def __init__(
        self,
        fabric: Fabric,
        system: System,
        data: TrainingData,
        run: Run,
        needed: int,
        on_event: OnEvent,
        should_stop: Callable[[], bool],
        first: Bundle | None = None,
    ) -> None:
        self.fabric, self.system, self.data, self.run = fabric, system, data, run
        self.recipe = system.recipe
        self._on_event = on_event
        self._requests = Requests(fabric, run, should_stop)
        self.done = 0
        self._watch = DivergenceWatch()
        self._judged = system if isinstance(system, JudgedSystem) else None
        self._remembering = system if isinstance(system, RememberingSystem) else None
        self._best = BestScore(self._judged.patience if self._judged else 0)
        self._needed = needed
        with keyed_torch(torch.device("cpu"), self.recipe.seed, _WEIGHTS):
            networks = system.build()
        if first is not None:
            begin_with(networks[system.saved], first)
        self._optimization = Optimization(fabric, networks, self.recipe, system.relative_rates)
        self._averaged: AveragedModel | None = None
        if self.recipe.average_decay > 0:
            average = get_ema_multi_avg_fn(self.recipe.average_decay)
            self._averaged = AveragedModel(networks[system.saved], multi_avg_fn=average, use_buffers=True)
        self._batches = Batches(
            data, self.recipe, system.encode, system.compares_conditions, fabric.global_rank, fabric.world_size,
            system.margin, system.reference_size, self._judged.vary if self._judged else None,
            self._judged.woven_share if self._judged else 0.0, with_stains=self._judged is None,
        )  # fmt: skip
        self._validation: list[Batch] = []
        self._ended_early = False

    @property
    def saved_network(self) -> nn.Module:
        """The network that is saved and shown: the running average where there is one."""
        if self._averaged is not None:
            return self._averaged.module
        return self._optimization.plain_networks[self.system.saved]

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the state of a checkpoint."""
        try:
            self.done = int(state["step"])
            for name, network in self._optimization.plain_networks.items():
                network.load_state_dict(state["networks"][name])
                self._optimization.optimizers[name].load_state_dict(state["optimizers"][name])
            if self._averaged is not None:
                self._averaged.load_state_dict(state["averaged"])
            if self._remembering is not None:
                self._remembering.restore(state["system"])
            self._watch.restore(state["watch"])
            self._best.restore(state.get("best"))
        except (KeyError, ValueError, RuntimeError) as error:
            raise RunError(
                f"The checkpoint does not fit the run's recipe ({str(error).splitlines()[0]}); choose one of this run."
            ) from error

    def run_steps(self) -> None:
        """Train from the step that was reached to the last, or until someone asks to stop."""
        recipe, device = self.recipe, self.fabric.device
        networks = self._optimization.plain_networks
        self._tell(
            TrainingStarted(
                self.done, recipe.steps, device_name(device), str(self.fabric.strategy.precision.precision),
                self.fabric.world_size, len(self.data.training), len(self.data.validation),
                sum(each.numel() for network in networks.values() for each in network.parameters()), self._needed,
                len(self.data.woven),
            )
        )  # fmt: skip
        if self.fabric.is_global_zero:
            self._validation = self._batches.validation()
        meter = Meter()
        was_stopped = False
        for step, host_batch, waited in self._batches.stream(self.done, recipe.steps):
            rate = self._optimization.plan_learning_rate(step)
            batch = host_batch.to(device)
            if self._remembering is not None:
                self._remembering.begin_step(step)
            with keyed_torch(device, recipe.seed, _STEP, step, self.fabric.global_rank):
                losses = self.system.step(self._optimization, batch)
            if self._averaged is not None:
                self._averaged.update_parameters(networks[self.system.saved])
            self.done = step + 1
            meter.add(losses, waited)
            was_stopped = self.done < recipe.steps and self._asked_to_stop(meter)
            if was_stopped or self._is_due(recipe.checkpoint_every) or self._is_due(recipe.log_every):
                self._report(meter, rate)
            with meter.leaving_out():
                if self._is_due(recipe.validate_every):
                    self._validate()
                    self._ended_early = not was_stopped and self._agreed(self._best.is_final)
                ends = was_stopped or self._ended_early
                if ends or self._is_due(recipe.preview_every):
                    self._preview()
                if ends or self._is_due(recipe.checkpoint_every):
                    self._save()
            if ends:
                break
        self._tell(TrainingFinished(self.done, was_stopped))

    @contextmanager
    def failures_told(self) -> Iterator[None]:
        """Keep the sentence of an error in the run, and say of memory that ran out what would fit."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            sentence = f"The device ran out of memory at step {self.done}; {self._smaller()}."
            self._tell(TrainingFailed(self.done, sentence))
            raise TrainingError(sentence) from error
        except HistoloomError as error:
            self._tell(TrainingFailed(self.done, str(error)))
            raise

    def _smaller(self) -> str:
        # What was estimated has just proved too little, so what fits must be well below it.
        return fitting_words(
            self.system, lambda size, crop: size * crop**2 <= self.recipe.batch_size * self.recipe.crop_size**2 / 2
        )

    def _is_due(self, every: int) -> bool:
        return self.done % every == 0 or self.done == self.recipe.steps

    def _asked_to_stop(self, meter: Meter) -> bool:
        def go_on(seconds: float) -> None:
            meter.leave_out(seconds)
            self._tell(TrainingContinued(self.done))

        return self._requests.stop_after_waiting(lambda: self._tell(TrainingPaused(self.done)), go_on)

    def _agreed(self, decision: bool) -> bool:
        """Return the decision of the process that writes the run, the only one that validates."""
        return bool(self.fabric.broadcast(decision)) if self.fabric.world_size > 1 else decision

    def _tell(self, event: TrainingEvent) -> None:
        if self.fabric.is_global_zero:
            self.run.append_event(event_as_json(event))
            self._on_event(event)

    def _report(self, meter: Meter, rate: float) -> None:
        losses, seconds, wait = meter.read()
        self._watch.look_at(self.done, losses)
        self._tell(StepsDone(self.done, losses, rate, seconds, wait))

    def _validate(self) -> None:
        if not self.fabric.is_global_zero:
            return
        meter = Meter()
        networks = self._optimization.plain_networks | {self.system.saved: self.saved_network}
        with self._looking_on(*networks.values()):
            for index, batch in enumerate(self._validation):
                with keyed_torch(self.fabric.device, self.recipe.seed, _WOVEN, index):
                    meter.add(self.system.validate(networks, batch.to(self.fabric.device)), 0.0)
        losses = meter.read()[0]
        self._tell(Validated(self.done, losses))
        if self._judged is not None and self._best.take(self.done, losses[self._judged.score]):
            save_bundle(self._bundle(), self.run.best_bundle_path)

    def _preview(self) -> None:
        if not self.fabric.is_global_zero:
            return
        if self._judged is not None:
            self._preview_predictions(self._judged)
            return
        system = cast("WeavingSystem", self.system)
        rows: list[list[NDArray[np.uint8]]] = []
        compared: list[list[NDArray[np.uint8]]] = []
        with self._looking_on(self.saved_network):
            for place, batch in enumerate(self._validation[: self.recipe.previews]):
                on_device = batch.to(self.fabric.device)
                row = [system.picture_of(batch.condition[0].numpy()), as_pictures(batch.image)[0]]
                woven = []
                for seed in range(self.recipe.compared_weaves if place == 0 else _PREVIEW_SEEDS):
                    with keyed_torch(self.fabric.device, seed, _WOVEN):
                        woven.append(as_pictures(system.weave(self.saved_network, on_device))[0])
                rows.append([*row, *woven[:_PREVIEW_SEEDS]])
                compared.append(woven)
        self._save_preview(rows, "synthetic: condition, real and woven")
        pairs = ((row[_REAL], row[_FIRST_WOVEN]) for row in rows)
        # Without noise, weaves of one layout say nothing about collapse.
        weaves = compared[0] if system.facts.takes_noise else compared[0][:1]
        self._tell(measured_figures(self.done, weaves, pairs))

    def _preview_predictions(self, system: JudgedSystem) -> None:
        with self._looking_on(self.saved_network):
            batches = self._validation[: self.recipe.previews]
            rows = [system.show(self.saved_network, batch.to(self.fabric.device)) for batch in batches]
        self._save_preview(rows, system.shown)

    def _save_preview(self, rows: list[list[NDArray[np.uint8]]], what: str) -> None:
        path = self.run.preview_path(self.done)
        save_preview(rows, path, f"{what}, after {self.done} training steps")
        self._tell(PreviewSaved(self.done, str(path.relative_to(self.run.folder).as_posix())))

    @contextmanager
    def _looking_on(self, *networks: nn.Module) -> Iterator[None]:
        for each in networks:
            each.eval()
        with torch.no_grad(), self.fabric.autocast():
            yield
        for each in networks:
            each.train()

    def _save(self) -> None:
        networks = self._optimization.plain_networks
        for name, network in networks.items():
            if not all(bool(torch.isfinite(each).all()) for each in network.parameters()):
                raise TrainingError(
                    f"The weights of the {name} are no numbers any more at step {self.done}; resume from the last "
                    "checkpoint with a lower learning rate, a gradient clip, or float32."
                )
        if not self.fabric.is_global_zero:
            return
        path = self.run.checkpoint_path(self.done)
        state = {
            "step": self.done,
            "networks": {name: each.state_dict() for name, each in networks.items()},
            "optimizers": {name: each.state_dict() for name, each in self._optimization.optimizers.items()},
            "averaged": self._averaged.state_dict() if self._averaged is not None else None,
            "system": self._remembering.state() if self._remembering is not None else None,
            "watch": self._watch.state(),
            "best": self._best.state(),
        }
        bundle = self._bundle()
        save_bundle(bundle, self.run.bundle_path(self.done))
        save_checkpoint(state, path)
        if self.done == self.recipe.steps or self._ended_early:
            best = self.run.best_bundle_path
            save_bundle(load_bundle(best) if self._best.step and best.is_file() else bundle, self.run.folder / BUNDLE)
        self._tell(CheckpointSaved(self.done, str(path.relative_to(self.run.folder).as_posix())))
        for step, old in list(self.run.checkpoints().items())[: -self.recipe.checkpoints_kept]:
            if step != self.done:
                old.unlink(missing_ok=True)

    def _bundle(self) -> Bundle:
        facts = self.system.facts
        header = BundleHeader(
            kind=facts.kind,
            system=self.system.name,
            recipe=self.recipe.as_json(),
            condition=None if self._judged else cast("WeavingSystem", self.system).condition,
            classes=self._judged.classes if self._judged else self.data.classes,
            pixel_size=self.recipe.pixel_size,
            normalization=facts.normalization,
            halo=facts.halo,
            tile_invariant=facts.tile_invariant,
            step=self.done,
            training_data=self.data.sources,
            judges=self._judgement(),
        )
        weights = {name: np.asarray(each.cpu().numpy()) for name, each in self.saved_network.state_dict().items()}
        return Bundle(header, weights)

    def _judgement(self) -> JudgementFacts | None:
        if not isinstance(self.system, CalibratedSystem):
            return None
        with self._looking_on(self.saved_network):
            return self.system.judgement(self.saved_network, [each.to(self.fabric.device) for each in self._validation])


@contextmanager
def _threads_of(run: Run) -> Iterator[None]:
    """Use as many threads as the run began with: sums over another number of parts differ in their last bits."""
    before = torch.get_num_threads()
    wanted = run.environment.get("threads")
    if isinstance(wanted, int) and wanted > 0:
        torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _check_same(run: Run, recipe: TrainingRecipe, data: TrainingData) -> None:
    # Fields that a later version has added had their defaults when the run began.
    kept = type(recipe)().as_json() | run.recipe
    for name, value in recipe.as_json().items():
        if kept[name] != value:
            raise RunError(
                f"The run's recipe has {kept[name]!r} for '{name}' and not {value!r}; resume it with its own recipe."
            )
    if _hashes(run.environment.get("data")) != _hashes(_data_facts(data)["data"]):
        raise RunError(f"The run '{run.folder.name}' was trained on other tiles; give its own data to resume it.")


def _hashes(sources: Any) -> list[Any]:
    # A folder may have another name by now; where no hash tells, everything must be the same.
    return [each.get("sha256") or each for each in sources or []]


def _data_facts(data: TrainingData) -> dict[str, Any]:
    return {
        "data": [each.model_dump(mode="json") for each in data.sources],
        "classes": list(data.classes),
        "split": dict(data.split),
    }
