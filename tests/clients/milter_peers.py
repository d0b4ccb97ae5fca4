#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""smtpd's milter client against scripted filters, good and bad, and against a real OpenDKIM."""
import email
import os
import random
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import fake_milter as fm  # noqa: E402
from fake_milter import Close, FakeMilter, Wait, packet  # noqa: E402
from harness import free_ports  # noqa: E402
from kit import (DOMAIN, PATIENCE, Province, expect, need_program, run_tests,  # noqa: E402
                 wait_until)

USER = f"hoa.snv@{DOMAIN}"
TIMEOUT_SECS = 3


class Talk:
    """One SMTP connection, line by line."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.file = self.sock.makefile("rb")

    def reply(self):
        lines = []
        while True:
            line = self.file.readline().decode("utf-8", "replace")
            if not line:
                return "closed"
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    def cmd(self, line):
        self.sock.sendall(line.encode() + b"\r\n")
        return self.reply()

    def starttls(self, context):
        expect(self.cmd("STARTTLS").startswith("220"), "STARTTLS")
        self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self.file = self.sock.makefile("rb")

    def close(self):
        self.file.close()
        self.sock.close()


class World:
    """Two filters in a row before one smtpd."""

    def __init__(self, action):
        self.a, self.b = FakeMilter(), FakeMilter()
        self.province = Province(filter=False, main={"log_level": "debug"}, smtpd={
            "milters": f"{self.a.name()} {self.b.name()}", "milter_default_action": action,
            "milter_timeout": f"{TIMEOUT_SECS}s", "max_message": "8M"})
        self.number = 0

    def __enter__(self):
        self.province.__enter__()
        self.province.user(USER)
        self.province.user(f"nam.stp@{DOMAIN}")
        return self

    def __exit__(self, *what):
        self.a.close()
        self.b.close()
        self.province.__exit__(*what)

    def reset(self):
        self.a.reset()
        self.b.reset()

    def talk(self):
        return Talk(self.province.port["mx"])

    def send(self, talk=None, greeted=False, message=None, to=(USER,), helo="client.example"):
        """A whole message; gives (step that was not taken or "", the reply, the subject)."""
        t = talk or self.talk()
        self.number += 1
        subject = f"thu-{self.number}"
        message = message or b"Subject: %s\r\nX-Old: mot\r\nX-Old: hai\r\n\r\nd\xc3\xb2ng 1\r\n"
        try:
            if not greeted:
                reply = t.reply()
                if not reply.startswith("220"):
                    return "C", reply, subject
                reply = t.cmd("EHLO " + helo)
                if not reply.startswith("250"):
                    return "H", reply, subject
            reply = t.cmd("MAIL FROM:<a@far.example>")
            if not reply.startswith("250"):
                return "M", reply, subject
            for address in to:
                reply = t.cmd(f"RCPT TO:<{address}>")
                if not reply.startswith("250"):
                    return "R", reply, subject
            reply = t.cmd("DATA")
            if not reply.startswith("354"):
                return "T", reply, subject
            t.sock.sendall(message.replace(b"%s", subject.encode(), 1) + b".\r\n")
            reply = t.reply()
            return "" if reply.startswith("250") else "E", reply, subject
        finally:
            if not talk:
                t.close()

    def stored(self, subject, folder="INBOX"):
        """The messages with that subject."""
        box = self.province.imap(USER)
        try:
            box.select(folder, readonly=True)
            found = box.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
            got = [box.fetch(n, "(BODY.PEEK[])")[1][0][1] for n in found]
            return [m for m in got if b"Subject: %s\r\n" % subject.encode() in m]
        finally:
            box.logout()

    def one(self, subject):
        got = self.stored(subject)
        expect(len(got) == 1, subject, "stored", len(got), "times")
        return got[0]


def world(action="tempfail"):
    """Worlds are slow to make: one for each default action serves all tests."""
    if action not in WORLDS:
        WORLDS[action] = World(action).__enter__()
    WORLDS[action].reset()
    return WORLDS[action]


WORLDS = {}
STEPS = "CHMRTLNBE"


def where(step):
    """The SMTP command that hears about the filter's step."""
    return "E" if step in "LNBE" else step


