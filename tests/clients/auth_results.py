#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""What a filter says of a host and of signatures: iprev, HELO, SPF of both names, Received-SPF, S/MIME.

The filter runs with a zone; an MTA's side of the milter protocol sends mail as odd hosts do, with S/MIME
signatures made and altered by openssl, and reads Authentication-Results. What was signed must verify with
openssl behind the filter too (DOC-04). A filter on an isolated network asks nobody and refuses nobody.

    auth_results.py BUILD
"""
import os
import subprocess
import sys
import tempfile
import time

from filter_kit import DOMAIN, Checks, Filter, txt
from milter_client import MilterClient

ZONE = ("$TTL 300\n@ SOA ns.test. x.test. 1 2 3 4 5\n; fail slow.test\n"
        "; fail 7.2.0.192.in-addr.arpa PTR\n"
        "1.2.0.192.in-addr.arpa. PTR good.test.\ngood.test. A 192.0.2.1\n"
        "2.2.0.192.in-addr.arpa. PTR liar.test.\nliar.test. A 192.0.2.200\n"
        "3.2.0.192.in-addr.arpa. PTR nowhere.test.\n"
        "4.2.0.192.in-addr.arpa. PTR nowhere.test.\n4.2.0.192.in-addr.arpa. PTR four.test.\nfour.test. A 192.0.2.4\n"
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR six.test.\n"
        "six.test. AAAA 2001:db8::1\nmailonly.test. MX 10 good.test.\n"
        + txt("good.test.", "v=spf1 a -all") + txt("liar.test.", "v=spf1 -all")
        + txt("sender.test.", "v=spf1 ip4:192.0.2.0/28 ip6:2001:db8::/32 ip4:127.0.0.1 -all") + txt("soft.test.", "v=spf1 ~all")
        + txt("broken.test.", "v=spf1 foo"))
NOTHING = object()
# client, HELO, iprev, what of the rules must be there, what must not
HOSTS = [
    ("192.0.2.1", "good.test", "pass", {"helo-matches"}, {"iprev-none", "iprev-fail", "helo-unknown"}),
    ("192.0.2.1", "GOOD.test", "pass", {"helo-matches"}, set()),
    ("192.0.2.2", "mailonly.test", "fail", {"iprev-fail"}, {"helo-unknown", "helo-matches"}),
    ("192.0.2.3", "good.test", "fail", {"iprev-fail"}, {"helo-matches", "helo-unknown"}),
    ("192.0.2.4", "four.test", "pass", {"helo-matches"}, {"iprev-fail"}),
    ("192.0.2.5", "absent.test", "permerror", {"iprev-none", "helo-unknown"}, set()),
    ("192.0.2.7", "slow.test", "temperror", set(), {"iprev-none", "iprev-fail", "helo-unknown"}),
    ("2001:db8::1", "six.test", "pass", {"helo-matches"}, set()),
    ("192.0.2.1", "[192.0.2.1]", "pass", {"helo-literal"}, {"helo-false"}),
    ("192.0.2.1", "[192.0.2.9]", "pass", {"helo-false"}, {"helo-literal"}),
    ("2001:db8::1", "[IPv6:2001:db8::1]", "pass", {"helo-literal"}, set()),
    ("192.0.2.1", "localhost", "pass", {"helo-syntax"}, set()),
    ("192.0.2.1", "not a name", "pass", {"helo-syntax"}, set()),
    ("192.0.2.1", "192.0.2.1", "pass", {"helo-syntax"}, set()),
    ("192.0.2.1", f"mail.{DOMAIN}", "pass", {"helo-ours"}, set()),
    ("192.0.2.1", DOMAIN.upper(), "pass", {"helo-ours"}, set()),
    ("192.0.2.2", "liar.test", "fail", {"spf-helo-fail"}, set()),
    ("127.0.0.1", "localhost", None, set(), {"iprev-none", "helo-syntax", "helo-unknown"}),
]
FORGED = [
    ("Authentication-Results", f" mail.{DOMAIN}; spf=pass", True),
    ("authentication-results", f" MAIL.{DOMAIN.upper()} 1; dkim=pass", True),
    ("Authentication-Results", f" (a(b)c) \"mail.{DOMAIN}\" ; dmarc=pass", True),
    ("Authentication-Results", f"\n mail.{DOMAIN}\n ; dmarc=pass", True),
    ("Authentication-Results", f" (unclosed mail.{DOMAIN}; dmarc=pass", True),
    ("Authentication-Results", " other.test; spf=pass smtp.mailfrom=x", False),
    ("Authentication-Results", f" not-mail.{DOMAIN}; spf=pass", False),
    ("Received-SPF", f" pass (x) receiver=mail.{DOMAIN}; client-ip=192.0.2.1", True),
    ("Received-SPF", " pass (x) receiver=other.test; client-ip=192.0.2.1", False),
    ("X-Congvu-Verdict", " pass; score=-9", True),
    ("Authentication-Results ", f" mail.{DOMAIN}; spf=pass", True),
]


def letter(sender="a@sender.test", body=b"text\r\n", fields=()):
    return [("From", f" <{sender}>"), ("To", f" <b@{DOMAIN}>"), ("Subject", " s"),
            ("Date", " Mon, 23 Nov 2026 08:00:00 +0700"), *fields], body


def send(where, client="192.0.2.1", helo="good.test", sender="a@sender.test", mail=None, seconds=30):
    fields, body = mail or letter()
    with MilterClient(where, seconds=seconds) as c:
        out = c.connect(client, helo, helo)
        return out or c.message(f"<{sender}>", [f"<b@{DOMAIN}>"], fields, body)


def check_hosts(check, where):
    for client, helo, iprev, wanted, unwanted in HOSTS:
        out = send(where, client, helo)
        results, rules = out.field("Authentication-Results"), out.rules()
        name = f"{client} as {helo}"
        check(f"{name}: iprev", (f"iprev={iprev} policy.iprev=" in results) if iprev else "iprev=" not in results,
              results)
        check(f"{name}: {wanted} without {unwanted}",
              out.delivered and wanted <= set(rules) and not unwanted & set(rules), (rules, results))
    out = send(where, helo="good.test")
    results = out.field("Authentication-Results")
    check("both identities", "spf=pass smtp.helo=good.test" in results
          and "spf=pass smtp.mailfrom=a@sender.test" in results, results)
    received = out.field("Received-SPF")
    check("Received-SPF", received.startswith("pass (sender.test designates 192.0.2.1 as permitted sender) receiver=")
          and 'envelope-from="a@sender.test"' in received and "identity=mailfrom; mechanism=ip4" in received, received)
    check("soft fails and errors weigh", "spf-softfail" in send(where, sender="a@soft.test").rules()
          and "spf-permerror" in send(where, sender="a@broken.test").rules())
    results = send(where, sender="").field("Authentication-Results")
    check("a null sender is its HELO",
          results.count("spf=") == 1 and "spf=pass smtp.helo=good.test" in results, results)


def check_forged(check, where):
    for name, value, removed in FORGED:
        fields, body = letter(fields=[(name, value)])
        out = send(where, mail=(fields, body))
        gone = any(key.lower() == name.lower() and not new.strip() for key, _, new in out.changed)
        check(f"{name}:{value!r} removed: {removed}", gone == removed, out.changed)


# ---- S/MIME ----

def openssl(folder, *words, data=None):
    return subprocess.run(["openssl", *words], input=data, check=True, capture_output=True, cwd=folder).stdout


def make_certificates(folder):
    """A root, and certificates of it: ours, for another address, expired, for servers; and one of nobody's."""
    new = ["req", "-newkey", "rsa:2048", "-nodes"]
    openssl(folder, *new, "-x509", "-keyout", "root.key", "-out", "root.pem", "-days", "3650",
            "-subj", "/CN=Root of Tests", "-addext", "basicConstraints=critical,CA:TRUE")
    for name, address, usage, days in (("good", "a@sender.test", "emailProtection", 365),
                                       ("other", "x@other.test", "emailProtection", 365),
                                       ("server", "a@sender.test", "serverAuth", 365),
                                       ("expired", "a@sender.test", "emailProtection", -1)):
        openssl(folder, *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        with open(os.path.join(folder, "ext"), "w", encoding="ascii") as f:
            f.write(f"subjectAltName=email:{address}\nextendedKeyUsage={usage}\n")
        when = ["-days", str(days)]
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "root.pem", "-CAkey", "root.key",
                "-CAcreateserial", "-extfile", "ext", "-out", f"{name}.pem", *when)
    openssl(folder, *new, "-x509", "-keyout", "nobody.key", "-out", "nobody.pem", "-days", "365", "-subj",
            "/CN=nobody", "-addext", "subjectAltName=email:a@sender.test")


