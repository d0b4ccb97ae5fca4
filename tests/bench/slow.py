"""Clients that send one byte a second: what a server must keep and not wait for.

    with Slow(port, domain, 1000):
        ...  # half of them in the middle of a command, half in the middle of a message
"""
# SPDX-License-Identifier: MPL-2.0
import socket
import threading
import time

RAMP = 50  # new ones between two looks at the clock


class Slow:
    def __init__(self, port, rcpt, count):
        self.target, self.rcpt, self.count = ("127.0.0.1", port), rcpt, count
        self.sockets, self.lost, self.sent = [], 0, 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._trickle, daemon=True)

    def _open(self, number):
        s = socket.create_connection(self.target, 60)
        talk = ["EHLO slow.example"]
        if number % 2:
            talk += ["MAIL FROM:<slow@slow.example>", f"RCPT TO:<{self.rcpt}>", "DATA"]
        text = s.makefile("rb")
        text.readline()
        for line in talk:
            s.sendall(line.encode() + b"\r\n")
            while text.readline()[3:4] == b"-":
                pass
        text.close()
        s.setblocking(False)
        return s

    def _trickle(self):
        """A byte of each every second, spread over the second."""
        while not self.stopped.is_set():
            began = time.monotonic()
            for i in range(0, len(self.sockets), RAMP):
                for n, s in enumerate(self.sockets[i:i + RAMP], i):
                    self._byte(n, s)
                self.stopped.wait(RAMP / max(len(self.sockets), 1) * 0.9)
            self.stopped.wait(max(0, began + 1 - time.monotonic()))

    def _byte(self, n, s):
        try:
            s.send(b"x")
            self.sent += 1
        except OSError:
            if s.fileno() >= 0:
                self.lost += 1
                s.close()

    def __enter__(self):
        for i in range(self.count):
            self.sockets.append(self._open(i))
        self.thread.start()
        time.sleep(2)
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()
        for s in self.sockets:
            s.close()