def test_every_verdict_at_every_step():
    w = world()
    bad = b"550 5.7.1 khong nhan\0"
    later = b"452-4.2.1 cho da\r\n452 4.2.1 quay lai sau\0"
    rows = [("c", [packet("c")], None), ("a", [packet("a")], None),
            ("r", [packet("r")], "550 5.7.1"), ("t", [packet("t")], "451 4.7.1"),
            ("y", [packet("y", bad)], "550 5.7.1 khong nhan"),
            ("y later", [packet("y", later)], "452-4.2.1 cho da\n452 4.2.1 quay lai sau"),
            ("4", [packet("4")], "451 4.7.1"), ("d", [packet("d")], "gone")]
    for step in STEPS:
        for name, answer, want in rows:
            w.reset()
            w.a.once[step] = answer
            at, reply, subject = w.send()
            what = f"{name} at {step}: {at!r} {reply!r}"
            if want == "gone" and step in "CH":
                expect(at == where(step) and reply.startswith("451 4.7.1"), what)
            elif want == "gone":
                expect(at == "" and not w.stored(subject), what)
            elif want:
                expect(at == where(step) and reply.startswith(want), what)
            else:
                expect(at == "" and len(w.stored(subject)) == 1, what)


def test_a_session_goes_on_after_a_refused_message():
    w = world()
    for step in "HMRTLNBE":
        for verdict in "rtd":
            if step == "H" and verdict == "d":
                continue
            w.reset()
            t = w.talk()
            w.a.once[step] = [packet(verdict)]
            at, reply, subject = w.send(t)
            if step == "R" and at == "R":
                expect(t.cmd("RSET").startswith("250"), "RSET")
            if step == "H":
                expect(t.cmd("MAIL FROM:<a@far.example>").startswith("503"), "MAIL without HELO")
                expect(t.cmd("EHLO client.example").startswith("250"), "second EHLO")
            at, reply, subject = w.send(t, greeted=True)
            expect(at == "" and len(w.stored(subject)) == 1, step, verdict, at, reply)
            expect(t.cmd("QUIT").startswith("221"), "QUIT")
            t.close()
            # A message that a filter saw begin it also saw end: by the last step or by ABORT.
            wait_until("the filters' sessions end", lambda: w.b.sessions[0].ended)
            messages = w.b.sessions[0].messages()
            expect(all(m[-1] in "EA" for m in messages), step, verdict, messages)


def test_bad_reply_texts_are_the_default_action():
    w = world()
    for text in (b"250 2.0.0 ok\0", b"550\0", b"550 x\1y\0", b"99 x\0", b"550-a\r\n551 b\0",
                 b"550 x", b"550-only\0", b"550 a\r\nb\0", b"", b"550 " + b"x" * 5000 + b"\0", b"5\xc3\xa10 x\0",
                 b"550 x\n250 y\0"):
        w.reset()
        w.a.once["R"] = [packet("y", text)]
        at, reply, _ = w.send()
        expect(at == "R" and reply.startswith("451 4.7.1")
               and "A filter is not answering" in reply, text, reply)


def test_changes_are_stored_and_seen_by_the_next_filter():
    w = world()
    w.a.protocol = fm.NR_HEADER | fm.NR_BODY
    w.a.answers["E"] = [
        fm.add_header(b"X-Last", b"cu\xe1\xbb\x91i"),
        fm.insert_header(0, b"X-First", b"dau;\n\tgap"),
        fm.insert_header(2, b"X-Third", b"ba"),
        fm.change_header(2, b"X-Old", b""),
        fm.change_header(1, b"x-old", b"moi"),
        fm.change_header(1, b"X-None", b"them"),
        packet("b", b"than moi\nhai"), packet("b", b" dong\r"), packet("b", b"\n\n"),
        packet(fm.PROGRESS), packet("c")]
    w.b.answers["E"] = [fm.add_header(b"X-Second-Filter", b"thay"), packet("a")]
    at, reply, subject = w.send()
    expect(at == "", reply)
    whole = w.one(subject)
    header, body = whole.split(b"\r\n\r\n", 1)
    expect(body == b"than moi\r\nhai dong\r\n\r\n", body)
    lines = header.split(b"\r\n")
    start = next(i for i, line in enumerate(lines) if line.startswith(b"X-First"))
    expect(lines[start:] == [
        b"X-First: dau;", b"\tgap", b"Subject: " + subject.encode(), b"X-Third: ba",
        b"X-Old: moi", b"X-Last: cu\xe1\xbb\x91i", b"X-None: them", b"X-Second-Filter: thay"],
        lines[start:])
    seen = w.b.sessions[-1]
    expect(seen.header()[:2] == [(b"X-First", b"dau;\n\tgap"), (b"Subject", subject.encode())],
           seen.header())
    expect((b"X-Old", b"moi") in seen.header() and (b"X-Old", b"hai") not in seen.header(),
           seen.header())
    expect(seen.body() == body, seen.body())
    expect(w.a.sessions[-1].body() == b"d\xc3\xb2ng 1\r\n", w.a.sessions[-1].body())


