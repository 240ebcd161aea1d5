"""The deep engine: one training loop, backbones, freeze plans, checkpoints and the feature cache. Everything here needs torch."""

from importlib.util import find_spec

from ..core.errors import MissingExtraError

if find_spec("torch") is None:
    raise MissingExtraError(
        "pretrained networks need torch: pip install 'transferkit[vision]' for images, 'transferkit[text]' for texts,"
        " 'transferkit[audio]' for sound."
    )
