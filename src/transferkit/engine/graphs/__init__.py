"""Networks on graphs, and their adaptation from one graph to another."""