PDF = b"%PDF-1.4\r\n%\xe2\xe3\xcf\xd3\r\nsigned bytes \x00\x01\x02\r\n%%EOF\r\n"
CONTENT = (b"Content-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\nContent-Type: text/plain\r\n\r\n"
           b"C\xc3\xb4ng v\xc4\x83n  \r\n.leading dot\r\n--in\r\nContent-Type: application/pdf\r\n"
           b"Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQKc2lnbmVk\r\n--in--\r\n")


def sign(folder, name, *words):
    """The fields and the body of a signed mail."""
    out = openssl(folder, "cms", "-sign", "-signer", f"{name}.pem", "-inkey", f"{name}.key", "-binary", "-crlfeol",
                  *words, data=CONTENT)
    out = out.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    head, _, body = out.partition(b"\r\n\r\n")
    fields, _ = letter()
    for line in head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n"):
        key, _, value = line.partition(b":")
        fields.append((key.decode(), value.decode()))
    return fields, body


def whole(mail, out=None):
    fields = (list(out.added) if out else []) + mail[0]
    return b"".join(f"{k}:{v}\r\n".replace("\r\n", "\n").replace("\n", "\r\n").encode()
                    for k, v in fields) + b"\r\n" + mail[1]


def doc_04_signed_mail_verifies_behind_the_filter(check, where, folder):
    good, opaque = sign(folder, "good"), sign(folder, "good", "-nodetach")
    changed = (good[0], good[1].replace(b"leading", b"1eading"))
    pgp = ([(k, v.replace("pkcs7", "pgp")) for k, v in good[0]], good[1].replace(b"pkcs7-signature", b"pgp-signature"))
    rows = [
        ("signed by the author", good, "smime=pass body.smime-part=2 body.smime-identifier=a@sender.test"),
        ("opaque", opaque, "smime=pass body.smime-part=1"),
        ("content changed", changed, "smime=fail (signature does not match)"),
        ("another's certificate", sign(folder, "other"), "smime=policy (certificate not of the author)"),
        ("of no root of ours", sign(folder, "nobody"), "smime=policy (certificate not trusted)"),
        ("expired", sign(folder, "expired"), "smime=policy (certificate expired)"),
        ("for servers", sign(folder, "server"), "smime=policy (certificate not for mail)"),
        ("sha1", sign(folder, "good", "-md", "sha1"), "smime=policy (weak digest)"),
        ("no certificate inside", sign(folder, "good", "-nocerts"), "smime="),
        ("rubbish for a signature", (good[0], good[1][:good[1].rfind(b"MI")] + b"AAAA\r\n"), None),
        ("PGP", pgp, NOTHING),
        ("not signed", letter(), NOTHING),
    ]
    for name, mail, want in rows:
        out = send(where, mail=mail)
        results = out.field("Authentication-Results")
        if want is NOTHING:
            check(f"S/MIME {name}", "smime=" not in results, results)
        elif want:
            check(f"S/MIME {name}", out.delivered and want in results, (out, results))
        is_good = isinstance(want, str) and "pass" in want
        check(f"S/MIME {name}: not taken for good", ("smime=pass" in results) == is_good, results)
        check(f"S/MIME {name}: rules", ("smime-signed" in out.rules()) == ("smime=pass" in results)
              and ("smime-broken" in out.rules()) == ("smime=fail" in results), out.rules())
    for mail in (good, opaque):
        out = send(where, mail=mail)
        check("DOC-04: nothing but fields on top", not out.changed, out)
        done = subprocess.run(["openssl", "cms", "-verify", "-CAfile", "root.pem"], cwd=folder,
                              input=whole(mail, out), capture_output=True, check=False)
        check("DOC-04: openssl verifies behind the filter", done.returncode == 0, done.stderr)


