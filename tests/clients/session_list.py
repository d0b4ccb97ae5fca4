#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""`congvu session`: who is logged in to read mail, and ending it (SEC-05)."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import kit  # noqa: E402
from kit import BUILD, expect  # noqa: E402


def congvu(p, *words, code=0):
    done = subprocess.run([os.path.join(BUILD, "bin", "congvu"), "--lang", "en", "--conf", p.conf, *words],
                          capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "ASAN_OPTIONS": "exitcode=99"})
    expect(done.returncode == code, words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def sessions(p, *words):
    return json.loads(congvu(p, "session", "list", *words, "--json"))["sessions"]


def is_closed(c):
    """Whether the server said goodbye and hung up."""
    said = c.file.read()
    return b"* BYE" in said


def test_sec_05_sessions_are_listed_and_ended():
    with kit.Province(filter=False) as p:
        an, binh = p.user("an"), p.user("binh")
        first, second, other = kit.RawImap(p, an), kit.RawImap(p, an), kit.RawImap(p, binh)
        other.cmd("SELECT INBOX")
        rows = sessions(p)
        expect(sorted(r["account"] for r in rows) == [an, an, binh], rows)
        expect(all(r["protocol"] == "imap" and r["tls"] and r["peer"] == "127.0.0.1" and
                   r["since"] > 1700000000 for r in rows), rows)
        expect([r["commands"] for r in sessions(p, binh)] == [2], sessions(p, binh))
        text = congvu(p, "session", "list")
        expect(an in text and "3 sessions" in text, text)

        ids = sorted(r["id"] for r in sessions(p, an))
        expect("1 sessions ended" in congvu(p, "session", "kill", str(ids[0])))
        expect(is_closed(first), "the first session lives on")
        second.cmd("NOOP")
        kit.wait_until("one is gone", lambda: [r["id"] for r in sessions(p, an)] == ids[1:])
        expect([r["account"] for r in sessions(p, an.split("@")[0])] == [an], an)
        congvu(p, "session", "kill", an.split("@")[0])
        expect(is_closed(second), "the account's other session lives on")
        other.cmd("NOOP")
        expect(json.loads(congvu(p, "session", "kill", "999999", "--json"))["ended"] == 0)
        expect("no account" in congvu(p, "session", "kill", "ai@lamgiang.example", code=1))
        # Who was ended may come back.
        kit.RawImap(p, an).cmd("NOOP")
        log = p.daemons["imapd"].text()
        expect("imap.end user=%s" % an in log and "bytes_out=" in log, log[-2000:])


if __name__ == "__main__":
    kit.run_tests(globals())
