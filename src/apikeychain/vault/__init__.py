"""Envelope encryption: derive, seal, open, turn."""
