#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""TLS-RPT (RFC 8460): what is counted, how it is told by mail and by HTTPS, and what is read of the
reports of others. Servers are scripted, DKIM signatures are checked by dkimpy."""
import base64
import email
import email.policy
import gzip
import http.server
import json
import os
import ssl
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from harness import free_ports  # noqa: E402
from kit import BUILD, DOMAIN, Province, expect, run, run_tests, wait_until  # noqa: E402
from certs import Authority, key_digest  # noqa: E402
from policy_server import PolicyServer, policy  # noqa: E402
from sink import Sink  # noqa: E402

try:
    import dkim
except ImportError:
    dkim = None

USER = f"hoa.snv@{DOMAIN}"
CONTACT = f"tlsrpt@{DOMAIN}"
ZONE = """$TTL 60
{domain}. MX 10 mail.{domain}.
mail.{domain}. A 127.0.0.1
; secure dane.example
dane.example. MX 10 mx.dane.example.
mx.dane.example. A 127.0.0.2
_{port}._tcp.mx.dane.example. TLSA 3 1 1 {mx_key}
wrong.dane.example. MX 10 mx.wrong.dane.example.
mx.wrong.dane.example. A 127.0.0.2
_{port}._tcp.mx.wrong.dane.example. TLSA 3 1 1 {zeros}
_smtp._tls.dane.example. TXT "v=TLSRPTv1; rua=mailto:tls@dane.example"
_smtp._tls.wrong.dane.example. TXT "v=TLSRPTv1;rua=https://reports.example:{report_port}/in?x=1"
sts.example. MX 10 mx.sts.example.
mx.sts.example. A 127.0.0.2
mta-sts.sts.example. A 127.0.0.6
_mta-sts.sts.example. TXT "v=STSv1; id=1;"
_smtp._tls.sts.example. TXT "v=TLSRPTv1; rua=mailto:lost@nowhere.example,mailto:tls@plain.example"
broken.example. MX 10 mx.broken.example.
mx.broken.example. A 127.0.0.2
mta-sts.broken.example. A 127.0.0.6
_mta-sts.broken.example. TXT "v=STSv1; id=1;"
_smtp._tls.broken.example. TXT "v=TLSRPTv1; rua=ftp://x.example/"
plain.example. MX 10 mx.plain.example.
mx.plain.example. A 127.0.0.3
reports.example. A 127.0.0.6
"""


class ReportServer(http.server.ThreadingHTTPServer):
    """Takes reports by POST."""
    daemon_threads = True

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.got.append((self.path, self.headers["Content-Type"], body))
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    def __init__(self, address, port, chain, key):
        super().__init__((address, port), self.Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.got = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class World:
    def __init__(self):
        self.port, policy_port, report_port = free_ports(3)
        self.authority = Authority(tempfile.mkdtemp(prefix="congvu-certs-", dir="/tmp"))
        self.mx = self.authority.issue("mx.dane.example", "mx.sts.example")
        zone = ZONE.format(domain=DOMAIN, port=self.port, mx_key=key_digest(self.mx[0]),
                           zeros="00" * 32, report_port=report_port)
        self.province = Province(zone=zone, smtpd={
            "outbound_port": self.port, "retry_min": "1h", "retry_max": "1h",
            "mta_sts_port": policy_port, "outbound_ca": self.authority.ca,
            "tls_report_delay": "0s"})
        self.policies = PolicyServer("127.0.0.6", policy_port, *self.authority.issue(
            "mta-sts.sts.example"))
        self.policies.policy["sts.example"] = policy("testing", "mx.other.example")
        self.reports = ReportServer("127.0.0.6", report_port,
                                    *self.authority.issue("reports.example"))
        self.sink = Sink("127.0.0.2", self.port, certificate=self.mx)
        self.plain = Sink("127.0.0.3", self.port)

    def __enter__(self):
        self.province.__enter__()
        self.province.user(USER)
        self.province.user(CONTACT)
        return self

    def __exit__(self, *what):
        self.sink.close()
        self.plain.close()
        self.policies.close()
        self.reports.shutdown()
        self.reports.server_close()
        self.province.__exit__(*what)

    def ask(self, do, **fields):
        return self.province.ask("smtpd", do, **fields)

    def send(self, domain, headers=""):
        with self.province.submit(USER) as s:
            s.sendmail(USER, [f"a@{domain}"], f"From: {USER}\r\n{headers}Subject: thu\r\n\r\nx\r\n")

    def pending(self):
        return {r["domain"]: r for r in self.ask("tlsrpt.pending")["reports"]}

    def wait_counted(self, domain, good, bad):
        def counted():
            row = self.pending().get(domain)
            return row and (row["good"], row["bad"]) == (good, bad) and row
        return wait_until(f"{domain} {good}/{bad}", counted)


def failures(row):
    return [(d["result-type"], d.get("receiving-mx-hostname"), d["failed-session-count"])
            for p in row["policies"] for d in p.get("failure-details", [])]


def policies(row):
    return [(p["policy"]["policy-type"], p["policy"].get("policy-string"),
             p["policy"].get("mx-host")) for p in row["policies"]]


def check_counts(w):
    """What each domain's day looks like before it is told."""
    w.send("dane.example")
    row = w.wait_counted("dane.example", 1, 0)
    expect(policies(row) == [("tlsa", ["3 1 1 " + key_digest(w.mx[0])], ["mx.dane.example"])], row)
    w.send("wrong.dane.example")
    row = w.wait_counted("wrong.dane.example", 0, 1)
    detail = row["policies"][0]["failure-details"][0]
    expect(failures(row) == [("validation-failure", "mx.wrong.dane.example", 1)], row)
    expect(detail["receiving-ip"] == "127.0.0.2" and detail["sending-mta-ip"] == "127.0.0.1"
           and "DANE" in detail["failure-reason-code"], detail)
    w.send("sts.example")
    row = w.wait_counted("sts.example", 0, 1)
    expect(policies(row) == [("sts", ["version: STSv1", "mode: testing", "mx: mx.other.example",
                                      "max_age: 86400"], ["mx.other.example"])], row)
    expect(failures(row) == [("validation-failure", "mx.sts.example", 1)], row)
    w.send("broken.example")
    row = w.wait_counted("broken.example", 1, 1)
    expect(sorted(p[0] for p in policies(row)) == ["no-policy-found", "sts"], row)
    expect(failures(row) == [("sts-webpki-invalid", None, 1)], row)
    w.send("plain.example")
    row = w.wait_counted("plain.example", 0, 1)
    expect(failures(row) == [("starttls-not-supported", "mx.plain.example", 1)], row)
    w.send("plain.example", "TLS-Required: No\r\n")  # sets policies aside: nothing to report
    w.send("plain.example")
    wait_until("three messages", lambda: len(w.plain.messages) == 3)


