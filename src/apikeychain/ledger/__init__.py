"""The audit chain: append in groups, verify."""
