"""Pure functions that two algorithms or more use."""
