#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Many impatient clients at once on smtpd and imapd; meant for the ThreadSanitizer build.

usage: tsan_daemons.py BUILD_DIR [SECONDS]

Senders in the clear and under TLS, with and without log-in, by DATA and BDAT, cut off at random
points; slow and failing filters; readers; control requests, reloads, and the store's owner killed
and started again. Fails on a sanitizer's complaint, a daemon that ends, or a message that was
acknowledged and is not stored exactly once.
"""
import base64
import os
import random
import re
import signal
import socket
import struct
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "clients")]
os.environ["CONGVU_BUILD"] = sys.argv[1]
import fake_milter as fm  # noqa: E402
import kit  # noqa: E402

USERS = [f"ban.{i}@{kit.DOMAIN}" for i in range(4)]
SENDERS, READERS = 12, 2


class Run:
    def __init__(self, province, filters, secs):
        self.province, self.filters = province, filters
        self.end = time.monotonic() + secs
        self.lock = threading.Lock()
        self.acknowledged, self.sessions, self.faults = set(), 0, []

    def going(self):
        return time.monotonic() < self.end

    def guarded(self, job, seed):
        rng = random.Random(seed)
        while self.going():
            try:
                job(rng)
            except (OSError, ConnectionError, kit.imaplib.IMAP4.error):
                continue  # clients come and go
            except Exception as fault:  # the test's own fault
                self.faults.append(fault)
                return

    # ---- one SMTP session ----

    def connect(self, kind):
        s = socket.create_connection(("127.0.0.1", self.province.port[kind]), 20)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    @staticmethod
    def send(s, rng, data, cut):
        """In random pieces; false when the session is to end at CUT bytes."""
        data = data if cut is None else data[:cut]
        at = 0
        while at < len(data):
            n = rng.choice((1, 7, 100, 5000, len(data)))
            s.sendall(data[at:at + n])
            at += n
            if rng.random() < 0.05:
                time.sleep(rng.random() / 50)

    def message(self, rng, submission):
        with self.lock:
            self.sessions += 1
            subject = f"thu-{self.sessions}"
        size = rng.choice((10, 1000, 30000, 300000))
        body = (b"dong thu nghiem\r\n" * (size // 17 + 1))
        sender = USERS[0].encode() if submission else b"a@far.example"
        header = b"From: <%s>\r\nSubject: %s\r\n\r\n" % (sender, subject.encode())
        return subject, sender, header + body

    def session(self, rng):
        kind = rng.choice(("mx", "mx", "submission", "submissions", "lmtp"))
        s = self.connect(kind)
        try:
            self.talk(rng, kind, s)
        finally:
            if rng.random() < 0.5:
                try:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                except OSError:
                    pass
            s.close()

    def talk(self, rng, kind, s):
        if kind == "submissions":
            s = self.province.context().wrap_socket(s, server_hostname="localhost")
        file = s.makefile("rb")

        def reply():
            while True:
                line = file.readline()
                if not line:
                    raise ConnectionError
                if line[3:4] != b"-":
                    return line

        reply()
        hello = b"LHLO x.example\r\n" if kind == "lmtp" else b"EHLO x.example\r\n"
        s.sendall(hello)
        reply()
        if kind == "submission" or (kind == "mx" and rng.random() < 0.3):
            s.sendall(b"STARTTLS\r\n")
            reply()
            file.close()
            s = self.province.context().wrap_socket(s, server_hostname="localhost")
            file = s.makefile("rb")
            s.sendall(hello)
            reply()
        submission = kind.startswith("submission")
        if submission:
            password = kit.PASSWORD if rng.random() < 0.8 else "sai"
            word = base64.b64encode(f"\0{USERS[0]}\0{password}".encode())
            s.sendall(b"AUTH PLAIN " + word + b"\r\n")
            if rng.random() < 0.1:
                return
            if not reply().startswith(b"235"):
                return
        for _ in range(rng.randrange(1, 4)):
            self.transaction(rng, kind, s, reply, submission)

    def transaction(self, rng, kind, s, reply, submission):
        subject, sender, message = self.message(rng, submission)
        rcpts = rng.sample(USERS, rng.randrange(1, len(USERS) + 1))
        envelope = b"MAIL FROM:<%s>\r\n" % sender + b"".join(
            b"RCPT TO:<%s>\r\n" % r.encode() for r in rcpts)
        cut = rng.randrange(len(envelope) + len(message)) if rng.random() < 0.4 else None
        if rng.random() < 0.5:
            first = rng.randrange(len(message))
            data = envelope + b"BDAT %d\r\n" % first + message[:first] + b"BDAT %d LAST\r\n" % (
                len(message) - first) + message[first:]
            replies = 2 + len(rcpts) + (len(rcpts) if kind == "lmtp" else 1)
            self.send(s, rng, data, cut)
        else:
            self.send(s, rng, envelope + b"DATA\r\n", cut)
            if cut is None:
                answers = [reply() for _ in range(2 + len(rcpts))]
                if not answers[-1].startswith(b"354"):
                    raise ConnectionError
            self.send(s, rng, message + b".\r\n", cut)
            replies = len(rcpts) if kind == "lmtp" else 1
        if cut is not None or rng.random() < 0.05:
            raise ConnectionError
        answers = [reply() for _ in range(replies)]
        if all(a.startswith(b"250") for a in answers):
            with self.lock:
                self.acknowledged.update((subject, r) for r in rcpts)

    # ---- what goes on beside ----

    def read(self, rng):
        box = self.province.imap(rng.choice(USERS), implicit=rng.random() < 0.5)
        box.select()
        for _ in range(5):
            box.search(None, "ALL")
            box.fetch("1:*", "(FLAGS ENVELOPE)")
        if rng.random() < 0.5:
            box.logout()
        else:
            box.shutdown()

    def steer(self, rng):
        time.sleep(rng.random())
        what = rng.randrange(4)
        if what == 0:
            self.province.ask("smtpd", "status")
        elif what == 1:
            self.province.ask("smtpd", "register.refresh")
        elif what == 2:
            self.province.daemons["smtpd"].process.send_signal(signal.SIGHUP)
        else:
            for f in self.filters:
                step = rng.choice("CHMRTLNBE")
                f.once[step] = rng.choice((
                    [fm.packet("r")], [fm.packet("t")], [fm.packet("a")], [fm.Close],
                    [fm.Wait(0.3), fm.packet("c")]))
                f.answers["E"] = [fm.add_header(b"X-Seen", b"co"), fm.packet("c")]

    def crash_owner(self):
        """The store's owner dies twice; what smtpd acknowledges meanwhile must still arrive."""
        secs = self.end - time.monotonic()
        for _ in range(2):
            time.sleep(secs / 3)
            self.province.daemons["imapd"].kill()
            time.sleep(0.3)
            self.province.daemons["imapd"].start()

    def check(self):
        """Everything acknowledged is there once; what nobody acknowledged may be there."""
        def is_drained():
            return self.province.ask("smtpd", "queue.stats")["messages"] == 0
        kit.wait_until("an empty queue", is_drained)
        for user in USERS:
            box = self.province.imap(user)
            box.select(readonly=True)
            got = box.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
            found = [re.search(rb"Subject: (\S+)", part[1]).group(1).decode()
                     for part in got if isinstance(part, tuple)]
            box.logout()
            for subject, rcpt in self.acknowledged:
                if rcpt == user:
                    kit.expect(found.count(subject) == 1, subject, "is in", user,
                               found.count(subject), "times")


