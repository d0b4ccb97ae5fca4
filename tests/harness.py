#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""A small province on loopback for tests: real daemons, own folder, free ports, own certificate.

    from harness import Province
    with Province(build_dir, smtpd={"retry_min": "1s"}, zone="...") as p:
        p.domain("lamgiang.example")
        p.account("a.snv@lamgiang.example", "mat khau that dai 1")
        p.port["mx"], p.port["submission"], p.port["imap"], ...

Leaving the block stops the daemons by pid and fails when a sanitizer complained or a daemon died by
itself. Every suite that drives real programs uses this file; it needs only python3 and openssl.
"""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from ports import free_ports  # noqa: E402,F401

DOMAIN = "lamgiang.example"
LISTENERS = {"mx": "smtpd", "submission": "smtpd", "submissions": "smtpd", "lmtp": "smtpd",
             "imap": "imapd", "imaps": "imapd", "pop3": "imapd", "pop3s": "imapd"}
COMPLAINT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|LeakSanitizer"
                       r"|Assertion .* failed")
START_SECS = 60


class HarnessError(Exception):
    pass


def ask(path, request, timeout=60):
    """One request on a control socket; the final answer."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(path)
        s.sendall(json.dumps(request).encode() + b"\n")
        for line in s.makefile("rb"):
            answer = json.loads(line)
            if "ok" in answer:
                return answer
    raise HarnessError(f"{path}: no answer to {request['do']}")


# Tests send more in a minute than people in a day; sending_test.py sets limits of its own.
NO_SENDING_LIMITS = {f"send_{name}": "0" for name in
                     ("messages_day", "rcpts_day", "first_time_day", "burst", "burst_refused")}
NO_SENDING_LIMITS["send_classes"] = ""


class Daemon:
    def __init__(self, province, name, path):
        self.province, self.name, self.path = province, name, path
        self.log = os.path.join(province.dir, name + ".log")
        self.process = None
        self.killed = False

    def start(self, env=None):
        reader, writer = os.pipe()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.path, "--conf", self.province.conf], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, pass_fds=[writer], start_new_session=True,
                env={**os.environ, "CONGVU_READY_FD": str(writer),
                     "ASAN_OPTIONS": "exitcode=99:detect_stack_use_after_return=1",
                     "UBSAN_OPTIONS": "print_stacktrace=1", **(env or {})})
        os.close(writer)
        self.killed = False
        with os.fdopen(reader, "rb") as ready:
            if not ready.readline().startswith(b"READY"):
                self.process.wait(START_SECS)
                raise HarnessError(f"{self.name} did not start:\n{self.tail()}")

    def tail(self, lines=40):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """As if the power went: no clean-up of its own."""
        self.killed = True
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
                raise HarnessError(f"{self.name} did not stop:\n{self.tail()}") from None
        code = self.process.returncode
        if code != 0 and not self.killed:
            raise HarnessError(f"{self.name} ended with {code}:\n{self.tail()}")


