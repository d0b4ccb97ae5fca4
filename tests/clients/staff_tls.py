#!/usr/bin/python3
"""TLS as clients see it: versions and suites, certificates by SNI, reload, tickets, ALPN, and SCRAM
bound to the channel by either type, on new and on resumed sessions (RFC 5802, 5929, 7677, 9266)."""
# SPDX-License-Identifier: MPL-2.0
import base64
import hashlib
import hmac
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import certs  # noqa: E402
import kit  # noqa: E402
from kit import expect  # noqa: E402

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class Client:
    """One SMTP session under TLS from the first octet, or after STARTTLS."""

    def __init__(self, p, port, context, name="localhost", session=None):
        self.sock = socket.create_connection((p.host, p.port[port]), kit.PATIENCE)
        if port != "submissions":
            self.file = self.sock.makefile("rb")
            self.reply()
            self.say("EHLO client.example")
            self.say("STARTTLS")
        self.sock = context.wrap_socket(self.sock, server_hostname=name, session=session)
        self.file = self.sock.makefile("rb")
        if port == "submissions":
            self.reply()
        self.offers = self.say("EHLO client.example")

    def reply(self):
        lines = []
        while True:
            line = self.file.readline().decode()
            expect(line.endswith("\r\n"), "the session ended:", line)
            lines.append(line[4:].strip())
            if line[3:4] != "-":
                return int(line[:3]), lines

    def say(self, line):
        self.sock.sendall(line.encode() + b"\r\n")
        return self.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()


def context(ca, low=TLS12, high=TLS13, suites=None):
    c = ssl.create_default_context(cafile=ca)
    c.minimum_version, c.maximum_version = low, high
    if suites:
        c.set_ciphers(suites)
    return c


def suite_works(p, port, name):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    c.maximum_version = TLS12
    try:
        c.set_ciphers(name + ":@SECLEVEL=0")
        with Client(p, port, c) as client:
            return client.sock.cipher()[0] == name
    except (ssl.SSLError, ConnectionError, kit.Failure):
        return False


def two_kinds(folder):
    ca = certs.Authority(folder)
    pairs = [ca.issue("localhost"), ca.issue("localhost", rsa=True)]
    return ca, {"tls_cert": " ".join(c for c, _ in pairs), "tls_key": " ".join(k for _, k in pairs)}


def test_only_modern_suites_and_versions_are_spoken():
    with tempfile.TemporaryDirectory() as folder:
        _, main = two_kinds(folder)
        with kit.Province(filter=False, main=main, with_imapd=False) as p:
            every = [s for s in certs.openssl("ciphers", "-s", "-tls1_2",
                                              "ALL:COMPLEMENTOFALL:@SECLEVEL=0").decode()
                     .strip().split(":")]
            expect(len(every) > 50, every)
            for port in ("submissions", "mx"):
                taken = {s for s in every if suite_works(p, port, s)}
                aead = {s for s in taken if "GCM" in s or "CHACHA20" in s}
                expect(len(aead) == 6, port, aead)
                for s in taken:
                    expect(s.startswith("ECDHE-"), port, s)
                    expect(s.endswith(("SHA256", "SHA384", "POLY1305")), port, s)
                expect(port == "mx" or taken == aead, port, taken)
            for version in ("-tls1", "-tls1_1"):
                done = subprocess.run(
                    ["openssl", "s_client", "-connect", f"127.0.0.1:{p.port['submissions']}",
                     version, "-cipher", "ALL:@SECLEVEL=0"], input=b"", capture_output=True,
                    timeout=kit.PATIENCE, check=False)
                expect(b"Cipher is (NONE)" in done.stdout, version, done.stdout[-400:])
            # ALPN: what speaks only something else is not let in (RFC 7301 3.2)
            for offer, works in ((["smtp"], True), (["http/1.1"], False), (["imap", "smtp"], True)):
                c = context(None)
                c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
                c.set_alpn_protocols(offer)
                try:
                    Client(p, "submissions", c).__exit__()
                    expect(works, offer, "was let in")
                except ssl.SSLError:
                    expect(not works, offer, "was refused")


