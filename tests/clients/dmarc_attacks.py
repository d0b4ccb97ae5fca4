#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Mail that is composed so that one program takes it for ours and another lets it pass (RFC 9989
11.5, RFC 7489 6.6.1): each goes through the running filter as an MTA hands it over. None may come
out as DMARC pass, or with the verdict "pass", while anybody could be shown a protected domain.

Protected are lamgiang.example (ours), bank.example (p=reject, DMARC of another) and
ubnd-cu.example (a former domain). The attacker owns evil.example: SPF passes, DMARC passes."""
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from filter_kit import Checks, Filter, txt  # noqa: E402
from milter_client import MilterClient  # noqa: E402

OURS, BANK, FORMER, EVIL = "lamgiang.example", "bank.example", "ubnd-cu.example", "evil.example"
CLIENT = "192.0.2.66"
ZONE = "$TTL 60\n" + "".join([
    txt(f"{EVIL}.", f"v=spf1 ip4:{CLIENT} -all"),
    txt(f"_dmarc.{EVIL}.", "v=DMARC1; p=reject"),
    txt(f"mail.{EVIL}.", f"v=spf1 ip4:{CLIENT} -all"),
    txt(f"_dmarc.{BANK}.", "v=DMARC1; p=reject; sp=reject"),
    txt(f"{BANK}.", "v=spf1 -all"),
    txt(f"_dmarc.{OURS}.", "v=DMARC1; p=reject"),
    txt("free.example.", f"v=spf1 ip4:{CLIENT} -all"),
    txt("_dmarc.free.example.", "v=DMARC1; p=none"),
    # look-alikes that their owners have set up well
    *(txt(f"{name}.", f"v=spf1 ip4:{CLIENT} -all") + txt(f"_dmarc.{name}.", "v=DMARC1; p=reject")
      for name in ("xn--lmgiang-dgf.example", "larngiang.example", "lamgiang-gov.example",
                   "lamgiang.example.evil.example", "lamgiang-example.evil.example",
                   "lamgiag.example", "1amgiang.example", "lamgiang.test", "ubndlamgiang.example",
                   "xn--lamgang-kva.example")),
])

PROTECTED = (OURS, BANK, FORMER)


def from_rows():
    """One From field, or several: (name, [(field name, value), ...])."""
    for victim in PROTECTED:
        v, e = f"ct@{victim}", f"x@{EVIL}"
        one = {
            "plain": v,
            "with a name": f"Chu tich <{v}>",
            "in capitals": f"CT@{victim.upper()}",
            "with a last dot": f"ct@{victim}.",
            "below": f"ct@a.b.{victim}",
            "two mailboxes": f"{v}, {e}",
            "two mailboxes, ours last": f"{e}, {v}",
            "two with names": f"A <{e}>, B <{v}>",
            "three": f"{e}, {v}, {e}",
            "a group": f"Lanh dao: {v};",
            "a group beside": f"Nhom: {e};, {v}",
            "an empty group and ours": f"Nhom:;, {v}",
            "two brackets": f"<{v}> <{e}>",
            "two brackets, ours last": f"<{e}> <{v}>",
            "brackets in brackets": f"<<{v}>>",
            "brackets in brackets, other inside": f"<{v}<{e}>>",
            "address before brackets": f"{v} <{e}>",
            "address behind brackets": f"<{e}> {v}",
            "no bracket at the end": f"<{v}",
            "no bracket at the start": f"{v}>",
            "a comment in the domain": f"ct@(c){victim}",
            "a comment before": f"({e}) {v}",
            "comment with brackets": f"(<{e}>) <{v}>",
            "comment unclosed": f"{v} (",
            "comment swallowing": f"{v} (<{e}>",
            "comment closed twice": f"{e}) <{v}>",
            "nested comments": f"((((({e}))))) {v}",
            "route": f"<@{EVIL}:{v}>",
            "route of ours": f"<@{victim}:{e}>",
            "route of several": f"<@a.example,@{victim}:{e}>",
            "quoted local with @": f'"x@{EVIL}"@{victim}',
            "quoted ours as local": f'"{v}"@{EVIL}',
            "quoted with brackets": f'"<{v}>"@{EVIL}',
            "quoted unclosed": f'"{v} <{e}>',
            "quoted phrase unclosed before": f'"A <{e}>, {v}',
            "escaped quote": f'"a\\" <{v}>, " <{e}>',
            "two @": f"ct@{victim}@{EVIL}",
            "two @, ours last": f"ct@{EVIL}@{victim}",
            "percent hack": f"ct%{EVIL}@{victim}",
            "semicolon between": f"{e}; {v}",
            "semicolon, ours first": f"{v}; {e}",
            "blank between": f"{e} {v}",
            "comma only before": f",{v}",
            "commas": f",,{e},,{v},,",
            "colon": f"a:{v}",
            "backslash": f"ct\\@{victim}",
            "blank before @": f"ct @{victim}",
            "blank behind @": f"ct@ {victim}",
            "blank around dot": "ct@" + victim.replace(".", " . "),
            "tab behind @": f"ct@\t{victim}",
            "fold behind @": f"ct@\n {victim}",
            "fold in brackets": f"<\n {v}\n >",
            "empty fold": f"<{e}>\n \n <{v}>",
            "fold of nothing before": f"\n \n\t{v}",
            "encoded word is the address": "=?utf-8?q?" + v.replace("@", "=40") + "?=",
            "encoded word and brackets": "=?utf-8?q?<" + v.replace("@", "=40") + f">?= <{e}",
            "encoded whole field": "=?utf-8?b?" + "PGN0QGxhbWdpYW5nLmV4YW1wbGU+" + f"?= {v}",
            "encoded in the local": f"=?utf-8?q?ct?=@{victim}",
            "encoded in the domain": f"ct@=?utf-8?q?{victim}?=",
            "8-bit name": b"S\xdfe <" + v.encode() + b">",
            "8-bit in the local": b"c\xfft@" + victim.encode(),
            "8-bit before the domain": b"ct@\xff" + victim.encode() + b" " + v.encode(),
            "control octet": f"ct@{victim}\x01",
            "control before": f"\x01{v}",
            "delete": f"\x7f<{v}>",
            "bare CR behind": f"{e}\r{v}",
            "bare CR and a field": f"{e}\rFrom: {v}",
            "bare LF and a field": f"{e}\nFrom: {v}",
            "vertical tab and a field": f"{e}\x0bFrom: {v}",
            "form feed and a field": f"{e}\x0cFrom: {v}",
            "CR CR LF": f"{e}\r\r\n {v}",
            "zero width": f"ct@\u200b{victim} {v}",
            "right to left": f"\u202e{v}",
            "fullwidth @": f"ct\uff20{victim} <{e}>, {v}",
            "literal beside": f"x@[192.0.2.66], {v}",
            "a literal and a name": f"{v} <x@[192.0.2.66]>",
            "single label beside": f"x@localhost, {v}",
            "very long": "a" * 20000 + f" <{v}>",
            "very long, ours first": f"{v}, " + "a" * 20000,
            "many": ", ".join(f"u{i}@{EVIL}" for i in range(60)) + f", {v}",
            "ours among many": f"{v}, " + ", ".join(f"u{i}@d{i}.example" for i in range(60)),
            "null before": f"<>, {v}",
            "null behind": f"{v}, <>",
            "mailto": f"<mailto:{v}>",
        }
        for name, value in one.items():
            yield f"{victim}: {name}", [("From", value)]
        several = {
            "two fields": [("From", e), ("From", v)],
            "two fields, ours first": [("From", v), ("From", e)],
            "in other capitals": [("From", e), ("FROM", v)],
            "in other capitals first": [("fRoM", v), ("From", e)],
            "a blank behind the name": [("From", e), ("From ", v)],
            "only a blank behind the name": [("From ", v)],
            "a blank before the name": [(" From", v), ("From", e)],
            "a tab behind the name": [("From\t", v), ("From", e)],
            "three fields": [("From", e), ("From", e), ("From", v)],
            "an empty one first": [("From", ""), ("From", v)],
            "an empty one last": [("From", v), ("From", "")],
            "hidden in the subject": [("Subject", f"x\rFrom: {v}"), ("From", e)],
            "hidden with blanks": [("Subject", f"x\r From : {v}"), ("From", e)],
            "hidden by LF": [("To", f"a@b.example\nFrom: {v}"), ("From", e)],
            "hidden behind another": [("X-A", f"1\rX-B: 2\rFrom: {v}"), ("From", e)],
            "hidden in From": [("From", f"{e}\r\nFrom: {v}")],
        }
        for name, fields in several.items():
            yield f"{victim}: {name}", fields


def shown_rows():
    """A From that is the attacker's own, and passes, but shows ours."""
    e = f"<x@{EVIL}>"
    free = "<x@free.example>"
    for victim in (OURS, FORMER):
        v = f"ct@{victim}"
        rows = {
            "quoted name with an address": f'"Chủ tịch <{v}>" {free}',
            "quoted address": f'"{v}" {e}',
            "quoted address, fullwidth": f'"ct＠{victim}" {e}',
            "encoded name with an address":
                "=?utf-8?q?Ch=E1=BB=A7_t=E1=BB=8Bch_=3Cct=40" + victim + f"=3E?= {e}",
            "encoded in halves": "=?utf-8?q?ct=40" + victim[:4] + "?= =?utf-8?q?" + victim[4:]
                                 + f"?= {e}",
            "base64 name": "=?utf-8?b?Y3RAbGFtZ2lhbmcuZXhhbXBsZQ==?= " + e if victim == OURS
                           else f'"{v}." {e}',
            "in a comment": f"x@{EVIL} ({v})",
            "in a comment before": f"({v}) x@{EVIL}",
            "with blanks at the @": f'"ct @ {victim}" {e}',
            "in capitals": f'"{v.upper()}" {e}',
            "below": f'"ct@so.{victim}" {e}',
            "escaped": f'"\\c\\t\\@{victim}" {e}',
            "folded": f'"Chu tich\n {v}" {e}',
            "as a local part": f'"{v}"@{EVIL}',
        }
        for name, value in rows.items():
            yield f"{victim} shown: {name}", [("From", value)]
    for name, value in {
            "Sender of ours": [("From", f"x@{EVIL}"), ("Sender", f"ct@{OURS}")],
            "Sender of ours, with a blank": [("From", f"x@{EVIL}"), ("Sender ", f"ct@{OURS}")],
            "Resent-From of ours": [("From", f"x@{EVIL}"), ("Resent-From", f"ct@{OURS}")],
            "Resent-Sender of ours": [("From", f"x@{EVIL}"), ("Resent-Sender", f"<ct@{OURS}>")],
            "Cyrillic": [("From", "ct@xn--lmgiang-dgf.example")],
            "Cyrillic, written so": [("From", "ct@lаmgiang.example")],
            "rn for m": [("From", "ct@larngiang.example")],
            "1 for l": [("From", "ct@1amgiang.example")],
            "gov added": [("From", "ct@lamgiang-gov.example")],
            "ubnd added": [("From", "ct@ubndlamgiang.example")],
            "ours within": [("From", "ct@lamgiang.example.evil.example")],
            "ours within, hyphens": [("From", "ct@lamgiang-example.evil.example")],
            "a letter less": [("From", "ct@lamgiag.example")],
            "with a mark": [("From", "ct@xn--lamgang-kva.example")],
            "mixed letters in the name": [("From", '"Chủ tịch Lâm Giаng" <x@evil.example>')],
    }.items():
        yield name, value


