#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""A converter that lies, in the way that the variable LIE names, for extract_test.c."""
import os
import socket
import time

LIES = {"silent": b"", "no-start": b"X\0\0\0\0\0", "dies": b"S", "outcome": b"S\x99\0\0\0\0",
        "too-long": b"S\0\xff\xff\xff\xff", "too-short": b"S\0\0\0\0\x09abc",
        "endless": b"S\0\0\0\0\x04abcd" + b"z" * 5000000}

keeper = socket.socket(fileno=0)
keeper.send(b"1 office")
while True:
    said, fds, _, _ = socket.recv_fds(keeper, 100, 1)
    if not said:
        break
    job = socket.socket(fileno=fds[0])
    try:
        job.sendall(LIES[os.environ["LIE"]])
        if os.environ["LIE"] == "silent":
            time.sleep(4)
    except OSError:
        pass
    job.close()
