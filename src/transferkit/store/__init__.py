"""Save and load any fitted method: a manifest, arrays in safetensors, scikit-learn's objects in skops; never pickle."""

from .folder import SCHEMA, load, read_manifest, save

__all__ = ["SCHEMA", "load", "read_manifest", "save"]
