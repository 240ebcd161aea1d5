"""Protocols, declared constraints, validation and errors: what everything else stands on."""
