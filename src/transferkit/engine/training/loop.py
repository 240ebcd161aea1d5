"""The only training loop: it carries out the Steps of any Objective, and can be stopped and resumed at any update."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from warnings import warn

import numpy as np
import torch
from torch import Tensor, nn

from ...core.errors import TrainingError, TransferWarning
from ..inputs.rows import Rows, cut, move
from ..networks.backbone import Group
from .averages import Average
from .device import Place, find_place, is_out_of_memory
from .distribution import Processes, find_processes
from .freezing import FreezePlan
from .gradients import assign, check_finite, jacobian_of
from .objective import Batch, Objective, Step, Stream
from .optimizers import make_optimizer, set_rates
from .recorders import make_recorders
from .resuming import fingerprint_of, resume, save
from .sampling import Sampling
from .schedules import Plateau, factor
from .settings import Training
from .trained import Trained

__all__ = ["Loop"]


class Loop:
    """Trains an objective.

    Every random number of an update follows from the seed and the update's number alone. A resumed run therefore needs
    no generator's state, and equals the unbroken one bit for bit on a CPU.

    Parameters
    ----------
    objective : Objective
        Trained in place.
    streams : mapping of str to Rows
        Where batches come from; an epoch is one pass over the first. Shorter streams begin anew.
    training : Training
        The settings.
    network : Module
        The part of the objective that the freeze plan speaks of.
    groups : sequence of Group
        Its parts.
    plan : FreezePlan
        Which part trains when.
    seed : int
        Of everything random.
    validate : callable, optional
        ``validate()`` scores the objective as it is, higher is better; or gives named numbers for the history, among
        which "validation" is that score.
    key : str
        What else makes this fit the one it is; a checkpoint with another key is not resumed.

    Raises
    ------
    TrainingError
        If the loss is not finite (before the step that it would spoil), nothing is left to train, or memory does not
        suffice for one row.
    """

    def __init__(
        self,
        objective: Objective,
        streams: Mapping[str, Rows],
        training: Training,
        *,
        network: nn.Module,
        groups: Sequence[Group],
        plan: FreezePlan,
        seed: int,
        validate: Callable[[], float | Mapping[str, float]] | None = None,
        key: str = "",
    ) -> None:
        self.objective, self.streams, self.training = objective, dict(streams), training
        self.network, self.groups, self.plan = network, tuple(groups), plan
        self.seed, self.validate, self.key = seed, validate, key
        self.processes: Processes = find_processes(training.device)
        self.place: Place = find_place(training.device, training.precision, training.channels_last)
        self.place.put(objective)
        self.steps: list[Step] = list(objective.steps())
        # One for all steps, as in the authors' code of MCD: where two of them move a weight, they share its momentum. It
        # begins with the last step's weights, so that its last group, whose rate is logged, is one of the first step's.
        moved = {id(p): p for step in reversed(self.steps) for p in step.params}
        self.optimizer = make_optimizer(list(moved.values()), network, self.groups, training)
        self.scaler = torch.amp.GradScaler(self.place.device.type, enabled=self.place.precision == "fp16")
        self.plateau = Plateau()
        self.average = Average(network, training.average, training.ema_decay)
        self.size = training.batch_size * training.accumulate  # rows of an update
        lengths, least = [len(r) for r in self.streams.values()], self.processes.world
        if min(self.size, lengths[0]) < least:
            raise TrainingError(
                f"an update must have a row for each of {least} processes. Got {self.size} of {lengths[0]}."
            )
        endless = [k for k, rows in enumerate(self.streams.values()) if rows.endless]
        self.sampling = Sampling(seed, self.size, training.n_epochs, lengths, max(2, least), endless)
        self.updates_an_epoch, self.n_updates = self.sampling.updates_an_epoch, self.sampling.n_updates
        self.trained = Trained(pieces=training.accumulate)
        self.done = 0
        self.lr = 0.0 if training.lr == "auto" else float(training.lr)
        self._params = list(objective.parameters())
        self.sums: dict[str, float] = {}
        self._modes: tuple[int, frozenset[str]] | None = None
        self._keeps_best = training.keep == "best" or training.patience is not None
        self.best: dict[str, Any] = {"score": None, "wait": 0, "state": None}

    # The run ------------------------------------------------------------------------------------------------------

    def run(self) -> Trained:
        """Train to the end, from the checkpoint where there is one."""
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            return self._run()

    def _run(self) -> Trained:
        t = self.training
        key = "" if t.folder is None else fingerprint_of(self)
        if t.folder is not None and t.resume:
            resume(self, key)
        if self.lr == 0.0:
            from .lr_finder import find_lr

            self.lr = find_lr(self)
        recorders = make_recorders(t, self.processes.rank == 0, self.n_updates, len(self.trained.history))
        every = t.checkpoint_every or self.updates_an_epoch
        finished = self.done >= self.n_updates or self.trained.stopped_early
        try:
            if not finished:
                for batch in self.batches(self.done):
                    self.update(batch)
                    self._tell(recorders, "update")
                    epoch_over = self.done % self.updates_an_epoch == 0
                    if epoch_over:
                        self._end_epoch()
                        self._tell(recorders, "epoch")
                    if t.folder is not None and (epoch_over or self.done % every == 0):
                        save(self, key)
                    if self.trained.stopped_early:
                        break
            self._finish()
            self._tell(recorders, "end")
        finally:
            for recorder in recorders:
                recorder.close()
        self.processes.wait()  # what the first one has written is there for all
        self.trained.n_updates = self.done
        return self.trained

    def _tell(self, recorders: Sequence[Any], event: str) -> None:
        state = {"update": self.done, "n_updates": self.n_updates, "history": self.trained.history, "lr": self.lr}
        for recorder in recorders:
            recorder(event, state)
        for callback in self.training.callbacks:
            callback(event, {**state, "objective": self.objective, "network": self.network})

    # Batches ------------------------------------------------------------------------------------------------------

    def batches(self, start: int) -> Iterator[dict[str, Stream]]:
        """Batches on the CPU from update `start` on, this process's share of each."""
        loaders = [
            rows.batches(
                [chunk[self.processes.share(len(chunk))] for chunk in self.sampling.plan(k, start)],
                self.training.workers,
            )
            for k, rows in enumerate(self.streams.values())
        ]
        for parts in zip(*loaders):
            yield dict(zip(self.streams, parts))

    # One update ---------------------------------------------------------------------------------------------------

    def update(self, batch: Mapping[str, Stream]) -> dict[str, float]:
        """All steps for one batch. Gives the logged parts."""
        progress = self.done / self.n_updates
        self._set_modes()
        shape = factor(self.training.schedule, progress, self.training.warmup)
        rate = self.lr * shape * self.plateau.state["factor"]
        logged: dict[str, float] = {}
        set_rates(self.optimizer, rate, self.plan)
        for k, step in enumerate(self.steps):
            for turn in range(step.repeat):
                logged.update(self._descend(step, batch, progress, [k, turn]))
        self.processes.share_statistics(self.objective)
        self.average.update(progress)
        self.done += 1
        for name, value in logged.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        return logged

    def _set_modes(self) -> None:
        """What requires a gradient and which modules train: anew with every epoch, and where the plan frees a part."""
        epoch = self.done / self.updates_an_epoch
        wanted = (int(epoch), self.plan.training(epoch))
        if wanted == self._modes:
            return
        self._modes = wanted
        self.objective.train()
        self.plan.apply(self.network, self.groups, epoch)
        for module in self.objective.frozen():
            module.eval()

    def _descend(self, step: Step, batch: Batch, progress: float, turn: list[int]) -> dict[str, float]:
        params = [p for p in step.params if p.requires_grad]
        if not params:
            raise TrainingError(f"{step.name}: the freeze plan must leave something to train. Got nothing here.")
        n = len(next(iter(batch.values())))  # the same in every stream
        total = self.processes.sum(torch.tensor(float(n))).item()
        problem: TrainingError | None = None
        while True:
            try:
                logged, jacobian = self._gradients(step, params, batch, progress, turn, total)
                break
            except TrainingError as err:
                problem = err
                break
            except RuntimeError as err:
                if not is_out_of_memory(err):
                    raise
                self._split(n)
        if self.processes.sum(torch.tensor(float(problem is not None))).item():  # all stop, or none
            raise problem or TrainingError(f"{step.name}: the loss must be finite. It is not in another process.")
        logged = self.processes.sum_numbers(logged)
        if step.aggregate is not None and jacobian is not None:
            assign(params, step.aggregate(self.processes.sum(jacobian)))
        else:
            self.processes.sum_gradients(params)
        self.scaler.unscale_(self.optimizer)  # which passes over what the step does not move: it has no gradient
        norm = nn.utils.get_total_norm([p.grad for p in params if p.grad is not None])
        if not self.scaler.is_enabled():  # which looks for itself, and passes over such an update
            check_finite(f"{step.name}: the gradient", {"loss": norm}, self.done + 1, self.n_updates)
        if self.training.clip is not None:
            nn.utils.clip_grads_with_norm_(params, self.training.clip, norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return logged

    def _pieces(self, n: int) -> int:
        """How many pieces `n` rows go through in: as many as keep each as small as those of a whole batch."""
        return min(n, -(-n * self.trained.pieces * self.processes.world // self.size))

    def _split(self, n: int) -> None:
        """Memory ran out: from now on a batch goes through in twice as many pieces."""
        if self._pieces(n) >= n:
            raise TrainingError("memory must suffice for one row of a batch. It does not; take a smaller network.")
        self.trained.pieces *= 2
        warn(
            f"out of memory: a batch now goes through in {self.trained.pieces} pieces; the update is of the whole batch.",
            TransferWarning,
            stacklevel=2,
        )
        if self.place.device.type == "cuda":
            torch.cuda.empty_cache()

    def _gradients(
        self, step: Step, params: list[nn.Parameter], batch: Batch, progress: float, turn: list[int], total: float
    ) -> tuple[dict[str, float], Tensor | None]:
        """Gradients of a step's loss over this process's share of `total` rows, in pieces; nothing is moved yet."""
        for p in self._params:
            p.grad = None
        n = len(next(iter(batch.values())))
        pieces = self._pieces(n)
        logged: dict[str, float] = {}
        jacobian: Tensor | None = None
        for piece in range(pieces):
            seed = np.random.SeedSequence([self.seed, self.done, *turn, piece, self.processes.rank])
            self.place.seed(int(seed.generate_state(1, np.uint64)[0] >> 1))
            start, stop = n * piece // pieces, n * (piece + 1) // pieces
            part = {name: self._input(name, cut(s, start, stop), seed) for name, s in batch.items()}
            weight = (stop - start) / total
            with self.place.autocast():
                losses = step.loss(part, progress)
            check_finite(f"{step.name}: the loss", losses, self.done + 1, self.n_updates)
            if step.aggregate is None:
                self.scaler.scale(losses["loss"] * weight).backward(inputs=params)
            else:
                rows = jacobian_of(self.scaler.scale(losses["loss"] * weight), params)
                jacobian = rows if jacobian is None else jacobian + rows
            for name, value in losses.items():
                key = f"{step.name}/{name}"
                logged[key] = logged.get(key, 0.0) + float(value.detach().mean()) * weight
        return logged, jacobian

    def _input(self, name: str, stream: Stream, seed: np.random.SeedSequence) -> Stream:
        """A stream on the device, augmented and in the network's memory format."""
        device = self.place.device
        generator = torch.Generator(device).manual_seed(int(seed.generate_state(2, np.uint64)[1] >> 1))
        x = self.streams[name].preprocess.finish(
            move(stream.x, device), training=self.training.augment, generator=generator
        )
        y = None if stream.y is None else stream.y.to(device)
        return Stream(self.place.arrange(x), y, stream.rows.to(device))

    # Epochs -------------------------------------------------------------------------------------------------------

    def _end_epoch(self) -> None:
        row: dict[str, Any] = {
            "epoch": self.done // self.updates_an_epoch,
            "lr": self.optimizer.param_groups[-1]["lr"],
        }
        row |= {name: self.sums[name] / self.updates_an_epoch for name in sorted(self.sums)}
        self.sums = {}
        score = None
        if self.validate is not None:
            with self.average.applied():
                found = self.validate()
            scores = found if isinstance(found, Mapping) else {"validation": float(found)}
            # Rounding may differ between machines, and all have to stop at the same epoch.
            row |= {name: value / self.processes.world for name, value in self.processes.sum_numbers(scores).items()}
            score = row.get("validation")
        self.trained.history.append(row)
        if self.training.schedule == "plateau":
            self.plateau.update(-row[f"{self.steps[0].name}/loss"] if score is None else score)
        if score is not None:
            self._judge(score)

    def _judge(self, score: float) -> None:
        best = self.best
        if best["score"] is None or score > best["score"]:
            best.update(score=score, wait=0)
            if self._keeps_best:
                with self.average.applied():
                    best["state"] = {k: v.detach().clone() for k, v in self.objective.state_dict().items()}
            self.trained.best_epoch = self.trained.history[-1]["epoch"]
        else:
            best["wait"] += 1
        patience = self.training.patience
        self.trained.stopped_early = patience is not None and best["wait"] >= patience

    def _finish(self) -> None:
        """The weights that stay: averaged, or the best, or the last."""
        if self.best["state"] is not None:
            self.objective.load_state_dict(self.best["state"])
        else:
            self.average.apply()
        self.objective.train().eval()  # by way of train: some networks keep what they computed from other weights until then
        for p in self.objective.parameters():
            p.grad = None
