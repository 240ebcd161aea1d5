"""Decision trees as plain arrays, changed and boosted across domains."""
