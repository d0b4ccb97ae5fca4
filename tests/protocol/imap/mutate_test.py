#!/usr/bin/env python3
"""Sends the dialogues' commands, damaged at random, to a daemon that must survive them all: no
crash, no sanitizer report, a whole store, a clean stop.

usage: mutate_test.py DAEMON [SECONDS] [SEED]
"""
# SPDX-License-Identifier: MPL-2.0
import glob
import os
import random
import re
import shutil
import socket
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from run import NAMES, Daemon, Wrong, fill_in  # noqa: E402

SPLINTERS = [b"(", b")", b'"', b"{5+}\r\nhello", b"{0+}\r\n", b"*", b"1:*", b"4294967295",
             b"\\Seen", b" ", b"\r\n", b"\0", b"\xff", b"BODY[", b"]", b"<0.1>", b"INBOX", b"dst",
             b"NIL", b"18446744073709551616", b"{99999999+}\r\n", b"&AOk-"]
MORE = [b"a UID FETCH 1:* (BODY.PEEK[1.2.HEADER.FIELDS.NOT (a b)]<1.5> BODY[2.1.1.MIME] RFC822.TEXT)",
        b"a UID SEARCH RETURN (MIN MAX) OR BODY x TEXT {3+}\r\nabc NOT HEADER x y",
        b"a UID STORE 1:* (UNCHANGEDSINCE 5) -FLAGS (x y z)", b"a UID MOVE 1:* dst"]
START = ('l LOGIN $user "$pass"\r\nm CREATE dst\r\nn APPEND INBOX {30+}\r\n'
         "Subject: x\r\n\r\nabcdefghijklmn\r\no SELECT INBOX\r\n")


def commands():
    found = list(MORE)
    for path in sorted(glob.glob(HERE + "/*.imap")):
        with open(path, encoding="utf-8") as file:
            found += [fill_in(m.group(1)) for m in re.finditer(r"^\d*C: (.*)$", file.read(), re.M)]
    return found


def damage(line, rng):
    for _ in range(rng.randint(0, 3)):
        at = rng.randint(0, len(line))
        how = rng.random()
        if how < 0.4:
            line = line[:at] + rng.choice(SPLINTERS) + line[at:]
        elif how < 0.7:
            line = line[:at] + line[at + rng.randint(1, 6):]
        else:
            line = line[:at] + bytes([rng.randrange(256)]) + line[at + 1:]
    return line


def torment(port, lines, rng):
    """One connection; what it answers does not matter. Returns how much was sent."""
    sent = 0
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.settimeout(0.02)
        try:
            if rng.random() < 0.9:
                s.sendall(fill_in(START))
            for _ in range(40):
                s.sendall(damage(rng.choice(lines), rng) + b"\r\n")
                sent += 1
                if rng.random() < 0.3:
                    try:
                        s.recv(1 << 20)
                    except TimeoutError:
                        pass
        except OSError:
            pass
    return sent


def main():
    secs = float(sys.argv[2]) if len(sys.argv) > 2 else 5
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 30)
    rng = random.Random(seed)
    lines = commands()
    daemon = Daemon(sys.argv[1], ["max_conns_per_user = 1000"])
    sent = 0
    try:
        daemon.ask({"do": "domain.add", "domain": "lamgiang.example"})
        daemon.ask({"do": "account.add", "address": NAMES["user"], "display_name": "Nguyễn An",
                    "password": NAMES["pass"], "allow_weak": True})
        end = time.monotonic() + secs
        while time.monotonic() < end:
            sent += torment(daemon.port, lines, rng)
            if daemon.process.poll() is not None:
                raise Wrong("the daemon died")
        daemon.ask({"do": "store.check", "read_bodies": True})
        daemon.stop()
        if "runtime error" in daemon.said() or "Sanitizer" in daemon.said():
            raise Wrong("a sanitizer spoke")
    except (Wrong, OSError) as fault:
        daemon.process.kill()
        print("seed %d: %s\n%s" % (seed, fault, daemon.said()[-3000:]))
        return 1
    finally:
        daemon.process.wait()
        shutil.rmtree(daemon.dir)
    print("%d damaged commands survived (seed %d)" % (sent, seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