def main():
    secs = float(sys.argv[2]) if len(sys.argv) > 2 else 20
    filters = [fm.FakeMilter(), fm.FakeMilter()]
    filters[1].protocol = fm.NR_HEADER | fm.NR_BODY | fm.SKIP_OK
    with kit.Province(filter=False, smtpd={
            "milters": " ".join(f.name() + ",reuse=yes" for f in filters), "max_conns_per_ip": "0",
            "milter_timeout": "2s", "retry_min": "1s", "retry_max": "2s"}) as province:
        for user in USERS:
            province.user(user)
        run = Run(province, filters, secs)
        jobs = [(run.session, i) for i in range(SENDERS)] \
            + [(run.read, 100 + i) for i in range(READERS)] + [(run.steer, 200)]
        threads = [threading.Thread(target=run.guarded, args=job, daemon=True) for job in jobs]
        threads.append(threading.Thread(target=run.crash_owner, daemon=True))
        for t in threads:
            t.start()
        for t in threads:
            t.join(secs + 120)
            kit.expect(not t.is_alive(), "a client hangs")
        if run.faults:
            raise run.faults[0]
        kit.wait_until("sessions end", lambda: province.ask("smtpd", "status")["connections"] == 0)
        run.check()
        kit.expect(run.acknowledged, "nothing was acknowledged at all")
        print(f"{run.sessions} messages begun, {len(run.acknowledged)} copies acknowledged")
    for f in filters:
        f.close()


main()
