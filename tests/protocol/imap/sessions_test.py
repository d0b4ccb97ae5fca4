#!/usr/bin/env python3
"""Starts a daemon and lets several sessions check each other for some seconds (sessions.py)."""
# SPDX-License-Identifier: MPL-2.0
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from run import NAMES, Daemon, Wrong  # noqa: E402


def main():
    daemon = Daemon(sys.argv[1], [])
    try:
        daemon.ask({"do": "domain.add", "domain": "lamgiang.example"})
        daemon.ask({"do": "account.add", "address": NAMES["user"], "display_name": "Nguyễn An",
                    "password": NAMES["pass"], "allow_weak": True})
        status = subprocess.run([sys.executable, os.path.dirname(os.path.abspath(__file__)) +
                                 "/sessions.py", "127.0.0.1", str(daemon.port), NAMES["user"],
                                 NAMES["pass"], os.environ.get("CONGVU_SESSIONS_SECS", "6")],
                                check=False).returncode
        daemon.stop()
    except (Wrong, OSError) as fault:
        daemon.process.kill()
        print("%s\n%s" % (fault, daemon.said()[-3000:]))
        return 1
    finally:
        daemon.process.wait()
        shutil.rmtree(daemon.dir)
    return status


if __name__ == "__main__":
    sys.exit(main())
