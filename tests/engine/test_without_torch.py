"""Where torch is not installed, one line says what to install."""

import subprocess
import sys

CODE = """
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name == "torch" else found(name, *a)
sys.argv = ["transferkit", "plan", "timm:resnet18"]
from transferkit.cli import main
main()
"""


def test_a_command_says_what_to_install():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "pip install 'transferkit[vision]'" in done.stderr
