#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""DANE (RFC 7672) by real DNSSEC: nsd serves signed zones, libunbound in smtpd validates them, and
mail goes, or does not, to servers with the right and the wrong certificates. Then the resolver
fails: no answer, SERVFAIL, bogus. `congvu dns check` looks at the same zones."""
import hashlib
import json
import os
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import signed_dns  # noqa: E402
from certs import Authority, certificate_digest, key_digest  # noqa: E402
from harness import free_ports  # noqa: E402
from kit import BUILD, DOMAIN, Province, expect, run, run_tests, skip, wait_until  # noqa: E402
from policy_server import PolicyServer  # noqa: E402
from sink import Sink  # noqa: E402

USER = f"hoa.snv@{DOMAIN}"
ZEROS = "00" * 32


def host(name, *tlsa, address="127.0.0.2"):
    """Records of a domain below the zone with its own server."""
    lines = [f"{name} MX 10 mx.{name}", f"mx.{name} A {address}"]
    return "\n".join(lines + [f"_{{port}}._tcp.mx.{name} TLSA {t}" for t in tlsa]) + "\n"


class World:
    def __init__(self):
        missing = signed_dns.need()
        if missing:
            skip(f"{missing} is not installed (./dev setup)")
        self.dir = tempfile.mkdtemp(prefix="congvu-dns-", dir="/tmp")
        self.port, dns_port = free_ports(2)
        self.authority = Authority(self.dir)
        self.good = self.authority.issue("mx.ee.signed.example")
        self.other = self.authority.issue("mx.ta.signed.example")
        self.dns = signed_dns.SignedDns(os.path.join(self.dir, "zones"), dns_port)
        ee, ta = "3 1 1 " + key_digest(self.good[0]), \
            "2 0 1 " + certificate_digest(self.authority.ca)
        self.dns.zone("example", "signed", f"{DOMAIN}. MX 10 mail.{DOMAIN}.\n"
                      f"mail.{DOMAIN}. A 127.0.0.1\n")
        signed = host("ee", ee) + host("ta", ta) + host("wrong", "3 1 1 " + ZEROS) \
            + host("two", "3 1 1 " + ZEROS, ee) + host("odd", "1 1 1 " + ZEROS) + host("none") \
            + host("lost") + "_tcp.mx.lost NS ns.example.\n" \
            + f"_tcp.mx.lost DS 12345 13 2 {ZEROS}\n" \
            + "cname MX 10 a.cname\na.cname CNAME mx.ee\n" \
            + "far MX 10 mx.far.plain.example.\n"
        self.dns.zone("signed.example", "signed", signed.format(port=self.port))
        self.dns.zone("plain.example", "insecure",
                      (host("x", "3 1 1 " + ZEROS) + host("far", "3 1 1 " + ZEROS))
                      .format(port=self.port))
        self.dns.zone("bogus.example", "bogus", host("x", ee).format(port=self.port))
        self.dns.zone("down.example", "down", "")
        self.province = Province(filter=False, main={
            "dns_zone_file": "", "dns_forwarders": f"127.0.0.1@{dns_port}",
            "dns_trust_anchor": self.dns.anchor},
            smtpd={"outbound_port": self.port, "retry_min": "1s", "retry_max": "2s",
                   "outbound_ca": self.authority.ca})

    def __enter__(self):
        self.dns.start()
        self.province.__enter__()
        self.province.user(USER)
        return self

    def __exit__(self, *what):
        self.province.__exit__(*what)
        self.dns.stop()

    def ask(self, do, **fields):
        return self.province.ask("smtpd", do, **fields)

    def send(self, domain, options=(), headers=""):
        with self.province.submit(USER) as s:
            s.sendmail(USER, [f"a@{domain}"], f"From: {USER}\r\n{headers}Subject: thu\r\n\r\nx\r\n",
                       options)

    def wait_kept(self, domain, words):
        def shown():
            found = self.ask("queue.list", recipient=domain)["messages"]
            return found and words in found[0]["recipients"][0]["last_reply"]
        wait_until(f"{domain}: {words}", shown)
        self.ask("queue.delete", all=True)

    def try_one(self, domain, certificate, fault, secure, **how):
        sink = Sink("127.0.0.2", self.port, certificate=certificate)
        try:
            self.send(domain, **how)
            if fault:
                self.wait_kept(domain, fault)
                expect(not sink.messages, domain, "got mail all the same")
            else:
                wait_until(f"mail at {domain}", lambda: sink.messages)
                expect(sink.messages[0].secure == secure, domain, "secure:",
                       sink.messages[0].secure)
                wait_until("an empty queue", lambda: self.ask("queue.stats")["messages"] == 0)
        finally:
            sink.close()


def test_who_gets_mail_is_what_signed_zones_say():
    with World() as w:
        own = tuple(os.path.join(w.province.dir, "keys", n) for n in ("cert.pem", "key.pem"))
        rows = [  # domain, certificate, words of the deferral or None, under TLS
            ("ee.signed.example", w.good, None, True),
            ("ee.signed.example", own, "no matching DANE TLSA records", True),
            ("ee.signed.example", None, "does not offer TLS", False),
            ("ta.signed.example", w.other, None, True),
            ("ta.signed.example", w.good, "certificate: hostname mismatch", True),
            ("two.signed.example", w.good, None, True),
            ("wrong.signed.example", w.good, "no matching DANE TLSA records", True),
            ("odd.signed.example", own, None, True),
            ("odd.signed.example", None, "does not offer TLS", False),
            ("none.signed.example", None, None, False),
            ("cname.signed.example", w.good, None, True),
            ("cname.signed.example", own, "no matching DANE TLSA records", True),
            ("lost.signed.example", w.good, "TLSA records cannot be looked up", True),
            # The server's zone is not signed: its TLSA records are anybody's.
            ("far.signed.example", own, None, True),
            ("x.plain.example", own, None, True),
            ("x.plain.example", None, None, False),
            ("x.bogus.example", w.good, "cannot be looked up now", True),
            ("x.down.example", w.good, "cannot be looked up now", True),
        ]
        for row in rows:
            w.try_one(*row)
        log = w.province.daemons["smtpd"].text()
        expect("host=mx.ee.signed.example policy=dane" in log and "verified=dane" in log, log[-3000:])

        def books():
            found = {r["domain"]: r for r in w.ask("tlsrpt.pending")["reports"]}
            return "lost.signed.example" in found and "x.plain.example" in found and found
        counted = wait_until("the books on TLS", books)
        expect(counted["ee.signed.example"]["good"] == 1, counted["ee.signed.example"])
        lost = counted["lost.signed.example"]["policies"][0]["failure-details"][0]
        expect(lost["result-type"] == "dnssec-invalid", lost)


def test_the_message_may_ask_for_more_or_less():
    with World() as w:
        sink = Sink("127.0.0.2", w.port, certificate=w.good, secure_ehlo=["REQUIRETLS"])
        w.send("ee.signed.example", options=["REQUIRETLS"])
        wait_until("the message", lambda: sink.messages)
        expect("REQUIRETLS" in sink.messages[0].params[0].split(), sink.messages[0].params)
        sink.close()
        # REQUIRETLS wants a way that DNSSEC or MTA-STS vouches for.
        sink = Sink("127.0.0.2", w.port, certificate=w.good, secure_ehlo=["REQUIRETLS"])
        w.send("x.plain.example", options=["REQUIRETLS"])
        wait_until("a bounce", lambda: "status=5.7.30" in w.province.daemons["smtpd"].text())
        expect(not sink.messages, "mail under REQUIRETLS went an unsure way")
        sink.close()
        w.ask("queue.delete", all=True)
        w.try_one("wrong.signed.example", None, None, False, headers="TLS-Required: No\r\n")


def test_a_resolver_that_fails_delays_mail_and_loses_none():
    with World() as w:
        w.dns.stop()
        sink = Sink("127.0.0.2", w.port, certificate=w.good)
        try:
            w.send("ee.signed.example")
            began = time.monotonic()
            wait_until("a first try", lambda: (w.ask("queue.list")["messages"] or [{}])[0].get(
                "recipients", [{}])[0].get("last_reply"))
            shown = w.ask("queue.list")["messages"][0]["recipients"][0]
            expect("cannot be looked up now" in shown["last_reply"], shown)
            expect(not sink.messages, "mail went without DNS")
            w.dns.resume()
            w.ask("queue.retry", all=True)

            def arrived():
                if not sink.messages:
                    w.ask("queue.retry", all=True)
                return sink.messages
            wait_until("the message once DNS is back", arrived, every=1)
            expect(sink.messages[0].secure, "DANE was forgotten")
            print(f"    DNS was away and back within {time.monotonic() - began:.1f} s")
        finally:
            sink.close()


def test_what_dns_show_prints_is_what_dns_check_wants():
    """The lines of `dns show` go into a signed zone as they are."""
    with Province(filter=False) as p:
        congvu = [os.path.join(BUILD, "bin", "congvu"), "--conf", p.conf]
        p.domain(DOMAIN)
        run(congvu + ["dkim", "keygen", DOMAIN])
        folder = os.path.join(p.dir, "www")
        shown = json.loads(run(congvu + ["--json", "dns", "show", "--sts-mode", "enforce",
                                         "--write-policy", folder]))["domains"]
        expect([d["domain"] for d in shown] == [DOMAIN], shown)
        with open(f"{folder}/mta-sts.{DOMAIN}/.well-known/mta-sts.txt", newline="") as f:
            policy = f.read()
        expect(policy == shown[0]["sts_policy"] == "version: STSv1\r\nmode: enforce\r\nmx: mail."
               f"{DOMAIN}\r\nmax_age: 604800\r\n", policy)
        values = {(r["name"], r["type"]): r["value"] for r in shown[0]["records"]}
        expect(values["_mta-sts." + DOMAIN, "TXT"] == "v=STSv1; id="
               + hashlib.sha256(policy.encode()).hexdigest()[:20] + ";", values)
        expect(values["_25._tcp.mail." + DOMAIN, "TLSA"] == "3 1 1 " + key_digest(p.ca), values)
        expect(values["_imaps._tcp." + DOMAIN, "SRV"]
               == f"0 1 {p.port['imaps']} mail.{DOMAIN}.", values)
        plain = run(congvu + ["dns", "show", DOMAIN, "--sts-mode", "enforce"])
        for r in shown[0]["records"]:
            expect(r["zone"] in plain, r["zone"], plain)

        zone = "\n".join(r["zone"] for r in shown[0]["records"]) + f"\nmail.{DOMAIN}. A 127.0.0.1"
        dns = signed_dns.SignedDns(os.path.join(p.dir, "zones"), free_ports(1)[0])
        dns.zone("example", "signed", "")
        dns.zone(DOMAIN, "signed", zone)
        dns.start()
        authority, web_port = Authority(folder), free_ports(1)[0]
        web = PolicyServer("127.0.0.1", web_port, *authority.issue("mta-sts." + DOMAIN))
        web.policy[DOMAIN] = 200, "text/plain", policy
        try:
            conf = os.path.join(p.dir, "check.conf")
            with open(p.conf, encoding="utf-8") as f, open(conf, "w", encoding="utf-8") as g:
                g.writelines(x for x in f if not x.startswith("dns_"))
                g.write(f"[congvu]\ndns_forwarders = 127.0.0.1@{dns.port}\n"
                        f"dns_trust_anchor = {dns.anchor}\n[smtpd]\nmta_sts_port = {web_port}\n"
                        f"outbound_ca = {authority.ca}\n")
            check = [congvu[0], "--conf", conf, "--json", "dns", "check"]
            found = json.loads(run(check + ["--sts-mode", "enforce"]))
            expect({r["state"] for r in found["records"]} == {"ok"},
                   [r for r in found["records"] if r["state"] != "ok"])
            found = json.loads(run(check, ok=(2,)))  # another mode: another id
            bad = [(r["name"], r["state"]) for r in found["records"] if r["state"] != "ok"]
            expect(bad == [("_mta-sts." + DOMAIN, "different"),
                           (f"https://mta-sts.{DOMAIN}/.well-known/mta-sts.txt", "different")],
                   bad)
            found = json.loads(run(check + ["trong.example"], ok=(2,)))
            bad = {r["state"] for r in found["records"] if "trong" in r["name"]}
            expect(bad == {"missing"}, found)
        finally:
            web.close()
            dns.stop()


if __name__ == "__main__":
    run_tests(globals())
