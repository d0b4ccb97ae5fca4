#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""What is done about DMARC (RFC 9989 5.3.6, 5.4, 7) under each option, exceptions of the province,
lists, trusted sealers, our own domains without a record, and leaders' names on outside addresses
(POL-06)."""
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from filter_kit import Filter, Key, txt  # noqa: E402
from kit import BUILD, DOMAIN, Province, expect, run_tests  # noqa: E402
from milter_client import MilterClient  # noqa: E402

try:
    import dkim
except ImportError:
    dkim = None

KEY = Key("rsa")
CLIENT = "192.0.2.66"
ZONE = "$TTL 60\n" + "".join([
    txt("_dmarc.reject.example.", "v=DMARC1; p=reject; sp=quarantine"),
    txt("_dmarc.quar.example.", "v=DMARC1; p=quarantine"),
    txt("_dmarc.none.example.", "v=DMARC1; p=none"),
    txt("_dmarc.test.example.", "v=DMARC1; p=reject; t=y"),
    txt("_dmarc.partner.example.", "v=DMARC1; p=reject"),
    txt("_dmarc.old.example.", "v=DMARC1; p=reject; pct=0"),
    "; fail _dmarc.fails.example TXT\n",
    "x.reject.example. A 192.0.2.1\n",
    txt("lists.example.", f"v=spf1 ip4:{CLIENT} -all"),
    txt("any.example.", "v=spf1 +all"),
    txt("s._domainkey.forwarder.example.", KEY.record),
    txt("_dmarc.forwarder.example.", "v=DMARC1; p=none"),
])
LIST = [("List-Id", "Users <users.lists.example>"), ("List-Post", "<mailto:x@lists.example>")]


class World:
    def __init__(self, options="", overrides=""):
        self.folder = tempfile.TemporaryDirectory(prefix="congvu-policy-")
        self.path = os.path.join(self.folder.name, "overrides")
        self.write(overrides)
        self.filter = Filter(BUILD, ZONE, socket_word=f"unix:{self.folder.name}/milter.sock",
                             options=f"dmarc_override_file = {self.path}\n{options}").start()

    def write(self, text):
        with open(self.path, "w", encoding="utf-8") as f:
            f.write(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        expect(self.filter.stop() == 0, self.filter.log()[-2000:])
        self.folder.cleanup()

    def judged(self, author, sender="x@any.example", fields=(), client=CLIENT, body=b"x\r\n"):
        with MilterClient(self.filter.socket) as mta:
            return mta.connect(client) or mta.message(
                f"<{sender}>", [f"<a@{DOMAIN}>"],
                [("From", author), *fields] if author else fields, body)


def result(out):
    """The part of Authentication-Results that is about DMARC."""
    parts = [p.strip() for p in out.field("Authentication-Results").split(";")]
    return next((p for p in parts if p.startswith("dmarc=")), "")


def test_smt_06_policies_are_enforced_as_options_say():
    rows = [
        # options, author, action or reply, words of the result
        ("", "a@reject.example", "550 5.7.1 [DMARC.reject]", ""),
        ("", "a@x.reject.example", "junk", "dmarc=fail (sp=quarantine at reject.example)"),
        ("", "a@quar.example", "junk", "policy.dmarc=quarantine"),
        ("", "a@none.example", "pass", "dmarc=fail (p=none)"),
        ("", "a@test.example", "junk", "reason=\"policy_test_mode\""),
        ("", "a@nothing.example", "pass", "dmarc=none header.from=nothing.example"),
        ("", "a@fails.example", "pass", "dmarc=temperror (DNS does not answer)"),
        ("dmarc_temperror = defer", "a@fails.example", "451 4.7.0 [DMARC.later]", ""),
        ("dmarc_quarantine = mark", "a@quar.example", "junk", ""),  # its weight still counts
        ("dmarc_quarantine = quarantine", "a@quar.example", "quarantine", "dmarc=fail"),
        ("dmarc_enforce = none", "a@reject.example", "pass", "reason=\"local_policy\""),
        ("dmarc_enforce = mark", "a@reject.example", "mark", "reason=\"local_policy\""),
        ("dmarc_method = public-suffix", "a@test.example", "550 5.7.1 [DMARC.reject]", ""),
        ("dmarc_method = public-suffix", "a@old.example", "junk", "policy.dmarc=quarantine"),
        ("", "a@old.example", "550 5.7.1 [DMARC.reject]", ""),
    ]
    for options in dict.fromkeys(row[0] for row in rows):
        with World(options) as w:
            for _, author, want, words in (r for r in rows if r[0] == options):
                out = w.judged(author)
                got = out.reply or out.action()
                expect(got.startswith(want), options, author, got, out.added)
                expect(words in result(out), options, author, result(out))
                if want == "quarantine":
                    expect(out.quarantine, "the MTA is not told")


def test_exceptions_have_kinds_reasons_and_an_end():
    overrides = ("from partner.example 2999-12-31 their key, letter 12/CV\n"
                 "client 192.0.2.200/32 2999-12-31 the old relay\n"
                 "list users.lists.example 2999-12-31 a list\n"
                 "from old.example 2020-01-01 over\n")
    with World(overrides=overrides) as w:
        out = w.judged("a@partner.example")
        expect("reason=\"local_policy\"" in result(out) and out.delivered, out)
        out = w.judged("a@reject.example", client="192.0.2.200")
        expect("reason=\"trusted_forwarder\"" in result(out) and out.delivered, out)
        expect(not w.judged("a@reject.example", client="192.0.2.201").delivered)
        out = w.judged("a@reject.example", "l@lists.example", LIST)
        expect("reason=\"mailing_list\"" in result(out) and out.action() != "junk", out)
        expect(not w.judged("a@old.example").delivered, "an exception that is over")
        # Another file comes into force by a reload; a broken one leaves the old.
        w.write("from old.example 2999-12-31 again\n")
        w.filter.reload()
        expect(w.judged("a@old.example").delivered)
        expect(not w.judged("a@partner.example").delivered)
        w.write("from old.example never x\n")
        answer = w.filter.ask(do="reload")
        expect(not answer["ok"] and "overrides:1: 'never' is no date" in answer["error"], answer)
        expect(w.judged("a@old.example").delivered)


def test_lists_that_nobody_named_only_soften():
    with World() as w:
        out = w.judged("a@reject.example", "l@lists.example", LIST)
        expect(out.action() == "junk" and "reason=\"mailing_list\"" in result(out), out)
        for name, sender, fields in (
                ("nobody vouches", "l@other.example", LIST),
                ("another host vouches", "l@any.example", LIST),
                ("only a List-Id", "l@lists.example", LIST[:1]),
                ("no name in it", "l@lists.example", [("List-Id", "users"), LIST[1]])):
            expect(not w.judged("a@reject.example", sender, fields).delivered, name)
    with World("dmarc_mailing_lists = refuse") as w:
        expect(not w.judged("a@reject.example", "l@lists.example", LIST).delivered)


def test_trusted_sealers_stand_for_what_they_saw():
    if not dkim:
        return
    results = b"Authentication-Results: forwarder.example; dmarc=pass header.from=reject.example\r\n"
    message = b"From: a@reject.example\r\nSubject: thu\r\n\r\nx\r\n"
    fields = dkim.arc_sign(results + message, b"s", b"forwarder.example", KEY.pem,
                           b"forwarder.example", include_headers=[b"From", b"Subject"])
    sealed = [tuple(f.decode().rstrip("\r\n").split(":", 1)) for f in fields]
    for options, want in (("arc_trusted_sealers = forwarder.example", True),
                          ("arc_trusted_sealers = other.example", False), ("", False)):
        with World(options) as w:
            out = w.judged("", fields=[*sealed, ("From", " a@reject.example"),
                                       ("Subject", " thu")])
            expect(out.delivered == want, options, out, w.filter.log()[-3000:])
            expect(not want or "reason=\"trusted_forwarder\"" in result(out), result(out))


def test_pol_06_our_own_domain_is_guarded_without_a_record():
    for options, overrides, want in (
            ("", "", "550 5.7.1 [POL-06.forged-own]"),
            ("reject_forged_own = no", "", "junk"),  # by its weight
            ("", "client 192.0.2.66 2999-12-31 a printer\n", "")):
        with World(options, overrides) as w:
            out = w.judged(f"a@{DOMAIN}")
            got = out.reply or out.action()
            expect(got.startswith(want), options, overrides, got)
            if overrides:
                expect(out.delivered and "forged-domain" in out.field("X-Congvu-Policy"), out)


def test_octets_that_end_texts_hide_nothing():
    """libmilter hands over texts that end at NUL: smtpd lets none through."""
    with Province(zone="$TTL 60\n" + txt("evil.example.", "v=spf1 ip4:127.0.0.1 -all")
                  + txt("_dmarc.evil.example.", "v=DMARC1; p=reject"), spamfilter={}) as p:
        user = p.user(f"van.thu@{DOMAIN}")
        for value, want in ((b"x@evil.example", 250), (b"x@evil.example\0, ct@" + DOMAIN.encode(), 550),
                            (b"x@evil.example\0<ct@" + DOMAIN.encode() + b">", 550),
                            (b"\0ct@" + DOMAIN.encode(), 550)):
            with p.smtp() as s:
                s.ehlo()
                s.docmd("MAIL FROM:<x@evil.example>")
                s.docmd(f"RCPT TO:<{user}>")
                code, text = s.data(b"From: " + value + b"\r\nSubject: thu\r\n\r\nx\r\n")
                expect(code == want, value, code, text)


def test_pol_06_leaders_names_on_outside_addresses_are_marked():
    names = [
        # name as shown, address, marked
        ("Đặng Thị Duyên", "x@gmail.com", True),
        ("DANG THI DUYEN", "x@gmail.com", True),
        ("Duyên Đặng Thị", "x@gmail.com", True),
        ("Chủ tịch Đặng Thị Duyên", "x@business.example", True),
        ("Dаng Thi Duуen", "x@gmail.com", True),       # Cyrillic letters
        ("Đặng Thị Duyên - UBND tỉnh", "x@gmail.com", True),
        ("Giám đốc Lê Nam", "x@gmail.com", True),
        ("Lê Nam", "x@gmail.com", True),
        ("Lê Nam Sơn", "x@gmail.com", False),           # two words are found by chance
        ("Đặng Thị Hoa", "x@gmail.com", False),
        ("Phạm Văn Bình", "x@gmail.com", False),        # staff, no leader
        ("Đặng Thị Duyên Anh", "x@gmail.com", True),
        ("", "x@gmail.com", False),
    ]
    with Province(zone="$TTL 60\ngmail.com. A 192.0.2.1\n", spamfilter={}) as p:
        user = p.user(f"van.thu@{DOMAIN}")
        p.user(f"duyen@{DOMAIN}", name="Đặng Thị Duyên", rank=10, title="Chủ tịch")
        p.user(f"nam@{DOMAIN}", name="Lê Nam", rank=30, title="Giám đốc")
        p.user(f"binh@{DOMAIN}", name="Phạm Văn Bình", rank=60)
        p.ask("spamfilter", "register.refresh")
        for i, (name, address, _) in enumerate(names):
            author = f'"{name}" <{address}>' if name else address
            with p.smtp() as s:
                s.sendmail(address, [user], f"From: {author}\r\nSubject: thu {i}\r\n\r\nx\r\n"
                           .encode(), mail_options=["SMTPUTF8"])
        with p.imap(user) as c:
            found = {}
            for box in ("INBOX", "Junk"):
                if c.select(box)[0] != "OK":
                    continue
                for n in c.search(None, "ALL")[1][0].split():
                    head = c.fetch(n, "(BODY.PEEK[HEADER])")[1][0][1].decode()
                    found[head.split("Subject: thu ")[1].split("\r\n")[0]] = head
        for i, (name, _, want) in enumerate(names):
            # With other rules beside it, it may be kept aside: then nobody is deceived either.
            head = found.get(str(i), "X-Congvu-Policy: leader-name" if want else "")
            expect(head, name, "did not arrive")
            expect(("leader-name" in head.split("\r\nFrom:")[0]) == want, name, head)
        expect(len(found) >= len(names) - 2, found.keys())


if __name__ == "__main__":
    run_tests(globals())
