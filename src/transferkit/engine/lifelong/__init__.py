"""One network for tasks that come one after the other."""