def envelope_rows():
    """MAIL FROM written oddly, under a From of ours."""
    v = f"ct@{OURS}"
    for sender, helo in {
            "<>": f"mail.{EVIL}", "<> ": f"{OURS}", f"<@{EVIL}:x@{EVIL}>": "h", "<\"x\"@evil.example>": "h",
            f"<x@{EVIL}@{OURS}>": "h", f"<{v}>": "h", f"<\"{v}\"@{EVIL}>": "h",
            "<x@[192.0.2.66]>": "h", f"<x%{OURS}@{EVIL}>": "h", "<x>": "h", "<\"x@y\"@>": "h",
            f"x@{EVIL}": "h", f"<x@{EVIL}> SIZE=1": "[192.0.2.66]", f"<x@{EVIL}.>": f"mail.{EVIL}",
            "<<x@evil.example>>": "h", f"< x@{EVIL} >": "h", f"<x@{EVIL.upper()}>": OURS,
    }.items():
        yield f"MAIL FROM:{sender} HELO {helo}", sender, helo, [("From", v)]


def missing_rows():
    yield "no From", [("Subject", "x")]
    yield "an empty From", [("From", "")]
    yield "a From of blanks", [("From", " \n\t ")]
    yield "From of a comment", [("From", "(nobody)")]
    yield "From of a name", [("From", "Chu tich")]
    yield "From of brackets", [("From", "<>")]
    yield "an undisclosed group", [("From", "undisclosed:;")]
    yield "no field at all", []


