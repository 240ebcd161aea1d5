"""The six steps where the source is a pretrained network and the target brings the labels."""

from .analyse import facts_of, pictures, write
from .evaluate import evaluate
from .prepare import Tuning, prepare
from .select import select
from .train import train

__all__ = ["Tuning", "evaluate", "facts_of", "pictures", "prepare", "select", "train", "write"]
