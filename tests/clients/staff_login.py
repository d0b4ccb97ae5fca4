#!/usr/bin/python3
"""How staff log in: app passwords outside (ACC-05), client certificates (RFC 4422 EXTERNAL), access
tokens (RFC 7628, RFC 7662), lock-out and its end (SEC-05), over real smtplib, imaplib, curl, gsasl.
"""
# SPDX-License-Identifier: MPL-2.0
import base64
import http.server
import imaplib
import json
import os
import smtplib
import socket
import ssl
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import certs  # noqa: E402
import kit  # noqa: E402
from kit import expect  # noqa: E402

ELSEWHERE = {"inside_networks": "10.99.0.0/16"}


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def greeted(p, context=None):
    c = smtplib.SMTP_SSL(p.host, p.port["submissions"], context=context or p.context(),
                         local_hostname="client.example", timeout=kit.PATIENCE)
    c.ehlo()
    return c


def offered(c):
    return c.esmtp_features.get("auth", "").split()


def attempt(c, mechanism, initial):
    """The last reply to one AUTH with an initial response."""
    code, text = c.docmd("AUTH", f"{mechanism} {b64(initial) or '='}")
    return code, text.decode()


def plain(p, user, password):
    with greeted(p) as c:
        return attempt(c, "PLAIN", f"\0{user}\0{password}")


def imap_login(p, user, password):
    c = imaplib.IMAP4_SSL(p.host, p.port["imaps"], ssl_context=p.context(), timeout=kit.PATIENCE)
    try:
        c.login(user, password)
        return True
    except imaplib.IMAP4.error as refusal:
        return str(refusal)
    finally:
        c.shutdown()


def congvu(p, *words):
    return kit.run([os.path.join(kit.BUILD, "bin", "congvu"), "--conf", p.conf, *words])


def device(p, address, name, **fields):
    made = p.ask("imapd", "device.add", address=address, name=name, **fields)
    p.refresh()
    return made.get("password"), made["number"]


def test_acc_05_outside_only_app_passwords_are_taken():
    with kit.Province(filter=False, main=ELSEWHERE) as p:
        an, binh = p.user("an"), p.user("binh")
        phone, number = device(p, an, "điện thoại")
        sender, _ = device(p, an, "máy quét", scope="send")
        reader, _ = device(p, an, "đọc", scope="read")
        expect(len(phone) >= 16 and phone.count("-") == 3, phone)

        code, wrong = plain(p, binh, "sai")
        expect(code == 535 and "[AUTH.outside]" in wrong, code, wrong)
        code, right = plain(p, binh, p.users[binh])
        expect(code == 535 and right == wrong, "an oracle:", code, right)
        code, nobody = plain(p, "nobody.here", "x")
        expect(code == 535 and nobody == wrong, code, nobody)
        said = imap_login(p, binh, p.users[binh])
        expect("AUTHENTICATIONFAILED" in said and "app password" in said, said)

        expect(plain(p, an, phone)[0] == 235, "app password at smtpd")
        expect(imap_login(p, an, phone) is True, "app password at imapd")
        expect(plain(p, an, sender)[0] == 235 and plain(p, an, reader)[0] == 535, "scope")
        expect(imap_login(p, an, reader) is True and imap_login(p, an, sender) is not True, "scope")
        expect(plain(p, binh, phone)[0] == 535, "another's app password")
        if os.access("/usr/bin/gsasl", os.X_OK):
            gsasl(p, an, phone)

        p.ask("imapd", "device.revoke", address=an, number=number)
        p.refresh()
        expect(plain(p, an, phone)[0] == 535, "revoked at smtpd")
        expect(imap_login(p, an, phone) is not True, "revoked at imapd")
        log = p.daemons["smtpd"].text()
        expect('device="điện thoại"' in log, "the log names the device")
        expect(f"auth.failed peer=127.0.0.1 account={binh} mechanism=PLAIN why=bad" in log,
               "the log does not name the account", log)
        expect("account=- mechanism=PLAIN why=bad" in log and "nobody.here" not in log,
               "a name that is no account's may be a password")
        expect(f"why=bad peer=127.0.0.1 account={binh}" in p.daemons["imapd"].text(), "imapd")
        for secret in (phone, sender, reader):
            expect(secret not in log + p.daemons["imapd"].text(), "a password in a log")


