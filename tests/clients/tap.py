# SPDX-License-Identifier: MPL-2.0
"""Listens in between a mail client and imapd, and says which commands imapd refused.

    with Tap(province) as tap:      # TLS with the province's own certificate (or PAIR), at tap.port
        ...
    tap.expect_only({r"SELECT .*": "why a client may ask that and must hear NO"})

A client that gets BAD has been misunderstood, or misunderstands; one that gets NO may carry on with
less. Tests of clients therefore name every refusal that is right, and fail on any other.
"""
import os
import re
import select
import socket
import ssl
import threading
import zlib

from kit import expect

LITERAL = re.compile(rb"\{(\d+)\+?\}$")


class Lines:
    """A direction of a session as lines, literals left out; `deflate` for what follows COMPRESS."""

    def __init__(self):
        self.rest, self.skip, self.pending, self.inflate = b"", 0, b"", None

    def feed(self, data):
        if self.inflate:
            data = self.inflate.decompress(data)
        self.rest += data
        lines = []
        while self.rest:
            if self.skip:
                gone = min(self.skip, len(self.rest))
                self.rest, self.skip = self.rest[gone:], self.skip - gone
                continue
            line, end, after = self.rest.partition(b"\n")
            if not end:
                break
            self.rest, line = after, self.pending + line.rstrip(b"\r")
            size = LITERAL.search(line)
            self.pending = line + b" ~ " if size else b""
            self.skip = int(size[1]) if size else 0
            if not size:
                lines.append(line.decode("utf-8", "replace"))
        return lines

    def compressed_from_here(self):
        self.inflate = zlib.decompressobj(-15)
        self.rest = self.inflate.decompress(self.rest) if self.rest else b""


class Session:
    def __init__(self):
        self.client, self.server = Lines(), Lines()
        self.commands, self.log, self.lock = {}, [], threading.Lock()

    def heard(self, direction, data):
        with self.lock:
            if direction == "C":
                for line in self.client.feed(data):
                    self.log.append("C: " + line)
                    tag, _, command = line.partition(" ")
                    self.commands[tag] = command
                return
            for line in self.server.feed(data):
                self.log.append("S: " + line)
                tag, _, answer = line.partition(" ")
                if self.commands.get(tag, "").upper() == "COMPRESS DEFLATE" \
                        and answer.startswith("OK"):
                    self.client.compressed_from_here()
                    self.server.compressed_from_here()

    def refusals(self):
        """(command, answer) of every tagged NO and BAD, and of every untagged BAD."""
        commands, found = {}, []
        for line in list(self.log):
            tag, _, text = line[3:].partition(" ")
            if line.startswith("C: "):
                commands[tag] = text
            elif text.startswith(("NO ", "BAD ")) and (tag in commands or tag == "*"):
                found.append((commands.get(tag, ""), text))
        return found


def relay(session, near, far):
    """Until one side ends. One thread does both ways: OpenSSL allows no two on a connection."""
    other, way = {near: far, far: near}, {near: "C", far: "S"}
    out = {near: b"", far: b""}
    for end in other:
        end.setblocking(False)
    while True:
        writers = [end for end in other if out[end]]
        readers = [end for end in other if len(out[other[end]]) < 1 << 20]
        readable, writable, _ = select.select(readers, writers, [], 600)
        if not readable and not writable:
            return
        for end in readable:
            while True:  # what OpenSSL holds already wakes no select()
                try:
                    data = end.recv(65536)
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    break
                if not data:
                    other[end].settimeout(10)
                    other[end].sendall(out[other[end]])
                    return
                session.heard(way[end], data)
                out[other[end]] += data
        for end in other:
            if out[end]:
                try:
                    out[end] = out[end][end.send(out[end]):]
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass


class Tap:
    def __init__(self, province, listener="imaps", pair=None):
        self.province, self.target = province, province.port[listener]
        self.sessions, self.open = [], set()
        self.own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.own.load_cert_chain(*(pair or (province.ca, os.path.join(province.dir, "keys", "key.pem"))))
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                bare, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(bare,), daemon=True).start()

    def _serve(self, bare):
        try:
            bare.settimeout(600)
            near = self.own.wrap_socket(bare, server_side=True)
            far = self.province.context().wrap_socket(
                socket.create_connection(("127.0.0.1", self.target), 600),
                server_hostname="localhost")
        except OSError:
            bare.close()  # a client that does not like our certificate, say
            return
        session = Session()
        self.sessions.append(session)
        pair = {near, far}
        self.open |= pair
        try:
            relay(session, near, far)
        except OSError:
            pass  # one of the two went away
        self.open -= pair
        near.close()
        far.close()

    def close(self):
        self.listener.close()
        for one in list(self.open):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()
        if kind:
            print(self.transcript()[-12000:])

    def transcript(self):
        return "\n".join("\n".join([f"--- session {i}"] + s.log)
                         for i, s in enumerate(list(self.sessions)))

    def said(self, pattern):
        """Whether a client sent a command like PATTERN."""
        want = re.compile(pattern, re.I)
        return any(line.startswith("C: ") and want.search(line[3:])
                   for s in list(self.sessions) for line in list(s.log))

    def idles_in(self, mailbox):
        """Whether a session that selected MAILBOX, as the client writes it, waits for news there."""
        select = re.compile(r'C: \S+ (?:select|examine) "?([^"(]*?)"?(?: \(.*)?$', re.I)
        for session in list(self.sessions):
            log = list(session.log)
            chosen = [found[1] for found in map(select.match, log) if found]
            if chosen and chosen[-1] == mailbox and log[-1].startswith("S: +"):
                return True
        return False

    def expect_only(self, allowed):
        """Fails on a refusal whose command no key of ALLOWED matches; the values say why it is right."""
        expect(self.sessions, "nobody came through the tap")
        for session in list(self.sessions):
            for command, answer in session.refusals():
                expect(any(re.fullmatch(p, command, re.I | re.S) for p in allowed),
                       "refused:", command, "->", answer)
