"""Features of all tasks at once: batch normalisation is the ordinary one, and heads are computed precisely."""

import torch

import meta_toys as toys
from transferkit.engine.meta.feature_learner import FeatureLearner


class Sums(FeatureLearner):
    def learn(self, z, y, n_classes):
        assert z.dtype == torch.float32
        return {"scale": z.sum((1, 2), keepdim=True) * torch.ones(n_classes)}

    def respond(self, state, z):
        return (z @ z.new_ones(z.shape[-1], 1)) * state["scale"]


def test_rows_of_all_tasks_make_the_statistics_of_batch_normalisation():
    network = toys.network(hidden="hidden=4&batch_norm=true", task_norm=False).float()
    found, batch = Sums(network, toys.CLASSES, 6).train(), toys.stream()
    found.outputs(batch.x.float(), batch.y[:, :6])
    norm = next(m for m in network.body.modules() if isinstance(m, torch.nn.BatchNorm1d))
    flat = batch.x.float().flatten(0, 1)
    first = next(m for m in network.body.modules() if isinstance(m, torch.nn.Linear))
    torch.testing.assert_close(norm.running_mean, 0.1 * first(flat).mean(0))


def test_half_precision_ends_before_the_head():
    found, batch = Sums(toys.network().float(), toys.CLASSES, 6), toys.stream()
    with torch.autocast("cpu", torch.bfloat16):
        assert found.outputs(batch.x.float(), batch.y[:, :6]).dtype == torch.float32
        state = found.adapt(batch.x[0, :6].float(), batch.y[0, :6], 3)
        assert found.answer(state, batch.x[0, 6:].float()).dtype == torch.float32
