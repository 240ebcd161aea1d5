"""One network for several tasks."""
