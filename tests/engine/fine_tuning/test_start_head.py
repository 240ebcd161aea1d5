import numpy as np
import torch

from source_networks import epochs, mlp_source, rows
from transferkit.engine.answers.labels import find_labels
from transferkit.engine.features.probe import fit_probe
from transferkit.engine.fine_tuning.start_head import as_linear, start_from_probe
from transferkit.engine.inputs.preprocessing.numbers import VectorPreprocess
from transferkit.engine.inputs.rows import Rows
from transferkit.engine.networks.network import Network
from transferkit.engine.training.device import Place
from transferkit.ops.nn.heads import Head


def test_folding_changes_no_output():
    X, y = rows(40)
    Z = X.astype(np.float64) * np.geomspace(1e-2, 1e2, 6) + 5
    for labels_of in (y, X[:, :2].astype(float), (X[:, :3] > 0).astype(int)):
        probe = fit_probe(Z, labels_of, find_labels("test", labels_of, 40))
        z = torch.as_tensor(Z, dtype=torch.float32)
        torch.testing.assert_close(as_linear(probe)(z), probe(z), atol=1e-3, rtol=1e-4)


def test_the_network_says_what_the_probe_says():
    X, y = rows(40)
    source, labels = mlp_source(), find_labels("test", y, 40)
    network = Network(source, Head(source.n_features, 3))
    start_from_probe(
        network, Rows(X, VectorPreprocess((6,))), y, labels, Place(torch.device("cpu")), epochs(), reg=0.5, seed=0
    )
    with torch.no_grad():
        z = source.body(torch.as_tensor(X))
        torch.testing.assert_close(
            network(torch.as_tensor(X)), fit_probe(z.numpy(), y, labels, reg=0.5)(z), atol=1e-4, rtol=1e-4
        )
