"""Kernels, their approximation, and what is measured and mapped with them."""
