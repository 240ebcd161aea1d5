"""Optimal transport: plans, exact, entropic, relaxed, in parts, with several sources, between spaces."""
