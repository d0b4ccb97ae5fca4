#!/usr/bin/env python3
"""Starts a daemon and lets several sessions check each other for some seconds (sessions.py)."""
# SPDX-License-Identifier: MPL-2.0
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from run import NAMES, run_against  # noqa: E402


def play(daemon):
    return subprocess.run([sys.executable, os.path.dirname(os.path.abspath(__file__)) +
                           "/sessions.py", "127.0.0.1", str(daemon.port), NAMES["user"],
                           NAMES["pass"], os.environ.get("CONGVU_SESSIONS_SECS", "6")],
                          check=False).returncode


if __name__ == "__main__":
    sys.exit(run_against(play))
