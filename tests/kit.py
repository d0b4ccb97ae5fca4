#!/usr/bin/python3
"""What tests that act as mail clients need over harness.py: sessions, raw IMAP, kills, checks.

The daemons come from the build in $CONGVU_BUILD (else build/dev). The spam filter runs when it was
built, unless the test says filter=False.
"""
# SPDX-License-Identifier: MPL-2.0
import imaplib
import json
import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from harness import DOMAIN, HarnessError  # noqa: E402,F401

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("CONGVU_BUILD") or os.path.join(ROOT, "build", "dev")
PASSWORD = "mat khau thu nghiem 1"
# ASan makes everything slower, and test machines are shared.
PATIENCE = 60
SKIP = 77
ZONE = f"""{DOMAIN}. 300 IN MX 10 mail.{DOMAIN}.
mail.{DOMAIN}. 300 IN A 127.0.0.1
{DOMAIN}. 300 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"
sender.example. 300 IN MX 10 mx.sender.example.
mx.sender.example. 300 IN A 127.0.0.1
sender.example. 300 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"
"""


class Failure(Exception):
    pass


def skip(why):
    print("SKIPPED:", why)
    sys.exit(SKIP)


def expect(condition, *what):
    if not condition:
        raise Failure(" ".join(str(w) for w in what))


def need_program(name):
    path = shutil.which(name, path="/usr/bin:/usr/sbin:/bin:/sbin")
    return path or skip(f"{name} is not installed (./dev setup)")


def built(name):
    return os.access(os.path.join(BUILD, "bin", name), os.X_OK)


def wait_until(what, check, secs=PATIENCE, every=0.02):
    """The first true answer of CHECK; fails after SECS."""
    end = time.monotonic() + secs
    while True:
        got = check()
        if got:
            return got
        expect(time.monotonic() < end, "waited in vain:", what)
        time.sleep(every)


def run(argv, ok=(0,), **more):
    """Runs a program to its end; gives what it printed. Another exit code fails."""
    more.setdefault("timeout", PATIENCE)
    if "input" not in more:
        more.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    text = done.stdout.decode("utf-8", "replace")
    expect(ok is None or done.returncode in ok, " ".join(argv), "exit code", done.returncode,
           "\n" + text)
    return text


class Province(harness.Province):
    """OPTIONS as harness.Province takes them; main defaults to a quieter log. BASE is a folder that
    is there already (a small file system, say)."""

    def __init__(self, filter=None, main=None, base=None, **options):
        has_filter = built("congvu-spamfilter") if filter is None else filter
        options.setdefault("zone", ZONE)
        if has_filter:
            options.setdefault("spamfilter", {})
        super().__init__(BUILD, main={"log_level": "info", **(main or {})}, **options)
        self.host = "127.0.0.1"
        self.users = {}
        if base:
            shutil.rmtree(self.dir)
            self.dir, self.conf = base, os.path.join(base, "congvu.conf")
            for name in ("run", "mail", "queue", "stats", "register", "keys"):
                os.mkdir(os.path.join(base, name), 0o700)

    def user(self, local, password=PASSWORD, **fields):
        """Adds an account; gives its address."""
        address = local if "@" in local else f"{local}@{DOMAIN}"
        self.account(address, password, override=True, reason="test", **fields)
        self.users[address] = password
        return address

    def check_store(self, bodies=True):
        """The owner's check must find nothing wrong; bodies that no row names may be left by a
        crash. Gives the counts."""
        path = os.path.join(self.dir, "run", "imapd.ctl")
        answer, notes = None, []
        for one in ask_all(path, {"do": "store.check", "read_bodies": bodies}):
            if "progress" in one:
                notes.append(one["progress"])
            answer = one
        expect(answer and answer.get("ok"), "store.check:", answer)
        wrong = {name: answer[name] for name in
                 ("dangling_rows", "wrong_body_counts", "wrong_mailbox_counts", "wrong_quotas",
                  "bad_bodies", "bad_rows", "uid_faults") if answer.get(name)}
        expect(not wrong, "store check:", wrong, notes[:20])
        return answer

    # ---- clients ----

    def context(self):
        return ssl.create_default_context(cafile=self.ca)

    def imap(self, user, password=None, implicit=True):
        """A logged-in imaplib session."""
        if implicit:
            c = imaplib.IMAP4_SSL(self.host, self.port["imaps"], ssl_context=self.context(),
                                  timeout=PATIENCE)
        else:
            c = imaplib.IMAP4(self.host, self.port["imap"], timeout=PATIENCE)
            c.starttls(self.context())
        c.login(user, password or self.users[user])
        return c

    def smtp(self, port="mx"):
        return smtplib.SMTP(self.host, self.port[port], local_hostname="client.sender.example",
                            timeout=PATIENCE)

    def submit(self, user, password=None, implicit=False):
        """A logged-in submission session."""
        if implicit:
            c = smtplib.SMTP_SSL(self.host, self.port["submissions"], context=self.context(),
                                 local_hostname="client.example", timeout=PATIENCE)
        else:
            c = self.smtp("submission")
            c.starttls(context=self.context())
        c.login(user, password or self.users[user])
        return c