def test_int_01_a_document_system_sends_as_itself_alone_and_reads_its_own_box():
    with kit.Province(filter=False, main=ELSEWHERE) as p:
        an, qlvb = p.user("an"), p.user("qlvb.stp", kind="app")
        sends, _ = device(p, qlvb, "gửi văn bản", scope="send")
        reads, _ = device(p, qlvb, "nhận văn bản", scope="read")

        def submit(sender):
            with greeted(p) as c:
                c.login(qlvb, sends)
                return c.sendmail(sender, [qlvb], f"From: {sender}\r\nTo: {qlvb}\r\nSubject: Van ban\r\n\r\nx\r\n")
        expect(submit(qlvb) == {}, "as itself")
        for other in (an, "qlvb.snv@" + kit.DOMAIN, "x@" + kit.DOMAIN):
            try:
                submit(other)
                raise kit.Failure(f"qlvb.stp sent as {other}")
            except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError, smtplib.SMTPRecipientsRefused) as refusal:
                expect("POL-05" in str(refusal), refusal)
        c = imaplib.IMAP4_SSL(p.host, p.port["imaps"], ssl_context=p.context(), timeout=kit.PATIENCE)
        c.login(qlvb, reads)
        expect(c.select("INBOX")[1] == [b"1"], "what came for it")
        c.logout()
        expect(imap_login(p, qlvb, sends) is not True, "the password that sends does not read")
        expect(plain(p, qlvb, reads)[0] == 535, "the one that reads does not send")
        shown = json.loads(congvu(p, "--json", "account", "show", qlvb))
        expect(shown["account"]["kind"] == "app" if "account" in shown else shown["kind"] == "app", shown)


def gsasl(p, user, password):
    """App passwords pass through SCRAM under the account's own name, with channel binding too."""
    for kind, port in (("smtp", "submission"), ("imap", "imap")):
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"):
            binding = "--verbose" if mechanism.endswith("PLUS") else "--no-cb"
            kit.run(["gsasl", "--client", "--" + kind, f"--connect=localhost:{p.port[port]}",
                     "--mechanism=" + mechanism, "--authentication-id=" + user,
                     "--authorization-id=", "--password=" + password, "--x509-ca-file=" + p.ca,
                     binding, "--quiet"])


def test_app_passwords_outlive_a_change_of_the_password_and_a_restart():
    with kit.Province(filter=False) as p:
        an = p.user("an")
        phone, _ = device(p, an, "phone")
        p.ask("imapd", "account.passwd", address=an, password="Trời xanh-mây trắng 9")
        p.daemons["imapd"].stop()
        p.daemons["imapd"].start()
        p.refresh()
        expect(plain(p, an, phone)[0] == 235, "app password")
        expect(plain(p, an, p.users[an])[0] == 535, "old password")
        expect(plain(p, an, "Trời xanh-mây trắng 9")[0] == 235, "new password, inside")
        if os.access("/usr/bin/gsasl", os.X_OK):
            gsasl(p, an, phone)
            gsasl(p, an, "Trời xanh-mây trắng 9")
        p.ask("imapd", "account.suspend", address=an)
        p.refresh()
        expect(plain(p, an, phone)[0] == 535, "suspended")


