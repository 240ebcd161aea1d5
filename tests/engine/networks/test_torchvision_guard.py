"""The guard, in processes of their own: torchvision is imported once a process."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

# What a real torchvision does when it is imported, cut to the lines that matter.
PACKAGE = """
import torch

@torch.library.register_fake("torchvision::nms")
def fake(dets, scores, iou_threshold):
    return dets

models = "here"
"""


def run(code, folder=None):
    path = (
        os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]) if folder else os.environ.get("PYTHONPATH", "")
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )


@pytest.fixture
def broken(tmp_path):
    """A torchvision whose compiled part is for another torch."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(PACKAGE)
    (package / "_C.so").write_bytes(b"\x7fELF of another age")
    return tmp_path


def test_a_broken_torchvision_is_mended(broken):
    without = run("import torchvision", broken)
    assert "torchvision::nms does not exist" in without.stderr
    found = run(
        "from transferkit.engine.networks.torchvision_guard import guard_torchvision as guard\n"
        "assert guard() and guard()\nimport torchvision; print(torchvision.__file__, torchvision.models)",
        broken,
    )
    assert found.returncode == 0, found.stderr
    assert str(broken) in found.stdout
    assert "here" in found.stdout


def test_a_good_torchvision_is_left_alone(broken):
    found = run(
        """
import torch
made = []
def load(path):  # what loading a good library does: it registers its operators
    made.append(torch.library.Library("torchvision", "DEF"))
    made[-1].define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    made[-1].impl("nms", lambda dets, scores, iou_threshold: scores, "CPU")
torch.ops.load_library = load
from transferkit.engine.networks import torchvision_guard
assert torchvision_guard.guard_torchvision() is False
assert torchvision_guard._STUBS == []
import torchvision
assert torch.ops.torchvision.nms(torch.zeros(1), torch.ones(1), 0.5).item() == 1
print(len(made))
""",
        broken,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == ["1"]


def test_no_torchvision_is_no_trouble(tmp_path):
    code = (
        "import importlib.util as u; found = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'torchvision' else found(name, *a)\n"
        "from transferkit.engine.networks.torchvision_guard import guard_torchvision\nassert guard_torchvision() is False"
    )
    found = run(code)
    assert found.returncode == 0, found.stderr


def test_the_one_that_is_installed_imports_after_the_guard():
    if find_spec("timm") is None:  # asked for, not imported: that would load torchvision in this process, unguarded
        pytest.skip("timm is not installed")
    found = run(
        "from transferkit.engine.networks.torchvision_guard import guard_torchvision\nguard_torchvision()\n"
        "import torchvision.transforms, torchvision.models, timm"
    )
    assert found.returncode == 0, found.stderr


def test_importing_ours_guards_nothing_by_itself():
    """The guard acts where a backbone is built, not when a module is imported."""
    found = run("import transferkit.engine.backbones, sys; print('torchvision' in sys.modules, 'timm' in sys.modules)")
    assert found.stdout.split() == ["False", "False"], found.stderr
