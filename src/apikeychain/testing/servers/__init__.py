"""Real servers on this machine, from wheels: one module each, without apt and without docker."""
