"""Readers and named data sets: everything that becomes a Domain."""