def parts_of(message):
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    expect(parsed.get_content_type() == "multipart/report"
           and parsed.get_param("report-type") == "tlsrpt", parsed)
    text, report = list(parsed.iter_parts())
    expect(report.get_content_type() == "application/tlsrpt+gzip", report)
    return parsed, text.get_content(), report, json.loads(gzip.decompress(report.get_content()))


def check_mail(w, messages, records):
    parsed, text, part, report = parts_of(messages[0])
    expect(parsed["TLS-Report-Domain"] == "dane.example"
           and parsed["TLS-Report-Submitter"] == DOMAIN and parsed["TLS-Required"] == "No"
           and parsed["From"] == CONTACT, parsed)
    expect(parsed["Subject"].startswith(f"Report Domain: dane.example Submitter: {DOMAIN} "
                                        "Report-ID: <"), parsed["Subject"])
    name = part.get_filename().split("!")
    expect(name[:2] == [DOMAIN, "dane.example"] and name[3].endswith(".json.gz"), name)
    expect(report["contact-info"] == CONTACT and report["report-id"] in parsed["Subject"], report)
    expect(report["date-range"]["start-datetime"].endswith("T00:00:00Z"), report)
    one = report["policies"][0]
    expect(one["summary"] == {"total-successful-session-count": 1,
                              "total-failure-session-count": 0}, one)
    expect("failure-details" not in one, one)
    expect(report["organization-name"] == "Tỉnh Lam Giang", report)
    if dkim and records:
        expect(dkim.verify(messages[0], dnsfunc=lambda n, timeout=5:
                           records.get(n.decode().rstrip("."), "").encode() or None),
               "the signature does not verify", messages[0])
    else:
        print("    (not checked: DKIM)")


