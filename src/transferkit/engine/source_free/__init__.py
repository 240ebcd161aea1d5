"""Adaptation that begins with a trained classifier and sees no row of the source, before or while it is asked."""
