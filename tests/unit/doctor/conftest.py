"""The command's terminal."""

from terminal_fixture import terminal

__all__ = ["terminal"]
