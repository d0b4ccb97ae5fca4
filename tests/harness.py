#!/usr/bin/python3
"""A province on loopback for tests: real daemons, a folder of its own below /tmp, free high ports.

    with harness.Province() as p:
        an = p.account("an")                    # an@lamgiang.example
        p.imap(an).select("INBOX")

The daemons come from the build in $CONGVU_BUILD (else build/dev). The spam filter runs when it was
built, unless the test says filter=False. They are started one by one with --conf, as by hand; they
are stopped by their process ids. A sanitizer's report or a bad exit code fails the test; the folder
with the logs stays when something failed, or when CONGVU_KEEP is set.
"""
# SPDX-License-Identifier: MPL-2.0
import atexit
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
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("CONGVU_BUILD") or os.path.join(ROOT, "build", "dev")
DOMAIN = "lamgiang.example"
PASSWORD = "mat-khau-thu-nghiem-1"
# ASan makes everything slower, and test machines are shared.
PATIENCE = float(os.environ.get("CONGVU_PATIENCE", "60"))
SKIP = 77
REPORTS = re.compile(rb"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|"
                     rb"Assertion .* failed|^panic", re.M)
ZONE = """$ORIGIN lamgiang.example.
@ 300 IN MX 10 mail
mail 300 IN A 127.0.0.1
@ 300 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"
$ORIGIN sender.example.
@ 300 IN MX 10 mx
mx 300 IN A 127.0.0.1
@ 300 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"
"""


class Failure(Exception):
    pass


def skip(why):
    print("SKIPPED:", why)
    sys.exit(SKIP)


def need_program(name):
    path = shutil.which(name, path="/usr/bin:/usr/sbin:/bin:/sbin")
    return path or skip("%s is not installed (./dev setup)" % name)


def program(name):
    return os.path.join(BUILD, "bin", name)


def built(name):
    return os.access(program(name), os.X_OK)


_used_ports = set()


def free_port():
    """A port below the range from which the kernel gives ports to connections."""
    for _ in range(2000):
        port = 20000 + int.from_bytes(os.urandom(2), "big") % 12000
        if port in _used_ports:
            continue
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        _used_ports.add(port)
        return port
    raise Failure("no free port")


def wait_until(what, check, secs=None, every=0.02):
    """The first true answer of CHECK; fails after SECS."""
    end = time.monotonic() + (secs or PATIENCE)
    while True:
        got = check()
        if got:
            return got
        if time.monotonic() > end:
            raise Failure("waited in vain: %s" % what)
        time.sleep(every)


def expect(condition, *what):
    if not condition:
        raise Failure(" ".join(str(w) for w in what))


def run(argv, **more):
    """Runs a program to its end; gives stdout. A bad exit code fails with its output."""
    more.setdefault("timeout", PATIENCE)
    ok = more.pop("ok", (0,))
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=more.pop("stdin", subprocess.DEVNULL), **more)
    text = done.stdout.decode("utf-8", "replace")
    if ok is not None and done.returncode not in ok:
        raise Failure("%s: exit code %d\n%s" % (" ".join(argv), done.returncode, text))
    return text


def make_certificate(folder, host="mail." + DOMAIN):
    """An authority and a certificate of HOST and 127.0.0.1 signed by it; ECDSA P-256."""
    def out(name):
        return os.path.join(folder, name)

    with open(out("ext.cnf"), "w") as f:
        f.write("subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1\n" % host)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run(["openssl", "req", "-x509", "-days", "30", "-subj", "/CN=Test CA", *curve,
         "-keyout", out("ca.key"), "-out", out("ca.pem")])
    run(["openssl", "req", "-subj", "/CN=" + host, *curve, "-keyout", out("tls.key"),
         "-out", out("tls.csr")])
    run(["openssl", "x509", "-req", "-days", "30", "-in", out("tls.csr"), "-CA", out("ca.pem"),
         "-CAkey", out("ca.key"), "-CAcreateserial", "-extfile", out("ext.cnf"),
         "-out", out("tls.pem")])