def test_sessions_are_counted_told_and_survive_a_crash():
    with World() as w:
        out = run([os.path.join(BUILD, "bin", "congvu"), "--conf", w.province.conf, "--json",
                   "dkim", "keygen", DOMAIN]) if w.province.with_spamfilter else "{}"
        records = {r["name"]: r["value"] for r in json.loads(out).get("records", [])}
        if records:
            w.province.ask("spamfilter", "reload")
        check_counts(w)
        w.wait_counted("plain.example", 0, 1)  # the connection was used again

        smtpd = w.province.daemons["smtpd"]
        before = w.pending()
        smtpd.kill()
        smtpd.start()
        expect(w.pending() == before, "a crash changed the books", before, w.pending())

        w.ask("queue.delete", all=True)
        taken, told = len(w.sink.messages), len(w.plain.messages)
        expect(w.ask("tlsrpt.send")["reports"] == 0, "today is told before its end")
        expect(w.ask("tlsrpt.send", today=True)["reports"] == 5, w.pending())
        wait_until("mail to dane.example", lambda: len(w.sink.messages) > taken)
        wait_until("mail to plain.example", lambda: len(w.plain.messages) > told)
        wait_until("a POST", lambda: w.reports.got)
        check_mail(w, [w.sink.messages[taken].data], records)
        expect(w.sink.messages[taken].sender == CONTACT, w.sink.messages[taken].sender)

        path, kind, body = w.reports.got[0]
        report = json.loads(gzip.decompress(body))
        expect(path == "/in?x=1" and kind == "application/tlsrpt+gzip", path, kind)
        expect(report["policies"][0]["policy"]["policy-domain"] == "wrong.dane.example", report)

        def states():
            return {r["domain"]: r["state"] for r in w.ask("tlsrpt.sent")["reports"]}
        wait_until("all told", lambda: len(states()) == 3)
        expect(states() == {"dane.example": "sent", "wrong.dane.example": "sent",
                            "sts.example": "sent"}, states())
        # Nobody asked to hear of the others; a new session begins a new row.
        expect(not w.pending(), w.pending())
        w.send("dane.example")
        w.wait_counted("dane.example", 1, 0)


REPORT = {
    "organization-name": "Cơ quan\x1b[31m B", "contact-info": "x@b.example",
    "date-range": {"start-datetime": "2026-11-20T00:00:00Z",
                   "end-datetime": "2026-11-20T23:59:59Z"},
    "report-id": "r1", "policies": [{
        "policy": {"policy-type": "sts", "policy-domain": DOMAIN, "policy-string": []},
        "summary": {"total-successful-session-count": 10, "total-failure-session-count": 3},
        "failure-details": [{"result-type": "certificate-expired", "failed-session-count": 2},
                            {"result-type": "made-up", "failed-session-count": 1}]}]}


def letter(part, kind="application/tlsrpt+gzip"):
    return (f"From: x@sender.example\r\nTo: {CONTACT}\r\nSubject: Report\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/report; report-type=tlsrpt; boundary=b\r\n\r\n--b\r\n\r\n"
            f"text\r\n--b\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            ).encode() + base64.encodebytes(part).replace(b"\n", b"\r\n") + b"--b--\r\n"


def test_reports_of_others_are_summed_up():
    with World() as w:
        def give(message):
            with w.province.smtp() as s:
                s.sendmail("x@sender.example", [CONTACT], message)

        def received():
            return w.ask("tlsrpt.received")["reports"]
        text = json.dumps(REPORT).encode()
        bomb = gzip.compress(b" " * (200 << 20), 9)
        bad = [letter(bomb), letter(b"no gzip"), letter(gzip.compress(b"[]")),
               letter(gzip.compress(text[:-1])), letter(gzip.compress(b"[" * 100000)),
               letter(gzip.compress(text.replace(b'"report-id"', b'"report-id": "r0", "report-id"')))]
        for message in bad:
            give(message)
        give(letter(gzip.compress(text)))
        give(letter(gzip.compress(text)))  # the same again is one
        give(letter(json.dumps({**REPORT, "report-id": "r2"}).encode(), "application/tlsrpt+json"))
        wait_until("two reports", lambda: len(received()) == 2)
        time.sleep(1.2)
        found = received()
        expect(len(found) == 2, found)
        one = found[0]
        expect(one["organization"] == "Cơ quan?[31m B" and one["to"] - one["from"] == 86399, one)
        expect(one["policies"] == [{"domain": DOMAIN, "type": "sts", "good": 10, "bad": 3,
                                    "failures": {"certificate-expired": 2, "other": 1}}], one)
        table = run([os.path.join(BUILD, "bin", "congvu"), "--conf", w.province.conf,
                     "tls-report", "received", "--days", "2"])
        expect("certificate-expired 2, other 1" in table, table)
        log = w.province.daemons["smtpd"].text()
        for words in ("larger than 16777216 bytes", "gzip is damaged", "organization-name",
                      "no JSON", "duplicate"):
            expect(words in log, words)
        expect(log.count("tlsrpt.no_report") == len(bad), log.count("tlsrpt.no_report"))


if __name__ == "__main__":
    run_tests(globals())
