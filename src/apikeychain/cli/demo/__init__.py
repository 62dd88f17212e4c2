"""`apikeychain demo`: the whole job on one machine, to look at in a browser or to run once and compare."""
