"""Ports of loopback for servers of our own."""

import random
import socket

from supportdesk.core.devservices.binaries import Unsupported

# Below those that systems lend to outgoing connections, so that a server that starts again finds its port free.
PORTS = range(20_000, 32_000)
TRIES = 100


def free_port() -> int:
    """A port at which nobody listens. Raises Unsupported when none of many tried is."""
    for port in random.sample(PORTS, TRIES):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Unsupported(f"No free port was found between {PORTS.start} and {PORTS.stop} on 127.0.0.1.")