def test_operators_give_and_take_app_passwords_and_change_the_networks():
    with kit.Province(filter=False, main=ELSEWHERE) as p:
        an = p.user("an")
        said = congvu(p, "--lang", "en", "account", "app-password", "add", an, "--name", "phone")
        phone = said.strip().split(": ")[-1]
        p.refresh()
        expect(plain(p, an, phone)[0] == 235, "what the command printed", said)
        said = congvu(p, "account", "app-password", "list", an)
        expect("phone" in said and phone not in said, said)
        congvu(p, "account", "app-password", "revoke", an, "1", "--reason", "mất máy")
        p.refresh()
        expect(plain(p, an, phone)[0] == 535, "revoked")

        expect(plain(p, an, p.users[an])[0] == 535, "outside")
        with open(p.conf, encoding="utf-8") as f:
            text = f.read()
        with open(p.conf, "w", encoding="utf-8") as f:
            f.write(text.replace(ELSEWHERE["inside_networks"], "127.0.0.0/8"))
        p.ask("smtpd", "reload")
        p.ask("imapd", "reload")
        expect(plain(p, an, p.users[an])[0] == 235, "inside after a reload")
        expect(imap_login(p, an, p.users[an]) is True, "inside after a reload, imapd")


def test_sec_05_many_guesses_at_once_are_not_more_than_five_and_unlock_opens_again():
    with kit.Province(filter=False) as p:
        an = p.user("an")
        began = time.monotonic()
        for _ in range(2):
            expect(plain(p, an, "sai")[0] == 535, "a wrong password")
        expect(time.monotonic() - began > 0.25 + 0.5, "the answers come later and later")
        said, lock = [], threading.Lock()

        def guess(n):
            answer = plain(p, an, f"đoán {n}")
            with lock:
                said.append(answer)

        kit.in_threads([lambda n=n: guess(n) for n in range(20)])
        tried = [t for c, t in said if c == 535 and "AUTH.failed" in t]
        expect(len(tried) <= 3, len(tried), "more passwords were tried")
        expect(all(c in (535, 454) for c, _ in said), said)
        kit.wait_until("the lock", lambda: "AUTH.locked" in plain(p, an, "sai")[1])
        code, said = plain(p, an, p.users[an])
        expect(code == 535 and "AUTH.locked" in said, code, said)
        congvu(p, "account", "unlock", an, "--reason", "gọi điện")
        expect(plain(p, an, p.users[an])[0] == 235, "after unlock")


# ---- certificates ----

def client_context(p, pair=None):
    context = p.context()
    if pair:
        context.load_cert_chain(*pair)
    return context


def fingerprint(pair):
    return certs.certificate_digest(pair[0])


def test_a_certificate_logs_in_whom_it_is_for():
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        ca, stranger = certs.Authority(folder), certs.Authority(other)
        domain = kit.DOMAIN
        with kit.Province(filter=False, main={**ELSEWHERE, "tls_client_ca": ca.ca}) as p:
            an, binh = p.user("an"), p.user("binh")
            p.account(f"vanthu@{domain}", kind="role", override=True, reason="test")
            mine = ca.person("an", an)
            rows = (
                # name, certificate, authzid, offered, code
                ("its own", mine, "", True, 235),
                ("named", mine, an, True, 235),
                ("named without domain", mine, "an", True, 235),
                ("another's", mine, binh, True, 535),
                ("nobody's", mine, "nobody.here", True, 535),
                ("two, none named", ca.person("two", an, binh), "", True, 535),
                ("two, one named", ca.person("two", an, binh), binh, True, 235),
                ("no certificate", None, an, False, 504),
                ("no address", ca.person("none"), an, False, 504),
                ("outside address", ca.person("out", "an@elsewhere.example"), an, False, 504),
                ("a role box", ca.person("role", f"vanthu@{domain}"), "", False, 504),
                ("another authority", stranger.person("an", an), "", False, 504),
                ("a server's", ca.person("server", an, usage="serverAuth"), "", False, 504),
                ("run out", ca.person("old", an, days=-1), "", False, 504),
            )
            for name, pair, authzid, is_offered, want in rows:
                with greeted(p, client_context(p, pair)) as c:
                    expect(("EXTERNAL" in offered(c)) == is_offered, name, offered(c))
                    code, said = attempt(c, "EXTERNAL", authzid)
                    expect(code == want, name, code, said)
            registered(p, ca, binh)
            over_imap(p, mine, an)
            dialogue_without_initial_response(p, mine)
            with p.smtp("mx") as c:  # port 25 asks nobody
                c.starttls(context=client_context(p, mine))
                c.ehlo()
                expect("EXTERNAL" not in offered(c), offered(c))
            p.ask("imapd", "account.suspend", address=an)
            p.refresh()
            with greeted(p, client_context(p, mine)) as c:
                expect("EXTERNAL" not in offered(c), "suspended")


