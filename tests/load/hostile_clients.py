#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Clients that mean ill on smtpd while everything behind it fails; meant for the ASan build.

usage: hostile_clients.py BUILD_DIR [SECONDS [SEED]]

Whole sessions are written at once and cut off at a random byte, politely or by a reset, with the
answers read or not. Filters hang, break off and answer out of turn; the store's owner dies and comes
back; the next server closes at any point; the configuration is read again every tenth of a second
and is each time another. Groups, forwards, absences and the people of an old server, which answers,
does not, or has no address, are among the recipients.

Afterwards no session, no claim and no mail is stuck, what was acknowledged has arrived, the store is
whole, and the daemon ends without a complaint of a sanitizer, leaks among them.
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
import harness  # noqa: E402
import kit  # noqa: E402
from sink import Sink  # noqa: E402

OUT_PORT, OLD_PORT = harness.free_ports(2)
ZONE = "far.example. MX 10 mx.far.example.\nmx.far.example. A 127.0.0.2\n"
STAFF = [f"an.{i}@{kit.DOMAIN}" for i in range(3)]
GROUP, FORWARD, AWAY = (f"{n}@{kit.DOMAIN}" for n in ("hop", "di", "vang"))
# Who reaches a box of STAFF[0] or somebody outside by ways of all kinds.
RCPTS = STAFF + [GROUP, FORWARD, AWAY, "cu@chung.example", "mat@mat.example",
                 "khong@" + kit.DOMAIN, "x@khac.example", "<postmaster"]
CLIENTS = 10


