# SPDX-License-Identifier: MPL-2.0
"""What tests with a real Postfix share."""


def make_room_for_log(least=512):
    """Postfix's daemons block on the socket of postlogd when the kernel queues few datagrams (10 in a
    new network namespace or without systemd), and master with them, which then never starts it."""
    path = "/proc/sys/net/unix/max_dgram_qlen"
    try:
        with open(path, "r+", encoding="ascii") as f:
            if int(f.read()) < least:
                f.seek(0)
                f.write(str(least))
    except OSError:
        pass  # read-only here: a start that hangs is told by its time limit
