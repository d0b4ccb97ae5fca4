# SPDX-License-Identifier: MPL-2.0
"""What the filter remembers: senders, correspondents, copies, strangers it put off, bursts, lists.

Mail is sent as an MTA would, over the milter protocol; the filter is stopped and started between,
so that what it knows afterwards it knows from its statistics. usage: filter_memory.py BUILD
"""
import shutil
import sys
import time

from filter_kit import DOMAIN, Checks, Filter, txt
from milter_client import MilterClient

STAFF, CLERK = f"hoa.snv@{DOMAIN}", f"binh.stp@{DOMAIN}"
ZONE = ("$TTL 300\n" + txt("good.example.", "v=spf1 ip4:192.0.2.0/24 -all")
        + txt("other.example.", "v=spf1 ip4:198.51.100.0/24 -all")
        + "7.2.0.192.bl.example. A 127.0.0.2\n8.2.0.192.wl.example. A 127.0.0.2\n"
        + "casino.example.ubl.example. A 127.0.0.2\n")
OPTIONS = """
spf_reject_fail = no
score_mark = 2
score_junk = 3.5
score_greylist = 2.5
score_quarantine = 9
greylist_pause = 1s
bulk_copies = 10
burst_recipients = 20
burst_freeze = 1m
dnsbl = bl.example*2
dnswl = wl.example*1
urlbl = ubl.example*4
"""
TEXT = (b"Kinh gui quy khach, chung toi xin thong bao chuong trinh khuyen mai lon nhat trong nam "
        b"danh cho tat ca khach hang than thiet tai thanh pho voi nhieu phan qua hap dan dang cho "
        b"don quy vi den tham quan va mua sam trong tuan nay.\r\n")


class Province:
    """A filter, and those who write through it."""

    def __init__(self, mail_filter):
        self.filter = mail_filter
        self.number = 0

    def send(self, sender, rcpt, client="192.0.2.9", body=TEXT, fields=(), login=None):
        self.number += 1
        header = [("From", f"<{sender}>"), ("To", f"<{rcpt}>"), ("Subject", "Chao"),
                  ("Message-ID", f"<m{self.number}@{sender.split('@')[1]}>"), *fields]
        macros = {"i": f"Q{self.number}", **({"{auth_authen}": login} if login else {})}
        with MilterClient(self.filter.socket) as c:
            c.connect(client)
            rcpts = rcpt if isinstance(rcpt, list) else [rcpt]
            return c.message(f"<{sender}>", [f"<{r}>" for r in rcpts], header, body, macros)

    def restart(self):
        code = self.filter.stop()
        self.filter.start()
        return code


def check_letters(check, province):
    fresh = province.send("dan@good.example", STAFF)
    check("a stranger is no correspondent", "known-correspondent" not in fresh.rules(), fresh)
    out = province.send(STAFF, "dan@good.example", login=STAFF)
    check("staff writes out", out.delivered, out)
    sent = f"<m{province.number}@{DOMAIN}>"
    again = province.send("dan@good.example", STAFF, fields=[("In-Reply-To", sent)])
    check("whom staff wrote to is known", again.rules().get("known-correspondent") == -2.0,
          again.rules())
    check("and his answer is one", again.rules().get("answers-ours") == -2.0, again.rules())
    other = province.send("dan@good.example", CLERK, fields=[("In-Reply-To", sent)])
    check("an answer is one to its author alone", "answers-ours" not in other.rules(), other.rules())
    check("not to others", "known-correspondent" not in other.rules(), other.rules())
    forged = province.send("dan@good.example", STAFF, client="203.0.113.5")
    check("not without proof", "known-correspondent" not in forged.rules(), forged.rules())
    check("stops cleanly", province.restart() == 0)
    after = province.send("dan@good.example", STAFF, fields=[("References", f"<x@y> {sent}")])
    check("known after a restart", {"known-correspondent", "answers-ours"} <= set(after.rules()),
          after.rules())


def check_copies(check, province):
    names = ["Hoa", "Binh", "Lan", "Tuan"]
    for i in range(11):
        out = province.send(f"s{i}@good.example", STAFF, client=f"192.0.2.{50 + i}",
                            body=b"Gui " + names[i % 4].encode() + b": " + TEXT * 2)
    check("the eleventh copy is bulk", out.rules().get("bulk", 0) >= 0.5, out.rules())