class Child:
    """A daemon that `congvu serve` looks after; the same use as harness.Daemon."""

    def __init__(self, province, name):
        self.province, self.name, self.dead_pid = province, name, None
        self.log = province.serve_log

    def pid(self):
        """Of the process that runs now, or None."""
        parent = self.province.supervisor.pid
        try:
            with open(f"/proc/{parent}/task/{parent}/children") as f:
                children = [int(pid) for pid in f.read().split()]
            for pid in children:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    name = os.path.basename(f.read().split(b"\0")[0]).decode()
                if name == "congvu-" + self.name:
                    return pid
        except OSError:
            pass
        return None

    def is_running(self):
        return self.pid() is not None

    def kill(self):
        pid = self.pid()
        expect(pid, self.name, "was not running:\n", self.tail())
        os.kill(pid, signal.SIGKILL)
        self.dead_pid = pid

    def start(self):
        """Waits until the supervisor has it back and ready."""
        def is_back():
            pid = self.pid()
            return pid and pid != self.dead_pid and self.is_ready(pid)
        wait_until(f"the supervisor starts {self.name} again", is_back)

    def is_ready(self, pid):
        return re.search(rf"serve\.ready program=congvu-{self.name} pid={pid}\b", self.text())

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def tail(self):
        return self.text()[-4000:]

    def stop(self):
        """The supervisor stops them all."""


class Supervised(Province):
    """The same province, run by `congvu serve`."""

    def start(self):
        self._write_conf()
        self.serve_log = os.path.join(self.dir, "serve.log")
        with open(self.serve_log, "ab") as log:
            self.supervisor = subprocess.Popen(
                [os.path.join(BUILD, "bin", "congvu"), "--conf", self.conf, "serve"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        names = ["imapd"] + (["spamfilter"] if self.with_spamfilter else []) + ["smtpd"]
        self.daemons = {name: Child(self, name) for name in names}
        for daemon in self.daemons.values():
            daemon.start()
        return self

    def stop(self):
        self.supervisor.terminate()
        code = self.supervisor.wait(PATIENCE)
        if code:
            self.keep = True
        super().stop()
        expect(code == 0, "congvu serve ended with", code)


def ask_all(path, request, timeout=PATIENCE):
    """One request on a control socket; every line of its answer."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(path)
        s.sendall(json.dumps(request).encode() + b"\n")
        for line in s.makefile("rb"):
            one = json.loads(line)
            yield one
            if "ok" in one:
                return


class RawImap:
    """Lines as they come, for what imaplib does not show: IDLE, literals, unasked-for answers."""

    def __init__(self, province, user=None, implicit=True, password=None):
        port = province.port["imaps" if implicit else "imap"]
        self.sock = socket.create_connection((province.host, port), PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if implicit:
            self.sock = province.context().wrap_socket(self.sock, server_hostname=province.host)
        self.file = self.sock.makefile("rb")
        self.tags = 0
        self.greeting = self.line()
        if user:
            self.cmd(f'LOGIN "{user}" "{password or province.users[user]}"')

    def send(self, text):
        self.sock.sendall(text if isinstance(text, bytes) else text.encode())

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError(f"the connection ended: {line!r}")
        return line

    def response(self):
        """One response with its literals."""
        whole = self.line()
        while True:
            size = re.search(rb"\{(\d+)\}\r\n$", whole)
            if not size:
                return whole
            whole += self.file.read(int(size.group(1))) + self.line()

    def start(self, text):
        self.tags += 1
        tag = b"a%d" % self.tags
        self.send(tag + b" " + (text if isinstance(text, bytes) else text.encode()) + b"\r\n")
        return tag

    def finish(self, tag):
        """Untagged responses up to TAG's, and that one."""
        untagged = []
        while True:
            r = self.response()
            if r.startswith(tag + b" "):
                return untagged, r
            untagged.append(r)

    def cmd(self, text, ok=b"OK"):
        """A whole command; fails unless the tagged answer is OK. Gives the untagged responses."""
        tag = self.start(text)
        untagged, last = self.finish(tag)
        expect(last.startswith(tag + b" " + ok), text, "->", last)
        self.last = last
        return untagged

    def append(self, mailbox, message, flags=""):
        """The tagged answer, after the tag."""
        self.tags += 1
        tag = b"a%d" % self.tags
        self.send(tag + b" APPEND %s %s{%d+}\r\n" % (
            mailbox.encode(), flags.encode() + b" " if flags else b"", len(message))
            + message + b"\r\n")
        return self.finish(tag)[1][len(tag) + 1:]

    def idle(self):
        tag = self.start("IDLE")
        while not self.response().startswith(b"+"):
            pass
        return tag

    def done(self, tag):
        self.send("DONE\r\n")
        return self.finish(tag)

    def close(self):
        for thing in (self.file, self.sock):
            try:
                thing.close()
            except OSError:
                pass


def in_threads(jobs):
    """Runs the functions at once; the first fault fails."""
    faults = []

    def guarded(job):
        try:
            job()
        except BaseException as fault:  # the thread's fault is the test's
            faults.append(fault)

    threads = [threading.Thread(target=guarded, args=(job,), daemon=True) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if faults:
        raise faults[0]


def run_tests(names):
    """Runs the functions called test_*: what a test script does last, with globals(). Arguments
    choose some by name."""
    tests = [f for n, f in names.items() if n.startswith("test_") and callable(f)]
    chosen = [t for t in tests if not sys.argv[1:] or t.__name__ in sys.argv[1:]]
    expect(chosen, "no such test")
    for test in chosen:
        began = time.monotonic()
        test()
        name = test.__name__[5:].replace("_", " ")
        print(f"ok  {name:<64} {time.monotonic() - began:6.1f} s", flush=True)
