"""The plugs: one Protocol a file, its promises numbered, each number tested by `apikeychain.testing`."""
