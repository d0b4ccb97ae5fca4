#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""DMARC reports (RFC 9990): what is counted of mail that came, how it is told through the queue and
signed, to whom it is not, and what is read of the reports of others. xmllint checks the XML, dkimpy
the signature."""
import base64
import email
import email.policy
import gzip
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from harness import free_ports  # noqa: E402
from kit import BUILD, DOMAIN, Failure, Province, expect, run_tests, wait_until  # noqa: E402
from filter_kit import Key, txt  # noqa: E402
from sink import Sink  # noqa: E402

try:
    import dkim
except ImportError:
    dkim = None

USER = f"hoa.snv@{DOMAIN}"
CONTACT = f"dmarc@{DOMAIN}"
INBOX = f"bao-cao@{DOMAIN}"
NS = "{urn:ietf:params:xml:ns:dmarc-2.0}"
KEY = Key("rsa")
NOW = int(time.time())
ZONE = "$TTL 60\n" + f"{DOMAIN}. MX 10 mail.{DOMAIN}.\nmail.{DOMAIN}. A 127.0.0.1\n" \
    + txt(f"s1._domainkey.{DOMAIN}.", KEY.record) \
    + "9.2.0.192.in-addr.arpa. PTR relay.cloud.example.\n" \
    + "bank.example. MX 10 mx.bank.example.\nmx.bank.example. A 127.0.0.2\n" \
    + txt("bank.example.", "v=spf1 ip4:127.0.0.1 -all") \
    + txt("_dmarc.bank.example.",
          "v=DMARC1; p=reject; sp=none; rua=mailto:in@bank.example,mailto:r@reports.example,"
          "mailto:x@victim.example,mailto:small@bank.example!700") \
    + txt("bank.example._report._dmarc.reports.example.", "v=DMARC1") \
    + "reports.example. MX 10 mx.bank.example.\n" \
    + "victim.example. MX 10 mx.bank.example.\n" \
    + "sub.bank.example. A 127.0.0.9\n" \
    + txt("_dmarc.silent.example.", "v=DMARC1; p=none") \
    + txt("silent.example.", "v=spf1 ip4:127.0.0.1 -all") \
    + txt("_dmarc.test.example.", "v=DMARC1; p=quarantine; t=y; rua=mailto:in@test.example") \
    + txt("test.example.", "v=spf1 ?all") \
    + txt("reporter.example.", "v=spf1 ip4:127.0.0.1 -all") \
    + txt("_dmarc.reporter.example.", "v=DMARC1; p=reject; rua=mailto:in@bank.example") \
    + txt("_dmarc.forger.example.", "v=DMARC1; p=none") \
    + txt("forger.example.", "v=spf1 -all")


class World:
    def __init__(self):
        self.port, = free_ports(1)
        self.province = Province(zone=ZONE, smtpd={
            "outbound_port": self.port, "retry_min": "1h", "retry_max": "1h"},
            spamfilter={"dmarc_report_address": INBOX, "spf_reject_fail": "no"})
        folder = os.path.join(self.province.dir, "keys", "dkim", DOMAIN)
        os.makedirs(folder)
        with open(os.path.join(folder, "s1.pem"), "wb") as f:
            f.write(KEY.pem)
        with open(os.path.join(folder, "current"), "w", encoding="utf-8") as f:
            f.write("s1\n")
        self.sink = Sink("127.0.0.2", self.port)

    def __enter__(self):
        self.province.__enter__()
        for user in (USER, CONTACT, INBOX):
            self.province.user(user)
        return self

    def __exit__(self, *what):
        self.sink.close()
        self.province.__exit__(*what)

    def ask(self, do, **fields):
        return self.province.ask("spamfilter", do, **fields)

    def arrive(self, sender, author, rcpt=USER, headers="", body="x\r\n"):
        """What smtpd answers to mail from outside."""
        with self.province.smtp() as s:
            s.ehlo()
            s.docmd(f"MAIL FROM:<{sender}>")
            s.docmd(f"RCPT TO:<{rcpt}>")
            return s.data(f"From: {author}\r\n{headers}Subject: thu\r\n\r\n{body}")[0]

    def congvu(self, *words, data=None, code=0):
        p = subprocess.run([os.path.join(BUILD, "bin", "congvu"), "--conf", self.province.conf,
                            "--lang", "en", *words], input=data, capture_output=True)
        expect(p.returncode == code, words, p.returncode, p.stdout, p.stderr)
        return p.stdout.decode()


def validate(xml):
    with tempfile.NamedTemporaryFile(suffix=".xml") as f:
        f.write(xml)
        f.flush()
        p = subprocess.run(["xmllint", "--noout", "--nonet", "--schema",
                            os.path.join(HERE, "dmarc_report.xsd"), f.name], capture_output=True)
        expect(p.returncode == 0, p.stderr.decode(), xml.decode())


def records(xml):
    """(source, count, disposition, dkim, spf, reason, from) of each record."""
    def text(node, path):
        found = node.find("/".join(NS + p for p in path.split("/")))
        return found.text if found is not None else None
    return sorted((text(r, "row/source_ip"), int(text(r, "row/count")),
                   text(r, "row/policy_evaluated/disposition"),
                   text(r, "row/policy_evaluated/dkim"), text(r, "row/policy_evaluated/spf"),
                   text(r, "row/policy_evaluated/reason/type") or "",
                   text(r, "identifiers/header_from"))
                  for r in ET.fromstring(xml).findall(NS + "record"))


def check_counts(w):
    """3.1: one record for each source, result and identifiers; only who asks is counted."""
    expect(w.arrive("a@bank.example", "a@bank.example") == 250)
    expect(w.arrive("b@bank.example", "b@bank.example") == 250)
    expect(w.arrive("a@silent.example", "a@bank.example") == 550, "p=reject is not enforced")
    expect(w.arrive("a@silent.example", "a@sub.bank.example") == 250)
    expect(w.arrive("a@silent.example", "a@silent.example") == 250)
    expect(w.arrive("a@silent.example", "a@test.example") == 250)
    rows = {r["domain"]: r for r in w.ask("dmarc.list")["reports"]}
    expect(set(rows) == {"bank.example", "test.example"}, rows)
    expect(rows["bank.example"]["messages"] == 4 and rows["bank.example"]["rows"] == 3, rows)
    xml = w.ask("dmarc.show", domain="bank.example")["xml"].encode()
    validate(xml)
    expect(records(xml) == [
        ("127.0.0.1", 1, "none", "fail", "fail", "", "sub.bank.example"),
        ("127.0.0.1", 1, "reject", "fail", "fail", "", "bank.example"),
        ("127.0.0.1", 2, "pass", "fail", "pass", "", "bank.example")], xml.decode())
    xml = w.ask("dmarc.show", domain="test.example")["xml"].encode()
    validate(xml)
    expect(records(xml) == [("127.0.0.1", 1, "none", "fail", "fail", "policy_test_mode",
                             "test.example")], xml.decode())
    expect(b"<testing>y</testing>" in xml, xml)


def check_schema_can_fail():
    for wrong in (b"<feedback/>", b'<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"/>'):
        try:
            validate(wrong)
        except Failure:
            continue
        raise AssertionError("the schema takes anything")


def check_dry_run(w):
    """4: who did not agree gets nothing; nothing leaves in a dry run."""
    text = w.congvu("dmarc", "send", "--dry-run", "--today")
    line = next(l for l in text.splitlines() if l.startswith("bank.example"))
    expect("in@bank.example, r@reports.example" in line and "victim" not in line
           and "small@" not in line and "ready" in line, text)
    expect(not w.sink.messages, "a dry run sent something")
    expect("counting" in w.congvu("dmarc", "list"))


def check_sent(w):
    w.congvu("dmarc", "send", "--today")
    wait_until("two reports", lambda: len(w.sink.messages) >= 2)
    to = sorted(m.rcpts[0] for m in w.sink.messages)
    expect("in@bank.example" in to[0] and "r@reports.example" in to[1] and len(to) == 2, to)
    data = w.sink.messages[0].data
    if dkim:
        expect(dkim.verify(data, dnsfunc=lambda name, **_: KEY.record.encode()
               if name.startswith(b"s1._domainkey." + DOMAIN.encode()) else None), data)
    mail = email.message_from_bytes(data, policy=email.policy.SMTP)
    expect(mail["Subject"].startswith("Report Domain: bank.example Submitter: " + DOMAIN),
           mail["Subject"])
    expect(mail["From"] == CONTACT and mail["Auto-Submitted"] == "auto-generated", data)
    part = next(mail.iter_attachments())
    expect(part.get_content_type() == "application/gzip", part.get_content_type())
    expect(part.get_filename().startswith(f"{DOMAIN}!bank.example!"), part.get_filename())
    xml = gzip.decompress(part.get_content())
    validate(xml)
    expect(len(records(xml)) == 3, xml)
    # Once only, and the next look finds nothing to do.
    expect("bank.example" not in w.congvu("dmarc", "send", "--today"))
    states = {r["domain"]: r["state"] for r in w.ask("dmarc.list")["reports"]}
    expect(states["bank.example"] == "sent", states)


def report(number, organization="Reporter & Co", domain=DOMAIN, count=12):
    return f"""<?xml version="1.0"?>
