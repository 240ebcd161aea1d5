import numpy as np
import torch

from source_networks import images, rows
from transferkit.engine.backbones import load_backbone
from transferkit.engine.inputs.pairs import Pairs, pair_rows
from transferkit.engine.inputs.preprocessing.numbers import VectorPreprocess
from transferkit.engine.inputs.ragged import by_length
from transferkit.engine.inputs.rows import Rows, cut


def test_a_batch_of_pairs_can_be_cut_and_taken_apart():
    X, _ = rows(8)
    pairs = np.array([[0, 1], [2, 0], [3, 3]])
    made = pair_rows(Rows(X, VectorPreprocess((6,))), pairs, torch.tensor([1.0, 0.0, 1.0]))
    (stream,) = made.batches([np.array([2, 0])])
    assert stream.x.shape == (2, 2, 6)
    assert stream.y.tolist() == [1.0, 1.0]
    first, second = Pairs.split(made.preprocess.finish(stream.x, training=False))
    np.testing.assert_array_equal(first.numpy(), X[[3, 0]])
    np.testing.assert_array_equal(second.numpy(), X[[3, 1]])
    part = cut(stream, 1, 2)
    first, second = Pairs.split(made.preprocess.finish(part.x, training=False))
    np.testing.assert_array_equal(np.concatenate([first, second]), X[[0, 1]])


def test_other_pairs_have_another_key_and_samples_are_decoded_once():
    class Counting:
        asked = 0

        def __len__(self):
            return 4

        def __getitem__(self, k):
            Counting.asked += 1
            return np.full(2, k, dtype=np.float32)

    inner = Rows(Counting(), VectorPreprocess((2,)))
    made = [pair_rows(inner, np.array(p), torch.ones(2)) for p in ([[0, 1], [1, 0]], [[0, 1], [1, 1]])]
    assert made[0].preprocess.key != made[1].preprocess.key
    list(made[0].batches([np.array([0, 1])] * 3))
    assert Counting.asked == 2


def test_pieces_of_similar_length_give_the_same_outputs():
    class Sum(torch.nn.Module):
        widths: tuple[int, ...] = ()

        def forward(self, x):
            self.widths += (x["input_ids"].shape[1],)
            return (x["input_ids"] * x["attention_mask"]).sum(dim=1, keepdim=True).float()

    lengths = torch.tensor([2, 9, 4, 9, 1, 3])
    mask = (torch.arange(9) < lengths[:, None]).long()
    x = {"input_ids": torch.arange(54).reshape(6, 9) * mask, "attention_mask": mask}
    whole, net = Sum()(x), Sum()
    assert torch.equal(by_length(net, x, size=2), whole)
    assert net.widths == (2, 4, 9)
    images_ = torch.rand(3, 2, 4, 4)
    assert torch.equal(by_length(lambda x: x.mean(dim=(1, 2, 3)), images_, size=1), images_.mean(dim=(1, 2, 3)))


def test_a_text_network(monkeypatch):
    import networks

    backbone = load_backbone(networks.KINDS["text"].learned())
    texts = networks.text_rows(9, 0)[0]
    x = backbone.preprocess.batch(texts)
    with torch.no_grad():
        torch.testing.assert_close(by_length(backbone.body, x, size=2), backbone.body(x), atol=1e-5, rtol=1e-5)


def test_images_are_pairs_too():
    X, _ = images(4)
    backbone = load_backbone(torch.nn.Flatten(), sample=X[0])
    made = pair_rows(Rows(X, backbone.preprocess), np.array([[0, 1], [2, 3]]), torch.ones(2))
    (stream,) = made.batches([np.arange(2)])
    assert len(made.preprocess.finish(stream.x, training=False)) == 4
