#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""An SMTP server that does what its script says and remembers what it got.

    sink = Sink("127.0.0.2", port, ehlo=["PIPELINING", "SIZE 1000000"],
                answers={"RCPT": ["450 4.2.0 later"]})

answers maps a verb (also GREETING, DATA-END) to replies: a list is used up in order and then the
usual reply is given; a string is given always; a function gets the command line and the session and
returns a reply or None for the usual one. The reply "CLOSE" drops the connection.
"""
import socket
import ssl
import threading
import time


class Message:
    def __init__(self, sender, rcpts, params):
        self.sender, self.rcpts, self.params = sender, rcpts, params
        self.data = b""
        self.secure = False
        self.connection = 0


class Session(threading.Thread):
    def __init__(self, sink, connection, number):
        super().__init__(daemon=True)
        self.sink, self.socket, self.number = sink, connection, number
        self.secure = sink.implicit
        self.is_lmtp = False   # RFC 2033: an answer for each recipient
        self.lines = []        # every command as it came
        self.sender = None

    def run(self):
        try:
            if self.secure:
                self.socket = self.sink.tls.wrap_socket(self.socket, server_side=True)
            self.file = self.socket.makefile("rb")
            self.talk()
        except (OSError, ValueError, ssl.SSLError) as fault:
            self.sink.faults.append(f"session {self.number}: {fault}")
        finally:
            self.sink.closed += 1
            try:
                self.socket.shutdown(socket.SHUT_RDWR)  # the file made of it holds it open
            except OSError:
                pass
            self.socket.close()

    def send(self, reply):
        self.socket.sendall(reply.encode() + b"\r\n")

    def choose(self, verb, line, usual):
        reply = self.sink.answer(verb, line, self)
        return usual if reply is None else reply

    def talk(self):
        if not self.reply(self.choose("GREETING", "", "220 sink ESMTP")):
            return
        while True:
            raw = self.file.readline(4096)
            if not raw:
                return
            if not raw.endswith(b"\r\n") or b"\r" in raw[:-2]:
                self.sink.faults.append(f"bare line end in {raw!r}")
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            self.lines.append(line)
            verb = line.split(" ")[0].split(":")[0].upper()
            if not getattr(self, "do_" + verb.lower(), self.do_other)(verb, line):
                return

    def reply(self, text):
        if text == "CLOSE":
            return False
        self.send(text)
        return True

    def do_other(self, verb, line):
        return self.reply(self.choose(verb, line, "500 5.5.2 what"))

    def do_helo(self, verb, line):
        return self.reply(self.choose(verb, line, "250 sink"))

    def do_ehlo(self, verb, line):
        words = list(self.sink.ehlo)
        if self.secure:
            words += self.sink.secure_ehlo
        elif self.sink.tls:
            words.append("STARTTLS")
        lines = ["sink"] + words
        usual = "\r\n".join("250" + ("-" if i < len(lines) - 1 else " ") + w
                            for i, w in enumerate(lines))
        return self.reply(self.choose(verb, line, usual))

    def do_lhlo(self, verb, line):
        self.is_lmtp = True
        return self.do_ehlo(verb, line)

    def do_starttls(self, verb, line):
        reply = self.choose(verb, line, "220 go")
        if not self.reply(reply):
            return False
        if not reply.startswith("220"):
            return True
        if self.sink.break_tls:
            self.socket.sendall(b"this is no handshake\r\n" * 4)
            time.sleep(0.1)
            return False
        self.socket = self.sink.tls.wrap_socket(self.socket, server_side=True)
        self.file = self.socket.makefile("rb")
        self.secure = True
        return True

    def do_mail(self, verb, line):
        reply = self.choose(verb, line, "250 2.1.0 ok")
        if reply.startswith("250"):
            path, _, params = line[len("MAIL FROM:"):].partition(" ")
            self.sender, self.params, self.rcpts, self.rcpt_params = path[1:-1], params, [], []
        return self.reply(reply)

    def do_rcpt(self, verb, line):
        if self.sender is None:
            return self.reply("503 5.5.1 MAIL first")
        reply = self.choose(verb, line, "250 2.1.5 ok")
        if reply.startswith("250"):
            path, _, params = line[len("RCPT TO:"):].partition(" ")
            self.rcpts.append(path[1:-1])
            self.rcpt_params.append(params)
        return self.reply(reply)

    def do_data(self, verb, line):
        if self.sender is None or not self.rcpts:
            return self.reply("503 5.5.1 RCPT first")
        reply = self.choose(verb, line, "354 go on")
        if not self.reply(reply):
            return False
        if not reply.startswith("354"):
            return True
        message = Message(self.sender, self.rcpts, [self.params] + self.rcpt_params)
        message.secure, message.connection = self.secure, self.number
        lines = []
        while True:
            raw = self.file.readline()
            if not raw:
                return False
            if not raw.endswith(b"\r\n") or b"\r" in raw[:-2]:
                self.sink.faults.append(f"bare line end in data: {raw!r}")
            if raw == b".\r\n":
                break
            lines.append(raw[1:] if raw.startswith(b".") else raw)
        message.data = b"".join(lines)
        self.sender = None
        if self.is_lmtp:
            return self.lmtp_end(message)
        reply = self.choose("DATA-END", line, "250 2.0.0 taken")
        if reply.startswith("250"):
            with self.sink.lock:
                self.sink.messages.append(message)
        return self.reply(reply)

    def do_bdat(self, verb, line):
        words = line.split(" ")
        chunk = self.file.read(int(words[1]))
        if self.sender is None or not self.rcpts:
            return self.reply("503 5.5.1 RCPT first")
        self.chunks = getattr(self, "chunks", b"") + chunk
        last = len(words) == 3 and words[2] == "LAST"
        if not last:
            reply = self.choose("BDAT", line, "250 2.0.0 more")
            if not reply.startswith("250"):
                self.chunks, self.sender = b"", None
            return self.reply(reply)
        message = Message(self.sender, self.rcpts, [self.params] + self.rcpt_params)
        message.secure, message.connection = self.secure, self.number
        message.data, self.chunks, self.sender = self.chunks, b"", None
        left = message.data.replace(b"\r\n", b"")
        if b"\r" in left or b"\n" in left or not message.data.endswith(b"\r\n"):
            self.sink.faults.append("bare line end in a chunk")
        reply = self.choose("DATA-END", line, "250 2.0.0 taken")
        if reply.startswith("250"):
            with self.sink.lock:
                self.sink.messages.append(message)
        return self.reply(reply)

    def lmtp_end(self, message):
        taken = []
        for rcpt in message.rcpts:
            reply = self.choose("DATA-END", rcpt, "250 2.0.0 taken")
            if reply.startswith("250"):
                taken.append(rcpt)
            if not self.reply(reply):
                return False
        message.rcpts = taken
        with self.sink.lock:
            self.sink.messages.append(message)
        return True

    def do_rset(self, verb, line):
        self.sender = None
        return self.reply(self.choose(verb, line, "250 2.0.0 ok"))

    def do_quit(self, verb, line):
        self.reply(self.choose(verb, line, "221 2.0.0 bye"))
        return False


class Sink:
    def __init__(self, address, port, *, ehlo=("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"),
                 secure_ehlo=(), answers=None, certificate=None, break_tls=False,
                 implicit=False):
        self.ehlo, self.answers, self.break_tls = ehlo, dict(answers or {}), break_tls
        self.secure_ehlo = list(secure_ehlo)
        self.implicit = implicit
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*certificate)
        self.lock = threading.Lock()
        self.messages, self.sessions, self.faults = [], [], []
        self.closed = 0
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if address.startswith("/"):
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(address)
            self.listener.listen(200)
        else:
            self.listener = socket.create_server((address, port), family=family, backlog=200)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            session = Session(self, connection, len(self.sessions))
            self.sessions.append(session)
            session.start()

    def answer(self, verb, line, session):
        reply = self.answers.get(verb)
        if callable(reply):
            return reply(line, session)
        if isinstance(reply, list):
            with self.lock:
                return reply.pop(0) if reply else None
        return reply

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for session in self.sessions:
            try:
                session.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
