#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
r"""Play dialogues against real daemons: text files, one behaviour a file.

usage: run.py BUILD_DIR FOLDER [NAME...]

The first line of a file is a comment naming the clause of the RFC, and first the requirement that it shows, if any
(`# ID: sentence (RFC 2177)`, see tests/check_conformity.py). Then, one a line:

    # comment
    NEW name listener     opens a connection (mx, submission, submissions, imap, imaps,
                          pop3, pop3s, lmtp) and
                          makes it the one that is talked on; NEW name alone goes back to it
    C: text               sends text and CR LF; \r \n \t \0 \\ and \xHH are escapes
    C<: text              sends the bytes as they are, no line end added
    S: text               one line must come and be this; {re:...} inside is a pattern,
                          {name=re:...} keeps what it matched as $name for later C: and S: lines
    S: *                  any lines until one fits the next S:
    S*: text              any number of lines that fit
    TLS                   the client's side of a TLS handshake
    WAIT secs             does nothing for a while
    SILENCE secs          nothing may come for so long
    CLOSE                 the client closes
    CLOSED                the server must close now
    END                   the server must close, whatever it says before
    REPEAT n C: text      sends the line n times
    FILL n                sends n letters without a line end
    EMPTY n               removes all mail from the INBOX of $USERn, over IMAP
    APPEND n text         puts a message, escapes as in C:, into it
    GONE n uid            expunges one message of it
    SIZE n                sends n bytes of harmless text in lines (for message bodies)

Without NEW the folder's usual listener is opened (smtp and defence: mx, sending:
submissions, imap: imap, pop3: pop3s). $USER1 $PASS1 $USER2 $PASS2 $DOMAIN, $PLAIN1 and $PLAIN2 (SASL PLAIN
responses) are known from the start. A folder may have an options.json for harness.Province. Every
dialogue has connections of its own; the mailboxes stay.
"""
import base64
import imaplib
import json
import os
import re
import socket
import ssl
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from harness import DOMAIN, HarnessError, Province  # noqa: E402

USUAL = {"smtp": "mx", "defence": "mx", "sending": "submissions", "imap": "imap",
         "pop3": "pop3s"}
USERS = {"USER1": "hoa.snv@" + DOMAIN, "PASS1": "mot mat khau dai 1",
         "USER2": "nam.stp@" + DOMAIN, "PASS2": "hai mat khau dai 2"}
TIMEOUT = 15
ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|[rnt0\\])")
HOLE = re.compile(r"\{(?:(\w+)=)?re:")


class Mismatch(Exception):
    pass


def unescape(text):
    simple = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
    out, at = b"", 0
    for m in ESCAPE.finditer(text):
        out += text[at:m.start()].encode()
        word = m.group(1)
        out += bytes([int(word[1:], 16)]) if word[0] == "x" and len(word) == 3 else simple[word]
        at = m.end()
    return out + text[at:].encode()


def pattern(text, kept):
    """A regular expression for a line with {re:...} holes; braces inside a hole must balance."""
    out, names, at = "", [], 0
    while True:
        m = HOLE.search(text, at)
        if not m:
            return re.compile(out + re.escape(text[at:]), re.DOTALL), names
        depth, end = 1, m.end()
        while depth:
            if end == len(text):
                raise Mismatch(f"a hole is not closed: {text}")
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        out += re.escape(text[at:m.start()])
        hole = text[m.end():end - 1]
        out += f"(?P<{m.group(1)}>{hole})" if m.group(1) else f"(?:{hole})"
        if m.group(1):
            kept[m.group(1)] = ""
        at = end


class Connection:
    def __init__(self, province, listener):
        self.socket = socket.create_connection(("127.0.0.1", province.port[listener]), TIMEOUT)
        self.province = province
        self.data = b""
        if listener in ("submissions", "imaps", "pop3s"):
            self.tls()

    def tls(self):
        if self.data:
            raise Mismatch(f"before the handshake the server had said {self.data!r}")
        context = ssl.create_default_context(cafile=self.province.ca)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    def line(self):
        while b"\n" not in self.data:
            try:
                more = self.socket.recv(65536)
            except TimeoutError:
                raise Mismatch(f"no line came; there was {self.data!r}") from None
            except ConnectionError as fault:
                raise Mismatch(f"instead of a line: {fault}") from None
            if not more:
                raise Mismatch(f"the server closed; there was {self.data!r}")
            self.data += more
        line, self.data = self.data.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise Mismatch(f"a line without CR LF: {line!r}")
        return line[:-1].decode("utf-8", "replace")

    def peek(self):
        line = self.line()
        self.data = line.encode() + b"\r\n" + self.data
        return line

    def silent(self, secs):
        self.socket.settimeout(secs)
        try:
            more = self.data or self.socket.recv(1)
            raise Mismatch(f"something came: {more!r}")
        except TimeoutError:
            pass
        finally:
            self.socket.settimeout(TIMEOUT)

    def closed(self):
        try:
            more = self.data or self.socket.recv(65536)
        except TimeoutError:
            raise Mismatch("the server did not close") from None
        except ConnectionError:
            return
        if more:
            raise Mismatch(f"instead of closing the server said {more!r}")

    def end(self):
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            raise Mismatch("the server did not close") from None
        except ConnectionError:
            pass