def test_nothing_asked_changes_no_byte():
    w = world()
    w.b.protocol = fm.LEADING_SPACE
    message = (b"Subject: %s\r\nX-Tab:\tx\r\nX-None:x\r\nX-Long: a\r\n  b\r\n \tc\r\n"
               b"X-8bit: \xff\xfe\x80\r\n\r\n\xe9\xff\r\n..hai cham\r\n" + bytes(range(14, 256)) + b"\r\n")
    at, reply, subject = w.send(message=message)
    expect(at == "", reply)
    want = message.replace(b"%s", subject.encode()).replace(b"\r\n..hai", b"\r\n.hai")
    expect(w.one(subject).endswith(b"\r\n" + want), w.one(subject))
    expect((b"X-Tab", b"\tx") in w.a.sessions[-1].header(), w.a.sessions[-1].header())
    expect((b"X-Long", b"a\n  b\n \tc") in w.a.sessions[-1].header(), w.a.sessions[-1].header())
    expect((b"Subject", b" " + subject.encode()) in w.b.sessions[-1].header(),
           w.b.sessions[-1].header())


def test_what_a_filter_distrusts_goes_to_quarantine():
    w = world()
    w.a.answers["E"] = [packet("q", b"dang ngo\0"), packet("c")]
    w.province.refresh()

    def held():
        return w.province.ask("imapd", "quarantine.list", account=USER)["items"]
    at, reply, subject = w.send()
    expect(at == "" and not w.stored(subject), "quarantined mail is in the inbox")
    expect([item["reason"] for item in held()] == ["dang ngo"], held())
    # With the store away it must not come to the inbox later.
    w.province.daemons["imapd"].kill()
    at, reply, subject = w.send()
    expect(at == "", reply)
    w.province.daemons["imapd"].start()
    wait_until("the second one", lambda: len(held()) == 2)
    expect(not w.stored(subject), "held mail came to the inbox")
    # A filter that puts in a verdict and then fails leaves nothing of it.
    w.reset()
    w.b.answers["E"] = [fm.insert_header(0, b"X-Congvu-Verdict", b"junk; score=9"), Close]
    expect(w.send()[0] == "E", "a filter that died in the middle")


def test_slow_filters():
    w = world()
    w.a.answers["E"] = [Wait(1), packet("c")]
    expect(w.send()[0] == "", "slow within the limit")
    w.reset()
    w.a.answers["E"] = [Wait(TIMEOUT_SECS - 1), packet("p"), Wait(TIMEOUT_SECS - 1), packet("p"),
                        packet("c")]
    expect(w.send()[0] == "", "progress")
    for step in "CME":
        w.reset()
        w.a.answers[step] = [Wait(TIMEOUT_SECS + 2), packet("c")]
        began = time.monotonic()
        at, reply, _ = w.send()
        expect(at == step and reply.startswith("451 4.7.1"), step, at, reply)
        expect(time.monotonic() - began < TIMEOUT_SECS + 1.5, "took", time.monotonic() - began)
    w.reset()
    w.a.deaf = True
    at, reply, _ = w.send()
    expect(at == "C" and reply.startswith("451 4.7.1"), at, reply)


def test_filters_that_close():
    w = world()
    for step in STEPS:
        w.reset()
        w.b.answers[step] = [Close]
        at, reply, _ = w.send()
        expect(at == where(step) and reply.startswith("451 4.7.1"), step, at, reply)
        # The rest of such a session is refused too; a new one starts afresh.
    w.reset()
    w.b.answers["M"] = [Close]
    t = w.talk()
    expect(w.send(t)[0] == "M", "closed at MAIL")
    w.b.answers.clear()
    at, reply, _ = w.send(t, greeted=True)
    expect(at == "M" and reply.startswith("451"), at, reply)
    t.close()
    expect(w.send()[0] == "", "a new session")
    w.reset()
    w.a.answers["E"] = [fm.add_header(b"X-A", b"b"), struct.pack(">I", 100) + b"h", Close]
    at, reply, _ = w.send()
    expect(at == "E" and reply.startswith("451"), at, reply)


