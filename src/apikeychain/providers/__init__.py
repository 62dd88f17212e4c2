"""The catalogue: well-known APIs as data."""