class Province:
    """Options go into the sections of congvu.conf; zone is a master file for the resolver."""

    def __init__(self, build, *, smtpd=None, imapd=None, main=None, spamfilter=None, zone="",
                 with_imapd=True, keep=False):
        self.build = os.path.abspath(build)
        self.dir = tempfile.mkdtemp(prefix="congvu-test-", dir="/tmp")
        self.keep = keep
        self.conf = os.path.join(self.dir, "congvu.conf")
        self.port = dict(zip(LISTENERS, free_ports(len(LISTENERS))))
        self.daemons = {}
        self.options = {"congvu": main or {}, "smtpd": smtpd or {}, "imapd": imapd or {},
                        "spamfilter": spamfilter or {}}
        self.zone = zone
        self.with_imapd, self.with_spamfilter = with_imapd, spamfilter is not None
        for name in ("run", "mail", "queue", "stats", "register", "keys"):
            os.mkdir(os.path.join(self.dir, name), 0o700)

    def _certificate(self):
        self.ca = os.path.join(self.dir, "keys", "cert.pem")
        key = os.path.join(self.dir, "keys", "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", key, "-out", self.ca, "-days", "30", "-subj", "/CN=localhost",
             "-addext", f"subjectAltName=DNS:localhost,DNS:mail.{DOMAIN},IP:127.0.0.1"],
            check=True, capture_output=True)
        return self.ca, key

    def _write_conf(self):
        cert, key = self._certificate()
        zone = os.path.join(self.dir, "zone")
        with open(zone, "w", encoding="utf-8") as f:
            f.write(self.zone or f"{DOMAIN}. 60 IN MX 10 mail.{DOMAIN}.\n")
        sections = {
            "congvu": {"base_dir": self.dir, "hostname": f"mail.{DOMAIN}",
                       "default_domain": DOMAIN, "official_suffixes": DOMAIN, "tls_cert": cert,
                       "tls_key": key, "dns_zone_file": zone, "log_level": "debug"},
            "smtpd": {"milters": "", "allow_loopback_targets": "yes", "workers": "4",
                      **NO_SENDING_LIMITS},
            "imapd": {"workers": "4"},
            "spamfilter": {},
        }
        for name, daemon in LISTENERS.items():
            sections[daemon]["listen_" + name] = f"127.0.0.1:{self.port[name]}"
        if self.with_spamfilter:
            sections["smtpd"]["milters"] = f"unix:{self.dir}/run/spamfilter.sock"
        for name, options in self.options.items():
            sections[name].update(options)
        with open(self.conf, "w", encoding="utf-8") as f:
            for name, options in sections.items():
                f.write(f"[{name}]\n")
                f.writelines(f"{k} = {v}\n" for k, v in options.items())

    def _program(self, name):
        path = os.path.join(self.build, "bin", "congvu-" + name)
        if not os.access(path, os.X_OK):
            raise HarnessError(f"{path} is not built")
        return path

    def start(self):
        self._write_conf()
        names = (["imapd"] if self.with_imapd else []) \
            + (["spamfilter"] if self.with_spamfilter else []) + ["smtpd"]
        for name in names:
            self.daemons[name] = Daemon(self, name, self._program(name))
            self.daemons[name].start()
        return self

    def stop(self):
        faults = []
        for name in ("smtpd", "spamfilter", "imapd"):
            if name in self.daemons:
                try:
                    self.daemons[name].stop()
                except HarnessError as fault:
                    faults.append(str(fault))
        for daemon in self.daemons.values():
            text = daemon.text()
            found = COMPLAINT.search(text)
            if found:
                faults.append(f"{daemon.name}: {text[max(0, found.start() - 200):][:6000]}")
        if not faults and not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)
        else:
            print(f"logs are in {self.dir}", file=sys.stderr)
        if faults:
            raise HarnessError("\n".join(faults))

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.keep = True
            for daemon in self.daemons.values():
                if daemon.is_running():
                    daemon.kill()
            raise

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
            return
        self.keep = True
        try:
            self.stop()
        except HarnessError as fault:
            print(fault, file=sys.stderr)

    # ---- what is in it ----

    def ask(self, daemon, do, **fields):
        """A control request that must work."""
        answer = ask(os.path.join(self.dir, "run", daemon + ".ctl"), {"do": do, **fields})
        if not answer["ok"]:
            raise HarnessError(f"{do}: {answer}")
        return answer

    def domain(self, name, **fields):
        return self.ask("imapd", "domain.add", domain=name, **fields)

    def agency(self, code, name, **fields):
        return self.ask("imapd", "agency.add", code=code, name=name, **fields)

    def account(self, address, password=None, **fields):
        fields = {"allow_weak": True, "name": address.split("@")[0], **fields}
        if password is None:
            fields["no_password"] = True
        else:
            fields["password"] = password
        answer = self.ask("imapd", "account.add", address=address, **fields)
        self.refresh()
        return answer

    def refresh(self):
        """smtpd looks at the register at most once a second; tests do not wait for that."""
        if "smtpd" in self.daemons and self.daemons["smtpd"].is_running():
            self.ask("smtpd", "register.refresh")

    def wait_for(self, what, condition, secs=30):
        end = time.monotonic() + secs
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.05)
        raise HarnessError(f"waited {secs} s in vain for: {what}")
