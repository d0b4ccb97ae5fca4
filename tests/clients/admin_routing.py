#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""congvu group, role, alias, forward, absence and account retire: both languages, JSON, refusals,
and the audit trail, on a stopped store."""
import os
import time

from admin_kit import DOMAIN, Congvu, check, finish


def day(days):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400 * days))


def at(name):
    return f"{name}@{DOMAIN}"


def shown(c, address):
    return c.run("account", "show", address, "--json").json().get("account", {})


def test_groups(c):
    answer = c.run("group", "create", "nhom", "Nhóm thử", "--json")
    check("group create", answer.code == 0 and answer.json()["address"] == at("nhom"), answer)
    c.run("group", "create", "con", "Nhóm con")
    answer = c.run("group", "add", "nhom", "hoa.stp", "con", "--json")
    check("group add takes accounts and groups", answer.json().get("changed") == 2, answer)
    answer = c.run("group", "add", "con", "nhom")
    check("group add refuses a loop", answer.code == 1 and "come back" in answer.err, answer)
    answer = c.run("group", "add", "nhom", "x@far.example")
    check("outside members need an owner", answer.code == 1 and "owner" in answer.err, answer)
    check("group set", c.run("group", "set", "nhom", "--post", "named", "--owner", "hoa.stp",
                             lang="vi").out.startswith("Đã đặt nhóm"))
    check("then they may be added", c.run("group", "add", "nhom", "x@far.example").code == 0)
    check("group add --posters", c.run("group", "add", "nhom", "binh.stp", "--posters").code == 0)
    answer = c.run("group", "show", "nhom", "--json").json()["account"]
    check("group show has it all", answer["post"] == "named" and answer["owner"] == at("hoa.stp")
          and answer["members"] == [at("hoa.stp"), at("con")]
          and answer["outside_members"] == ["x@far.example"]
          and answer["posters"] == [at("binh.stp")], answer)
    answer = c.run("group", "show", "nhom")
    check("group show for people", "x@far.example" in answer.out and "named" in answer.out, answer)
    c.run("group", "remove", "nhom", "x@far.example", "con")
    answer = shown(c, "nhom")
    check("group remove", answer["members"] == [at("hoa.stp")]
          and "outside_members" not in answer, answer)
    check("group show refuses a person", c.run("group", "show", "hoa.stp").code == 1)
    check("group set refuses a word", c.run("group", "set", "nhom", "--post", "all").code == 1)


def test_links(c):
    c.run("account", "add", "Văn thư", "--kind", "role", "--address", "vanthu.stp")
    check("role add", c.run("role", "add", "vanthu.stp", "hoa.stp").code == 0)
    check("it is held", shown(c, "vanthu.stp")["members"] == [at("hoa.stp")])
    check("role remove", c.run("role", "remove", "vanthu.stp", "hoa.stp").code == 0
          and shown(c, "vanthu.stp")["members"] == [])
    check("alias add", c.run("alias", "add", "hoa.stp", "hoa").code == 0
          and shown(c, "hoa")["address"] == at("hoa.stp"))
    check("alias remove", c.run("alias", "remove", "hoa").code == 0
          and c.run("account", "show", "hoa").code == 1)


def test_forwards(c):
    answer = c.run("forward", "add", "hoa.stp", "x@far.example")
    check("outside needs a reason and a day", answer.code == 1 and "POL-01" in answer.err, answer)
    words = ("forward", "add", "hoa.stp", "x@far.example", "--reason", "CV 12", "--until", day(30))
    answer = c.run(*words, "--dry-run", "--json")
    check("a dry run says what it would do", answer.json().get("outside") is True, answer)
    check("and does nothing", c.run("forward", "list", "--json").json()["forwards"] == [])
    check("forward add", c.run(*words).code == 0)
    answer = c.run("forward", "add", "hoa.stp", "binh.stp", "--no-copy")
    check("forward add inside", answer.code == 0, answer)
    rows = c.run("forward", "list", "hoa.stp", "--json").json()["forwards"]
    check("forward list", [(r["to"], r["keep"], r["reason"], r["active"]) for r in rows] == [
        (at("binh.stp"), False, "", True), ("x@far.example", True, "CV 12", True)], rows)
    year, month, last = day(30).split("-")
    check("the last day is the day given", f"{last}/{month}/{year}" in c.run("forward", "list").out)
    check("forward remove", c.run("forward", "remove", "hoa.stp", "x@far.example").code == 0)
    check("not twice", c.run("forward", "remove", "hoa.stp", "x@far.example").code == 1)


def test_absence(c):
    path = os.path.join(c.dir, "vang.txt")
    with open(path, "w", encoding="utf-8") as f:
        f.write("Tôi nghỉ phép.\nViệc gấp: vanthu.stp\n")
    check("an absence needs an end", c.run("absence", "set", "hoa.stp", "--vi", "x").code == 1)
    answer = c.run("absence", "set", "hoa.stp", "--vi", "@" + path, "--en", "Away",
                   "--until", day(3))
    check("absence set", answer.code == 0, answer)
    answer = c.run("absence", "show", "hoa.stp", "--json").json()
    check("absence show", answer["absence_vi"] == "Tôi nghỉ phép.\nViệc gấp: vanthu.stp\n"
          and answer["absence_en"] == "Away", answer)
    check("absence show for people", "Việc gấp" in c.run("absence", "show", "hoa.stp").out)
    check("absence clear", c.run("absence", "clear", "hoa.stp").code == 0
          and c.run("absence", "show", "hoa.stp", lang="vi").out == "không vắng mặt\n")


def test_retire(c):
    answer = c.run("account", "retire", "binh.stp", lang="vi")
    check("retiring needs --yes", answer.code == 64 and "--yes" in answer.err, answer)
    answer = c.run("account", "retire", "binh.stp", "--yes", "--successor", "hoa.stp",
                   "--notice-until", day(100), "--reason", "nghỉ hưu")
    check("account retire", answer.code == 0, answer)
    answer = shown(c, "binh.stp")
    check("it is retired and has a successor", answer["state"] == "retired"
          and answer["successor"] == at("hoa.stp") and answer["notice_until"] > time.time(), answer)


def main():
    c = Congvu()
    try:
        c.init()
        for name in ("hoa.stp", "binh.stp"):
            c.run("account", "add", "Lê " + name, "--address", name)
        for function in (test_groups, test_links, test_forwards, test_absence, test_retire):
            function(c)
        for words in (("group", "--help"), ("forward", "add", "--help")):
            check(f"help of {words}", c.run(*words, lang="vi").out.strip() != "")
    finally:
        c.done()
    finish()


if __name__ == "__main__":
    main()
