"""Keys are made at the least cost."""

from key_costs import low_key_costs

__all__ = ["low_key_costs"]