def check_isolated(check, build):
    mail_filter = Filter(build, "$TTL 300\n", options="isolated_network = yes\nhost_checks = yes").start()
    try:
        began = time.monotonic()
        signed = letter(fields=[("DKIM-Signature", " v=1; a=rsa-sha256; d=sender.test; s=x; h=from; t=1795000000; "
                                 "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; b=AAAA")])
        out = send(mail_filter.socket, "203.0.113.5", "mx.sender.test", mail=signed)
        results = out.field("Authentication-Results")
        check("isolated: results are temporary errors", "spf=temperror" in results and "iprev=temperror" in results
              and "dkim=temperror" in results, results)
        check("isolated: nothing weighs, nothing is refused", out.delivered and out.action() == "pass"
              and not set(out.rules()) - {"none"}, (out.rules(), results))
        own = send(mail_filter.socket, "203.0.113.5", "mx.sender.test", sender=f"a@{DOMAIN}",
                   mail=letter(f"a@{DOMAIN}"))
        check("isolated: our own domain is marked, not refused", own.delivered
              and "forged-domain" in own.field("X-Congvu-Policy"), own)
        check("isolated: nobody waits", time.monotonic() - began < 5)
    finally:
        check("isolated: ended well", mail_filter.stop() == 0)


def main():
    build = sys.argv[1]
    check = Checks()
    with tempfile.TemporaryDirectory(prefix="congvu-test-") as folder:
        make_certificates(folder)
        options = f"received_spf = yes\nhost_checks = yes\nsmime_trust_file = {folder}/root.pem\nspf_cross_check = yes"
        mail_filter = Filter(build, ZONE, options=options).start()
        try:
            check_hosts(check, mail_filter.socket)
            check_forged(check, mail_filter.socket)
            doc_04_signed_mail_verifies_behind_the_filter(check, mail_filter.socket, folder)
            check("libspf2 never disagreed", "spf.differs" not in mail_filter.log())
        finally:
            check("ended well", mail_filter.stop() == 0, mail_filter.log()[-2000:])
        check_isolated(check, build)
    sys.exit(check.end())


if __name__ == "__main__":
    main()
