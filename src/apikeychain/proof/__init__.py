"""What an auditor needs: whether an entry stands in a ledger that was signed, from one file and public keys alone.

This room imports nothing of the package but itself, and nothing else but the standard library and ``cryptography``, so
that it can be read, copied and run without the rest. The package verifies with these functions too. The same in words,
for who writes a verifier of his own, is ``docs/reference/ledger-format.md``.

::

    entry        an entry follows from a checkpoint: the file that an auditor is given
    checkpoint   a statement on a chain follows from a signed note; one checkpoint extends another
    note         the text of a moment, its two signatures, the keys
    tree         the Merkle trees
    reading      strict JSON and base64; `ProofError`

Every function that verifies raises `ProofError`, with one sentence on what does not hold.
"""