class Daemon:
    """One process: started, found ready, killed or stopped by its id; its reports are looked at."""

    def __init__(self, province, name):
        self.province, self.name = province, name
        self.log = os.path.join(province.base, name + ".log")
        self.process = None
        self.starts = 0

    def start(self, timeout=None):
        environment = dict(os.environ, CONGVU_CONF=self.province.conf)
        # Leaks count when a daemon stops by itself; a killed one says nothing.
        environment["ASAN_OPTIONS"] = "detect_leaks=%d:abort_on_error=0:exitcode=99" % (
            not self.province.traced)
        environment.update(self.province.environment)
        read_end, write_end = os.pipe()
        environment["CONGVU_READY_FD"] = str(write_end)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [program("congvu-" + self.name), "--conf", self.province.conf],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(write_end,),
                env=environment, start_new_session=True)
        os.close(write_end)
        self.starts += 1
        try:
            self.wait_ready(read_end, timeout or PATIENCE)
        finally:
            os.close(read_end)

    def wait_ready(self, read_end, timeout):
        os.set_blocking(read_end, False)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                if os.read(read_end, 100).startswith(b"READY"):
                    return
            except BlockingIOError:
                pass
            if self.process.poll() is not None:
                raise Failure("%s ended at its start, exit code %d\n%s" %
                              (self.name, self.process.returncode, self.tail()))
            time.sleep(0.005)
        raise Failure("%s is not ready after %d s\n%s" % (self.name, timeout, self.tail()))

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """As a power cut would."""
        expect(self.alive(), self.name, "was not running:\n" + self.tail())
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        if self.process is None:
            return
        was_alive = self.alive()
        if was_alive:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.process = None
            raise Failure("%s did not stop when told to\n%s" % (self.name, self.tail()))
        self.process = None
        expect(was_alive, self.name, "had ended by itself, exit code", code, "\n" + self.tail())
        expect(code == 0, self.name, "stopped with exit code", code, "\n" + self.tail())

    def text(self):
        try:
            with open(self.log, "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""

    def tail(self, octets=6000):
        return self.text()[-octets:].decode("utf-8", "replace")

    def check_reports(self):
        text = self.text()
        found = REPORTS.search(text)
        if found:
            part = text[max(0, found.start() - 300):found.start() + 6000]
            raise Failure("%s reports a fault:\n%s" % (self.name, part.decode("utf-8", "replace")))


class Province:
    """Folder, configuration, certificate, daemons. FILTER: True, False or None (when it was built).
    OPTIONS: {"smtpd": {"max_rcpts": 50}} goes over the defaults below."""

    ORDER = ("imapd", "spamfilter", "smtpd")

    def __init__(self, options=None, filter=None, base=None, zone=None, environment=None):
        for name in ("congvu-imapd", "congvu-smtpd"):
            if not built(name):
                raise Failure("%s is not built in %s" % (name, BUILD))
        self.has_filter = built("congvu-spamfilter") if filter is None else filter
        self.base = base or tempfile.mkdtemp(prefix="congvu-test-")
        self.owns_base = base is None
        os.chmod(self.base, 0o755)
        self.traced = False
        self.environment = dict(environment or {})
        self.failed = False
        self.users = {}
        self.host = "127.0.0.1"
        self.mx, self.submission, self.submissions, self.imap_port, self.imaps_port = (
            free_port() for _ in range(5))
        self.ca = os.path.join(self.base, "ca.pem")
        self.conf = os.path.join(self.base, "congvu.conf")
        make_certificate(self.base)
        with open(os.path.join(self.base, "zone"), "w") as f:
            f.write(ZONE if zone is None else zone)
        self.write_conf(options or {})
        self.daemons = {name: Daemon(self, name) for name in self.ORDER
                        if name != "spamfilter" or self.has_filter}
        atexit.register(self.reap)

    def run_dir(self):
        return os.path.join(self.base, "run")

    def write_conf(self, options):
        at = "%s:%%d" % self.host
        sections = {
            "congvu": {"base_dir": self.base, "hostname": "mail." + DOMAIN,
                       "default_domain": DOMAIN, "official_suffixes": DOMAIN,
                       "tls_cert": "tls.pem", "tls_key": "tls.key", "dns_zone_file": "zone"},
            "smtpd": {"listen_mx": at % self.mx, "listen_submission": at % self.submission,
                      "listen_submissions": at % self.submissions,
                      "milters": "unix:run/spamfilter.sock" if self.has_filter else "",
                      "outbound_port": free_port(), "allow_loopback_targets": "yes",
                      "retry_min": "1s", "retry_max": "2s"},
            "imapd": {"listen_imap": at % self.imap_port, "listen_imaps": at % self.imaps_port,
                      "cache": "32M"},
        }
        for name, values in options.items():
            sections.setdefault(name, {}).update(values)
        with open(self.conf, "w") as f:
            for name, values in sections.items():
                f.write("[%s]\n" % name)
                f.writelines("%s = %s\n" % item for item in values.items())
        os.makedirs(self.run_dir(), exist_ok=True)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.failed = True
            self.reap()
            print("logs are kept in", self.base, file=sys.stderr)
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.failed = kind is not None
        try:
            if kind is None:
                self.stop()
        except BaseException:
            self.failed = True
            raise
        finally:
            self.reap()
            try:
                for daemon in self.daemons.values():
                    daemon.check_reports()
            except Failure:
                self.failed = True
                if kind is None:
                    raise
                sys.excepthook(*sys.exc_info())
            finally:
                self.clean()

    def clean(self):
        if self.failed or os.environ.get("CONGVU_KEEP"):
            print("logs are kept in", self.base, file=sys.stderr)
        elif self.owns_base:
            shutil.rmtree(self.base, ignore_errors=True)

    def start(self):
        for daemon in self.daemons.values():
            daemon.start()

    def stop(self):
        for name in reversed(self.ORDER):
            if name in self.daemons:
                self.daemons[name].stop()

    def reap(self):
        for daemon in self.daemons.values():
            if daemon.process is not None:
                if daemon.alive():
                    daemon.process.kill()
                daemon.process.wait()
                daemon.process = None

    def __getattr__(self, name):
        """p.imapd, p.smtpd, p.spamfilter"""
        try:
            return self.__dict__["daemons"][name]
        except KeyError:
            raise AttributeError(name) from None

    # --- the control socket

    def ask(self, daemon, request, timeout=None):
        """One request; the final answer, with what came as progress under "progress"."""
        path = os.path.join(self.run_dir(), daemon + ".ctl")
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout or PATIENCE)
            s.connect(path)
            s.sendall(json.dumps(request).encode() + b"\n")
            notes = []
            for line in s.makefile("rb"):
                answer = json.loads(line)
                if "progress" in answer:
                    notes.append(answer["progress"])
                    continue
                answer["notes"] = notes
                return answer
        raise Failure("%s gave no answer to %r" % (daemon, request))

    def do(self, request, daemon="imapd"):
        answer = self.ask(daemon, request)
        expect(answer.get("ok"), request, "->", answer)
        return answer

    def account(self, user, password=PASSWORD, **more):
        """Adds USER (a local part or a whole address); gives the address."""
        address = user if "@" in user else "%s@%s" % (user, DOMAIN)
        self.do(dict({"do": "account.add", "address": address, "name": "Nguyễn Văn An",
                      "password": password, "allow_weak": True, "override": True,
                      "reason": "test"}, **more))
        self.users[address] = password
        return address

    def refresh(self):
        """smtpd sees new accounts at once."""
        if "smtpd" in self.daemons and self.daemons["smtpd"].alive():
            self.ask("smtpd", {"do": "register.refresh"})

    def check_store(self, bodies=True):
        """`store.check` must find nothing wrong but bodies that no row names (a crash may leave
        those); gives the counts."""
        answer = self.do({"do": "store.check", "read_bodies": bodies})
        wrong = {name: answer[name] for name in
                 ("dangling_rows", "wrong_body_counts", "wrong_mailbox_counts", "wrong_quotas",
                  "bad_bodies", "bad_rows", "uid_faults") if answer.get(name)}
        expect(not wrong, "store check:", wrong, answer["notes"][:20])
        return answer

    # --- clients

    def context(self):
        return ssl.create_default_context(cafile=self.ca)

    def imap(self, user, password=None, tls=True):
        """A logged-in imaplib session."""
        if tls:
            c = imaplib.IMAP4_SSL(self.host, self.imaps_port, ssl_context=self.context(),
                                  timeout=PATIENCE)
        else:
            c = imaplib.IMAP4(self.host, self.imap_port, timeout=PATIENCE)
            c.starttls(self.context())
        c.login(user, password or self.users[user])
        return c

    def smtp(self, port=None):
        return smtplib.SMTP(self.host, port or self.mx, local_hostname="client.sender.example",
                            timeout=PATIENCE)

    def submit(self, user, password=None, implicit=False):
        """A logged-in submission session."""
        if implicit:
            c = smtplib.SMTP_SSL(self.host, self.submissions, context=self.context(),
                                 local_hostname="client.example", timeout=PATIENCE)
        else:
            c = self.smtp(self.submission)
            c.starttls(context=self.context())
        c.login(user, password or self.users[user])
        return c


