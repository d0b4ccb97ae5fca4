#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""What the tests of the admin tool share: a province made by `congvu init`, run by `congvu serve`."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from ports import free_ports  # noqa: E402,F401

DOMAIN = "lamgiang.example"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COMPLAINT = re.compile(r"ERROR: \w+Sanitizer|runtime error:|LeakSanitizer")
failures = []


def check(what, condition, detail=""):
    print(("ok   " if condition else "FAIL ") + what)
    if not condition:
        failures.append(what)
        print(f"     {detail}")


def finish():
    print(f"{len(failures)} failures")
    sys.exit(1 if failures else 0)


class Answer:
    def __init__(self, result):
        self.code, self.out, self.err = result.returncode, result.stdout, result.stderr

    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            return {"not json": self.out}

    def __repr__(self):
        return f"exit {self.code}\n{self.out[-2000:]}\n{self.err[-2000:]}"


class Congvu:
    """A folder below /tmp and the admin program of one build."""

    def __init__(self):
        self.build = os.path.abspath(os.environ.get("CONGVU_BUILD", os.path.join(ROOT,
              "build/dev")))
        self.program = os.path.join(self.build, "bin", "congvu")
        self.dir = tempfile.mkdtemp(prefix="congvu-admin-", dir="/tmp")
        self.base = os.path.join(self.dir, "base")
        self.conf = os.path.join(self.base, "congvu.conf")
        self.serve = None

    def run(self, *words, stdin="", lang="en", conf=True, timeout=300):
        """Runs `congvu WORDS...`; what a sanitizer says is a failure whatever the test expects."""
        env = {k: v for k, v in os.environ.items() if k not in ("CONGVU_CONF", "CONGVU_LANG")}
        env.update({"LC_ALL": "C", "ASAN_OPTIONS": "exitcode=99"})
        command = [self.program, "--lang", lang] + (["--conf", self.conf] if conf else [])
        result = subprocess.run(command + list(words), input=stdin, capture_output=True, text=True,
                                env=env, cwd=self.dir, timeout=timeout, check=False)
        if COMPLAINT.search(result.stderr):
            check(f"no sanitizer report of congvu {' '.join(words)}", False, result.stderr[:4000])
        return Answer(result)

    def init(self, *more):
        answer = self.run("init", "--base-dir", self.base, "--domain", DOMAIN, "--province",
                          "Tỉnh Lam Giang", "--ports", "demo", "--json", *more, conf=False)
        if answer.code == 0:
            self.free_ports()
        return answer

    def free_ports(self):
        """The demo's ports may be in use: put free ones in their place."""
        with open(self.conf, encoding="utf-8") as f:
            text = f.read()
        self.port = dict(zip(("2525", "2587", "2465", "2143", "2993", "2110",
                              "2995"), free_ports(7)))
        for old, new in self.port.items():
            text = text.replace(f"127.0.0.1:{old} [::1]:{old}", f"127.0.0.1:{new}")
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(text)

    def set_option(self, section, line):
        with open(self.conf, "a", encoding="utf-8") as f:
            f.write(f"\n[{section}]\n{line}\n")

    def start(self):
        self.log = os.path.join(self.dir, "serve.log")
        with open(self.log, "ab") as log:
            self.serve = subprocess.Popen([self.program, "--conf", self.conf, "serve"],
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          start_new_session=True)
        end = time.monotonic() + 120
        while "serve.all_ready" not in self.log_text():
            if time.monotonic() > end or self.serve.poll() is not None:
                raise RuntimeError("the service did not start:\n" + self.log_text()[-3000:])
            time.sleep(0.1)

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def daemon_pids(self):
        return [int(m) for m in re.findall(r"serve.started program=\S+ pid=(\d+)", self.log_text())]

    def stop(self):
        if self.serve and self.serve.poll() is None:
            self.serve.send_signal(signal.SIGTERM)
            self.serve.wait(100)
        code = self.serve.returncode if self.serve else 0
        if self.serve:
            check("no sanitizer report of the daemons", not COMPLAINT.search(self.log_text()),
                  self.log_text()[-4000:])
        self.serve = None
        return code

    def done(self):
        if self.serve:
            self.stop()
        if failures:
            print(f"files are in {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
