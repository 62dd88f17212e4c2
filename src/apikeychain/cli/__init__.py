"""The `apikeychain` command."""
