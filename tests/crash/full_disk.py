#!/usr/bin/python3
"""A full disk: temporary errors, nothing acknowledged is lost, and all works again with room.

The province lives on a small file system in memory, which only root can make.
"""
# SPDX-License-Identifier: MPL-2.0
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import exactly_once  # noqa: E402
import kit  # noqa: E402
from kit import expect  # noqa: E402

SIZE_MB, BALLAST_MB = 140, 60
LETTER = b"From: x@sender.example\r\nSubject: %s\r\nMessage-ID: <%s@full>\r\n\r\n"


class SmallDisk:
    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="congvu-full-")
        kit.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=755", "tmpfs", self.path])
        self.ballast = os.path.join(self.path, "ballast")
        self.base = os.path.join(self.path, "base")
        os.mkdir(self.base)
        self.fill(BALLAST_MB << 20)
        return self

    def fill(self, octets):
        """So much is taken by others; as much as there is at most."""
        with open(self.ballast, "wb") as f:
            try:
                for _ in range(octets >> 16):
                    f.write(bytes(1 << 16))
            except OSError:
                pass

    def make_room(self):
        os.truncate(self.ballast, 0)

    def __exit__(self, *_):
        kit.run(["umount", "-l", self.path])
        os.rmdir(self.path)


def big(key):
    """50 KB that do not compress."""
    return LETTER % (key, key) + b"\r\n".join(
        os.urandom(36).hex().encode() for _ in range(700)) + b"\r\n"


def deliver_until_refused(p, box, acked):
    with p.smtp() as s:
        s.ehlo()
        for i in range(4 * SIZE_MB * 20):
            key = b"giao%d" % i
            code, text = s.mail("x@sender.example")
            if code == 250:
                code, text = s.rcpt(box)
            if code == 250:
                code, text = s.data(big(key))
            if code == 250:
                acked.add(key)
                continue
            expect(400 <= code < 500, "refused for good:", code, text)
            return code, text
    raise kit.Failure("the disk did not become full")


def append_until_refused(c, acked):
    for i in range(4 * SIZE_MB * 20):
        key = b"luu%d" % i
        answer = c.append("INBOX", big(key))
        if not answer.startswith(b"OK"):
            expect(answer.startswith(b"NO"), answer)
            return answer
        acked.add(key)
    raise kit.Failure("the disk did not become full")


def keys_of(c):
    c.cmd("SELECT INBOX")
    keys = [m.group(1) for r in c.cmd("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
            for m in [re.search(rb"<([^@>]+)@full>", r)] if m]
    expect(len(keys) == len(set(keys)), "a message twice")
    return set(keys)


def check_alive(p):
    for daemon in p.daemons.values():
        expect(daemon.is_running(), daemon.name, "died:\n", daemon.tail())


def test_a_full_disk_gives_temporary_errors_and_loses_nothing():
    with SmallDisk() as disk, kit.Province(base=disk.base, smtpd={"max_conns_per_ip": "0"}) as p:
        an = p.user("an")
        acked = set()
        c = kit.RawImap(p, an)
        c.cmd("SELECT INBOX")
        answer = deliver_until_refused(p, an, acked)
        print(f"    delivery: {len(acked)} taken, then {answer[0]} {answer[1][:80]}")
        answer = append_until_refused(c, acked)
        print(f"    APPEND: {answer[:100]}")
        check_alive(p)
        # What is there can be read, by a session that is there and by a new one.
        expect(keys_of(c) == acked, "lost while full:", acked - keys_of(c))
        other = kit.RawImap(p, an)
        expect(keys_of(other) == acked, "lost while full")
        disk.make_room()
        check_works_again(p, c, an, acked)
        p.check_store()
        # And after a kill, with what the full disk left in the log.
        p.daemons["imapd"].kill()
        p.daemons["imapd"].start()
        c = kit.RawImap(p, an)
        expect(keys_of(c) == acked, "lost after recovery:", acked - keys_of(c))
        p.check_store()


def check_works_again(p, c, an, acked):
    def deliver():
        try:
            with p.smtp() as s:
                s.sendmail("x@sender.example", [an], LETTER % (b"sau", b"sau") + b"x\r\n")
        except exactly_once.smtplib.SMTPException as fault:
            print("    still:", str(fault)[:100])
            return False
        return True

    kit.wait_until("delivery works again", deliver, secs=30, every=1)
    acked.add(b"sau")
    answer = c.append("INBOX", big(b"sau-luu"))
    expect(answer.startswith(b"OK"), answer)
    acked.add(b"sau-luu")
    exactly_once.wait_delivered(p)
    expect(keys_of(c) == acked, "lost:", acked - keys_of(c), "more:", keys_of(c) - acked)


def test_daemons_killed_on_a_full_disk_come_back_when_there_is_room():
    with SmallDisk() as disk, kit.Province(base=disk.base, smtpd={"max_conns_per_ip": "0"}) as p:
        an = p.user("an")
        acked = set()
        deliver_until_refused(p, an, acked)
        for daemon in p.daemons.values():
            daemon.kill()
        disk.make_room()
        for daemon in p.daemons.values():
            daemon.start()
        c = kit.RawImap(p, an)
        check_works_again(p, c, an, acked)
        p.check_store()


if __name__ == "__main__":
    if os.geteuid() != 0:
        kit.skip("only root can mount a small file system")
    kit.run_tests(globals())
