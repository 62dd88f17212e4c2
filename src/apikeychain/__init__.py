"""Let a browser use a third-party API without ever holding its key."""

__version__ = "0.1.0.dev0"