def test_garbage_and_wrong_offers():
    w = world()
    rng = random.Random(3464)
    offers = [packet("O", struct.pack(">III", *words)) for words in (
        (1, 0, 0), (7, 0, 0), (6, 0x200, 0), (6, 1 << 31, 0), (6, 0, 1 << 25))]
    offers += [packet("O", struct.pack(">III", 6, 0x100, 0) + tail) for tail in (
        b"x", struct.pack(">I", 7) + b"i\0", struct.pack(">I", 1) + b"i", struct.pack(">I", 1)
        + b"i" * 600 + b"\0", struct.pack(">I", 1) + b"\n\0")]
    offers += [packet("c"), packet("O"), packet("O", b"\0" * 11), b"\0\0\0\0", b"\xff" * 8,
               b"HTTP/1.0 400 Bad\r\n\r\n", packet("O", b"\0" * 12) * 2]
    for offer in offers:
        w.reset()
        w.a.offer = offer
        at, reply, _ = w.send()
        expect(at == "C" and reply.startswith("451 4.7.1"), offer[:40], at, reply)
    answers = [b"\0\0\0\0", b"\x7f\xff\xff\xffx", struct.pack(">I", (1 << 20) + 2) + b"h",
               packet("h", b"x"), packet("i", b"\0\0"), packet("O", b"\0" * 12), packet("?"),
               packet("q", b"no end"), fm.add_header(b"X Y", b"z"),
               fm.add_header(b"X", b"a\nBcc: b"), fm.add_header(b"X", b"\1"),
               packet("+", b"<b@far.example>\0")]
    answers += [rng.randbytes(rng.randrange(5, 300)) for _ in range(20)]
    for answer in answers:
        w.reset()
        w.a.answers["E"] = [answer]
        at, reply, _ = w.send()
        expect(at == "E" and reply.startswith("451 4.7.1"), answer[:40], at, reply)
    for step in "CHMRT":  # answers that nobody asked for
        w.reset()
        w.a.answers[step] = [packet("c"), packet("c")]
        at, reply, _ = w.send()
        expect(at == "" or reply.startswith("451"), step, at, reply)
    expect(w.province.daemons["smtpd"].is_running(), "smtpd ended")


def test_the_largest_packets_are_taken():
    w = world()
    w.a.answers["E"] = [packet("b", b"x" * (1 << 20))] * 3 + [
        fm.add_header(b"X-Big", b"y" * 60000), packet("c")]
    at, reply, subject = w.send()
    expect(at == "", reply)
    expect(w.one(subject).endswith(b"X-Big: " + b"y" * 60000 + b"\r\n\r\n" + b"x" * (3 << 20)),
           "body")


def test_packets_byte_by_byte():
    w = world()
    w.a.split = w.b.split = True
    w.a.answers["E"] = [fm.insert_header(0, b"X-Slow", b"tung byte"), packet("b", b"moi\r\n"),
                        packet("c")]
    w.b.answers["R"] = [packet("y", b"550-a\r\n550 b\0")]
    at, reply, _ = w.send()
    expect(at == "R" and reply == "550-a\n550 b", at, reply)
    w.b.answers.clear()
    at, reply, subject = w.send()
    expect(at == "" and b"X-Slow: tung byte\r\n" in w.one(subject), reply)


def test_steps_that_filters_do_without():
    w = world()
    for version, protocol, want in (
            (6, 0, "CHMRTLLLNBEQ"), (2, 0, "CHMRLLLNBEQ"), (3, 0, "CHMRLLLNBEQ"), (4, 0, "CHMRTLLLNBEQ"),
            (6, fm.NO_CONNECT | fm.NO_HELO, "MRTLLLNBEQ"), (6, fm.NO_MAIL | fm.NO_RCPT, "CHTLLLNBEQ"),
            (6, fm.NO_HEADER | fm.NO_EOH | fm.NO_BODY | fm.NO_DATA, "CHMREQ"),
            (2, fm.NO_BODY | fm.NO_HEADER, "CHMRNEQ"), (6, 0x37f | fm.NO_DATA, "EQ"),
            (6, 0xff080 | fm.SKIP_OK, "CHMRTLLLNBEQ"), (6, fm.NR_HEADER | fm.NR_BODY, "CHMRTLLLNBEQ")):
        w.reset()
        w.b.version, w.b.protocol = version, protocol
        at, reply, subject = w.send()
        expect(at == "" and w.stored(subject), version, hex(protocol), at, reply)
        wait_until("QUIT", lambda: w.b.sessions[-1].ended)
        expect(w.b.sessions[-1].commands() == want, version, hex(protocol),
               w.b.sessions[-1].commands(), "not", want)


