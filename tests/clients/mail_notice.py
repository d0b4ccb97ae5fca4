#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Notices that another daemon asks for over the control socket (`mail.notice`, POL-02)."""
import email
import email.policy
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from kit import Province, expect, run_tests  # noqa: E402
from kit import ask_all  # noqa: E402


def notice(p, **request):
    path = os.path.join(p.dir, "run", "imapd.ctl")
    return list(ask_all(path, {"do": "mail.notice", "template": "signup", **request}))[-1]


def inbox(p, user):
    c = p.imap(user)
    c.select("INBOX")
    _, found = c.uid("SEARCH", "ALL")
    out = []
    for uid in found[0].split():
        _, got = c.uid("FETCH", uid, "(BODY.PEEK[])")
        out.append(email.message_from_bytes(got[0][1], policy=email.policy.default))
    return out


def test_the_owner_of_an_address_hears_of_a_sign_up_once_a_day():
    with Province(filter=False) as p:
        an = p.user("an")
        values = {"sender": "shop.example", "address": an}
        expect(notice(p, account=an, values=values)["told"] is True, "not told")
        again = notice(p, account=an, values=values)
        expect(again["told"] is False and again["why"] == "repeated", again)
        got = inbox(p, an)
        expect(len(got) == 1, len(got))
        text = got[0].get_content()
        expect("shop.example" in got[0]["Subject"] and an in text and "English" in text, text)
        expect(got[0]["Auto-Submitted"] == "auto-generated" and got[0]["Return-Path"] == "<>")
        # The memory of it is in the store: a kill does not repeat it.
        p.daemons["imapd"].kill()
        p.daemons["imapd"].start()
        expect(notice(p, account=an, values=values)["why"] == "repeated", "after a crash")
        # A flood of different services is told five times.
        told = [notice(p, account=an, values={"sender": f"s{i}.example", "address": an})
                for i in range(9)]
        expect(sum(t["told"] for t in told) == 5 and told[-1]["why"] == "limit", told)
        expect(len(inbox(p, an)) == 6, "messages")


def test_values_cannot_become_fields_or_fail_the_daemon():
    with Province(filter=False) as p:
        an = p.user("an")
        bad = {"sender": "a\r\nBcc: x@evil.example\r\n\r\n<b>", "address": an}
        expect(notice(p, account=an, values=bad)["told"], "not told")
        got = inbox(p, an)[0]
        expect("Bcc" not in got and "evil.example" in got["Subject"], got.items())
        for request in ({"account": "nobody@lamgiang.example", "values": bad},
                        {"account": an, "values": {"sender": "a.example"}},
                        {"account": an, "values": {"sender": "x" * 300, "address": an}},
                        {"account": an, "values": {"sender": 5, "address": an}},
                        {"account": an}, {"values": bad}, {"acct": -1, "values": bad},
                        {"account": an, "template": "none", "values": bad}):
            answer = notice(p, **request)
            expect(answer["ok"] is False and answer["error"], request, answer)
        expect(len(inbox(p, an)) == 1, "messages")


if __name__ == "__main__":
    run_tests(globals())
