"""Class shares of a target, and probabilities brought to them."""