def test_large_messages_to_slow_readers():
    w = world()
    message = b"Subject: %s\r\n\r\n" + b"dong dai\r\n" * 300000
    for protocol in (0, fm.NR_BODY | fm.NR_HEADER | fm.NR_EOH, fm.SKIP_OK):
        w.reset()
        w.a.protocol = protocol
        w.a.read_slowly = True
        if protocol == fm.SKIP_OK:
            w.a.answers["B"] = [packet("s")]
        at, reply, subject = w.send(message=message)
        expect(at == "", hex(protocol), reply)
        body = w.a.sessions[-1].body()
        expect(body == message.split(b"\r\n\r\n", 1)[1][:65535 if protocol == fm.SKIP_OK else None],
               hex(protocol), len(body))
        expect(len(w.b.sessions[-1].body()) == 3000000, len(w.b.sessions[-1].body()))


def test_fields_that_are_long_or_many():
    w = world()
    message = (b"Subject: %s\r\n" + b"".join(b"X-%d: %d\r\n" % (i, i) for i in range(2000))
               + b"To: " + b",\r\n ".join(b"a%d@far.example" % i for i in range(9000))
               + b"\r\n\r\nx\r\n")
    at, reply, subject = w.send(message=message)
    expect(at == "", reply)
    expect(w.one(subject).endswith(message.replace(b"%s", subject.encode())), "changed")
    sizes = [len(data) for command, data in w.a.sessions[-1].steps if command == "L"]
    expect(len(sizes) == 2002 and max(sizes) <= 65535, len(sizes), max(sizes))


def test_default_accept_keeps_nothing_of_a_filter_that_failed():
    w = world("accept")
    w.b.answers["E"] = [fm.add_header(b"X-B", b"co"), packet("c")]
    for ending in ([Close], [packet("?")], [Wait(TIMEOUT_SECS + 2)]):
        w.a.answers["E"] = [fm.add_header(b"X-A", b"co"), fm.change_header(1, b"X-Old", b""),
                            packet("b", b"nua than"), packet("q", b"x\0")] + ending
        at, reply, subject = w.send()
        expect(at == "", reply)
        whole = w.one(subject)
        expect(b"X-A:" not in whole and b"X-Old: mot\r\nX-Old: hai\r\nX-B: co\r\n" in whole
               and whole.endswith(b"d\xc3\xb2ng 1\r\n"), whole)
    for step in STEPS:
        w.reset()
        w.a.answers[step] = [Close]
        expect(w.send()[0] == "", "closed at", step)
    w.reset()
    w.a.offer = b"\0\0\0\0"
    expect(w.send()[0] == "", "no offer")
    w.a.close()
    expect(w.send()[0] == "", "no filter there")
    expect("C" in w.b.sessions[-1].commands(), "the other filter was not asked")


def test_default_reject_refuses_for_good():
    w = world("reject")
    for step in STEPS:
        w.reset()
        w.a.answers[step] = [Close]
        at, reply, _ = w.send()
        expect(at == where(step) and reply.startswith("550 5.7.1"), step, at, reply)


def test_starttls_discards_what_was_said_before():
    w = world()
    context = ssl.create_default_context(cafile=w.province.ca)
    w.a.once["H"] = [packet("a")]  # what it thought of the name given in the clear
    t = w.talk()
    t.reply()
    expect(t.cmd("EHLO before.example").startswith("250"), "EHLO")
    t.starttls(context)
    expect(t.cmd("MAIL FROM:<a@far.example>").startswith("503"), "MAIL before the second EHLO")
    expect(t.cmd("EHLO after.example").startswith("250"), "EHLO")
    w.a.answers["R"] = [packet("r")]
    at, reply, _ = w.send(t, greeted=True)
    expect(at == "R", "the filter was not asked again", at, reply)
    t.cmd("QUIT")
    t.close()
    seen = w.a.sessions[-1]
    names = [data for command, data in seen.steps if command == "H"]
    expect(names == [b"before.example\0", b"after.example\0"], seen.steps)
    expect(seen.macros["H"][b"{tls_version}"].startswith(b"TLS"), seen.macros)


