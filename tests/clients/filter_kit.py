# SPDX-License-Identifier: MPL-2.0
"""What tests of congvu-spamfilter share: keys, a zone, the running filter, its control socket."""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from ports import free_port  # noqa: E402,F401

DOMAIN = "lamgiang.example"


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, check=True, capture_output=True).stdout


class Key:
    """A private key and what DNS says about it."""

    def __init__(self, kind, bits=2048):
        options = ["-pkeyopt", f"rsa_keygen_bits:{bits}"] if kind == "rsa" else []
        self.kind = kind
        self.pem = openssl("genpkey", "-algorithm", kind.upper(), *options)
        der = openssl("pkey", "-pubout", "-outform", "DER", data=self.pem)
        raw = der if kind == "rsa" else der[-32:]
        self.record = f"v=DKIM1; k={kind}; p=" + openssl("base64", "-A", data=raw).decode().strip()
        private = openssl("pkey", "-outform", "DER", data=self.pem)
        self.seed = private[-32:]  # of an ed25519 key


def txt(name, text):
    strings = " ".join(f'"{text[i:i + 200]}"' for i in range(0, len(text), 200))
    return f"{name} TXT {strings}\n"


class Filter:
    """A congvu-spamfilter of its own folder, configuration and zone."""

    def __init__(self, build, zone, keys=None, options="", main_options="", socket_word=None):
        self.program = os.path.join(build, "bin", "congvu-spamfilter")
        self.dir = tempfile.mkdtemp(prefix="congvu-filter-")
        os.chmod(self.dir, 0o755)
        self.port = free_port()
        self.socket = socket_word or f"inet:{self.port}@127.0.0.1"
        self.zone = os.path.join(self.dir, "zone")
        self.conf = os.path.join(self.dir, "congvu.conf")
        self.log_path = os.path.join(self.dir, "log")
        self.process = None
        with open(self.zone, "w", encoding="utf-8") as f:
            f.write(zone)
        # Test hosts have no names: what that weighs is for tests that ask for it.
        quiet = "" if "host_checks" in options else "host_checks = no\n"
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(f"[congvu]\nbase_dir = {self.dir}\nhostname = mail.{DOMAIN}\n"
                    f"default_domain = {DOMAIN}\ndns_zone_file = {self.zone}\n{main_options}\n"
                    f"[spamfilter]\n{quiet}{options}\n")
        for selector, key in (keys or {}).items():
            self.put_key(selector, key)
        if keys:
            self.set_current(list(keys))

    def key_folder(self):
        folder = os.path.join(self.dir, "keys", "dkim", DOMAIN)
        os.makedirs(folder, exist_ok=True)
        return folder

    def put_key(self, selector, key):
        ending = ".pem" if key.kind == "rsa" else ".ed25519.pem"
        with open(os.path.join(self.key_folder(), selector + ending), "wb") as f:
            f.write(key.pem)

    def set_current(self, selectors):
        with open(os.path.join(self.key_folder(), "current"), "w", encoding="utf-8") as f:
            f.write("\n".join(selectors) + "\n")

    def put_weights(self, text):
        """The file that the option `weights_file = weights.txt` names; a running filter reads it."""
        with open(os.path.join(self.dir, "weights.txt"), "w", encoding="utf-8") as f:
            f.write(text)
        if self.process:
            answer = self.ask(do="reload")
            assert answer["ok"], answer

    def start(self, *words):
        reader, writer = os.pipe()
        arguments = list(words) or ["--conf", self.conf, "-p", self.socket]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, *arguments], stderr=log, pass_fds=[writer],
                env={**os.environ, "CONGVU_READY_FD": str(writer)})
        os.close(writer)
        with os.fdopen(reader, "rb") as ready:
            assert ready.readline() == b"READY\n", self.log()
        return self

    def reload(self):
        self.process.send_signal(signal.SIGHUP)
        self.wait_log("reload.done")

    def stop(self):
        """Ends the filter and says how: its exit code."""
        if not self.process:
            return 0
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        self.process = None
        return code

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait_log(self, word, seconds=10):
        end = time.time() + seconds
        while word not in self.log():
            assert time.time() < end, f"no {word} in the log:\n{self.log()}"
            time.sleep(0.02)

    def ask(self, **request):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(self.dir, "run", "spamfilter.ctl"))
            s.sendall(json.dumps(request).encode() + b"\n")
            return json.loads(s.makefile().readline())


class Checks:
    """Rows that name themselves; one that fails lets the others run."""

    def __init__(self):
        self.failed = self.count = 0

    def __call__(self, name, good, seen=""):
        self.count += 1
        if not good:
            self.failed += 1
            print(f"FAILED: {name}: {seen!r}", flush=True)

    def end(self):
        print(f"{self.count} checks, {self.failed} failed")
        return 1 if self.failed else 0