class Dialogue:
    def __init__(self, path, province, usual):
        self.path, self.province, self.usual = path, province, usual
        self.connections, self.now = {}, None
        self.names = {**USERS, "DOMAIN": DOMAIN}
        for n in "12":
            response = f"\0{USERS['USER' + n]}\0{USERS['PASS' + n]}"
            self.names["PLAIN" + n] = base64.b64encode(response.encode()).decode()
        self.skip = False

    def imap(self, n):
        """A session of $USERn."""
        c = imaplib.IMAP4_SSL("127.0.0.1", self.province.port["imaps"], timeout=TIMEOUT,
                              ssl_context=ssl.create_default_context(cafile=self.province.ca))
        c.login(USERS["USER" + n], USERS["PASS" + n])
        c.select()
        return c

    def empty(self, n):
        with self.imap(n) as c:
            c.uid("STORE", "1:*", "+FLAGS", r"\Deleted")
            c.expunge()

    def append(self, text):
        n, _, message = text.partition(" ")
        with self.imap(n) as c:
            # append() of imaplib makes every line end CR LF
            message = unescape(message)
            tag = c._command("APPEND", "INBOX", "{%d+}" % len(message))
            c.send(message + b"\r\n")
            if c._command_complete("APPEND", tag)[0] != "OK":
                raise Mismatch("APPEND was refused")

    def gone(self, text):
        n, uid = text.split()
        with self.imap(n) as c:
            c.uid("STORE", uid, "+FLAGS", r"\Deleted")
            c.expunge()

    def fill(self, text):
        return re.sub(r"\$(\w+)", lambda m: self.names.get(m.group(1), m.group(0)), text)

    def here(self):
        if self.now is None:
            self.new("main " + self.usual)
        return self.now

    def new(self, text):
        name, _, listener = text.strip().partition(" ")
        if name not in self.connections:
            self.connections[name] = Connection(self.province, listener or self.usual)
        self.now = self.connections[name]

    def send(self, data):
        try:
            self.here().socket.sendall(data)
        except ConnectionError as fault:
            raise Mismatch(f"could not send: {fault}") from None

    def expect(self, text):
        kept = {}
        expression, _ = pattern(self.fill(text), kept)
        while True:
            line = self.here().line()
            m = expression.fullmatch(line)
            if m:
                self.names.update(m.groupdict())
                break
            if not self.skip:
                raise Mismatch(f"wanted {text}\n     got {line}")
        self.skip = False

    def expect_many(self, text):
        expression, _ = pattern(self.fill(text), {})
        while expression.fullmatch(self.here().peek()):
            self.here().line()

    def repeat(self, text):
        count, _, line = text.strip().partition(" C: ")
        self.send((unescape(self.fill(line)) + b"\r\n") * int(count))

    def size(self, text):
        count, line = int(text), b"0123456789" * 7 + b"\r\n"
        self.send(line * (count // len(line)) + b"x" * (count % len(line)))

    def step(self, line):
        word, _, rest = line.partition(" ")
        if line in ("S: *",):
            self.skip = True
        elif word == "S:":
            self.expect(rest)
        elif word == "S*:":
            self.expect_many(rest)
        elif word == "C:":
            self.send(unescape(self.fill(rest)) + b"\r\n")
        elif word == "C<:":
            self.send(unescape(self.fill(rest)))
        elif word == "NEW":
            self.new(rest)
        elif word == "TLS":
            self.here().tls()
        elif word == "WAIT":
            time.sleep(float(rest))
        elif word == "SILENCE":
            self.here().silent(float(rest))
        elif word == "CLOSE":
            self.here().socket.close()
        elif word == "CLOSED":
            self.here().closed()
        elif word == "END":
            self.here().end()
        elif word == "REPEAT":
            self.repeat(rest)
        elif word == "FILL":
            self.send(b"x" * int(rest))
        elif word == "EMPTY":
            self.empty(rest)
        elif word == "APPEND":
            self.append(rest)
        elif word == "GONE":
            self.gone(self.fill(rest))
        elif word == "SIZE":
            self.size(rest)
        else:
            raise Mismatch(f"unknown step {line}")

    def play(self):
        with open(self.path, encoding="utf-8") as f:
            lines = f.read().split("\n")
        if not lines[0].startswith("# ") or "RFC" not in lines[0]:
            return "the first line names no RFC"
        for number, line in enumerate(lines, 1):
            if not line or line.startswith("#"):
                continue
            try:
                self.step(line)
            except (Mismatch, OSError, ssl.SSLError, imaplib.IMAP4.error) as fault:
                return f"{number}: {line}\n     {fault}"
        return None

    def close(self):
        for connection in self.connections.values():
            connection.socket.close()


def main():
    build, folder, names = sys.argv[1], os.path.abspath(sys.argv[2]), sys.argv[3:]
    options = {}
    if os.path.exists(os.path.join(folder, "options.json")):
        with open(os.path.join(folder, "options.json"), encoding="utf-8") as f:
            options = json.load(f)
    files = sorted(f for f in os.listdir(folder) if f.endswith(".txt"))
    files = [f for f in files if not names or f[:-4] in names]
    if not files:
        raise SystemExit("no dialogues")
    failed = 0
    with Province(build, **options) as p:
        p.domain(DOMAIN)
        p.agency("snv", "Sở Nội vụ")
        p.account(USERS["USER1"], USERS["PASS1"])
        p.account(USERS["USER2"], USERS["PASS2"])
        for file in files:
            dialogue = Dialogue(os.path.join(folder, file), p, USUAL[os.path.basename(folder)])
            fault = dialogue.play()
            dialogue.close()
            print(("FAILED " if fault else "ok     ") + file + (f":{fault}" if fault else ""),
                  flush=True)
            failed += fault is not None
        for daemon in p.daemons.values():
            if not daemon.is_running():
                raise HarnessError(f"{daemon.name} died:\n{daemon.tail()}")
    if failed:
        raise SystemExit(f"{failed} of {len(files)} dialogues failed")


if __name__ == "__main__":
    main()
