"""PLE: one layer is CGC; without shared layers before, a task's experts serve no other."""

import multi_task_checks
import networks
from transferkit import PLE


def fitted(**params):
    training = networks.training(n_epochs=1, progress=False)
    return PLE(training=training, expert_width=4, **params).fit(multi_task_checks.tasks())


def test_layers_and_experts_are_as_many_as_asked_for():
    for n_layers in (1, 3):
        head = fitted(n_layers=n_layers, n_shared=3, n_own=2).network_.head
        assert len(head.layers) == n_layers - 1
        assert len(head.shared) == 3
        assert [len(own["experts"]) for own in head.of_task] == [2, 2, 2]
        assert [own["gate"].out_features for own in head.of_task] == [5, 5, 5]
        for layer in head.layers:
            assert layer.gate.out_features == 3 + 3 * 2, "the shared gate sees the experts of all tasks"
