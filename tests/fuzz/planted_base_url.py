"""Faults of a reader of base URLs that its target has to find."""

from apikeychain.errors import InvalidValueError
from apikeychain.model.provider import BaseURL


def lowers_the_case(text: str) -> BaseURL:
    return BaseURL.parse(text.lower())


def strips_white_space(text: str) -> BaseURL:
    return BaseURL.parse(text.strip())


def drops_who_calls(text: str) -> BaseURL:
    user, at, _ = text.removeprefix("https://").partition("@")
    return BaseURL.parse(text if not at or "/" in user else text.replace(user + at, "", 1))


def takes_an_address(text: str) -> BaseURL:
    try:
        return BaseURL.parse(text)
    except InvalidValueError:
        host = text.removeprefix("https://")
        if text.startswith("https://") and host.replace(".", "").isdigit():
            return BaseURL("https", host, 443, "")
        raise


def takes_dot_segments(text: str) -> BaseURL:
    base = BaseURL.parse(text.replace("/../", "/dots/"))
    return BaseURL(base.scheme, base.host, base.port, base.path.replace("/dots/", "/../"))


PARSES = (lowers_the_case, strips_white_space, drops_who_calls, takes_an_address, takes_dot_segments)
