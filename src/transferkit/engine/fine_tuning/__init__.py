"""A trained network carried over to labelled rows of the target."""
