import torch

from transferkit.engine.inputs.preprocess import Preprocess
from transferkit.engine.inputs.views import Views


class Noise(Preprocess):
    kind, type, spec = "vectors", "noise", {"type": "noise"}

    def prepare(self, sample):
        return torch.as_tensor(sample)

    def example(self):
        return [0.0]

    def finish(self, batch, *, training, generator=None):
        return batch + torch.rand(batch.shape, generator=generator) if training else batch


class Named(Noise):
    def finish(self, batch, *, training, generator=None):
        return {"x": super().finish(batch, training=training, generator=generator)}


def test_views_differ_in_training_and_the_first_is_what_it_was():
    x, views = torch.zeros(4, 2), Views(Noise(), 3)
    seeded = torch.Generator().manual_seed(5)
    parts = views.split(views.finish(x, training=True, generator=seeded))
    assert [p.shape for p in parts] == [x.shape] * 3
    assert not torch.equal(parts[0], parts[1])
    assert torch.equal(parts[0], Noise().finish(x, training=True, generator=torch.Generator().manual_seed(5)))
    still = views.split(views.finish(x, training=False))
    assert all(torch.equal(p, x) for p in still)


def test_named_inputs_are_split_too():
    views = Views(Named())
    first, second = views.split(
        views.finish(torch.zeros(4, 2), training=True, generator=torch.Generator().manual_seed(5))
    )
    assert first["x"].shape == (4, 2)
    assert not torch.equal(first["x"], second["x"])


def test_it_is_the_same_preprocess_otherwise():
    views = Views(Noise())
    assert views.kind == "vectors"
    assert views.key != Noise().key
    assert torch.equal(views.batch([[1.0], [2.0]]), torch.tensor([[1.0], [2.0]]).repeat(2, 1))