class RawImap:
    """Lines as they come, for what imaplib does not show: IDLE, literals, unasked-for answers."""

    def __init__(self, province, user=None, tls=True, password=None):
        port = province.imaps_port if tls else province.imap_port
        self.sock = socket.create_connection((province.host, port), PATIENCE)
        if tls:
            self.sock = province.context().wrap_socket(self.sock, server_hostname=province.host)
        self.file = self.sock.makefile("rb")
        self.tags = 0
        self.greeting = self.line()
        if user:
            self.cmd('LOGIN "%s" "%s"' % (user, password or province.users[user]))

    def send(self, text):
        self.sock.sendall(text if isinstance(text, bytes) else text.encode())

    def line(self):
        line = self.file.readline()
        expect(line, "the connection ended")
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
        tag = "a%d" % self.tags
        self.send(tag.encode() + b" " + (text if isinstance(text, bytes) else text.encode()) +
                  b"\r\n")
        return tag.encode()

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
        return untagged

    def append(self, mailbox, message, flags=""):
        self.tags += 1
        tag = b"a%d" % self.tags
        self.send(tag + b" APPEND %s %s{%d+}\r\n" % (mailbox.encode(),
                                                     flags.encode() + b" " if flags else b"",
                                                     len(message)) + message + b"\r\n")
        return self.finish(tag)[1]

    def idle(self):
        tag = self.start("IDLE")
        while not self.response().startswith(b"+"):
            pass
        return tag

    def done(self, tag):
        self.send("DONE\r\n")
        return self.finish(tag)

    def close(self):
        try:
            self.file.close()
            self.sock.close()
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


def main(tests):
    """Runs the functions named test_*: what a test script calls last. Arguments choose some."""
    chosen = [t for t in tests if not sys.argv[1:] or t.__name__ in sys.argv[1:]]
    for test in chosen:
        began = time.monotonic()
        test()
        print("ok  %-60s %5.1f s" % (test.__name__.replace("test_", "").replace("_", " "),
                                     time.monotonic() - began), flush=True)
