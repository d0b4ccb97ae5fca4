#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Who opened messages of a shared box (IMP-04), and when people looked (IMP-05): `congvu mailbox
readers` and `checks`, over IMAP and POP3."""
import json
import os
import poplib
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from harness import ask  # noqa: E402
from kit import BUILD, DOMAIN, Province, RawImap, expect, run_tests, wait_until  # noqa: E402
from shared_boxes import shared  # noqa: E402

BOX = f"vanthu.stp@{DOMAIN}"


def congvu(p, *words, code=0, lang="en"):
    done = subprocess.run(
        [os.path.join(BUILD, "bin", "congvu"), "--lang", lang, "--conf", p.conf, "mailbox", *words],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, "ASAN_OPTIONS": "exitcode=99"})
    expect(done.returncode == code, words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def readers(p, *words):
    return json.loads(congvu(p, "readers", BOX, *words, "--json"))["readers"]


def checks(p, box):
    return json.loads(congvu(p, "checks", box, "--json"))["checks"]


def test_who_opened_what_is_known():
    with Province(filter=False) as p:
        ctl = os.path.join(p.dir, "run", "imapd.ctl")
        ask(ctl, {"do": "account.add", "address": BOX, "kind": "role", "display_name": "Văn thư"})
        an, binh = p.user("an"), p.user("binh")
        for person in (an, binh):
            ask(ctl, {"do": "role.hold", "role": BOX, "holder": person})
        a, b = RawImap(p, an), RawImap(p, binh)
        for i in range(1, 4):
            a.append(shared("INBOX"), b"Message-ID: <%d@bo.example>\r\nSubject: so %d\r\n\r\nNoi dung\r\n" % (i, i))
        began = int(time.time())

        # Looking at a list of messages opens none of them.
        b.cmd("SELECT " + shared("INBOX"))
        b.cmd("FETCH 1:3 (FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (Subject)] BODY.PEEK[1.MIME])")
        b.cmd("STATUS " + shared("INBOX") + " (UNSEEN)")
        expect(readers(p) == [], readers(p))

        b.cmd("FETCH 2 BODY[]")
        b.cmd("FETCH 2 BODY.PEEK[TEXT]")
        a.cmd("SELECT " + shared("INBOX"))
        a.cmd("STORE 3 +FLAGS (\\Seen)")
        a.cmd("STORE 2 +FLAGS (\\Flagged)")
        rows = readers(p)
        expect(sorted((r["person"], r["uid"]) for r in rows) == [(an, 3), (binh, 2)], rows)
        expect(all(r["mailbox"] == "INBOX" and began <= r["opened"] <= began + 60 for r in rows), rows)
        expect([r["person"] for r in readers(p, "--message", "<2@bo.example>")] == [binh])
        expect([r["person"] for r in readers(p, "--message", rows[0]["message"])] == [rows[0]["person"]])
        expect(readers(p, "--since", "2099-01-01") == [])
        expect("no message" in congvu(p, "readers", BOX, "--message", "<9@bo.example>", code=1))
        text = congvu(p, "readers", "vanthu.stp", lang="vi")
        expect("NGƯỜI MỞ" in text and binh in text, text)

        # One's own box is not logged; the first opening stays the first.
        a.append("INBOX", b"Subject: rieng\r\n\r\nx\r\n")
        a.cmd("SELECT INBOX")
        a.cmd("FETCH 1 BODY[]")
        expect(json.loads(congvu(p, "readers", an, "--json"))["readers"] == [])
        b.cmd("FETCH 2 BODY[]")
        expect(len(readers(p)) == 2, readers(p))

        # What was written outlives a kill, and can be read on a stopped store.
        p.daemons["imapd"].kill()
        again = readers(p)
        expect(again == rows, again)
        p.daemons["imapd"].start()
        expect("imap.end user=" not in p.daemons["imapd"].text().split("imapd.ready")[-1])


def test_when_people_looked_is_counted():
    with Province(filter=False) as p:
        ctl = os.path.join(p.dir, "run", "imapd.ctl")
        ask(ctl, {"do": "account.add", "address": BOX, "kind": "role", "display_name": "Văn thư"})
        an, binh, chi = p.user("an"), p.user("binh"), p.user("chi")
        ask(ctl, {"do": "role.hold", "role": BOX, "holder": an})
        a, b = RawImap(p, an), RawImap(p, binh)
        a.append(shared("INBOX"), b"Subject: so 1\r\n\r\nNoi dung\r\n")
        expect(checks(p, BOX) == [], "an APPEND is no check")
        a.cmd("STATUS " + shared("INBOX") + " (MESSAGES UNSEEN)")
        b.cmd("LIST \"\" *")
        expect(checks(p, BOX) == [] and checks(p, binh) == [], "STATUS is no check")
        for _ in range(3):
            a.cmd("SELECT " + shared("INBOX"))
            a.cmd("FETCH 1 BODY[]")
        b.cmd("SELECT INBOX")
        tag = b.idle()
        b.done(tag)
        pop = poplib.POP3_SSL(p.host, p.port["pop3s"], context=p.context())
        pop.user(chi)
        pop.pass_(p.users[chi])
        pop.quit()
        for box, person in ((BOX, an), (binh, binh), (chi, chi)):
            rows = checks(p, box)
            expect(len(rows) == 1 and rows[0]["person"] == person and rows[0]["checks"] == 1 and
                   len(rows[0]["times"]) == 1, box, rows)
        expect("NGƯỜI KIỂM TRA" in congvu(p, "checks", BOX, lang="vi"))
        a.cmd("LOGOUT")
        a.close()
        wait_until("the line of the session's end",
                   lambda: re.search(rf"imap\.end user={an} box={BOX}", p.daemons["imapd"].text()))
        p.check_store()


if __name__ == "__main__":
    run_tests(globals())
