"""`apikeychain doctor`: looks at everything that a keychain stands on, and says what to do. It changes nothing.

Files: `finding` (what is told), `verdicts` (facts in, findings out: pure), `examination` (all of it, in order); the
facts come from `files`, `database`, `valkey`, `keys` and `stored`. Of a gate that runs somewhere, seen from outside,
`probes` brings the facts and `deployment` judges them.
"""
