"""What can be said of fitted models and of two domains: with few labels of the target, or none."""
