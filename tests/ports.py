# SPDX-License-Identifier: MPL-2.0
"""Free ports on loopback for servers that tests start, stop and start again.

They lie below the range from which the kernel takes ports for outgoing connections: else such a
connection might sit on a server's port just while it restarts.
"""
import random
import socket

LOWEST, BEHIND = 11000, 32000


def free_ports(count):
    """Ports that were free a moment ago, for TCP and UDP; held together so that all differ."""
    chosen, held = random.SystemRandom(), []
    ports = []
    while len(ports) < count:
        port = chosen.randrange(LOWEST, BEHIND)
        pair = [socket.socket(socket.AF_INET, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
        held += pair
        try:
            for s in pair:
                s.bind(("127.0.0.1", port))
        except OSError:
            continue
        ports.append(port)
    for s in held:
        s.close()
    return ports


def free_port():
    return free_ports(1)[0]