class Judge:
    """A filter and a connection to it for each HELO, many mails on one."""

    def __init__(self, build, options):
        self.folder = tempfile.TemporaryDirectory(prefix="congvu-attacks-")
        self.filter = Filter(build, ZONE, options=options,
                             socket_word=f"unix:{self.folder.name}/milter.sock").start()
        self.links = {}

    def __call__(self, fields, sender=f"<x@{EVIL}>", helo=f"mail.{EVIL}"):
        if helo not in self.links:
            self.links[helo] = MilterClient(self.filter.socket)
            assert self.links[helo].connect(CLIENT, f"mail.{EVIL}", helo) is None
        link = self.links[helo]
        link.send(b"A")
        return link.message(sender, [f"<a@{OURS}>"], fields, b"x\r\n")

    def stop(self):
        for link in self.links.values():
            link.close()
        code = self.filter.stop()
        self.folder.cleanup()
        return code


def is_safe(out, protected):
    """Not delivered; or told apart by its verdict and never passed for a protected domain."""
    if not out.delivered:
        return True
    result = out.field("Authentication-Results")
    for part in result.split(";"):
        if "dmarc=pass" in part and (protected or any(
                part.split("header.from=")[1].split()[0].endswith(d) for d in PROTECTED)):
            return False
    return out.action() not in ("", "pass") and bool(out.rules())