<feedback><report_metadata><org_name>{organization.replace("&", "&amp;")}</org_name>
<email>r@reporter.example</email><report_id>{number}</report_id><date_range>
<begin>{NOW - 86400}</begin><end>{NOW}</end></date_range></report_metadata>
<policy_published><domain>{domain}</domain><p>reject</p></policy_published>
<record><row><source_ip>192.0.2.9</source_ip><count>{count}</count><policy_evaluated>
<disposition>reject</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>
<identifiers><header_from>{domain}</header_from></identifiers><auth_results><spf>
<domain>cloud.example</domain><result>pass</result></spf></auth_results></record>
<record><row><source_ip>2001:db8::25</source_ip><count>1000</count><policy_evaluated>
<disposition>none</disposition><dkim>pass</dkim><spf>pass</spf></policy_evaluated></row>
<identifiers><header_from>{domain}</header_from></identifiers><auth_results/></record>
</feedback>""".encode()


def zipped(xml):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("report.xml", xml)
    return out.getvalue()


def check_import(w):
    """In every form, each report once."""
    folder = os.path.join(w.province.dir, "reports")
    os.mkdir(folder)
    for name, data in (("1.xml", report(1)), ("2.xml.gz", gzip.compress(report(2))),
                       ("3.zip", zipped(report(3))), ("again.xml", report(1)),
                       ("other.xml", report(4, domain=f"stp.{DOMAIN}", count=1))):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)
    text = w.congvu("dmarc", "import", folder)
    expect("4 reports read, 1 known before, 0 not read" in text, text)
    text = w.congvu("dmarc", "import", "-", data=gzip.compress(report(5)))
    expect("1 reports read" in text, text)
    text = w.congvu("dmarc", "import", "-", data=b"<feedback>", code=1)
    expect("1 not read" in text, text)
    rows = json.loads(w.congvu("dmarc", "sources", "--json"))["sources"]
    sums = {(r["domain"], r["ip"]): r for r in rows}
    bad = sums[DOMAIN, "192.0.2.9"]
    expect(bad["messages"] == 48 and bad["aligned"] == 0 and bad["reject"] == 48, bad)
    expect(bad["host"] == "relay.cloud.example" and bad["reporters"] == ["Reporter & Co"], bad)
    good = sums[DOMAIN, "2001:db8::25"]
    expect(good["messages"] == good["aligned"] == 4000, good)
    expect(rows[0] is good or rows[0]["messages"] == 4000, rows)
    text = w.congvu("dmarc", "sources", "--domain", f"stp.{DOMAIN}")
    expect(f"stp.{DOMAIN}" in text and "4000" not in text, text)


def check_received(w):
    """By mail: read when its sender is vouched for and it is about us, delivered in any case."""
    def mail(number, domain=DOMAIN):
        return ("MIME-Version: 1.0\r\nContent-Type: application/gzip; name=a.xml.gz\r\n"
                "Content-Transfer-Encoding: base64\r\n",
                base64.encodebytes(gzip.compress(report(number, domain=domain))).decode()
                .replace("\n", "\r\n"))
    before = w.ask("dmarc.sources")["reports"]
    head, body = mail(100)
    expect(w.arrive("r@reporter.example", "r@reporter.example", INBOX, head, body) == 250)
    wait_until("a report by mail", lambda: w.ask("dmarc.sources")["reports"] == before + 1)
    for author, what in (("r@forger.example", DOMAIN), ("r@reporter.example", "bank.example")):
        head, body = mail(101, what)
        expect(w.arrive(author, author, INBOX, head, body) == 250, author)
    expect(w.ask("dmarc.sources")["reports"] == before + 1, "it believes anybody")
    # No report about reports.
    expect("reporter.example" not in
           {r["domain"] for r in w.ask("dmarc.list")["reports"]}, w.ask("dmarc.list"))
    with w.province.imap(INBOX) as c:
        c.select("INBOX")
        expect(len(c.search(None, "ALL")[1][0].split()) == 3, "mail with reports got lost")


def check_kept(w):
    """What was written behind is there after the filter was killed."""
    w.arrive("c@bank.example", "c@test.example")
    w.ask("dmarc.list")  # writes what is in memory
    w.province.daemons["spamfilter"].kill()
    w.province.daemons["spamfilter"].start()
    rows = {r["domain"]: r for r in w.ask("dmarc.list")["reports"]}
    expect(rows["test.example"]["messages"] == 2, rows)


def test_reports_go_out_and_come_in():
    check_schema_can_fail()
    with World() as w:
        check_counts(w)
        check_dry_run(w)
        check_sent(w)
        check_import(w)
        check_received(w)
        check_kept(w)


if __name__ == "__main__":
    run_tests(globals())
