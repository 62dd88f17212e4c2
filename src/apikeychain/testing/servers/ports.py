"""Ports for servers that are stopped and started again."""

import secrets
import socket


def free_port(but: int = 0) -> int:
    """A port of loopback that nobody has now, and that the kernel gives to no connection while the server is down.

    Args:
        but: one that is not free, though nobody has it yet.
    """
    while True:
        port = 12_000 + secrets.randbelow(10_000)  # a cluster of Valkey wants also the one 10,000 above
        with socket.socket() as probe:
            if port != but and probe.connect_ex(("127.0.0.1", port)):
                return port