def test_macros():
    w = world()
    w.send()
    macros = w.a.sessions[-1].macros
    expect(macros["C"][b"j"] == b"mail." + DOMAIN.encode(), macros)
    expect(macros["M"][b"{mail_addr}"] == b"a@far.example" and len(macros["M"][b"i"]) == 16, macros)
    expect(macros["R"][b"{rcpt_addr}"] == USER.encode(), macros)
    expect(macros["E"][b"i"] == macros["M"][b"i"], macros)


def test_clients_that_leave_while_filters_think():
    w = world()
    for step in STEPS:
        w.reset()
        w.a.answers[step] = [Wait(0.3), packet("c")]
        for _ in range(3):
            t = w.talk()
            t.sock.sendall(b"EHLO client.example\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<%s>\r\n"
                           % USER.encode() + b"BDAT 20 LAST\r\nSubject: bo di\r\n\r\nxx"
                           b"QUIT\r\n")
            t.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            time.sleep(0.1)
            t.close()
    w.reset()
    expect(w.send()[0] == "", "smtpd is not well")
    wait_until("sessions end", lambda: w.province.ask("smtpd", "status")["connections"] == 0)


# ---- the real one ----

def opendkim(folder, name, options):
    """Starts an OpenDKIM of its own; gives (process, socket word)."""
    port, = free_ports(1)
    conf = os.path.join(folder, name + ".conf")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(f"Socket inet:{port}@127.0.0.1\nBackground no\nSyslog no\nUserID root\n"
                f"RequireSafeKeys no\nPidFile {folder}/{name}.pid\n" + options)
    process = subprocess.Popen([need_program("opendkim"), "-f", "-x", conf],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def is_up():
        expect(process.poll() is None, name, "ended", process.returncode)
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False
    wait_until(name, is_up)
    return process, f"inet:{port}@127.0.0.1"


def test_opendkim_signs_and_another_verifies():
    need_program("opendkim")
    folder = subprocess.run(["mktemp", "-d", "/tmp/congvu-dkim-XXXXXX"], check=True,
                            capture_output=True, text=True).stdout.strip()
    key = os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", key, "-pubout"], check=True,
                            capture_output=True, text=True).stdout
    record = "".join(public.split("\n")[1:-2])
    with open(os.path.join(folder, "keys"), "w", encoding="utf-8") as f:
        f.write(f"s1._domainkey.{DOMAIN} v=DKIM1; k=rsa; p={record}\n")
    with open(os.path.join(folder, "none"), "w", encoding="utf-8") as f:
        f.write("192.0.2.1\n")
    processes = []
    try:
        signer, sign = opendkim(folder, "signer", f"Mode s\nDomain {DOMAIN}\nSelector s1\n"
                                f"KeyFile {key}\nCanonicalization relaxed/simple\n")
        processes.append(signer)
        verifier, verify = opendkim(folder, "verifier", f"Mode v\nTestPublicKeys {folder}/keys\n"
                                    f"AuthservID tram.kiem\nInternalHosts {folder}/none\n"
                                    f"AlwaysAddARHeader yes\n")
        processes.append(verifier)
        with Province(filter=False, smtpd={"milters": f"{sign} {verify}"}) as p:
            p.user(USER)
            for subject, body in (("ky-mot", "xin chào\r\n" * 3), ("ky-hai", "dài\r\n" * 400000)):
                message = (f"From: Hoa <{USER}>\r\nTo: {USER}\r\nSubject: {subject}\r\n"
                           f"Date: Sun, 22 Nov 2026 09:00:00 +0700\r\n"
                           f"Message-ID: <{subject}@{DOMAIN}>\r\n\r\n{body}").encode()
                with p.smtp() as c:
                    c.sendmail(USER, [USER], message)
                box = p.imap(USER)
                box.select()
                number = box.search(None, "SUBJECT", subject)[1][0].split()[-1]
                whole = box.fetch(number, "(BODY.PEEK[])")[1][0][1]
                box.logout()
                got = email.message_from_bytes(whole)
                expect(f"d={DOMAIN}" in (got["DKIM-Signature"] or ""), whole[:2000])
                expect("dkim=pass" in (got["Authentication-Results"] or ""), whole[:2000])
                expect(whole.endswith(body.encode()), "the body changed")
            log = p.daemons["smtpd"].text()
            expect("milter.failed" not in log, log[-2000:])
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
        subprocess.run(["rm", "-rf", folder], check=True)


if __name__ == "__main__":
    try:
        run_tests(globals())
    finally:
        for one in WORLDS.values():
            one.__exit__(*sys.exc_info())
