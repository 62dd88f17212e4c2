"""A keychain as the environment says it, for a host that is configured from outside.

Files: `variables` (every variable, what it means, and how one is read), `key_services` and `choices` (what was
chosen, and what is wrong with it), `wiring` (the plugs that were chosen).
"""
