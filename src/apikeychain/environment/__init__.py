"""A keychain as the environment says it, for a host that is configured from outside.

Files: `variables` (every variable, and what it means), `choices` (what was chosen, and what is wrong with it: pure),
`wiring` (the plugs that were chosen).
"""