class Run:
    def __init__(self, province, filters, sinks, secs, seed):
        self.province, self.filters, self.sinks, self.seed = province, filters, sinks, seed
        self.end = time.monotonic() + secs
        self.lock = threading.Lock()
        self.acknowledged, self.count, self.reloads, self.faults = set(), 0, 0, []

    def going(self):
        return time.monotonic() < self.end

    def guarded(self, job, number):
        rng = random.Random(self.seed * 1000 + number)
        while self.going():
            try:
                job(rng)
            except (OSError, ConnectionError):
                continue  # that is what they are here for
            except Exception as fault:
                self.faults.append(fault)
                return

    # ---- what a session says ----

    def number(self):
        with self.lock:
            self.count += 1
            return f"thu-{self.seed}-{self.count}"

    def message(self, rng, sender, subject):
        extra = rng.choice((b"", b"Reply-To: <x@gmail.com>\r\n", b"not a field\r\n", b"List-Id: x\r\n",
                            b"X-Long: " + b"x " * rng.randrange(2000) + b"\r\n"))
        size = rng.choice((0, 10, 1000, 70000, 300000))
        return (b"From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nMessage-ID: <%s@x.example>\r\n" %
                (sender, AWAY.encode(), subject.encode(), subject.encode())
                + extra + b"\r\n" + b"dong thu nghiem\r\n" * (size // 17))

    def transaction(self, rng, kind, pieces):
        """Adds what is written to PIECES; gives the subject."""
        sender = STAFF[0] if kind.startswith("sub") else rng.choice(
            ("a@far.example", "b@far.example", "", STAFF[1]))
        subject = self.number()
        rcpts = [rng.choice(RCPTS) for _ in range(rng.randrange(1, 5))]
        if kind.startswith("sub"):
            rcpts += ["y@far.example"] if rng.random() < 0.5 else []
        param = rng.choice(("", "", "", " SIZE=1000", " RET=HDRS ENVID=a", " MT-PRIORITY=3",
                            " BY=600;N", " BODY=BINARYMIME", " HOLDFOR=1", " SIZE=99999999999"))
        pieces.append(f"MAIL FROM:<{sender}>{param}\r\n".encode())
        for r in rcpts:
            notify = rng.choice(("", "", "", " NOTIFY=SUCCESS", " NOTIFY=NEVER"))
            pieces.append(f"RCPT TO:<{r.lstrip('<')}>{notify}\r\n".encode())
        message = self.message(rng, (sender or STAFF[1]).encode(), subject)
        way = rng.randrange(4)
        if way < 2:
            pieces.append(b"DATA\r\n")
            pieces.append(message + b".\r\n")
        else:
            at = 0
            while at < len(message):
                n = min(rng.choice((1, 100, 50000, 500000)), len(message) - at)
                n = len(message) - at if len(pieces) > 40 else n
                last = b" LAST" if at + n == len(message) else b""
                pieces.append(b"BDAT %d%s\r\n" % (n, last) + message[at:at + n])
                at += n
        if rng.random() < 0.1:
            pieces.append(rng.choice((b"RSET\r\n", b"NOOP\r\n", b"XCLIENT ADDR=1.2.3.4\r\n",
                                      b"STARTTLS\r\n", b"VRFY x\r\n", b"\0\r\n", b"HELP\r\n")))
        return subject

    def session(self, rng):
        kind = rng.choice(("mx", "mx", "mx", "lmtp", "submissions", "submission"))
        s = socket.create_connection(("127.0.0.1", self.province.port[kind]), 20)
        raw = s
        try:
            if rng.random() < 0.05:
                return  # before the greeting
            if kind == "submissions":
                s = self.province.context().wrap_socket(s, server_hostname="localhost")
            self.talk(rng, kind, s)
        finally:
            try:
                if rng.random() < 0.5:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
            s.close()
            raw.close()

    def talk(self, rng, kind, s):
        hello = b"LHLO x.example\r\n" if kind == "lmtp" else b"EHLO x.example\r\n"
        pieces = [hello]
        if kind.startswith("sub"):
            password = kit.PASSWORD if rng.random() < 0.9 else "sai mat khau"
            pieces.append(b"AUTH PLAIN " + base64.b64encode(
                f"\0{STAFF[0]}\0{password}".encode()) + b"\r\n")
        if rng.random() < 0.5:
            self.patient(rng, kind, s, pieces)
            return
        for _ in range(rng.randrange(1, 3)):
            self.transaction(rng, kind, pieces)
        whole = b"".join(pieces)
        cut = rng.randrange(len(whole) + 1)
        at = 0
        while at < cut:
            n = rng.choice((1, 13, 1000, cut))
            s.sendall(whole[at:min(at + n, cut)])
            at += n
            if rng.random() < 0.02:
                time.sleep(rng.random() / 20)
        if rng.random() < 0.5:
            s.settimeout(rng.random() / 2)
            while s.recv(1000):
                pass

    def patient(self, rng, kind, s, pieces):
        """Waits for each answer, so that something is taken; breaks off somewhere all the same."""
        file = s.makefile("rb")

        def reply():
            while True:
                line = file.readline(4096)
                if not line:
                    raise ConnectionError
                if line[3:4] != b"-":
                    return line

        reply()
        for piece in pieces:
            s.sendall(piece)
            if reply()[:1] != b"2":
                return
        steps = []
        subject = self.transaction(rng, kind, steps)
        taken = []
        for step in steps:
            if rng.random() < 0.02:
                return
            s.sendall(step)
            is_end = step.endswith(b"\r\n.\r\n") or b" LAST\r\n" in step[:30]
            answers = [reply() for _ in range(len(taken) if is_end and kind == "lmtp" else 1)]
            if step.startswith(b"RCPT"):
                if answers[0][:1] == b"2":
                    taken.append(step.split(b"<")[1].split(b">")[0].decode())
            elif answers and answers[0][:1] not in b"23":
                return
            if is_end:
                with self.lock:
                    self.acknowledged.update(
                        (subject, r, a.split()[-1].decode())
                        for r, a in zip(taken, answers * len(taken))
                        if r in STAFF and a.startswith(b"250"))
                return

    # ---- what goes on beside ----

    def reload(self, rng):
        """Another configuration, ten times a second."""
        time.sleep(0.1)
        with open(self.province.conf, encoding="utf-8") as f:
            text = f.read()
        change = {"max_rcpts": rng.choice(("3", "100")), "max_message": rng.choice(("100K", "1M")),
                  "retry_max": rng.choice(("1s", "2s")), "max_errors": rng.choice(("2", "20")),
                  "display_name": rng.choice(("keep", "register")),
                  "outbound_per_destination": rng.choice(("1", "5")),
                  "milters": rng.choice((self.all_filters, self.all_filters, ""))}
        for name, value in change.items():
            text = re.sub(rf"(?m)^{name} =.*$", f"{name} = {value}", text)
        with open(self.province.conf + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(self.province.conf + ".new", self.province.conf)
        self.province.daemons["smtpd"].process.send_signal(signal.SIGHUP)
        self.reloads += 1

    def disturb(self, rng):
        time.sleep(rng.random() / 3)
        for f in self.filters:
            f.once[rng.choice("CHMRTLNBE")] = rng.choice((
                [fm.packet("r")], [fm.packet("t")], [fm.packet("a")], [fm.packet("d")], [fm.Close],
                [fm.Wait(0.3), fm.packet("c")], [fm.Wait(5)], [fm.packet("c"), fm.packet("c")]))
            f.deaf = rng.random() < 0.1
        for sink in self.sinks:
            sink.answers[rng.choice(("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "DATA-END"))] = [
                rng.choice(("CLOSE", "421 4.3.2 bye", "450 4.2.0 later", "451 4.0.0 no"))]
        self.province.ask("smtpd", rng.choice(("status", "queue.stats", "register.refresh")))

    def crash_owner(self):
        secs = self.end - time.monotonic()
        for _ in range(max(2, int(secs / 20))):
            if not self.going():
                return
            time.sleep(min(secs / 3, 10))
            self.province.daemons["imapd"].kill()
            time.sleep(0.5)
            self.province.daemons["imapd"].start()

    # ---- afterwards ----

    def calm(self):
        for f in self.filters:
            f.reset()
        for sink in self.sinks:
            sink.answers.clear()

    def is_over(self):
        for f in self.filters:  # those that are kept for another session are nobody's
            for s in list(f.sockets):
                f.sockets.discard(s)
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        status = self.province.ask("smtpd", "status")
        return status["connections"] == 0

    def is_drained(self):
        self.province.ask("smtpd", "queue.retry", all=True)
        stats = self.province.ask("smtpd", "queue.stats")
        return stats["messages"] == 0 and stats["sending"] == 0

    def subjects(self, user):
        box = self.province.imap(user)
        box.select(readonly=True)
        got = box.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        box.logout()
        return {found.group(1).decode() for part in got if isinstance(part, tuple)
                for found in [re.search(rb"Subject: (\S+)", part[1])] if found}

    def check(self):
        self.calm()
        began = time.monotonic()
        kit.wait_until("sessions end", self.is_over, secs=60)
        ended = time.monotonic()
        kit.wait_until("an empty queue", self.is_drained, secs=90, every=0.5)
        kit.wait_until("the last connection outward ends", self.is_over, secs=60)
        print(f"sessions ended in {ended - began:.1f} s, the queue in"
              f" {time.monotonic() - ended:.1f} s")
        log = self.province.daemons["smtpd"].text()
        discarded = set(re.findall(r"msg\.discarded id=(\S+)", log))  # a filter wanted it
        for user in STAFF:
            there = self.subjects(user)
            lost = [s for s, r, i in self.acknowledged
                    if r == user and s not in there and i not in discarded]
            kit.expect(not lost, user, "lost", lost)
        self.province.check_store()


def people(province):
    for domain in ("chung.example", "mat.example"):
        province.domain(domain)
    for user in STAFF + [FORWARD, AWAY]:
        province.user(user)
    province.account(GROUP, kind="group", override=True, reason="test")
    do = province.ask
    do("imapd", "group.set", group=GROUP, post="anyone", owner=STAFF[0])
    for member in (STAFF[0], FORWARD, "ngoai@far.example"):
        do("imapd", "group.member", group=GROUP, member=member)
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400 * 30))
    do("imapd", "forward.add", **{"from": FORWARD}, to="x@far.example", reason="biet", until=day)
    do("imapd", "absence.set", address=AWAY, until=day, vi="vang", en="away")
    province.refresh()


def main():
    secs = float(sys.argv[2]) if len(sys.argv) > 2 else 8
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1000000)
    print("seed", seed, flush=True)
    filters = [fm.FakeMilter(), fm.FakeMilter()]
    filters[1].protocol = fm.NR_HEADER | fm.NR_BODY | fm.SKIP_OK
    names = " ".join(f.name() + ",reuse=yes" for f in filters)
    sinks = [Sink("127.0.0.2", OUT_PORT), Sink("127.0.0.3", OLD_PORT)]
    with kit.Province(filter=False, zone=ZONE, smtpd={
            "milters": names, "milter_timeout": "1s", "max_conns_per_ip": "0", "retry_min": "1s",
            "retry_max": "1s", "max_rcpts": "100", "max_message": "1M", "max_errors": "20",
            "display_name": "keep", "outbound_per_destination": "5", "outbound_port": OUT_PORT,
            "future_release_max": "1h", "rate_faults": "0", "rate_messages": "0",
            "rate_rcpts": "0", "rate_commands": "0", "rate_conns": "0",
            "rate_auth_failures": "0", "greet_pause": "0", "slow_down_after": "0",
            "split_domains": f"chung.example=[127.0.0.3]:{OLD_PORT} "
                             f"mat.example=khong.co.example:{OLD_PORT}"}) as province:
        people(province)
        run = Run(province, filters, sinks, secs, seed)
        run.all_filters = names
        jobs = [(run.session, i) for i in range(CLIENTS)] + [(run.reload, 200), (run.disturb, 201)]
        threads = [threading.Thread(target=run.guarded, args=job, daemon=True) for job in jobs]
        threads.append(threading.Thread(target=run.crash_owner, daemon=True))
        for t in threads:
            t.start()
        for t in threads:
            t.join(secs + 120)
            kit.expect(not t.is_alive(), "a client hangs")
        if run.faults:
            raise run.faults[0]
        kit.expect(province.daemons["smtpd"].is_running(), "smtpd ended")
        run.check()
        kit.expect(run.acknowledged, "nothing was acknowledged at all")
        print(f"{run.count} messages begun, {len(run.acknowledged)} copies acknowledged,"
              f" {run.reloads} reloads")
    for f in filters:
        f.close()
    for sink in sinks:
        sink.close()


main()
