"""The teacher: plain mean at the start, exponential average after it, and one step an update."""

import torch
from torch import nn

from transferkit.ops.nn.teacher import Teacher


def weights(values, decay, ramp=True):
    """A teacher's weight after it followed a student with each of these."""
    student = nn.Linear(1, 1, bias=False)
    teacher = Teacher(student, decay, ramp)
    for value in values:
        nn.init.constant_(student.weight, value)
        teacher.follow(student)
    return teacher.network.weight.item()


def test_it_begins_as_the_plain_mean():
    assert abs(weights([1.0, 2.0, 6.0], 0.999) - 3.0) < 1e-6


def test_without_the_ramp_it_is_an_exponential_average():
    student = nn.Linear(1, 1, bias=False)
    nn.init.constant_(student.weight, 4.0)
    teacher = Teacher(student, 0.9, ramp=False)
    nn.init.constant_(student.weight, 0.0)
    for _ in range(3):
        teacher.follow(student)
    torch.testing.assert_close(teacher.network.weight, torch.full((1, 1), 4.0 * 0.9**3))


def test_pieces_of_one_update_are_followed_once():
    student = nn.Linear(2, 2)
    teacher = Teacher(student, 0.5, ramp=False)
    nn.init.zeros_(student.weight)
    before = teacher.network.weight.clone()
    for _ in range(3):
        teacher.follow(student, 0.25)
    torch.testing.assert_close(teacher.network.weight, before / 2)
    teacher.follow(student, 0.5)
    torch.testing.assert_close(teacher.network.weight, before / 4)


def test_it_is_not_trained_and_keeps_its_own_statistics():
    student = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    teacher = Teacher(student, 0.9)
    assert not any(p.requires_grad for p in teacher.parameters())
    assert all(p.requires_grad for p in student.parameters())
    student(torch.randn(8, 2) + 5)
    teacher.follow(student)
    assert torch.equal(teacher.network[1].running_mean, torch.zeros(3))