def check_greylist(check, province):
    def knock():
        return province.send("sales@other.example", CLERK, client="203.0.113.77",
                             body=b"A short letter.\r\n")

    first = knock()
    check("a doubtful stranger is put off", first.reply.startswith("451"), first)
    check("at once again too", knock().reply.startswith("451"))
    time.sleep(2.2)
    again = knock()
    check("when it comes again it is taken", again.delivered and "came-again" in again.rules(),
          again)
    check("into the junk folder", again.action() == "junk", again)
    province.restart()
    check("and remembered", knock().delivered)


def check_lists(check, province):
    out = province.send("a@good.example", STAFF, client="192.0.2.7")
    check("a listed client", out.rules().get("client-listed") == 2.0, out.rules())
    out = province.send("a@good.example", STAFF, client="192.0.2.8")
    check("an allowed client", out.rules().get("client-allowed") == -1.0, out.rules())
    out = province.send("a@good.example", STAFF,
                        body=b"See http://www.casino.example/win now\r\n")
    check("a listed link", out.rules().get("link-listed") == 4.0, out.rules())


def check_burst(check, province):
    many = [f"u{i}@good.example" for i in range(7)]
    for i in range(3):
        out = province.send(STAFF, many, login="hoa.snv", client="10.0.0.5")
        check(f"burst {i}", out.delivered, out)
    frozen = province.send(STAFF, many, login="hoa.snv", client="10.0.0.5")
    check("the next is refused", frozen.code == "reply" and frozen.reply[0] in "45", frozen)
    inside = province.send(CLERK, many[:1], login="binh.stp", client="10.0.0.5")
    check("others go on", inside.delivered, inside)
    province.filter.wait_log("account.burst")
    province.restart()
    still = province.send(STAFF, many[:1], login="hoa.snv", client="10.0.0.5")
    check("a restart does not thaw it", still.code == "reply", still)
    check("the operator does", province.filter.ask(do="burst.release", login="hoa.snv")
          == {"ok": True, "was_frozen": True})
    check("once", province.filter.ask(do="burst.release", login="hoa.snv")["was_frozen"] is False)
    check("it sends", province.send(STAFF, many[:1], login="hoa.snv", client="10.0.0.5").delivered)


def check_reputation(check, province):
    for i in range(30):
        province.send("boss@bad.example", STAFF, client="198.51.100.66",
                      body=b"http://www.casino.example/%d\r\n" % i)
    out = province.send("boss@bad.example", STAFF, client="198.51.100.66", body=b"Hello\r\n")
    # It is put off for that, so the log has to tell.
    line = [x for x in province.filter.log().split("\n") if f" id=Q{province.number} " in x][-1]
    check("a bad name weighs", "reputation-bad(" in line and out.reply.startswith("451"), line)
    other = province.send("boss@fine.example", STAFF, client="192.0.2.200", body=b"Hello\r\n")
    check("others do not", "reputation-bad" not in other.rules(), other.rules())


def check_content_off(check, build):
    """With examine_content = no only who sent it counts."""
    f = Filter(build, ZONE, options="examine_content = no\n").start()
    try:
        mail = b"http://www.casino.example/ dang nhap ngay, hop thu cua ban bi khoa, cung cap mat khau\r\n"
        with MilterClient(f.socket) as c:
            c.connect("192.0.2.9")
            out = c.message("<a@good.example>", [f"<{STAFF}>"],
                            [("From", "<a@good.example>"), ("Subject", "Xác nhận email (TỐI MẬT)")], mail)
        check("no rule of content speaks", out.delivered and not out.rules(), out)
        check("results are there", "spf=pass" in out.field("Authentication-Results"), out)
    finally:
        check("ends", f.stop() == 0)
        shutil.rmtree(f.dir)


def main():
    check = Checks()
    check_content_off(check, sys.argv[1])
    mail_filter = Filter(sys.argv[1], ZONE, options=OPTIONS).start()
    province = Province(mail_filter)
    try:
        check_letters(check, province)
        check_copies(check, province)
        check_greylist(check, province)
        check_lists(check, province)
        check_burst(check, province)
        check_reputation(check, province)
    finally:
        check("ends well", mail_filter.stop() == 0)
        if check.failed:
            print(mail_filter.log()[-6000:])
        shutil.rmtree(mail_filter.dir)
    return check.end()


if __name__ == "__main__":
    sys.exit(main())
