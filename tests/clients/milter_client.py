# SPDX-License-Identifier: MPL-2.0
"""An MTA as a filter sees it: the milter protocol, version 6, from the MTA's side.

MilterClient speaks packet by packet; message() sends a whole mail and says what came of it.
"""
import dataclasses
import ipaddress
import re
import socket
import struct

ALL_ACTIONS = 0x1FF


@dataclasses.dataclass
class Outcome:
    """What the filter answered to a mail, and the edits it asked for."""
    code: str           # accept, continue, reject, tempfail, discard, reply
    reply: str = ""     # of `reply`: "550 5.7.1 ..."
    step: str = "end"   # where it was decided: connect, helo, mail, rcpt, end
    added: list = dataclasses.field(default_factory=list)  # (name, value), the topmost first
    changed: list = dataclasses.field(default_factory=list)  # (name, nth, value)
    quarantine: str = ""

    @property
    def delivered(self):
        return self.code in ("accept", "continue")

    def field(self, name):
        """The value of an added field, unfolded; "" when there is none."""
        for key, value in self.added:
            if key.lower() == name.lower():
                return re.sub(r"\s*\n\s*", " ", value).strip()
        return ""

    def rules(self):
        """Rule name -> weight, of X-Congvu-Verdict."""
        return {name: float(weight) for name, weight in
                re.findall(r"([a-z0-9-]+)\((-?[0-9.]+)\)", self.field("X-Congvu-Verdict"))}

    def action(self):
        """The action X-Congvu-Verdict names; "" without one."""
        return self.field("X-Congvu-Verdict").split(";")[0].strip()


class MilterClient:
    """One connection to a filter; no step is skipped, each is answered."""

    WORDS = {b"a": "accept", b"c": "continue", b"r": "reject", b"t": "tempfail", b"d": "discard",
             b"y": "reply"}

    def __init__(self, where, seconds=30, actions=ALL_ACTIONS):
        """WHERE is a path, a (host, port) or the filter's word: unix:/path, inet:port@host.

        ACTIONS are the edits this MTA takes."""
        if isinstance(where, str) and where.startswith("inet:"):
            port, _, host = where[5:].partition("@")
            where = (host or "127.0.0.1", int(port))
        if isinstance(where, str):
            self.socket = socket.socket(socket.AF_UNIX)
            where = where.removeprefix("unix:")
        else:
            self.socket = socket.socket()
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(seconds)
        self.socket.connect(where)
        self.send(b"O", struct.pack(">III", 6, actions, 0))
        command, data = self.read()
        assert command == b"O", command
        self.version, self.actions, self.steps = struct.unpack(">III", data[:12])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.send(b"Q")
        except OSError:
            pass
        self.socket.close()

    def send(self, command, data=b""):
        self.socket.sendall(struct.pack(">I", len(data) + 1) + command + data)

    def read(self):
        head = self.exactly(4)
        packet = self.exactly(struct.unpack(">I", head)[0])
        return packet[:1], packet[1:]

    def exactly(self, n):
        out = b""
        while len(out) < n:
            piece = self.socket.recv(n - len(out))
            if not piece:
                raise EOFError
            out += piece
        return out

    def ask(self, command, data=b""):
        self.send(command, data)
        return self.read()[0]

    def macros(self, command, values):
        pairs = b"".join(k.encode() + b"\0" + v.encode() + b"\0" for k, v in values.items())
        self.send(b"D", command + pairs)

    def connect(self, client="192.0.2.9", name="host.test", helo="host.test", macros=None):
        """The connection's steps; CLIENT "" is a local one. None when the filter goes on."""
        data = name.encode() + b"\0"
        if client:
            family = b"6" if ipaddress.ip_address(client).version == 6 else b"4"
            data += family + struct.pack(">H", 25) + client.encode() + b"\0"
        else:
            data += b"U"
        if macros:
            self.macros(b"C", macros)
        return (self._step("connect", b"C", data)
                or self._step("helo", b"H", helo.encode() + b"\0"))

    def _step(self, name, command, data=b""):
        self.send(command, data)
        return self._outcome(name, *self.read())

    def _outcome(self, step, command, data):
        if command == b"c" and step != "end":
            return None
        reply = data.rstrip(b"\0").decode("utf-8", "replace") if command == b"y" else ""
        return Outcome(self.WORDS[command], reply, step)

    def message(self, sender, rcpts, fields, body=b"", macros=None, chunk=65535):
        """A mail with the header FIELDS, (name, value) as text or octets; its Outcome."""
        macros = {"i": "Q1", **(macros or {})}
        self.macros(b"M", macros)
        out = self._step("mail", b"M", _octets(sender) + b"\0")
        for rcpt in rcpts if not out else ():
            out = out or self._step("rcpt", b"R", _octets(rcpt) + b"\0")
        for name, value in fields if not out else ():
            out = out or self._step(
                "header", b"L", _octets(name) + b"\0" + _octets(value) + b"\0")
        out = out or self._step("eoh", b"N")
        for at in range(0, len(body) if not out else 0, chunk):
            out = out or self._step("body", b"B", body[at:at + chunk])
        if out:
            return out
        self.macros(b"E", macros)
        self.send(b"E")
        return self._end()

    def _end(self):
        added, changed, quarantine = [], [], ""
        while True:
            command, data = self.read()
            if command in self.WORDS:
                out = self._outcome("end", command, data)
                out.added, out.changed, out.quarantine = added, changed, quarantine
                return out
            if command in b"hi":
                place, data = (0, data[4:]) if command == b"i" else (len(added), data)
                name, value = data.split(b"\0")[:2]
                added.insert(place, (name.decode(), value.decode("utf-8", "replace")))
            elif command == b"m":
                name, value = data[4:].split(b"\0")[:2]
                changed.append((name.decode(), struct.unpack(">I", data[:4])[0],
                                value.decode("utf-8", "replace")))
            elif command == b"q":
                quarantine = data.rstrip(b"\0").decode("utf-8", "replace")
            else:
                assert command in b"p+-2b", command


def _octets(text):
    return text.encode() if isinstance(text, str) else text
