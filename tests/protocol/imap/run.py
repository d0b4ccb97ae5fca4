#!/usr/bin/env python3
"""Plays an IMAP dialogue against a real congvu-imapd.

Each file is one behaviour; its first line names the RFC section. A daemon is started for it in a
folder of its own, with two fresh accounts.

  # text            a comment
  C: text           the client sends text and CRLF
  S: pattern        the next line of the server; * stands for anything
  S*: pattern       lines are passed over up to one that fits
                    <<name>> in a pattern stands for a word, which is $name from then on
  2C: 2S: 2S*:      the same on another connection, opened when first named
  quiet             the server sends nothing for 100 ms
  drip: text        the client sends text again and again, a byte each 100 ms, until it is answered
  tls               a TLS handshake now
  deflate           from here on both directions are compressed
  raw: text         bytes below the compression, no line end added
  closed            the server closes the connection
  conf: line        a line for the daemon's [imapd] section (before the first C or S)
  ctl: json         a request on the control socket, which must succeed

$user $pass $user2 $pass2 are the accounts; $local is the local part of $user; \\xNN is a byte.

usage: run.py DAEMON FILE
"""
# SPDX-License-Identifier: MPL-2.0
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from ports import free_port  # noqa: E402


class Wrong(Exception):
    pass


class Peer:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.settimeout(20)
        self.buf = b""
        self.pack = self.unpack = None

    def more(self):
        got = self.sock.recv(1 << 16)
        self.buf += self.unpack.decompress(got) if self.unpack else got
        return bool(got)

    def send(self, data):
        if self.pack:
            data = self.pack.compress(data) + self.pack.flush(zlib.Z_SYNC_FLUSH)
        self.sock.sendall(data)

    def deflate(self):
        if self.buf:
            raise Wrong("before compression the server had said %r" % self.buf)
        self.pack = zlib.compressobj(wbits=-15)
        self.unpack = zlib.decompressobj(wbits=-15)

    def line(self):
        while b"\n" not in self.buf:
            if not self.more():
                raise Wrong("the server closed the connection; left: %r" % self.buf)
        line, _, self.buf = self.buf.partition(b"\n")
        return line.rstrip(b"\r")

    def drip(self, text):
        for i in range(200):
            try:
                self.sock.sendall(text[i % len(text):][:1])
            except OSError:
                return
            if not self.is_quiet():
                return
        raise Wrong("still listening after %d bytes" % i)

    def tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)

    def is_quiet(self):
        self.sock.settimeout(0.1)
        try:
            while not self.buf:
                if not self.more():
                    return True
        except (TimeoutError, ssl.SSLWantReadError):
            pass
        self.sock.settimeout(20)
        return not self.buf

    def is_closed(self):
        try:
            while self.more():
                pass
        except ConnectionResetError:
            pass
        return not self.buf


class Daemon:
    def __init__(self, program, options):
        self.dir = tempfile.mkdtemp(prefix="congvu-imap-")
        self.port, self.tls_port = free_port(), free_port()
        key, cert = self.dir + "/key.pem", self.dir + "/cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
                        "-days", "2", "-subj", "/CN=localhost"],
                       check=True, stderr=subprocess.DEVNULL)
        imapd = {"listen_imap": "127.0.0.1:%d" % self.port,
                 "listen_imaps": "127.0.0.1:%d" % self.tls_port,
                 "listen_pop3": "", "listen_pop3s": "",
                 "plain_login_networks": "127.0.0.0/8", "cache": "16M", "workers": "2"}
        imapd.update(option.split(" = ", 1) for option in options)
        with open(self.dir + "/congvu.conf", "w") as conf:
            conf.write("[congvu]\nbase_dir = %s\ntls_cert = %s\ntls_key = %s\n[imapd]\n" %
                       (self.dir, cert, key))
            conf.writelines("%s = %s\n" % row for row in imapd.items())
        self.program = program
        self.start()

    def start(self):
        ready, told = os.pipe()
        env = {k: v for k, v in os.environ.items() if k != "CONGVU_SOCKETS"}
        env["CONGVU_READY_FD"] = str(told)
        self.log = open(self.dir + "/log", "ab")
        self.process = subprocess.Popen([self.program, "--conf", self.dir + "/congvu.conf"], env=env,
                                        stdout=self.log, stderr=self.log, pass_fds=[told])
        os.close(told)
        if os.read(ready, 6) != b"READY\n":
            raise Wrong("the daemon did not start:\n" + self.said())
        os.close(ready)

    def said(self):
        with open(self.dir + "/log", errors="replace") as log:
            return log.read()

    def ask(self, request):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(self.dir + "/run/imapd.ctl")
            f = s.makefile("rwb")
            f.write(json.dumps(request).encode() + b"\n")
            f.flush()
            while True:
                answer = json.loads(f.readline())
                if "ok" in answer:
                    break
        if not answer["ok"]:
            raise Wrong("%r: %r" % (request, answer))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Wrong("the daemon did not stop")
        if status:
            raise Wrong("the daemon ended with %d:\n%s" % (status, self.said()))


