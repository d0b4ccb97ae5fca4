#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Rights on mailboxes: Python's imaplib as a client (RFC 4314), and `congvu mailbox rights`."""
import imaplib
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from kit import BUILD, Province, expect, run_tests  # noqa: E402

ALL = "lrswipkxteacd"


def congvu(p, *words, code=0, lang="en"):
    done = subprocess.run(
        [os.path.join(BUILD, "bin", "congvu"), "--lang", lang, "--conf", p.conf, *words],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, "ASAN_OPTIONS": "exitcode=99"})
    expect(done.returncode == code, words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def client(p, user):
    c = imaplib.IMAP4_SSL(p.host, p.port["imaps"], ssl_context=p.context())
    c.login(user, p.users[user])
    return c


def ok(answer):
    expect(answer[0] == "OK", answer)
    return [one.decode() if isinstance(one, bytes) else one for one in answer[1]]


def no(answer, word):
    expect(answer[0] == "NO" and word.encode() in answer[1][0], answer)


def other(user, box):
    return '"Ng&AbAe3Q-i kh&AOE-c/%s/%s"' % (user, box)


def test_imaplib_sets_and_reads_rights():
    with Province(filter=False) as p:
        an, binh = p.user("an"), p.user("binh")
        a, b = client(p, an), client(p, binh)
        expect("ACL" in a.capabilities or "ACL" in ok(a.capability())[0].split(), a.capabilities)
        expect(ok(a.getacl("INBOX")) == ['"INBOX" "%s" %s' % (an, ALL)], a.getacl("INBOX"))
        expect(ok(a.myrights("INBOX")) == ['"INBOX" %s' % ALL])
        ok(a.create("Chung"))
        ok(a.append("Chung", "(\\Seen)", None, b"Subject: mot\r\n\r\nhai\r\n"))
        no(b.select(other(an, "Chung")), "NONEXISTENT")
        ok(a.setacl("Chung", "binh", "lr"))
        expect(ok(a.getacl("Chung")) == ['"Chung" "%s" %s "%s" lr' % (an, ALL, binh)])
        expect(ok(b.myrights(other(an, "Chung")))[0].endswith(" lr"))
        expect(ok(b.select(other(an, "Chung"), readonly=True)) == ["1"])
        expect(b"hai" in b.fetch("1", "(BODY[TEXT])")[1][0][1])
        no(b.store("1", "+FLAGS", "(\\Flagged)"), "READ-ONLY")
        no(b.append(other(an, "Chung"), None, None, b"Subject: x\r\n\r\ny\r\n"), "NOPERM")
        ok(a.setacl("Chung", binh, "+iw"))
        ok(b.append(other(an, "Chung"), "(\\Flagged \\Deleted)", None, b"Subject: x\r\n\r\ny\r\n"))
        ok(a.select("Chung"))
        flags = ok(a.fetch("2", "(FLAGS)"))[0]
        expect("\\Flagged" in flags and "\\Deleted" not in flags, flags)
        expect(binh in "".join(ok(a.getacl("Chung"))))
        ok(a.deleteacl("Chung", binh))
        try:
            b.noop()
            expect(False, "a mailbox that is shared no more stays open")
        except imaplib.IMAP4.abort as bye:
            expect("khong con duoc chia se" in str(bye), bye)
        no(a.setacl("Chung", "ai-do", "lr"), "CANNOT")
        a.logout()


def test_admin_lists_grants_and_revokes():
    with Province(filter=False) as p:
        an, binh = p.user("an"), p.user("binh")
        c = client(p, an)
        ok(c.create("Chung"))
        expect("changed" in congvu(p, "mailbox", "grant", an, "Chung", "binh", "lrs"))
        expect("nothing to change" in congvu(p, "mailbox", "grant", "an", "Chung", binh, "+l"))
        expect("đã thay đổi" in congvu(p, "mailbox", "grant", an, "Chung", "anyone", "l", lang="vi"))
        reply = json.loads(congvu(p, "mailbox", "rights", an, "--json"))
        expect(reply["rights"] == [
            {"mailbox": "Chung", "who": "anyone", "rights": "l"},
            {"mailbox": "Chung", "who": binh, "rights": "lrs"}] and not reply["has_holders"], reply)
        expect(ok(c.getacl("Chung")) == ['"Chung" "%s" %s "anyone" l "%s" lrs' % (an, ALL, binh)])
        text = congvu(p, "mailbox", "rights", an, "Chung")
        expect(binh in text and "lrs" in text and "2 entries" in text, text)
        expect("changed" in congvu(p, "mailbox", "revoke", an, "Chung", "anyone"))
        expect("no person or group" in congvu(p, "mailbox", "grant", an, "Chung", "nobody", "l", code=1))
        expect("has all rights" in congvu(p, "mailbox", "grant", an, "Chung", an, "l", code=1))
        expect("small letters" in congvu(p, "mailbox", "grant", an, "Chung", "binh", "LR", code=1))
        expect("no such mailbox" in congvu(p, "mailbox", "grant", an, "None", "binh", "l", code=1))
        expect("there is no account" in congvu(p, "mailbox", "rights", "nobody", code=1))
        b = client(p, binh)
        expect(ok(b.myrights(other(an, "Chung")))[0].endswith(" lrs"))
        log = p.daemons["imapd"].text()
        expect("imap.rights by=" in log and "who=" + binh in log, log[-1500:])


if __name__ == "__main__":
    run_tests(globals())
