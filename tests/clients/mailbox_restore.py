#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""`congvu mailbox restore`: what people removed by IMAP and POP3 comes back within the window."""
import json
import os
import poplib
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from kit import BUILD, Province, RawImap, expect, run_tests, wait_until  # noqa: E402

SUBJECTS = ["Giấy mời họp".encode(), b"=?utf-8?B?S+G6vyBob+G6oWNoIG7Eg20=?=", b"Cong van 12", b"Cong van 13"]


def congvu(p, *words, code=0, lang="en"):
    done = subprocess.run(
        [os.path.join(BUILD, "bin", "congvu"), "--lang", lang, "--conf", p.conf, "mailbox",
         "restore", *words], capture_output=True, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, "ASAN_OPTIONS": "exitcode=99"})
    expect(done.returncode == code, words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def ask(p, *words):
    return json.loads(congvu(p, *words, "--json"))


def fill(c, mailbox="INBOX", flags="(\\Flagged $Label1)"):
    for i, subject in enumerate(SUBJECTS):
        answer = c.append(mailbox, b"From: =?utf-8?Q?Tr=E1=BA=A7n?= <tran@bo.example>\r\nSubject: "
                          + subject + b"\r\n\r\nNoi dung %d cua %s.\r\n" % (i, mailbox.encode()), flags)
        expect(answer.startswith(b"OK"), answer)


def test_expunged_and_deleted_mail_comes_back():
    with Province(filter=False) as p:
        an = p.user("an")
        c = RawImap(p, an)
        fill(c)
        c.cmd("CREATE Du-an")
        fill(c, "Du-an")
        c.cmd("SELECT INBOX")
        ids = c.cmd("FETCH 1:4 (EMAILID)")
        c.cmd("STORE 1:3 +FLAGS.SILENT (\\Deleted)")
        c.cmd("EXPUNGE")
        c.cmd("DELETE Du-an")
        pop = poplib.POP3_SSL(p.host, p.port["pop3s"], context=p.context())
        pop.user(an)
        pop.pass_(p.users[an])
        pop.dele(1)
        pop.quit()
        expect(b"* 1 EXPUNGE\r\n" in c.cmd("NOOP"), "INBOX has mail left")

        listed = ask(p, an, "--list")
        expect(listed["messages"] == 8 and len(listed["removed"]) == 8, listed)
        one = listed["removed"][0]
        expect(one["mailbox"] == "INBOX" and one["uid"] == 1 and one["subject"] == "Giấy mời họp"
               and one["from"] == "Trần <tran@bo.example>" and not one["mailbox_deleted"], one)
        expect(13.9 * 86400 < one["until"] - time.time() <= 14 * 86400, one)
        expect(sum(r["mailbox_deleted"] for r in listed["removed"]) == 4, listed)
        text = congvu(p, "an", "--list", lang="vi")
        expect("KHÔI PHỤC ĐẾN" in text and "Có thể khôi phục 8 thư" in text, text)
        dry = ask(p, an, "--subject", "ke hoach", "--mailbox", "inbox", "--dry-run")
        expect(dry["messages"] == 1, dry)
        expect(ask(p, an, "--uid", "2:3", "--mailbox", "INBOX", "--dry-run")["messages"] == 2)
        expect(ask(p, an, "--from", "nobody", "--list")["removed"] == [])
        expect(ask(p, an, "--until", "2026-01-01", "--list")["removed"] == [])
        expect(ask(p, an, "--list", "--limit", "2")["more"], "nothing is said of the rest")
        expect("no account" in congvu(p, "nobody", "--list", code=1))
        expect("UIDs such as" in congvu(p, an, "--uid", "x", code=1))

        # One message goes to a mailbox of its own; the session sees the rest arrive.
        done = ask(p, an, "--subject", "GIAY MOI", "--mailbox", "INBOX", "--to", "Khôi phục")
        expect(done["messages"] == 1 and done["mailboxes_made"] == 1, done)
        done = ask(p, an)
        expect(done["messages"] == 7 and done["mailboxes_made"] == 1, done)
        expect(b"* 3 EXISTS\r\n" in c.cmd("NOOP"), "no news")
        again = c.cmd("FETCH 1:3 (EMAILID FLAGS)")
        for old, new in zip(ids[1:], again):
            expect(old.split(b"EMAILID (")[1].split(b")")[0] in new, old, new)
            expect(b"\\Flagged" in new and b"$Label1" in new and b"\\Deleted" not in new, new)
        expect(any(b"MESSAGES 4" in u for u in c.cmd("STATUS Du-an (MESSAGES)")), "Du-an")
        expect("Restored 0 messages" in congvu(p, an), "it came twice")
        p.check_store()

        # On a stopped store it works as well, and is in the audit trail.
        c.cmd("STORE 1 +FLAGS (\\Deleted)")
        c.cmd("EXPUNGE")
        c.close()
        p.daemons["imapd"].stop()
        expect("Đã khôi phục 1 thư" in congvu(p, an, lang="vi"))
        p.daemons["imapd"].start()
        c = RawImap(p, an)
        expect(any(b"MESSAGES 3" in u for u in c.cmd("STATUS INBOX (MESSAGES)")), "INBOX")
        p.check_store()


def test_after_the_window_it_is_gone_and_so_is_the_body():
    with Province(filter=False, imapd={"restore_window": "4s"}) as p:
        an = p.user("an")
        c = RawImap(p, an)
        fill(c)
        c.cmd("SELECT INBOX")
        c.cmd("STORE 1:3 +FLAGS.SILENT (\\Deleted)")
        c.cmd("EXPUNGE")
        expect(p.check_store()["bodies"] == 4)
        wait_until("the bodies go", lambda: p.check_store()["bodies"] == 1, every=0.5)
        expect(ask(p, an)["messages"] == 0, "what is gone came back")
        expect(ask(p, an, "--list")["removed"] == [])


def test_a_full_box_is_said_clearly():
    with Province(filter=False) as p:
        an = p.user("an", quota=1 << 20)
        c = RawImap(p, an)
        big = b"Subject: lon\r\n\r\n" + b"x" * 70 * 1024 + b"\r\n"
        for _ in range(8):
            c.append("INBOX", big, "(\\Deleted)")
        c.cmd("SELECT INBOX")
        c.cmd("EXPUNGE")
        for _ in range(10):
            c.append("INBOX", big)
        text = congvu(p, an, code=1)
        expect("8 messages of" in text and "do not fit" in text, text)
        expect(ask(p, an, "--uid", "1:4")["messages"] == 4)


if __name__ == "__main__":
    run_tests(globals())
