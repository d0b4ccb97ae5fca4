#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""What becomes of mail by its filter's verdict (SPM-01, SPM-02): INBOX, Junk, quarantine or a reply
that the sender sees; who sees what is held, how it is told of, released and deleted."""
import base64
import contextlib
import datetime
import email
import email.policy
import http.client
import json
import os
import poplib
import re
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import fake_milter as fm  # noqa: E402
from fake_milter import FakeMilter, packet  # noqa: E402
from harness import free_ports  # noqa: E402
from kit import (BUILD, DOMAIN, PATIENCE, ZONE, Province, built, expect, run_tests,  # noqa: E402
                 wait_until)
from shared_boxes import wire  # noqa: E402

QUARANTINE, CONTINUE = packet("q", b"dang ngo\0"), packet("c")


def verdict(word, rules="bayes(3.1),url-mismatch(6.0)", score="9.1"):
    return fm.insert_header(0, b"X-Congvu-Verdict",
                            f" {word}; score={score}; rules={rules}".encode())


class World:
    """One scripted filter before smtpd; an agency's box, a role's and a person's."""

    def __init__(self, imapd=None, smtpd=None, main=None):
        self.filter = FakeMilter()
        self.page = free_ports(1)[0]
        self.p = Province(
            filter=False, imapd={"quarantine_listen": f"127.0.0.1:{self.page}",
                                 "quarantine_url": "https://thu.lamgiang.example/cachly",
                                 "quarantine_digest": "no", **(imapd or {})},
            main=main, smtpd={"milters": self.filter.name(), **(smtpd or {})})
        self.number = 0

    def __enter__(self):
        self.p.__enter__()
        self.p.agency("stp", "Sở Tư pháp")
        self.an = self.p.user("an", agency="stp")
        self.binh = self.p.user("binh", agency="stp")
        self.stp, self.role = f"sotuphap@{DOMAIN}", f"vanthu@{DOMAIN}"
        for box, kind in ((self.stp, "agency"), (self.role, "role")):
            self.p.account(box, kind=kind, agency="stp", override=True, reason="test")
            self.p.ask("imapd", "role.hold", role=box, holder=self.an)
        self.p.refresh()
        self.holder = self.an
        return self

    def renew(self):
        """Nothing held, a filter that says nothing, other people."""
        self.filter.reset()
        for item in self.p.ask("imapd", "quarantine.list")["items"]:
            self.p.ask("imapd", "quarantine.delete", account=item["account"], item=item["item"])
        self.number += 100
        self.an = self.p.user(f"an{self.number}", agency="stp")
        self.binh = self.p.user(f"binh{self.number}", agency="stp")

    def __exit__(self, *what):
        self.filter.close()
        self.p.__exit__(*what)

    def answer(self, *packets):
        self.filter.answers["E"] = list(packets)

    def send(self, *to, head="", subject=None, sender="a@sender.example", port="mx"):
        """Gives (code, text, subject)."""
        self.number += 1
        subject = subject or f"thu so {self.number}"
        text = (f"From: Nguoi La <la@{sender.split('@')[-1]}>\r\n{head}Subject: {subject}\r\n"
                "\r\nnoi dung bi mat rieng\r\n")
        s = self.p.smtp(port) if port != "lmtp" else smtplib.LMTP("127.0.0.1", self.p.port["lmtp"])
        try:
            s.sendmail(sender, to, text.encode())
            return 250, "", subject
        except smtplib.SMTPRecipientsRefused as fault:
            code, words = list(fault.recipients.values())[0]
            return code, words.decode(), subject
        except smtplib.SMTPResponseException as fault:
            return fault.smtp_code, fault.smtp_error.decode(), subject
        finally:
            s.close()

    def found(self, folder, subject, user=None):
        """The messages with that subject; an agency's box is opened by its holder."""
        user = user or self.an
        is_own = user in self.p.users
        box = self.p.imap(user if is_own else self.holder)
        name = wire(folder if is_own else f"Dùng chung/{user}/{folder}")
        try:
            expect(box.select(name, readonly=True)[0] == "OK", name)
            out = []
            for n in box.search(None, "ALL")[1][0].split():
                raw = box.fetch(n, "(BODY.PEEK[])")[1][0][1]
                m = email.message_from_bytes(raw, policy=email.policy.default)
                if m["Subject"] == subject:
                    out.append(raw)
            return out
        finally:
            box.logout()

    def held(self, user=None, **fields):
        return self.p.ask("imapd", "quarantine.list", account=user or self.an, **fields)["items"]

    def place(self, subject, user=None):
        """Where the message with that subject is."""
        out = []
        out += ["inbox"] * len(self.found("INBOX", subject, user))
        out += ["junk"] * len(self.found("Thư rác", subject, user))
        for item in self.held(user):
            got = self.p.ask("imapd", "quarantine.show", account=user or self.an,
                             item=item["item"], body=True)
            raw = base64.b64decode(got["message"])
            if email.message_from_bytes(raw, policy=email.policy.default)["Subject"] == subject:
                out.append("quarantine")
        return out

    def congvu(self, *words, code=0):
        done = subprocess.run(
            [os.path.join(BUILD, "bin", "congvu"), "--lang", "en", "--conf", self.p.conf,
             "quarantine", *words], capture_output=True, text=True, timeout=60, check=False,
            stdin=subprocess.DEVNULL, env={**os.environ, "ASAN_OPTIONS": "exitcode=99"})
        expect(done.returncode == code, words, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    # ---- pages ----

    def http(self, method, path, body=None, **headers):
        c = http.client.HTTPConnection("127.0.0.1", self.page, timeout=PATIENCE)
        try:
            if body is not None:
                headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
            c.request(method, path, body, headers)
            r = c.getresponse()
            return r.status, r.read().decode(), dict(r.getheaders())
        finally:
            c.close()

    def raw(self, data):
        with socket.create_connection(("127.0.0.1", self.page), PATIENCE) as s:
            s.sendall(data)
            out = b""
            while piece := s.recv(65536):
                out += piece
            return out

    def digest(self, user=None):
        """Makes the digest now; the newest one in the box."""
        self.p.ask("imapd", "quarantine.digest", account=user or self.an)
        return self.newest_digest(user)

    def newest_digest(self, user=None):
        box = self.p.imap(user or self.an)
        box.select("INBOX")
        uids = box.uid("SEARCH", "HEADER", "Message-ID", ".quarantine@")[1][0].split()
        raw = box.uid("FETCH", uids[-1], "(BODY.PEEK[])")[1][0][1] if uids else b""
        box.logout()
        return email.message_from_bytes(raw, policy=email.policy.default)

    def links(self, message):
        text = message.get_body(("plain",)).get_content()
        return re.findall(r"https://thu\.lamgiang\.example(/cachly/[\w-]+)", text)


WORLDS = []


@contextlib.contextmanager
def shared():
    """A world of the defaults is slow to make: one serves all tests that need no other."""
    if not WORLDS:
        WORLDS.append(World().__enter__())
    WORLDS[0].renew()
    yield WORLDS[0]


def test_a_verdict_of_our_filter_says_where_mail_goes():
    rows = [
        ("pass", [verdict("pass")], "inbox"),
        ("mark", [verdict("mark")], "inbox"),
        ("junk", [verdict("junk")], "junk"),
        ("quarantine by its field", [verdict("quarantine")], "quarantine"),
        ("quarantine by both", [verdict("quarantine"), QUARANTINE], "quarantine"),
        ("quarantine of a filter that writes no field", [QUARANTINE], "quarantine"),
        ("a field nobody knows", [verdict("nonsense")], "inbox"),
        ("no word at all", [], "inbox"),
    ]
    with shared() as w:
        for name, packets, where in rows:
            w.answer(*packets, CONTINUE)
            code, text, subject = w.send(w.an)
            expect(code == 250, name, code, text)
            got = w.place(subject)
            expect(got == [where], name, "is in", got)
        # What a peer writes is text, and the answers of boxes do not go to spammers.
        w.answer(CONTINUE)
        for word in ("junk", "quarantine"):
            head = f"X-Congvu-Verdict: {word}; score=99\r\nX-Congvu-Quarantine: x\r\n"
            code, text, subject = w.send(w.an, head=head)
            expect(w.place(subject) == ["inbox"], "a forged field counted:", word)
        # Greylisting and refusals are the sender's to see.
        for reply, want in ((b"451 4.7.1 hay gui lai\0", 451), (b"550 5.7.1 thu rac\0", 550)):
            w.answer(packet("y", reply))
            code, text, subject = w.send(w.an)
            expect(code == want and w.place(subject) == [], code, text)
        w.p.check_store()


def test_what_is_held_is_out_of_every_clients_reach():
    with shared() as w:
        c = w.p.imap(w.an)
        before = c.list(), c.lsub()
        w.answer(verdict("quarantine"), CONTINUE)
        w.send(w.an)
        w.send(w.stp)
        expect((c.list(), c.lsub()) == before, c.list())
        c.logout()
        c = w.p.imap(w.an)
        expect((c.list(), c.lsub()) == before, c.list())
        expect(c.status("INBOX", "(MESSAGES)")[1][0].endswith(b"(MESSAGES 0)"))
        for name in ('"\x01quarantine"', '"quarantine"', '"\\\\Quarantine"', '"&AAE-quarantine"'):
            for command in ("SELECT", "EXAMINE", "DELETE", "SUBSCRIBE", "GETACL", "MYRIGHTS"):
                tag = c._new_tag().decode()  # raw: imaplib would refuse to send some
                c.send(f"{tag} {command} {name}\r\n".encode())
                while not (line := c.readline()).startswith(tag.encode()):
                    pass
                refused = line.split()[1] in (b"NO", b"BAD")
                expect(refused or command == "SUBSCRIBE", command, name, line)
        quota = c.getquotaroot("INBOX")[1]
        expect("STORAGE 0 " in repr(quota), quota)
        c.logout()
        pop = poplib.POP3_SSL("127.0.0.1", w.p.port["pop3s"], context=w.p.context())
        pop.user(w.an)
        pop.pass_(w.p.users[w.an])
        expect(pop.stat() == (0, 0), pop.stat())
        pop.quit()


def test_operators_see_envelopes_and_release_or_delete():
    with shared() as w:
        w.answer(verdict("quarantine"), CONTINUE)
        _, _, one = w.send(w.an)
        _, _, two = w.send(w.an)
        _, _, other = w.send(w.stp)
        listed = w.congvu("list", "--account", w.an)
        expect("bayes(3.1)" in listed and "9.1" in listed and "a@sender.example" in listed, listed)
        expect(one not in listed and "bi mat" not in listed and "Nguoi La" not in listed, listed)
        both = json.loads(w.congvu("list", "--agency", "stp", "--json"))
        expect(both["total"] == 3 and len(both["items"]) == 3, both)
        expect(json.loads(w.congvu("list", "--json"))["total"] == 3)
        item = json.loads(w.congvu("list", "--account", w.an, "--json"))["items"][0]
        expect(item["expires"] - item["arrived"] == 30 * 86400, item)
        shown = w.congvu("show", w.an, str(item["item"]))
        expect("url-mismatch" in shown and one not in shown, shown)
        expect(f"Subject: {one}" in w.congvu("show", w.an, str(item["item"]), "--body"))
        expect("released" in w.congvu("release", w.an, str(item["item"])))
        raw = w.found("INBOX", one)
        expect(len(raw) == 1, raw)
        lines = raw[0].split(b"\r\n")
        expect(lines[0] == b"Return-Path: <a@sender.example>", lines[0])
        expect(re.match(rb"X-Congvu-Released: by unix:\w+; \w\w\w, \d", lines[1]), lines[1])
        expect(lines[2].startswith(b"X-Congvu-Quarantine: quarantine; score=9.1"), lines[2])
        expect("no such message" in w.congvu("release", w.an, str(item["item"]), code=1))
        expect(len(w.found("INBOX", one)) == 1, "released twice")
        rest = json.loads(w.congvu("list", "--account", w.an, "--json"))["items"]
        expect(len(rest) == 1, rest)
        expect("deleted" in w.congvu("delete", w.an, str(rest[0]["item"])))
        expect(w.place(two) == [] and w.held() == [], two)
        expect(w.place(other, w.stp) == ["quarantine"], other)
        expect("no account" in w.congvu("list", "--account", "khong", code=1))
        expect("no agency" in w.congvu("list", "--agency", "khong", code=1))
        w.p.check_store()
        w.p.daemons["imapd"].stop()
        trail = subprocess.run(["grep", "-rac", "quarantine.read", os.path.join(w.p.dir, "mail")],
                               capture_output=True, text=True, check=False).stdout
        expect(any(not line.endswith(":0") for line in trail.split()), "no audit of the body", trail)
        expect("imapd" in w.congvu("list", code=69), "a stopped store")
        w.p.daemons["imapd"].start()
        # smtpd looks for it at growing intervals: mail of the next test shall not wait in the queue.
        wait_until("smtpd to find the store again", lambda: not w.p.ask("smtpd", "status").get("not_ready"))


def test_spm_02_an_owner_hears_of_it_and_releases_by_link():
    with shared() as w:
        w.answer(verdict("quarantine"), CONTINUE)
        evil = '<b>x</b>"\'&http://evil.example/'
        _, _, subject = w.send(w.an, subject=evil)
        _, _, second = w.send(w.an)
        m = w.digest()
        expect(m["Subject"] == "Có 2 thư bị giữ lại trong khu cách ly", m["Subject"])
        html, text = (m.get_body((kind,)).get_content() for kind in ("html", "plain"))
        expect("<b>x" not in html and "&lt;b&gt;x&lt;/b&gt;&quot;&#39;&amp;" in html, html)
        expect("http://evil" not in html + text and "http[:]//evil" in text, text)
        expect("9.1" in text and "Kính gửi" in text and "English" not in text, text)
        links = w.links(m)
        expect(len(links) == 2 and len(set(links)) == 2, text)
        # The same is not told again.
        expect(w.p.ask("imapd", "quarantine.digest", account=w.an)["told"] == 0)
        # Scanners follow links: nothing happens.
        for method in ("GET", "HEAD", "GET"):
            status, page, fields = w.http(method, links[0])
            expect(status == 200 and len(w.held()) == 2, method, status)
        expect("<form" in w.http("GET", links[0])[1] and 'lang="vi"' in w.http("GET", links[0])[1])
        page = w.http("GET", links[0])[1]
        expect("<b>x" not in page and "&lt;b&gt;x" in page and w.an in page, page)
        expect(fields["Referrer-Policy"] == "no-referrer" and "default-src 'none'" in
               fields["Content-Security-Policy"] and fields["Cache-Control"] == "no-store" and
               fields["X-Content-Type-Options"] == "nosniff", fields)
        # Bad requests change nothing.
        for body, more, want in (("do=explode", {}, 400), ("", {}, 400),
                                 ("do=release&do=release", {}, 400),
                                 ("do=release", {"Content-Type": "text/plain"}, 400),
                                 ("do=release", {"Sec-Fetch-Site": "cross-site"}, 400)):
            status, _, _ = w.http("POST", links[0], body, **more)
            expect(status == want and len(w.held()) == 2, body, more, status)
        damaged = links[0][:-1] + ("A" if links[0][-1] != "A" else "B")
        for path in (damaged, "/", "/cachly/", links[0] + "x", links[0][:-4], "/x" * 500):
            expect(w.http("GET", path)[0] == 404 and w.http("POST", path, "do=release")[0] == 404,
                   path)
        # A click on the button.
        status, page, _ = w.http("POST", links[0], "do=release",
                                 **{"X-Forwarded-For": "203.0.113.7, 198.51.100.9"})
        expect(status == 200 and "hộp thư đến" in page, status, page)
        raw = w.found("INBOX", evil)
        expect(len(raw) == 1 and f"X-Congvu-Released: by {w.an};".encode() in raw[0], raw)
        for _ in range(2):
            status, page, _ = w.http("POST", links[0], "do=release")
            expect(status == 410 and len(w.found("INBOX", evil)) == 1, status)
        expect(w.http("GET", links[0])[0] == 410)
        status, page, _ = w.http("POST", links[1], "do=delete")
        expect(status == 200 and w.held() == [] and w.place(second) == [], status)
        text = w.p.daemons["imapd"].text()
        expect(f"quarantine.released account={w.an}" in text, "no log line")
        expect(evil not in text and links[0] not in text, "content or a link in the log")
        w.p.check_store()


def test_mornings_of_working_days_bring_the_digest_once():
    """The daemon looks at the clock when it starts: a digest that is due comes then."""
    zone = datetime.timezone(datetime.timedelta(hours=7))
    now = datetime.datetime.now(zone)
    at = f"{now.hour:02d}:{now.minute:02d}"
    holidays = tempfile.NamedTemporaryFile("w", suffix=".txt", prefix="congvu-days-")

    def write(line):
        holidays.seek(0)
        holidays.truncate()
        holidays.write(line + "\n")
        holidays.flush()
    with holidays, World(imapd={"quarantine_digest": "yes", "quarantine_digest_time": at},
                         main={"holidays_file": holidays.name}) as w:
        def restart():
            w.p.daemons["imapd"].stop()
            w.p.daemons["imapd"].start()

        def digests(user):
            box = w.p.imap(user)
            box.select("INBOX", readonly=True)
            found = box.uid("SEARCH", "HEADER", "Message-ID", ".quarantine@")[1][0].split()
            box.logout()
            return len(found)
        w.answer(verdict("quarantine"), CONTINUE)
        w.send(w.an)
        w.send(w.stp)
        write(f"{now:%Y-%m-%d} nghi le")
        restart()
        time.sleep(1)
        expect(digests(w.an) == 0 and not w.held()[0]["told"], "on a day off")
        write(f"+{now:%Y-%m-%d} lam bu")  # whatever day the test runs on
        restart()
        wait_until("the digest", lambda: digests(w.an) == 1)
        wait_until("the agency's", lambda: w.held(w.stp)[0]["told"])
        expect(digests(w.binh) == 0, "to one who has nothing")
        expect(w.held()[0]["told"], "not noted as told")
        # What comes later that day waits for the next one, however often the daemon starts.
        w.send(w.an)
        restart()
        time.sleep(1)
        expect(digests(w.an) == 1 and [i["told"] for i in w.held()] == [True, False], w.held())


def test_a_link_is_good_after_a_kill_and_worthless_without_its_key():
    with shared() as w:
        w.answer(verdict("quarantine"), CONTINUE)
        w.send(w.an)
        link = w.links(w.digest())[0]
        w.p.daemons["imapd"].kill()
        w.p.daemons["imapd"].start()
        expect(w.http("GET", link)[0] == 200, "after a kill")
        keys = os.path.join(w.p.dir, "keys", "quarantine", "tokens")
        expect(os.stat(keys).st_mode & 0o777 == 0o600, "mode of the keys")
        w.p.daemons["imapd"].stop()
        os.remove(keys)
        w.p.daemons["imapd"].start()
        expect(w.http("GET", link)[0] == 404 and len(w.held()) == 1, "without its key")


def test_the_server_of_the_pages_takes_little():
    with shared() as w:
        long = b"GET /" + b"a" * 5000
        rows = [
            (b"GET / HTTP/1.1\r\n\r\n", b"400"), (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
            (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", b"505"), (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", b"405"),
            (long, b"431"), (b"POST /x HTTP/1.1\r\nHost: a\r\n\r\n", b"411"),
            (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n", b"413"),
            (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"400"),
            (b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"501"),
            (b"GET /x\n HTTP/1.1\r\nHost: a\r\n\r\n", b"400"), (b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
            (b"\r\n\r\n", b"400"), (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", b"400"),
            (b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", b"400"), (b"\x16\x03\x01" + b"\0" * 50 + b"\r\n\r\n", b"400"),
        ]
        for data, want in rows:
            got = w.raw(data)
            expect(got.split(b" ")[1] == want, data[:60], got[:100])
        # Whoever guesses is shut out; others are not.
        seen = [w.http("GET", "/khong", **{"X-Forwarded-For": "203.0.113.7"})[0] for _ in range(40)]
        expect(seen[0] == 404 and seen[-1] == 429, seen)
        expect(w.http("GET", "/khong", **{"X-Forwarded-For": "198.51.100.1"})[0] == 404)


def test_spm_02_mail_to_agencies_and_roles_never_vanishes():
    """SPM-02: each message ends in a place, or its sender saw a reply."""
    rows = [
        ("pass", [CONTINUE], None), ("accept", [packet("a")], None),
        ("mark", [verdict("mark"), CONTINUE], None), ("junk", [verdict("junk"), CONTINUE], None),
        ("quarantine", [verdict("quarantine"), QUARANTINE, CONTINUE], None),
        ("greylist", [packet("y", b"451 4.7.1 x\0")], None), ("refuse", [packet("y", b"550 5.7.1 x\0")], None),
        ("reject", [packet("r")], None), ("tempfail", [packet("t")], None),
        ("dropped", [packet("d")], None), ("dropped at MAIL", [packet("d")], "M"),
        ("dropped at RCPT", [packet("d")], "R"), ("dropped at DATA", [packet("d")], "T"),
        ("all recipients taken out", "delete", None), ("a filter that dies", [fm.Close], None),
    ]
    with shared() as w:
        w.filter.actions |= fm.ENVELOPE
        for box in (w.stp, w.role):
            for name, packets, step in rows:
                w.filter.answers.clear()
                if packets == "delete":
                    packets = [packet("-", f"<{box}>".encode() + b"\0"), CONTINUE]
                w.filter.answers[step or "E"] = packets
                code, text, subject = w.send(box)
                got = w.place(subject, box)
                expect((code == 250 and len(got) == 1) or (code >= 400 and not got),
                       name, "to", box, code, text, got)
        w.p.check_store()


def test_with_the_store_away_it_still_goes_where_the_filter_said():
    with shared() as w:
        w.p.daemons["imapd"].kill()
        sent = []
        for word in ("junk", "quarantine"):
            w.answer(verdict(word), CONTINUE)
            code, text, subject = w.send(w.an)
            expect(code == 250, code, text)
            sent.append((word, subject))
        # A death of smtpd forgets nothing of it.
        w.p.daemons["smtpd"].kill()
        w.p.daemons["imapd"].start()
        w.p.daemons["smtpd"].start()
        for word, subject in sent:
            wait_until(word, lambda: w.place(subject))
            expect(w.place(subject) == [word], word, w.place(subject))


def test_forwards_stay_at_home_and_groups_follow_the_verdict():
    with shared() as w:
        w.p.ask("imapd", "forward.add", **{"from": w.an}, to="doitac@far.example", reason="test",
                until=time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86400)))
        w.p.account(f"nhom@{DOMAIN}", kind="group", override=True, reason="test")
        w.p.ask("imapd", "group.set", group=f"nhom@{DOMAIN}", post="anyone")
        w.p.ask("imapd", "group.member", group=f"nhom@{DOMAIN}", member=w.binh)
        w.p.refresh()
        for word in ("junk", "quarantine"):
            w.answer(verdict(word), CONTINUE)
            _, _, subject = w.send(w.an)
            expect(w.place(subject) == [word], word, w.place(subject))
            expect(w.p.ask("smtpd", "queue.stats")["messages"] == 0, "it was forwarded")
            _, _, subject = w.send(f"nhom@{DOMAIN}")
            expect(w.place(subject, w.binh) == [word], word, "of a group")
        w.answer(CONTINUE)
        w.send(w.an)
        wait_until("a clean one to go on", lambda: w.p.ask("smtpd", "queue.stats")["messages"] == 1)


def test_what_staff_submit_is_held_whole_and_people_are_told():
    with shared() as w:
        w.answer(verdict("quarantine"), QUARANTINE, CONTINUE)
        s = w.p.submit(w.an)
        for n in range(3):
            s.sendmail(w.an, [w.binh, "x@far.example"],
                       f"From: {w.an}\r\nSubject: gui di {n}\r\n\r\nx\r\n".encode())
        s.quit()
        stats = w.p.ask("smtpd", "queue.stats")
        expect(stats["held"] == 6, stats)
        expect(w.place("gui di 0", w.binh) == [], "it came to a box")

        def notice(user):
            return w.found("INBOX", f"Thư gửi từ {w.an} bị giữ lại / Message held", user)
        wait_until("the owner's notice", lambda: notice(w.an))
        time.sleep(0.2)
        expect(len(notice(w.an)) == 1, "one an hour")
        # An operator lets it go.
        w.p.ask("smtpd", "queue.release", all=True)
        wait_until("the message", lambda: w.place("gui di 0", w.binh) == ["inbox"])


def test_lmtp_peers_are_believed_when_told_so():
    for believes in ("no", "yes"):
        with World(smtpd={"lmtp_verdicts": believes, "milters_lmtp": "none"}) as w:
            for word in ("junk", "quarantine"):
                head = f"X-Congvu-Verdict: {word};\r\n\tscore=9.1; rules=x(1.0)\r\n"
                code, text, subject = w.send(w.an, head=head, port="lmtp")
                expect(code == 250, code, text)
                want = [word] if believes == "yes" else ["inbox"]
                expect(w.place(subject) == want, believes, word, w.place(subject))


def test_a_full_quarantine_loses_the_oldest_and_says_so():
    with World(imapd={"quarantine_messages": "3", "quarantine_digest_english": "yes"}) as w:
        w.answer(verdict("quarantine"), CONTINUE)
        sent = [w.send(w.an)[2] for _ in range(5)]
        expect(len(w.held()) == 3 and w.place(sent[0]) == [] and w.place(sent[4]) == ["quarantine"])
        m = w.digest()
        text = m.get_body(("plain",)).get_content()
        expect("2 thư cũ nhất" in text and "the 2 oldest" in text, text)
        w.send(w.an)
        expect("thư cũ nhất" in w.digest().get_body(("plain",)).get_content(), "the next three")
        w.p.check_store()


def test_a_person_releases_in_a_real_browser():
    if not shutil.which("chromium", path="/usr/bin:/bin"):
        print("    no chromium: not clicked")
        return
    from browser import Browser
    with shared() as w:
        w.answer(verdict("quarantine"), CONTINUE)
        _, _, one = w.send(w.an, subject="<script>document.title='hong'</script>")
        _, _, two = w.send(w.an)
        links = w.links(w.digest())
        with Browser() as b:
            b.open(f"http://127.0.0.1:{w.page}{links[0]}")
            expect("<script>" in b.text("table"), b.text("table"))
            expect(b.eval("document.title") == "Thư bị giữ lại", b.eval("document.title"))
            expect(b.eval("getComputedStyle(document.querySelector('button.main')).backgroundColor")
                   == "rgb(26, 79, 139)", "the style was not taken")
            expect(b.eval("document.documentElement.lang") == "vi")
            b.click("button.main")
            b.wait_text("h1", "Đã lấy lại thư")
            expect(len(w.found("INBOX", one)) == 1, "not in the inbox")
            b.open(f"http://127.0.0.1:{w.page}{links[1]}")
            b.press("Tab")
            b.press("Tab")
            b.press("Enter")
            b.wait_text("h1", "Đã xóa thư")
            expect(w.held() == [] and w.place(two) == [], "not deleted by keyboard")
            b.open(f"http://127.0.0.1:{w.page}{links[1]}")
            b.wait_text("h1", "Thư không còn ở đây")


def test_the_real_filter_decides_and_learns_from_a_release():
    """smtpd, spamfilter and imapd together, with policies of DMARC as the cause."""
    if not built("congvu-spamfilter"):
        print("    the filter is not built")
        return
    zone = ZONE + """bad.example. 300 IN MX 10 mx.bad.example.
mx.bad.example. 300 IN A 192.0.2.1
_dmarc.bad.example. 300 IN TXT "v=DMARC1; p=quarantine"
worse.example. 300 IN MX 10 mx.bad.example.
_dmarc.worse.example. 300 IN TXT "v=DMARC1; p=reject"
"""
    for dmarc, where in (("junk", "junk"), ("quarantine", "quarantine")):
        w = World()
        w.filter.close()
        w.p = Province(filter=True, zone=zone, spamfilter={"dmarc_quarantine": dmarc},
                       imapd={"quarantine_digest": "no"})
        with w:
            forged = "X-Congvu-Verdict: pass; score=-50\r\n"
            code, text, subject = w.send(w.an, sender="a@bad.example", head=forged)
            expect(code == 250 and w.place(subject) == [where], dmarc, code, text, w.place(subject))
            code, text, subject = w.send(w.an, w.stp, sender="a@worse.example", head=forged)
            expect(code == 550 and w.place(subject) == [] and w.place(subject, w.stp) == [], code, text)
            if where != "quarantine":
                continue
            item = w.held()[0]
            expect("dmarc-quarantine" in item["rules"] and float(item["score"]) > 0, item)
            w.p.ask("imapd", "quarantine.release", account=w.an, item=item["item"])
            expect(w.held() == [], w.held())
            learned = w.p.ask("spamfilter", "classifier.status")
            expect(learned["ham"] == 1 and learned["spam"] == 0, learned)
            raw = w.found("INBOX", "thu so 1")
            expect(len(raw) == 1 and b"score=-50" not in raw[0], raw)


if __name__ == "__main__":
    try:
        run_tests(globals())
    finally:
        for one in WORLDS:
            one.__exit__(*sys.exc_info())