def check_composed(check, judged):
    count = 0
    for name, fields in from_rows():
        out = judged(fields)
        count += 1
        check(name, is_safe(out, True), (out.code, out.reply, out.added))
        check(name + ": refused", not out.delivered, (out.code, out.added))
    for name, sender, helo, fields in envelope_rows():
        out = judged(fields, sender, helo)
        count += 1
        check(name, is_safe(out, True), (out.code, out.reply, out.added))
    for name, fields in shown_rows():
        out = judged(fields)
        count += 1
        check(name, is_safe(out, False), (out.code, out.reply, out.added))
    for name, fields in missing_rows():
        out = judged(fields)
        count += 1
        check(name, is_safe(out, True), (out.code, out.reply, out.added))
        check(name + ": a rule names it",
              not out.delivered or {"from-missing", "from-unreadable"} & set(out.rules()),
              out.added)
    print(f"{count} attacks")
    check("enough of them", count >= 150, count)


def check_honest(check, judged):
    """What is none of this passes, so that the attacks do not fail for want of anything."""
    for name, fields in {
            "plain": [("From", f"x@{EVIL}")],
            "with a name": [("From", f'"Nguyễn Văn A (HN)" <x@{EVIL}>')],
            "encoded": [("From", f"=?utf-8?q?Nguy=E1=BB=85n?= <x@{EVIL}>")],
            "old letters": [("From", b"S\xf4 T\xb5i ch\xdenh <x@evil.example>")],
            "folded": [("From", f"A\n <x@{EVIL}>")],
            "below": [("From", f"x@mail.{EVIL}")],
            "its own address as name": [("From", f'"x@{EVIL}" <x@{EVIL}>')],
            "two of one domain": [("From", f"x@{EVIL}, y@{EVIL}")],
            "another domain elsewhere": [("From", f"x@{EVIL}"), ("To", f"ct@{OURS}"),
                                         ("Subject", f"From: ct@{OURS}")],
    }.items():
        out = judged(fields)
        check("honest: " + name, out.delivered and out.action() == "pass"
              and "dmarc=pass" in out.field("Authentication-Results"), (out.code, out.added))


def check_options(check, build):
    """Without refusals they are still told apart."""
    judged = Judge(build, "dmarc_bad_from = mark\nreject_forged_own = no\ndmarc_enforce = mark\n"
                          f"former_domains = {FORMER}\n")
    for name, fields in from_rows():
        out = judged(fields)
        check("mild: " + name, is_safe(out, True), (out.code, out.reply, out.added))
    check("it stops", judged.stop() == 0)


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else os.environ["CONGVU_BUILD"]
    check = Checks()
    judged = Judge(build, f"former_domains = {FORMER}\n")
    check_honest(check, judged)
    check_composed(check, judged)
    check("it stops", judged.stop() == 0)
    check_options(check, build)
    return check.end()


if __name__ == "__main__":
    sys.exit(main())
