"""Several tasks at once: one pass through the network, one loss a task, and a balancer that makes one update of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from ...ops.nn.balancing import GradientBalancer, LossBalancer, Scene
from ..adaptation.alignment import cat_rows
from ..networks.network import Network
from ..training.objective import Batch, Objective, Step
from .task_rows import TaskLabels, stream_losses

__all__ = ["MultiTaskObjective"]


class MultiTaskObjective(Objective):
    """Losses of all tasks, balanced.

    Parameters
    ----------
    network : Network
        Its outputs are those of all tasks, one block after the other; what is under ``of_task`` is one task's own.
    labels : TaskLabels
    owners : mapping of str to sequence of str
        The tasks of each stream.
    shares : mapping of str to float
        Share of the rows of its stream that a task has labels for.
    balancer : LossBalancer or GradientBalancer
    n_epochs : int
    on_representation : bool
        Whether a `GradientBalancer` works on the gradients with respect to the shared features.
    affinity_rate : float or None
        Learning rate of the lookahead that inter-task affinity is measured with; None does not measure it.

    Notes
    -----
    A `GradientBalancer` decides on what is shared. A parameter that is one task's own gets that task's gradient: none other
    reaches it. On the representation z, the direction d over the gradients with respect to z goes back through the body as
    the gradient of ``<d, z>``, with d held still, and the heads descend on the losses of z held still.

    Inter-task affinity (Fifty et al. 2021, eq. 1): ``1 - L_j(theta - rate g_i, phi_j) / L_j(theta, phi_j)``, of the shared
    parameters theta and the same batch; above 0, a step for task i helps task j.
    """

    def __init__(
        self,
        network: Network,
        labels: TaskLabels,
        owners: Mapping[str, Sequence[str]],
        shares: Mapping[str, float],
        balancer: LossBalancer | GradientBalancer,
        n_epochs: int,
        *,
        on_representation: bool = False,
        affinity_rate: float | None = None,
    ) -> None:
        super().__init__()
        self.network, self.labels, self.owners, self.shares = network, labels, dict(owners), dict(shares)
        self.balancer, self.n_epochs = balancer, n_epochs
        self.on_representation, self.affinity_rate = on_representation, affinity_rate
        named = list(network.named_parameters())
        self._own = [p for name, p in named if "of_task" in name.split(".")]
        self._shared = [p for name, p in named if "of_task" not in name.split(".")]

    def steps(self) -> Sequence[Step]:
        mine = [p for p in self.balancer.parameters() if p.requires_grad]
        network = [*self._shared, *self._own]
        if isinstance(self.balancer, LossBalancer):
            after = self.balancer.after()
            if after is None:
                return [Step("train", self._loss, [*network, *mine])]
            return [Step("train", self._loss, network), Step("balance", self._after, mine)]
        aggregate = None if self.on_representation else self._aggregate
        return [Step("train", self._loss, [*network, *mine], aggregate=aggregate)]

    def predict_step(self, x: Any) -> Tensor:
        return self.network(x)

    # Losses -------------------------------------------------------------------------------------------------------

    def _losses(self, batch: Batch, outputs: Tensor) -> Tensor:
        """Of all tasks, in their order, from outputs of all streams."""
        found: dict[str, Tensor] = {}
        parts = outputs.split([len(batch[name]) for name in self.owners])
        for (stream, tasks), part in zip(self.owners.items(), parts):
            found |= stream_losses(batch[stream], tasks, part, self.labels, self.shares)
        return torch.stack([found[name] for name in self.labels.names])

    def _features(self, batch: Batch) -> Tensor:
        """Of all streams in one pass: batch normalisation takes the statistics of all of them."""
        return self.network.features(reduce(cat_rows, [batch[name].x for name in self.owners]))

    def _loss(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        z = self._features(batch)
        losses = self._losses(batch, self.network.head(z))
        parts = {f"{name}/loss": loss for name, loss in zip(self.labels.names, losses)}
        if self.affinity_rate is not None and len(losses) > 1:
            parts |= self._affinity(batch, losses, self.affinity_rate)
        if isinstance(self.balancer, LossBalancer):
            scene = Scene(progress, int(progress * self.n_epochs + 1e-9), self._shared)
            return {"loss": self.balancer(losses, scene), **parts}
        self.balancer.progress = progress
        scaled = self.balancer.losses(losses)
        if not self.on_representation:
            return {"loss": scaled, **parts}
        return {"loss": self._through(batch, z, scaled), **parts}

    def _after(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """What the balancer learns from the losses after the update."""
        with torch.no_grad():
            losses = self._losses(batch, self.network.head(self._features(batch)))
        assert isinstance(self.balancer, LossBalancer)
        follow = self.balancer.after()
        assert follow is not None
        return {"loss": follow(losses)}

    # Gradients ----------------------------------------------------------------------------------------------------

    def _aggregate(self, jacobian: Tensor) -> Tensor:
        """One direction for what is shared; what is one task's own gets that task's gradient."""
        assert isinstance(self.balancer, GradientBalancer)
        n = sum(p.numel() for p in self._shared if p.requires_grad)
        shared = self.balancer.direction(jacobian[:, :n]) if n else jacobian.new_zeros(0)
        return torch.cat([shared, jacobian[:, n:].sum(dim=0)])

    def _through(self, batch: Batch, z: Tensor, losses: Tensor) -> Tensor:
        """A number with the value of the summed losses, whose gradient is the balanced one."""
        assert isinstance(self.balancer, GradientBalancer)
        rows = [torch.autograd.grad(loss, z, retain_graph=True)[0].flatten() for loss in losses]
        direction = self.balancer.direction(torch.stack(rows)).reshape(z.shape)
        heads = self.balancer.losses(self._losses(batch, self.network.head(z.detach()))).sum()
        found = (direction.detach() * z).sum() + heads
        return found - found.detach() + losses.detach().sum()

    # Affinity -----------------------------------------------------------------------------------------------------

    def _affinity(self, batch: Batch, losses: Tensor, rate: float) -> dict[str, Tensor]:
        """The effect of a step for each task on each task, as parts to log."""
        shared = {n: p for n, p in self.network.named_parameters() if any(p is s for s in self._shared)}
        x = reduce(cat_rows, [batch[name].x for name in self.owners])
        found = {}
        modes = {m: m.training for m in self.network.modules()}
        with torch.no_grad():
            self.network.eval()  # the lookahead moves no statistics, and draws no dropout
            before = self._losses(batch, self.network(x))
            for i, name in enumerate(self.labels.names):
                with torch.enable_grad():
                    slopes = torch.autograd.grad(losses[i], list(shared.values()), retain_graph=True, allow_unused=True)
                moved = {n: p if g is None else p - rate * g for (n, p), g in zip(shared.items(), slopes)}
                after = self._losses(batch, functional_call(self.network, moved, (x,)))
                for j, other in enumerate(self.labels.names):
                    gain = 1 - after[j] / before[j].clamp_min(1e-12)
                    found[f"affinity/{name}/{other}"] = torch.where(before[j] > 0, gain, 0.0)
        for m, mode in modes.items():
            m.training = mode
        return found
