"""Before the episodes: the body learns to tell all classes of all tasks apart, as a plain classifier."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np

from ...ops.nn.heads import Head
from ..answers.labels import Labels
from ..fine_tuning.supervised import Supervised
from ..networks.network import Network
from ..training.freezing import make_plan
from ..training.loop import Loop
from ..training.settings import Training
from .episodes import Pooled
from .estimator import MetaFit

__all__ = ["pretrain"]


def pretrain(fit: MetaFit, training: Training, *, key: str, head: str = "linear") -> Head:
    """Train the body of ``fit.network`` on all classes of the tasks; its own head is left as it is.

    Parameters
    ----------
    fit : MetaFit
        By classes, every class of every domain (and each of its turns) is a class of its own; by domains, a class has the rows
        of all domains.
    training : Training
        Settings; with a folder, the checkpoints lie in "pretraining" below it. All rows train and the last epoch stays, whatever
        ``validation``, ``patience`` and ``keep`` say.
    key : str
        What else makes this training the one it is, for its checkpoints.
    head : {"linear", "cosine", "mlp"}
        Of the classifier.

    Returns
    -------
    Head
        The classifier that was trained with the body, which few need.

    Notes
    -----
    What happened goes to ``fit.notes["pretraining"]``: the number of classes, updates, and the last epoch.
    """
    units = [u for pool in fit.tasks.pools for u in pool]
    codes = np.arange(len(units))
    if fit.tasks.by == "domains":
        codes = np.unique([u.label for u in units], return_inverse=True)[1]
    n = int(codes.max()) + 1
    training = copy.copy(training)
    if training.folder is not None:
        training.folder = Path(training.folder) / "pretraining"
    training.validation, training.patience, training.keep = 0.0, None, "last"
    network = Network(fit.network.backbone, Head(fit.network.n_features, n, head), copy.deepcopy(fit.network.neck))
    is_new = (fit.backbone.spec or {}).get("family") == "small"
    scale = 1.0 if is_new else training.body_lr_scale
    plan = make_plan(network.groups, n_epochs=training.n_epochs, body_lr_scale=scale, batch_norm="train")
    objective = Supervised(network, Labels("classification", n, np.arange(n)))
    rows = Pooled(fit.tasks.domains, units, codes.tolist())
    loop = Loop(
        objective, {"target": rows}, training, network=network, groups=network.groups, plan=plan, seed=fit.seed, key=key
    )
    trained = loop.run()
    fit.network.body.load_state_dict(network.body.state_dict())
    if fit.network.neck is not None and network.neck is not None:
        fit.network.neck.load_state_dict(network.neck.state_dict())
    last = trained.history[-1] if trained.history else {}
    fit.notes["pretraining"] = {"n_classes": n, "n_updates": trained.n_updates, **last}
    head_found: Head = network.head
    return head_found