NAMES = {"user": "an@lamgiang.example", "local": "an", "pass": "Mat-khau-9x!an",
         "user2": "binh@lamgiang.example", "pass2": "Mat-khau-9x!binh"}


def fill_in(text):
    for name in sorted(NAMES, key=len, reverse=True):
        text = text.replace("$" + name, NAMES[name])
    return re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m.group(1), 16)]), text.encode())


def fits(pattern, line):
    parts = [re.escape(part) for part in pattern.split(b"*")]
    # A leading "* " is the untagged mark, not a wild card.
    if pattern.startswith(b"* "):
        parts = [rb"\*" + parts[1]] + parts[2:]
    expression = re.sub(rb"<<(\w+)>>", rb"(?P<\1>[^]) ]+)", b".*".join(parts))
    m = re.fullmatch(expression, line, re.S)
    NAMES.update({k: v.decode() for k, v in m.groupdict().items()} if m else {})
    return m is not None


def play(daemon, lines):
    peers = {}

    def peer(name):
        if name not in peers:
            peers[name] = Peer(daemon.port)
            greeting = peers[name].line()
            if not greeting.startswith(b"* OK [CAPABILITY IMAP4rev1"):
                raise Wrong("greeting: %r" % greeting)
        return peers[name]

    for number, line in lines:
        m = re.match(r"(\d*)(C|S\*?|quiet|drip|tls|deflate|raw|closed|ctl)(?:: ?(.*))?$", line)
        if not m:
            raise Wrong("line %d cannot be read: %s" % (number, line))
        who, what, text = m.group(1) or "1", m.group(2), m.group(3) or ""
        if what == "ctl":
            daemon.ask(json.loads(fill_in(text)))
            continue
        p = peer(who)
        if what == "C":
            p.send(fill_in(text) + b"\r\n")
        elif what == "S":
            got = p.line()
            if not fits(fill_in(text), got):
                raise Wrong("line %d: wanted %s\n  got %r" % (number, text, got))
        elif what == "S*":
            passed = []
            while not fits(fill_in(text), got := p.line()):
                passed.append(got)
                if re.match(rb"[a-z]\d* (OK|NO|BAD)", got):
                    raise Wrong("line %d: wanted %s\n  got %r" % (number, text, passed))
        elif what == "quiet" and not p.is_quiet():
            raise Wrong("line %d: not quiet: %r" % (number, p.buf))
        elif what == "drip":
            p.drip(fill_in(text))
        elif what == "tls":
            p.tls()
        elif what == "deflate":
            p.deflate()
        elif what == "raw":
            p.sock.sendall(fill_in(text))
        elif what == "closed" and not p.is_closed():
            raise Wrong("line %d: not closed: %r" % (number, p.buf))


def run_against(play, options=(), users=("",)):
    """main() of a test of its own: PLAY(daemon) against a daemon with OPTIONS that knows NAMES["user"]
    (USERS: with which endings), and its log when that fails. Gives the exit code."""
    daemon = Daemon(sys.argv[1], list(options))
    try:
        daemon.ask({"do": "domain.add", "domain": "lamgiang.example"})
        for ending in users:
            daemon.ask({"do": "account.add", "address": NAMES["user" + ending],
                        "display_name": "Nguyễn An", "password": NAMES["pass" + ending],
                        "allow_weak": True})
        status = play(daemon)
        daemon.stop()
    except (Wrong, OSError, ValueError) as fault:
        daemon.process.kill()
        print("%r\n--- log\n%s" % (fault, daemon.said()[-3000:]))
        return 1
    finally:
        daemon.process.wait()
        shutil.rmtree(daemon.dir)
    return status or 0


def main():
    program, path = sys.argv[1:3]
    with open(path, encoding="utf-8") as file:
        lines = [(n, line.rstrip("\n")) for n, line in enumerate(file, 1)]
    if not re.match(r"# .*\bRFC \d+", lines[0][1]):
        print("%s: the first line must name the RFC" % path)
        return 1
    lines = [(n, line) for n, line in lines if line and not line.startswith("#")]
    options = [line[6:] for _, line in lines if line.startswith("conf: ")]
    daemon = Daemon(program, options)
    try:
        daemon.ask({"do": "domain.add", "domain": "lamgiang.example"})
        for user, password in (("user", "pass"), ("user2", "pass2")):
            daemon.ask({"do": "account.add", "address": NAMES[user], "display_name": "Nguyễn An",
                        "password": NAMES[password], "allow_weak": True})
        play(daemon, [(n, line) for n, line in lines if not line.startswith("conf: ")])
        daemon.stop()
    except (Wrong, OSError, ValueError) as fault:
        daemon.process.kill()
        print("%s: %s\n--- log\n%s" % (path, fault, daemon.said()[-3000:]))
        return 1
    finally:
        daemon.process.wait()
        shutil.rmtree(daemon.dir)
    return 0


if __name__ == "__main__":
    sys.exit(main())