def registered(p, ca, address):
    pair = ca.person("bare")
    p.ask("imapd", "device.add", address=address, name="thẻ", type="certificate", scope="send",
          fingerprint=fingerprint(pair))
    p.refresh()
    with greeted(p, client_context(p, pair)) as c:
        expect(attempt(c, "EXTERNAL", "")[0] == 235, "a registered certificate")
    c = imaplib.IMAP4_SSL(p.host, p.port["imaps"], ssl_context=client_context(p, pair),
                          timeout=kit.PATIENCE)
    expect("AUTH=EXTERNAL" not in c.capabilities, "it may only send")
    c.shutdown()


def over_imap(p, pair, address):
    c = imaplib.IMAP4_SSL(p.host, p.port["imaps"], ssl_context=client_context(p, pair),
                          timeout=kit.PATIENCE)
    expect("AUTH=EXTERNAL" in c.capabilities, c.capabilities)
    expect(c.authenticate("EXTERNAL", lambda _: address.encode())[0] == "OK", "EXTERNAL at imapd")
    c.shutdown()


def dialogue_without_initial_response(p, pair):
    """RFC 4422 A: an empty challenge asks for the identity, which may be empty."""
    with greeted(p, client_context(p, pair)) as c:
        expect(c.docmd("AUTH", "EXTERNAL")[0] == 334, "asks")
        expect(c.docmd("")[0] == 235, "empty answer")


def resumed(p, context, session=None):
    """Whether EXTERNAL is offered to a client that brings SESSION, and the session it leaves with."""
    with socket.create_connection((p.host, p.port["submissions"]), kit.PATIENCE) as bare:
        with context.wrap_socket(bare, server_hostname="localhost", session=session) as s:
            f = s.makefile("rb")
            f.readline()
            s.sendall(b"EHLO client.example\r\n")
            lines = b""
            while b"\n250 " not in lines:
                lines += f.readline()
            return b"EXTERNAL" in lines, s.session_reused, s.session


def revocation_list(ca, conf):
    both = ca.path("both.pem")
    with open(ca.ca, "rb") as authority:
        text = authority.read() + certs.openssl("ca", "-config", conf, "-gencrl")
    with open(both, "wb") as out:
        out.write(text)
    return both


def test_revocation_lists_beside_the_authority_are_honoured_at_once():
    with tempfile.TemporaryDirectory() as folder:
        ca = certs.Authority(folder)
        good, bad = ca.person("good", f"an@{kit.DOMAIN}"), ca.person("bad", f"an@{kit.DOMAIN}")
        conf = ca.path("ca.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index\ndefault_md=sha256\n"
                    f"certificate={ca.ca}\nprivate_key={ca.ca_key}\ndefault_crl_days=7\n")
        open(ca.path("index"), "w", encoding="ascii").close()
        both = revocation_list(ca, conf)
        with kit.Province(filter=False, main={"tls_client_ca": both}) as p:
            p.user("an")
            contexts = [client_context(p, pair) for pair in (good, bad)]
            sessions = []
            for context in contexts:
                offers, _, session = resumed(p, context)
                expect(offers, "not revoked yet")
                again, reused, session = resumed(p, context, session)
                expect(again and reused, "the ticket keeps the certificate")
                sessions.append(session)
            certs.openssl("ca", "-config", conf, "-revoke", bad[0])
            revocation_list(ca, conf)
            p.ask("smtpd", "reload")
            for context, session, want in zip(contexts, sessions, (True, False)):
                offers, reused, _ = resumed(p, context, session)
                expect(offers == want and not reused, "after the reload", offers, reused)


