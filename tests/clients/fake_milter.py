# SPDX-License-Identifier: MPL-2.0
"""A scripted mail filter: speaks the milter protocol as it is told to, also wrongly, and remembers
what it was sent.

    with FakeMilter() as filter:
        filter.answers["R"] = [packet("y", b"550 5.1.1 not you\\0")]
        ...
        filter.sessions[-1].steps  # [("C", b"..."), ("H", b"..."), ...]
"""
import socket
import struct
import threading
import time

CONTINUE, ACCEPT, REJECT, TEMPFAIL, DISCARD, PROGRESS, SKIP = "c", "a", "r", "t", "d", "p", "s"
NO_CONNECT, NO_HELO, NO_MAIL, NO_RCPT, NO_BODY, NO_HEADER, NO_EOH, NR_HEADER = (
    1 << i for i in range(8))
NO_UNKNOWN, NO_DATA, SKIP_OK, RCPT_REJ = 0x100, 0x200, 0x400, 0x800
DATA_256K, DATA_1M = 0x10000000, 0x20000000
NR_CONNECT, NR_HELO, NR_MAIL, NR_RCPT, NR_DATA, NR_UNKNOWN, NR_EOH, NR_BODY, LEADING_SPACE = (
    0x1000 << i for i in range(9))
ADD_HEADER, CHANGE_BODY, CHANGE_HEADER, QUARANTINE = 0x01, 0x02, 0x10, 0x20
ADD_RCPT, DEL_RCPT, CHANGE_FROM, ADD_RCPT_PAR, SET_MACROS = 0x04, 0x08, 0x40, 0x80, 0x100
EVERY_ACTION = ADD_HEADER | CHANGE_BODY | CHANGE_HEADER | QUARANTINE
ENVELOPE = ADD_RCPT | DEL_RCPT | CHANGE_FROM | ADD_RCPT_PAR
UNANSWERED = {"C": NR_CONNECT, "H": NR_HELO, "M": NR_MAIL, "R": NR_RCPT, "T": NR_DATA, "U": NR_UNKNOWN,
              "L": NR_HEADER, "N": NR_EOH, "B": NR_BODY}


def packet(command, data=b""):
    return struct.pack(">I", len(data) + 1) + command.encode() + data


def add_header(name, value):
    return packet("h", name + b"\0" + value + b"\0")


def insert_header(index, name, value):
    return packet("i", struct.pack(">I", index) + name + b"\0" + value + b"\0")


def change_header(index, name, value):
    return packet("m", struct.pack(">I", index) + name + b"\0" + value + b"\0")


class Close:
    """In a list of answers: close the connection here."""


class Wait:
    """In a list of answers: do nothing for a while."""

    def __init__(self, secs):
        self.secs = secs


class Session:
    def __init__(self):
        self.steps, self.macros, self.ended = [], {}, False
        self.history = {}  # command -> the macros of each such step

    def commands(self):
        return "".join(command for command, _ in self.steps)

    def header(self):
        fields = (data.split(b"\0") for command, data in self.steps if command == "L")
        return [(name, value) for name, value, _ in fields]

    def body(self):
        return b"".join(data for command, data in self.steps if command == "B")

    def messages(self):
        """The steps of each message, from MAIL on; what came between MAIL and the next counts."""
        found = []
        for command, _ in self.steps:
            if command == "M":
                found.append("M")
            elif found and command not in "HQ":
                found[-1] += command
        return found


class FakeMilter:
    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.sockets = set()
        self.reset()
        self.stopped = False
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def name(self):
        return f"inet:{self.port}@127.0.0.1"

    def reset(self):
        self.sessions = []
        self.version, self.actions, self.protocol = 6, EVERY_ACTION, 0
        self.offer = None      # bytes sent instead of the answer to the offer
        self.answers = {}      # command -> list of packets, Close, Wait
        self.once = {}         # the same, used up by one step
        self.split = False     # send byte by byte
        self.read_slowly = False
        self.macro_lists = b"" # behind the answer to the offer
        self.connections = 0
        self.close_idle = False # close a connection that was kept for another session
        self.deaf = False      # take connections and do not answer at all

    def close(self):
        self.stopped = True
        self.server.close()
        for s in list(self.sockets):
            s.close()

    def _serve(self):
        while not self.stopped:
            try:
                s, _ = self.server.accept()
            except OSError:
                return
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets.add(s)
            threading.Thread(target=self._talk, args=(s,), daemon=True).start()

    def _exactly(self, s, n):
        got = bytearray()
        while len(got) < n:
            if self.read_slowly:
                time.sleep(0.0005)
            piece = s.recv(min(n - len(got), 4096 if self.read_slowly else 1 << 20))
            if not piece:
                raise ConnectionError
            got += piece
        return bytes(got)

    def _send(self, s, data):
        if not self.split:
            s.sendall(data)
            return
        for i in range(len(data)):
            s.sendall(data[i:i + 1])
            time.sleep(0.0002)

    def _answer(self, s, session, command):
        answers = self.once.pop(command, None)
        if answers is None:
            answers = self.answers.get(command)
        if answers is None:
            if self.protocol & UNANSWERED.get(command, 0):
                return
            answers = [packet(CONTINUE)]
        for answer in answers:
            if answer is Close:
                raise ConnectionError
            if isinstance(answer, Wait):
                time.sleep(answer.secs)
            else:
                self._send(s, answer)

    def _talk(self, s):
        session = Session()
        self.sessions.append(session)
        self.connections += 1
        try:
            while True:
                size = struct.unpack(">I", self._exactly(s, 4))[0]
                data = self._exactly(s, size)
                command, data = chr(data[0]), data[1:]
                if self.deaf:
                    continue
                if command == "O":
                    session.offered = struct.unpack(">III", data[:12])
                    self._send(s, self.offer if self.offer is not None else packet(
                        "O", struct.pack(">III", self.version, self.actions, self.protocol)
                        + self.macro_lists))
                elif command == "D":
                    words = data[1:].split(b"\0")
                    pairs = dict(zip(words[0:-1:2], words[1::2]))
                    session.macros.setdefault(chr(data[0]), {}).update(pairs)
                    session.history.setdefault(chr(data[0]), []).append(pairs)
                else:
                    session.steps.append((command, data))
                    if command == "Q":
                        return
                    if command == "K":
                        session.ended = True
                        if self.close_idle:
                            return
                        session = Session()
                        self.sessions.append(session)
                        continue
                    if command != "A":
                        self._answer(s, session, command)
        except (OSError, ConnectionError):
            pass
        finally:
            session.ended = True
            self.sockets.discard(s)
            s.close()
