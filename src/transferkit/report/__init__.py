"""What was found, for a person: facts (the content of ``run.json``) in, HTML, Markdown or a terminal table out."""

from .html import render
from .model_card import model_card

__all__ = ["model_card", "render"]
