#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Postfix sends to our MX under DANE: the TLSA record that `congvu dns show` prints stands in a
signed zone, a validating unbound asks nsd, and Postfix verifies smtpd by it; with another key it
does not deliver. Postfix asks the resolver of resolv.conf on port 53, so all of it runs in network
and mount namespaces of its own."""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import signed_dns  # noqa: E402
from kit import DOMAIN, Failure, expect, skip, wait_until  # noqa: E402

USER = f"hoa.snv@{DOMAIN}"
UNBOUND = """server:
 interface: 127.0.0.1
 port: 53
 username: ""
 chroot: ""
 directory: "{dir}"
 pidfile: "{dir}/unbound.pid"
 logfile: "{dir}/unbound.log"
 use-syslog: no
 do-not-query-localhost: no
 do-ip6: no
 module-config: "validator iterator"
 trust-anchor-file: "{anchor}"
 cache-max-ttl: 1
 cache-max-negative-ttl: 1
stub-zone:
 name: "example"
 stub-addr: 127.0.0.1@{port}
remote-control:
 control-enable: no
"""


def enter_namespaces():
    """Runs this script again in namespaces of its own; never returns there."""
    if os.environ.get("CONGVU_NAMESPACE"):
        return
    for program in ("unbound", "postfix", "unshare", "mount", "ip"):
        if not shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            skip(f"{program} is not installed (./dev setup)")
    if signed_dns.need() or os.geteuid() != 0:
        skip("needs root and nsd")
    if subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True).returncode:
        skip("namespaces are not allowed here")
    done = subprocess.run(["unshare", "-n", "-m", "--propagation", "private", sys.executable,
                           os.path.abspath(__file__)],
                          env={**os.environ, "CONGVU_NAMESPACE": "1"})
    sys.exit(done.returncode)


def prepare(folder):
    """Loopback is up and resolv.conf names 127.0.0.1, in here alone."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    resolv = os.path.join(folder, "resolv.conf")
    with open(resolv, "w", encoding="ascii") as f:
        f.write("nameserver 127.0.0.1\noptions edns0 trust-ad timeout:2 attempts:2\n")
    real = os.path.realpath("/etc/resolv.conf")
    if subprocess.run(["mount", "--bind", resolv, real], capture_output=True).returncode:
        skip("resolv.conf cannot be replaced here")


class Unbound:
    def __init__(self, folder, dns):
        conf = os.path.join(folder, "unbound.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(UNBOUND.format(dir=folder, anchor=dns.anchor, port=dns.port))
        self.process = subprocess.Popen(["/usr/sbin/unbound", "-d", "-c", conf],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def main():
    # Imported here: these choose ports, which must be those of the namespace.
    from certs import key_digest
    from harness import free_ports
    from kit import Province
    import postfix_peers

    folder = tempfile.mkdtemp(prefix="congvu-dane-", dir="/tmp")
    prepare(folder)
    port = free_ports(1)[0]
    with Province(filter=False, zone=postfix_peers.ZONE.format(domain=DOMAIN)) as p:
        p.user(USER)
        mx = p.port["mx"]
        dns = signed_dns.SignedDns(os.path.join(folder, "zones"), free_ports(1)[0])
        dns.zone("example", "signed", "")
        right = key_digest(p.ca)
        dns.zone(DOMAIN, "signed", f"@ MX 10 mail\nmail A 127.0.0.1\n"
                 f"_{mx}._tcp.mail TLSA 3 1 1 {right}")
        dns.zone("wrong.example", "signed", "mail A 127.0.0.1\n"
                 f"_{mx}._tcp.mail TLSA 3 1 1 {'00' * 32}")
        dns.start()
        unbound = Unbound(folder, dns)
        chain, key = p.ca, os.path.join(p.dir, "keys", "key.pem")
        postfix = postfix_peers.Postfix(
            port=port, chain=chain, key=key, domain=DOMAIN, our_ca=p.ca, mx=mx, user=USER,
            submission=p.port["submission"], password="x", verified="a@unused.example",
            misnamed="b@unused.example")
        control = os.path.join(postfix.dir, "etc", "main.cf")
        with open(control, "a", encoding="ascii") as f:
            f.write("smtp_host_lookup = dns\nsmtp_dns_support_level = dnssec\n"
                    "smtp_tls_security_level = dane-only\n"
                    f"transport_maps = inline:{{ {{ {DOMAIN} = smtp:[mail.{DOMAIN}]:{mx} }},\n"
                    f"\t{{ wrong.example = smtp:[mail.wrong.example]:{mx} }} }}\n")
        try:
            postfix.start()
            postfix.send([USER], b"Subject: dane-1\r\n\r\nx\r\n")
            wait_until("Postfix delivers", lambda: "status=sent" in postfix.log()
                       or "status=deferred" in postfix.log())
            log = postfix.log()
            expect("Verified TLS connection established to mail." + DOMAIN in log
                   and "status=sent" in log, "no DANE")
            print("ok  postfix verifies our mx by its TLSA record")
            postfix.send(["a@wrong.example"], b"Subject: dane-2\r\n\r\nx\r\n")
            wait_until("Postfix refuses", lambda: "status=deferred" in postfix.log())
            expect(postfix.log().count("status=sent") == 1, "it went to another key")
            print("ok  postfix keeps mail for a server with another key")
        except Failure:
            print(postfix.log()[-5000:])
            raise
        finally:
            postfix.stop()
            unbound.stop()
            dns.stop()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    enter_namespaces()
    main()
