"""Mutants that no test can notice, because they decide the same as what they were made of; each with its reason."""

_ORDER_ONLY = "The ranks are compared with each other only, and their order is the same."
_NONE_AS_GOOD = "What stands in for a header that is absent fits as little as nothing does."

EQUIVALENT: dict[str, dict[str, str]] = {
    "rules.cors": {
        """top: b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz" -> """
        """b"XX!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzXX\"""": (
            "The names are put into lower case first, so that no X is ever looked for."
        ),
        "_has_listed_referer: b'' -> b'XXXX'": "No origin is written so: it is on no list, as nothing is.",
    },
    "rules.signature": {
        "top: 0 -> -1": _ORDER_ONLY,
        "top: 2 -> 3": _ORDER_ONLY,
        "read: b'' -> b'XXXX'": _NONE_AS_GOOD,
        "require_mac: hmac.compare_digest(right, signature.mac) -> hmac.compare_digest(signature.mac, right)": (
            "Both have 32 bytes, and equality has no direction."
        ),
    },
    "rules.routing": {
        "fill: require_sound_url(call.path, call.query) -> require_sound_url(call.query, call.path)": (
            "Both are judged alike, and their lengths are added."
        ),
    },
}
