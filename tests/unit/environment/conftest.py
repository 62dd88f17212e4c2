"""A terminal, for what is told there."""

from terminal_fixture import terminal

__all__ = ["terminal"]