def served(p, name, suites=None):
    """Names and key of the certificate shown to a client that asks for NAME."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    if suites:
        c.maximum_version = TLS12
        c.set_ciphers(suites)
    with Client(p, "submissions", c, name=name) as client:
        der = client.sock.getpeercert(True)
    text = certs.openssl("x509", "-inform", "DER", "-noout", "-text", input=der).decode()
    names = [w.strip()[4:] for line in text.splitlines() if "DNS:" in line
             for w in line.split(",")]
    return names, "RSA" if "rsaEncryption" in text else "EC"


def test_the_name_asked_for_chooses_the_certificate_of_either_kind():
    with tempfile.TemporaryDirectory() as folder:
        ca = certs.Authority(folder)
        pairs = [ca.issue("localhost", "mail.one.example"), ca.issue("localhost", rsa=True),
                 ca.issue("mail.one.example", rsa=True), ca.issue("*.two.example"),
                 ca.issue("mx.two.example"), ca.issue("*.two.example", rsa=True)]
        main = {"tls_cert": " ".join(c for c, _ in pairs), "tls_key": " ".join(k for _, k in pairs)}
        with kit.Province(filter=False, main=main, with_imapd=False) as p:
            rsa = "ECDHE-RSA-AES128-GCM-SHA256"
            for name, suites, want in (
                    ("localhost", None, (["localhost", "mail.one.example"], "EC")),
                    ("localhost", rsa, (["localhost"], "RSA")),
                    ("mail.one.example", None, (["localhost", "mail.one.example"], "EC")),
                    ("mail.one.example", rsa, (["mail.one.example"], "RSA")),
                    ("a.two.example", None, (["*.two.example"], "EC")),
                    ("mx.two.example", None, (["mx.two.example"], "EC")),
                    ("mx.two.example", rsa, (["*.two.example"], "RSA")),
                    ("a.b.two.example", None, (["localhost", "mail.one.example"], "EC")),
                    ("unknown.example", None, (["localhost", "mail.one.example"], "EC")),
                    ("unknown.example", rsa, (["localhost"], "RSA")),
                    (None, None, (["localhost", "mail.one.example"], "EC"))):
                got = served(p, name, suites)
                expect(got == want, name, suites, got)


def test_reload_takes_good_certificates_and_keeps_sessions():
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as later:
        ca, new = certs.Authority(folder), certs.Authority(later)
        chain, key = ca.issue("localhost")
        with kit.Province(filter=False, main={"tls_cert": chain, "tls_key": key}) as p:
            an = p.user("an")
            with Client(p, "submissions", context(ca.ca)) as old:
                reload_with(p, "keys that are not its own", key, new.issue("localhost")[1])
                expect(old.say("NOOP")[0] == 250, "the session")
                Client(p, "submissions", context(ca.ca)).__exit__()
                reload_with(p, "no certificate", chain, __file__)
                Client(p, "submissions", context(ca.ca)).__exit__()
                good = new.issue("localhost")
                shutil.copy(good[1], key)
                shutil.copy(good[0], chain)
                p.daemons["smtpd"].process.send_signal(signal.SIGHUP)
                kit.wait_until("new certificates", lambda: trusted(p, new.ca))
                expect(trusted(p, new.ca, "mx"), "at port 25 too")
                plain = base64.b64encode(f"\0{an}\0{p.users[an]}".encode()).decode()
                expect(old.say("AUTH PLAIN " + plain)[0] == 235, "the old session goes on")


def reload_with(p, what, path, wrong):
    """A reload with a bad file is refused and names it."""
    kept = path + ".kept"
    shutil.copy(path, kept)
    shutil.copy(wrong, path)
    before = len(p.daemons["smtpd"].text())
    p.daemons["smtpd"].process.send_signal(signal.SIGHUP)
    kit.wait_until(what, lambda: path in p.daemons["smtpd"].text()[before:])
    shutil.copy(kept, path)


def trusted(p, ca, port="submissions"):
    try:
        Client(p, port, context(ca)).__exit__()
        return True
    except ssl.SSLError:
        return False


# ---- SCRAM over a bound channel ----

def end_point(sock):
    """tls-server-end-point of a certificate signed with SHA-256 (RFC 5929 4.1)."""
    return hashlib.sha256(sock.getpeercert(True)).digest()


def scram(client, user, password, header, binding, mechanism="SCRAM-SHA-256-PLUS"):
    """The last reply; checks the server's signature when there is one."""
    def b64(data):
        return base64.b64encode(data).decode()

    bare = f"n={user},r={b64(os.urandom(18))}"
    code, lines = client.say(f"AUTH {mechanism} " + b64((header + bare).encode()))
    if code != 334:
        return code
    first = base64.b64decode(lines[0]).decode()
    fields = dict(f.split("=", 1) for f in first.split(","))
    without = f"c={b64(header.encode() + binding)},r={fields['r']}"
    message = f"{bare},{first},{without}".encode()
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]),
                                 int(fields["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
    proof = bytes(a ^ b for a, b in zip(key, signature))
    code, lines = client.say(b64(f"{without},p={b64(proof)}".encode()))
    if code != 334:
        return code
    server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
    expect(base64.b64decode(lines[0]) == b"v=" + b64(server).encode(), "the server's signature")
    return client.say("")[0]


def test_scram_is_bound_to_the_certificate_on_new_and_resumed_sessions():
    with tempfile.TemporaryDirectory() as folder:
        ca, main = two_kinds(folder)
        with kit.Province(filter=False, main=main) as p:
            an = p.user("an")
            point = "p=tls-server-end-point,,"
            for version, suites in ((TLS12, "ECDHE-RSA-AES128-GCM-SHA256"),
                                    (TLS12, "ECDHE-ECDSA-AES128-GCM-SHA256"), (TLS13, None)):
                c = context(ca.ca, version, version, suites)
                session = None
                for is_resumed in (False, True, True):
                    with Client(p, "submissions", c, session=session) as client:
                        expect(client.sock.session_reused == is_resumed, version, suites)
                        got = scram(client, an, p.users[an], point, end_point(client.sock))
                        expect(got == 235, version, suites, is_resumed, got)
                        session = client.sock.session


def test_what_stands_in_the_middle_fails():
    with tempfile.TemporaryDirectory() as folder:
        ca, main = two_kinds(folder)
        with kit.Province(filter=False, main=main) as p:
            an = p.user("an")
            for name, header, binding, mechanism, want in (
                    ("a proxy's certificate", "p=tls-server-end-point,,", b"x" * 32,
                     "SCRAM-SHA-256-PLUS", 535),
                    # RFC 5802 6: the client can bind and was told that the server cannot
                    ("downgraded", "y,,", b"", "SCRAM-SHA-256", 535),
                    ("not bound", "n,,", b"", "SCRAM-SHA-256", 235),
                    ("no binding in -PLUS", "n,,", b"", "SCRAM-SHA-256-PLUS", 535),
                    ("tls-unique", "p=tls-unique,,", b"x" * 12, "SCRAM-SHA-256-PLUS", 535)):
                with Client(p, "submissions", context(ca.ca)) as client:
                    got = scram(client, an, p.users[an], header, binding, mechanism)
                    expect(got == want, name, got)


kit.run_tests(globals())
