# SPDX-License-Identifier: MPL-2.0
"""A real Postfix for tests: own configuration, queue, data and log in one folder, on loopback.

    relay = Postfix(MAIN_CF, "{host}:{port} inet n - n - - smtpd\\n", lmtp=24)
    relay.start(); ...; relay.stop()

What every test wants alike stands here; a test gives the lines of main.cf that are its own and the
listeners of master.cf. Both texts know {dir}, {host}, {port} and the words given. Needs root and postfix.
"""
import contextlib
import os
import shutil
import signal
import smtplib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from kit import PATIENCE, Failure, expect, skip, wait_until  # noqa: E402
from ports import free_port  # noqa: E402

MAIN_CF = """compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
maillog_file_prefixes = {dir}
maillog_file = {dir}/maillog
mydestination =
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
smtputf8_enable = yes
in_flow_delay = 0
"""
MASTER_CF = """pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def need_postfix():
    if os.geteuid() or not shutil.which("postfix", path="/usr/sbin:/usr/bin"):
        skip("needs root and postfix (./dev setup)")


def make_room_for_log(least=512):
    """Postfix's daemons block on the socket of postlogd when the kernel queues few datagrams (10 in a
    new network namespace or without systemd), and master with them, which then never starts it."""
    path = "/proc/sys/net/unix/max_dgram_qlen"
    try:
        with open(path, "r+", encoding="ascii") as f:
            if int(f.read()) < least:
                f.seek(0)
                f.write(str(least))
    except OSError:
        pass  # read-only here: a start that hangs is told by its time limit


class Postfix:
    """HOST is where the listener answers that tells that it is up."""

    def __init__(self, main, master, host="127.0.0.1", port=None, **words):
        self.dir = tempfile.mkdtemp(prefix="congvu-postfix-", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.host, self.port = host, port or free_port()
        for name, owner in (("etc", "root"), ("queue", "root"), ("data", "postfix"),
                            ("mail", "nobody")):
            os.mkdir(os.path.join(self.dir, name), 0o755)
            shutil.chown(os.path.join(self.dir, name), owner)
        mail = os.stat(os.path.join(self.dir, "mail"))  # no group of its own: nobody's number again
        words = {"dir": self.dir, "host": host, "port": self.port, "uid": mail.st_uid,
                 "gid": mail.st_uid, **words}
        for name, text in (("main.cf", MAIN_CF + main), ("master.cf", master + MASTER_CF)):
            with open(os.path.join(self.dir, "etc", name), "w", encoding="utf-8") as f:
                f.write(text.format(**words))

    def run(self, program, *argv):
        """One of Postfix's commands on this instance, with a time limit."""
        try:
            return subprocess.run([program, "-c", os.path.join(self.dir, "etc"), *argv],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  check=False, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failure(f"{program} {' '.join(argv)} does not end:\n{self.log()}") from None

    def start(self):
        make_room_for_log()
        done = self.run("postfix", "start")
        expect(done.returncode == 0, done.stderr, self.log())

        def is_up():
            try:
                smtplib.SMTP(self.host, self.port, timeout=10).quit()
                return True
            except OSError:
                return False
        wait_until("Postfix", is_up, every=0.1)
        return self

    def processes(self):
        """Its master and what master started: whoever works in its folders."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{name}/cwd").startswith(self.dir + "/"):
                    found.append(int(name))
            except OSError:
                pass  # it has just gone
        return found

    def stop(self):
        """Always comes back and leaves no process: a master that hangs is killed, and its children,
        which would wait for another one."""
        try:
            self.run("postfix", "stop")
        except Failure as fault:
            print(fault)
        end = time.monotonic() + 10
        while self.processes():
            if time.monotonic() > end:
                for pid in self.processes():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        try:
            with open(os.path.join(self.dir, "maillog"), encoding="utf-8", errors="replace") as f:
                return f.read()
        except OSError:
            return "(no maillog)"