# ---- tokens ----

class Introspection(http.server.BaseHTTPRequestHandler):
    """A server of RFC 7662 that knows a few tokens and counts the questions."""
    protocol_version = "HTTP/1.1"
    tokens, asked, broken = {}, [], False

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = urllib.parse.parse_qs(body)
        token = form["token"][0]
        self.asked.append((token, self.headers["Authorization"], form.get("token_type_hint")))
        answer = json.dumps(self.tokens.get(token, {"active": False})).encode()
        self.send_response(500 if self.broken else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def serve_introspection(ca):
    chain, key = ca.issue("localhost")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Introspection)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def oauthbearer(token, user=""):
    return f"n,{'a=' + user if user else ''},\1host=localhost\1port=587\1auth=Bearer {token}\1\1"


def xoauth2(token, user):
    return f"user={user}\1auth=Bearer {token}\1\1"


def test_tokens_are_asked_about_once_and_taken_for_whom_they_are():
    with tempfile.TemporaryDirectory() as folder:
        ca = certs.Authority(folder)
        server = serve_introspection(ca)
        client = ca.path("client")
        with open(client, "w", encoding="ascii") as f:
            f.write("mail server:s3cret/+\n")
        main = {**ELSEWHERE, "oauth_client_file": client, "oauth_ca": ca.ca, "oauth_scope": "mail",
                "oauth_introspection_url": f"https://localhost:{server.server_address[1]}/check"}
        with kit.Province(filter=False, main=main) as p:
            an, binh = p.user("an"), p.user("binh")
            good = {"active": True, "username": an, "scope": "openid mail",
                    "exp": int(time.time()) + 3600}
            long_token = "A" * 6000
            Introspection.tokens = {
                "good-1": good, "good-2": good, long_token: good,
                "old": {**good, "exp": int(time.time()) - 5},
                "later": {**good, "nbf": int(time.time()) + 3600},
                "narrow": {**good, "scope": "openid"},
                "nobody": {**good, "username": "nobody.here@lamgiang.example"},
                "stranger": {**good, "username": "an@elsewhere.example"},
                "word": {**good, "active": "true"},
            }
            token_rows(p, an, binh, long_token)
            cached_and_failing(p, an)
            no_tokens_in_the_clear(p)
            curl(p, an)
        server.shutdown()
        log = p_logs
        expect("good-1" not in log and "s3cret" not in log, "a secret in a log")


p_logs = ""


