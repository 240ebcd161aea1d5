"""The deep engine: one training loop, backbones, freeze plans, checkpoints and the feature cache. Everything here needs torch."""
