#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""A real name server (nsd) on loopback with zones that are really signed (ldns-signzone).

    dns = SignedDns(folder)
    dns.zone("example", "signed", records)       # signed; its DS goes into the parent
    dns.zone("plain.example", "insecure", records)
    dns.zone("bogus.example", "bogus", records)  # signed, then changed
    dns.zone("down.example", "down", "")         # SERVFAIL: the server has lost its zone
    dns.start()                                  # dns.port, dns.anchor

The first zone is the parent of all others, which are delegated from it; its DS is the trust anchor.
libunbound asks it as a forwarder and validates by itself.
"""
import os
import re
import shutil
import socket
import subprocess
import time

CONF = """server:
 ip-address: 127.0.0.1@{port}
 username: ""
 chroot: ""
 zonesdir: "{dir}"
 pidfile: "{dir}/nsd.pid"
 xfrdfile: "{dir}/xfrd.state"
 zonelistfile: "{dir}/zone.list"
 database: ""
 logfile: "{dir}/nsd.log"
 server-count: 1
 tcp-count: 20
 rrl-ratelimit: 0
remote-control:
 control-enable: no
"""


def need():
    """What is missing here, or None."""
    for program in ("nsd", "ldns-signzone", "ldns-keygen"):
        if not shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            return program
    return None


class SignedDns:
    def __init__(self, folder, port):
        self.dir, self.port = folder, port
        self.zones = []
        self.anchor = os.path.join(folder, "anchor")
        self.process = None
        os.makedirs(folder, exist_ok=True)

    def zone(self, name, kind, records):
        self.zones.append((name, kind, records))

    def run(self, *argv):
        return subprocess.run(argv, cwd=self.dir, check=True, capture_output=True,
                              text=True).stdout

    def write(self, name, records):
        with open(os.path.join(self.dir, name), "w", encoding="ascii") as f:
            f.write(f"$ORIGIN {name}.\n$TTL 60\n"
                    "@ SOA ns.example. host.example. 1 3600 600 86400 60\n@ NS ns.example.\n"
                    f"{records}\n")

    def sign(self, name):
        """Gives the DS record."""
        key = self.run("ldns-keygen", "-k", "-a", "ECDSAP256SHA256", name).strip()
        self.run("ldns-signzone", "-n", name, key)
        with open(os.path.join(self.dir, key + ".ds"), encoding="ascii") as f:
            return f.read()

    def build(self):
        delegations = []
        for name, kind, records in self.zones[1:]:
            self.write(name, records)
            delegations.append(f"{name}. NS ns.example.\n")
            if kind == "down":
                os.unlink(os.path.join(self.dir, name))
                continue
            if kind == "insecure":
                shutil.copy(os.path.join(self.dir, name), os.path.join(self.dir, name + ".signed"))
                continue
            delegations.append(self.sign(name))
            if kind == "bogus":
                self.change(name + ".signed")
        name, _, records = self.zones[0]
        self.write(name, records + "\nns.example. A 127.0.0.1\n" + "".join(delegations))
        with open(self.anchor, "w", encoding="ascii") as f:
            f.write(self.sign(name))

    def change(self, name):
        """Every address record says something that was not signed."""
        path = os.path.join(self.dir, name)
        with open(path, encoding="ascii") as f:
            text = f.read()
        with open(path, "w", encoding="ascii") as f:
            f.write(re.sub(r"(\tA\t127\.0\.0\.)\d+", r"\g<1>99", text))

    def start(self):
        self.build()
        with open(os.path.join(self.dir, "nsd.conf"), "w", encoding="ascii") as f:
            f.write(CONF.format(dir=self.dir, port=self.port))
            for name, _, _ in self.zones:
                f.write(f'zone:\n name: "{name}"\n zonefile: "{name}.signed"\n')
        self.resume()

    def resume(self):
        nsd = shutil.which("nsd", path="/usr/sbin:/usr/bin:/sbin:/bin")
        self.process = subprocess.Popen([nsd, "-d", "-c", os.path.join(self.dir, "nsd.conf")],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.STDOUT)
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    with open(os.path.join(self.dir, "nsd.log"), encoding="utf-8") as f:
                        raise RuntimeError("nsd does not run: " + f.read()) from None
                time.sleep(0.05)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