def token_rows(p, an, binh, long_token):
    rows = (
        ("its own", "OAUTHBEARER", oauthbearer("good-1"), None),
        ("named", "OAUTHBEARER", oauthbearer("good-1", an), None),
        ("xoauth2", "XOAUTH2", xoauth2("good-1", an), None),
        ("long", "OAUTHBEARER", oauthbearer(long_token, an), None),
        ("another's", "OAUTHBEARER", oauthbearer("good-1", binh), "invalid_token"),
        ("xoauth2 another's", "XOAUTH2", xoauth2("good-1", binh), "400"),
        ("unknown", "OAUTHBEARER", oauthbearer("bad", an), "invalid_token"),
        ("run out", "OAUTHBEARER", oauthbearer("old", an), "invalid_token"),
        ("not yet", "OAUTHBEARER", oauthbearer("later", an), "invalid_token"),
        ("too narrow", "OAUTHBEARER", oauthbearer("narrow", an), "invalid_token"),
        ("nobody's", "OAUTHBEARER", oauthbearer("nobody"), "invalid_token"),
        ("elsewhere", "OAUTHBEARER", oauthbearer("stranger"), "invalid_token"),
        ("malformed", "OAUTHBEARER", "n,,\1auth=Basic x\1\1", "invalid_request"),
        ("no user", "XOAUTH2", "auth=Bearer good-1\1\1", "400"),
    )
    for name, mechanism, message, fault in rows:
        with greeted(p) as c:
            expect({"OAUTHBEARER", "XOAUTH2"} <= set(offered(c)), offered(c))
            code, said = attempt(c, mechanism, message)
            if not fault:
                expect(code == 235, name, code, said)
                continue
            # RFC 7628 3.2.3: why, as JSON; then the client's empty answer; then the failure.
            expect(code == 334, name, code, said)
            why = json.loads(base64.b64decode(said))
            expect(why["status"] == fault and why["scope"] == "mail", name, why)
            code, said = c.docmd("AQ==" if mechanism == "OAUTHBEARER" else "")
            expect(code == 535, name, code, said)
            expect(c.docmd("NOOP")[0] == 250, name, "the session goes on")


def cached_and_failing(p, an):
    asked = [t for t, _, _ in Introspection.asked]
    expect(asked.count("good-1") == 1, "good-1 was asked about", asked.count("good-1"), "times")
    credentials = base64.b64decode(Introspection.asked[0][1].split()[1]).decode()
    expect(credentials == "mail%20server:s3cret%2F%2B", credentials)
    expect(Introspection.asked[0][2] == ["access_token"], Introspection.asked[0])
    c = imaplib.IMAP4_SSL(p.host, p.port["imaps"], ssl_context=p.context(), timeout=kit.PATIENCE)
    expect("AUTH=OAUTHBEARER" in c.capabilities, c.capabilities)
    expect(c.authenticate("XOAUTH2", lambda _: xoauth2("good-1", an).encode())[0] == "OK", "imapd")
    c.shutdown()
    Introspection.broken = True
    for token, want in (("good-2", 454), ("word", 454), ("good-1", 235)):
        with greeted(p) as c:
            code, said = attempt(c, "OAUTHBEARER", oauthbearer(token, an))
            expect(code == want, token, code, said)
            expect(want != 454 or "AUTH.down" in said, said)
    Introspection.broken = False
    kit.wait_until("the server is asked again", lambda: token_works(p, "good-2", an))
    with greeted(p) as c:  # not an answer of RFC 7662
        expect(attempt(c, "OAUTHBEARER", oauthbearer("word", an))[0] == 454, "a word for active")


def token_works(p, token, user):
    with greeted(p) as c:
        return attempt(c, "OAUTHBEARER", oauthbearer(token, user))[0] == 235


def no_tokens_in_the_clear(p):
    with p.smtp("submission") as c:
        c.ehlo()
        expect(not offered(c), "AUTH without TLS")
        expect(attempt(c, "OAUTHBEARER", oauthbearer("good-1"))[0] == 530, "a token in the clear")


def curl(p, an):
    global p_logs
    for mechanism in ("OAUTHBEARER", "XOAUTH2"):
        kit.run(["curl", "--silent", "--show-error", "--max-time", "60", "--ssl-reqd",
                 "--cacert", p.ca, "--url", f"smtp://localhost:{p.port['submission']}/client",
                 "--user", an + ":", "--oauth2-bearer", "good-1",
                 "--login-options", "AUTH=" + mechanism, "--mail-from", an, "--mail-rcpt", an,
                 "--upload-file", "-"],
                input=f"From: {an}\r\nTo: {an}\r\nSubject: {mechanism}\r\n\r\nxin chao\r\n".encode())
    p_logs = p.daemons["smtpd"].text() + p.daemons["imapd"].text()


kit.run_tests(globals())
