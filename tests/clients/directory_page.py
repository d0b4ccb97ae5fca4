#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The published directory as validators, screen readers' rules, browsers and portals see it (DIR-01 to
DIR-09)."""
import csv
import hashlib
import json
import os
import re
import shutil
import smtplib
import subprocess
import sys
import tempfile
import urllib.parse

import jsonschema

from directory_kit import DOMAIN, ROOT, Congvu, Server, browse, check, finish, need, province, tree

PAGES = ("index.html", "donvi/stp.html", "kiemtra.html", "nhung/stp.html", "nhung/huong-dan.html")


def dir_03_validators_find_nothing(folder):
    pages = sorted(name for name in tree(folder) if name.endswith(".html"))
    for page in pages:
        result = subprocess.run(["tidy", "-e", "-q", os.path.join(folder, page)], capture_output=True,
                                text=True, check=False)
        check(f"tidy finds nothing in {page}", result.returncode == 0 and not result.stderr,
              result.stderr)
    check("there are pages for each unit and for all", len(pages) == 27, pages)


def dir_03_pages_have_what_readers_need(folder):
    for page in ("index.html", "donvi/stp.html"):
        with open(os.path.join(folder, page), encoding="utf-8") as f:
            text = f.read()
        for what, pattern in (("language", r'<html lang="vi">'), ("caption", r"<caption>"),
                              ("column heads", r'<th scope="col"'), ("row heads", r'<th scope="row"'),
                              ("skip link", r'class="skip" href="#noi-dung"'),
                              ("its target", r'<main id="noi-dung"'), ("page width", r'name="viewport"'),
                              ("day", r"<time datetime=\"\d{4}-\d\d-\d\d\">\d\d/\d\d/\d{4}</time>")):
            check(f"{page} has {what}", re.search(pattern, text))
        bare = re.sub(r'<script (src="[^"]*" defer|type="application/ld\+json")>.*?</script>', "", text)
        check(f"{page} has no script of its own", not re.search(r"<script|\son\w+=|javascript:", bare, re.I))
        check(f"{page} has one h1", len(re.findall(r"<h1>", text)) == 1)
        data = json.loads(re.search(r'ld\+json">(.*?)</script>', text).group(1))
        check(f"{page} tells search engines what it is", data["@type"] == "GovernmentOrganization", data)


def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    parts = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def dir_03_colours_have_contrast(folder):
    with open(os.path.join(folder, "style.css"), encoding="utf-8") as f:
        css = f.read()
    for scheme, block in (("light", css), ("dark", css[css.index("prefers-color-scheme: dark"):])):
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block.split("}")[0]))
        pairs = [(ink, sheet) for ink in ("ink", "soft", "link") for sheet in
                 ("page", "sheet", "zebra", "head")] + [("banner-ink", "banner")]
        for ink, sheet in pairs:
            a, b = sorted((luminance(colours[ink]), luminance(colours[sheet])), reverse=True)
            ratio = (a + 0.05) / (b + 0.05)
            check(f"{scheme}: {ink} on {sheet} has contrast {ratio:.1f}", ratio >= 4.5)


def test_assets_are_fresh():
    room = os.path.join(ROOT, "admin", "directory")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(os.path.join(room, "assets"), os.path.join(folder, "assets"))
        subprocess.run([sys.executable, os.path.join(folder, "assets", "embed.py")], check=True)
        with open(os.path.join(folder, "assets.inc"), "rb") as f, \
                open(os.path.join(room, "assets.inc"), "rb") as g:
            check("admin/directory/assets.inc is made from assets/ (run assets/embed.py)", f.read() == g.read())


# A page that opens the others in a frame of a chosen width and runs axe in each.
HARNESS = """<!DOCTYPE html><html lang="en"><head><title>t</title></head><body><script>
"use strict";
const found = {};
function open(page, width) {
  return new Promise(done => {
    const frame = document.createElement("iframe");
    frame.style.cssText = "height:800px;border:0;width:" + width + "px";
    frame.onload = () => done(frame);
    frame.src = page;
    document.body.append(frame);
  });
}
function load(frame) {
  return new Promise((done, fail) => {
    const script = frame.contentDocument.createElement("script");
    script.onload = done;
    script.onerror = fail;
    script.src = "/axe.min.js";
    frame.contentDocument.head.append(script);
  });
}
async function look(page, width) {
  const frame = await open(page, width);
  const root = frame.contentDocument.documentElement;
  const result = {wide: root.scrollWidth - root.clientWidth,
      dark: frame.contentWindow.matchMedia("(prefers-color-scheme: dark)").matches, faults: []};
  if (width > 400) {
    await load(frame);
    const axe = await frame.contentWindow.axe.run(frame.contentDocument, {runOnly:
        ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]});
    result.passes = axe.passes.length;
    result.faults = axe.violations.map(v => v.id + ": " + v.nodes[0].html + " " + v.nodes[0].failureSummary);
  }
  found[page + " " + width] = result;
  frame.remove();
}
(async () => {
  try {
    for (const page of PAGES)
      for (const width of [1200, 320])
        await look(page, width);
  } catch (fault) {
    found.fault = String(fault);
  }
  document.body.setAttribute("data-found", encodeURIComponent(JSON.stringify(found)));
})();
</script></body></html>
"""


def dir_03_axe_finds_nothing_and_phones_need_not_scroll_sideways(server, folder):
    axe = os.path.join(ROOT, "tests/fixtures/axe-core/axe.min.js")
    shutil.copy(axe, os.path.join(folder, "axe.min.js"))
    with open(os.path.join(folder, "harness.html"), "w", encoding="utf-8") as f:
        f.write(HARNESS.replace("PAGES", json.dumps(["/danhba/" + p for p in PAGES]), 1))
    try:
        for scheme, flag in (("light", "1"), ("dark", "0")):
            dom = browse(server.url + "harness.html", "--dump-dom", "--virtual-time-budget=60000",
                         f"--blink-settings=preferredColorScheme={flag}")
            text = re.search(r'data-found="([^"]*)"', dom)
            check(f"{scheme}: axe ran", text, dom[-2000:])
            found = json.loads(urllib.parse.unquote(text.group(1))) if text else {}
            check(f"{scheme}: every page was looked at", len(found) == 2 * len(PAGES), found.get("fault"))
            for page, result in found.items():
                check(f"{scheme}: axe finds nothing in {page}", not result["faults"],
                      "\n".join(result["faults"]))
                check(f"{scheme}: {page} fits its width", result["wide"] <= 0, result)
                check(f"{scheme}: {page} is {scheme}", result["dark"] == (scheme == "dark"))
                check(f"{scheme}: axe looked at {page}", " 320" in page or result["passes"] > 15, result)
    finally:
        os.unlink(os.path.join(folder, "harness.html"))
        os.unlink(os.path.join(folder, "axe.min.js"))


def shown(dom):
    rows = re.findall(r"<tr([^>]*)><td class=\"stt\">\d+</td><th scope=\"row\" class=\"ten\">([^<]*)</th>", dom)
    return [name for attributes, name in rows if "hidden" not in attributes]


def dir_05_names_are_found_without_diacritics(server, folder):
    """Hòa, Hoà, Hóa, and the same decomposed, by "nguyen thi hoa"."""
    path = os.path.join(folder, "donvi/tim.html")
    names = ("Nguyễn Thị Hòa", "Nguyễn Thị Hoà", "Nguyễn Thị Hóa", "Nguye\u0302\u0303n Thi\u0323 Ho\u0300a",
             "Nguyễn Văn Hòa", "Đặng Thị Hoa")
    with open(os.path.join(folder, "donvi/stp.html"), encoding="utf-8") as f:
        text = f.read()
    rows = "".join(f'<tr><td class="stt">{i}</td><th scope="row" class="ten">{name}</th><td></td></tr>'
                   for i, name in enumerate(names))
    with open(path, "w", encoding="utf-8") as f:
        f.write(re.sub(r"<tbody>.*</tbody>", f"<tbody>{rows}</tbody>", text, flags=re.S))
    try:
        for asked, want in (("nguyen thi hoa", names[:4]), ("NGUYỄN THỊ HOÀ", names[:4]), ("dang", names[5:]),
                            ("hoa nguyen", names[:5]), ("xyz", ())):
            dom = browse(f"{server.url}donvi/tim.html?tim={urllib.parse.quote(asked)}", "--dump-dom")
            check(f"'{asked}' finds the right people", tuple(shown(dom)) == want, shown(dom))
    finally:
        os.unlink(path)


def dir_05_people_are_found_from_the_first_page(server):
    dom = browse(f"{server.url}index.html?tim=khong+ai+ten+zzz", "--dump-dom", "--virtual-time-budget=8000")
    check("nobody when nobody fits", "h-nguoi" not in dom)
    dom = browse(f"{server.url}index.html?tim=r%C6%A1+mah+tu+phap", "--dump-dom", "--virtual-time-budget=8000")
    found = re.findall(r'<th scope="row" class="ten">([^<]*)</th>', dom.split("h-nguoi")[-1].split("</table>")[0])
    check("a person of an agency is found by both", found and all("Rơ Mah" in name for name in found), found)
    dom = browse(f"{server.url}index.html?tim=nguyen+thi+hoa", "--dump-dom", "--virtual-time-budget=8000")
    found = re.findall(r'<th scope="row" class="ten">([^<]*)</th>', dom.split("h-nguoi")[-1].split("</table>")[0])
    check("who is called so stands first", found and found[0] in ("Nguyễn Thị Hoa", "Nguyễn Thị Hòa"), found[:5])
    dom = browse(f"{server.url}index.html?tim=r%C6%A1+mah+tu+phap", "--dump-dom", "--virtual-time-budget=8000")
    check("agencies that do not fit are hidden", 'id="xa" aria-labelledby="h-xa" hidden' in dom, dom[3000:6000])


def dir_08_the_page_says_yes_or_no_and_the_agency(server, folder):
    """The form as a person would use it, by a script that types and sends."""
    with open(os.path.join(folder, "kiemtra.html"), encoding="utf-8") as f:
        text = f.read()
    with open(os.path.join(folder, "go.js"), "w", encoding="utf-8") as f:
        f.write("""addEventListener("load", () => {
            document.getElementById("dia-chi").value = new URLSearchParams(location.search).get("a");
            document.querySelector("#kiem-tra button").click();
        });""")
    with open(os.path.join(folder, "go.html"), "w", encoding="utf-8") as f:
        f.write(text.replace("</head>", '<script src="go.js"></script></head>'))
    try:
        for address, want in ((f"STP@{DOMAIN}", 'class="dung">Đúng: đây là địa chỉ công vụ của Sở Tư pháp.'),
                              (f"rmhbia.stp@{DOMAIN}", "của Sở Tư pháp."),
                              (f"rmhbia2.stp@{DOMAIN}", 'class="sai">Không có trong danh bạ'),
                              ("stp@lamgiang.example.net", 'class="sai">')):
            dom = browse(f"{server.url}go.html?a={urllib.parse.quote(address)}", "--dump-dom",
                         "--virtual-time-budget=5000")
            said = re.search(r'<p id="tra-loi"[^>]*>[^<]*', dom)
            check(f"the page says of {address} what is so", said and want in said.group(0), said)
    finally:
        os.unlink(os.path.join(folder, "go.js"))
        os.unlink(os.path.join(folder, "go.html"))


def dir_08_the_command_says_no_more_either(c):
    answer = c.run("directory", "is-official", f"rmhbia.stp@{DOMAIN}", lang="vi")
    check("yes, and the agency", answer.code == 0 and answer.out == "Đúng: Sở Tư pháp\n", answer)
    answer = c.run("directory", "is-official", "giamdoc@lamgiang.example.net", "--json")
    check("no", answer.code == 1 and answer.json()["official"] is False, answer)


def dir_01_a_browser_shows_everybody(server, folder):
    dom = browse(server.url + "donvi/stp.html", "--dump-dom")
    rows = re.findall(r'<th scope="row" class="ten">([^<]*)</th>', dom)
    check("chromium shows everybody of an agency", len(rows) == 18 and "Rơ Mah H'Bia" in rows, rows)
    check("chromium has the addresses as links", f'href="mailto:rmhbia.stp@{DOMAIN}"' in dom)
    index = browse(server.url + "index.html", "--dump-dom")
    check("chromium shows all agencies with their addresses",
          len(re.findall(r'<a href="donvi/\w+\.html">', index)) == 12
          and len(re.findall(r'href="mailto:', index)) == 12)
    for name, size in (("wide", "1280,800"), ("phone", "500,900")):
        picture = os.path.join(folder, "..", f"{name}.png")
        browse(server.url + "donvi/stp.html", f"--screenshot={picture}", f"--window-size={size}",
               "--hide-scrollbars")
        # A page without its style, or an empty one, is far smaller.
        check(f"chromium draws the {name} page", os.path.exists(picture)
              and os.path.getsize(picture) > 30000)


def dir_07_the_json_is_as_its_schema_says(folder):
    with open(os.path.join(folder, "schema.json"), encoding="utf-8") as f:
        schema = json.load(f)
    checker = jsonschema.Draft202012Validator(schema)
    checker.check_schema(schema)
    names = ["danhba.json", "thaydoi.json"] + [f"donvi/{n}" for n in os.listdir(f"{folder}/donvi")
                                              if n.endswith(".json")]
    for name in names:
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            data = json.load(f)
        faults = list(checker.iter_errors(data))
        check(f"{name} is as the schema says", not faults, faults[:1])
    data["entries"][0]["birthday"] = "x"
    check("another field would be noticed", list(checker.iter_errors(data)))


class Portal:
    """An aggregating portal: reads the feed, fetches what differs from what it has."""

    def __init__(self, folder):
        self.folder, self.units, self.fetched = folder, {}, []

    def get(self, path):
        with open(os.path.join(self.folder, path), "rb") as f:
            return f.read()

    def update(self):
        self.fetched = []
        feed = json.loads(self.get("thaydoi.json"))
        for change in feed["changes"]:
            if self.units.get(change["code"]) == change["sha256"]:
                continue
            body = self.get(change["url"])
            assert hashlib.sha256(body).hexdigest() == change["sha256"] and len(body) == change["size"]
            self.units[change["code"]] = change["sha256"]
            self.fetched.append(change["code"])
        for gone in feed["gone"]:
            self.units.pop(gone["code"], None)


def dir_09_status_tells_who_has_published(c, folder):
    answer = c.run("agency", "add", "tanlap", "Xã Tân Lập", "--type", "xa", "--staff", "31")
    check("a new commune", answer.code == 0, answer)
    for lang, want in (("vi", "Xã Tân Lập: chưa công khai\n"), ("en", "Xã Tân Lập: not published\n")):
        answer = c.run("directory", "status", lang=lang)
        check(f"its line is '{want.strip()}'", answer.code == 0 and want in answer.out, answer)
    rows = {a["code"]: a for a in c.run("directory", "status", "--json").json()["agencies"]}
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as f:
        day = json.load(f)["agencies"]["stp"]["updated"]
    check("others with their day, entries and staff",
          rows["stp"]["published"] and rows["stp"]["updated"] == day and rows["stp"]["people"] == 17
          and rows["stp"]["staff"] == 18, rows["stp"])
    answer = c.run("directory", "status", "--missing", "--json")
    missing = answer.json()["agencies"]
    check("only those that are missing, with the staff they told of",
          [(a["code"], a["people"], a["staff"]) for a in missing] == [("tanlap", 0, 31)], answer)


def dir_04_an_hourly_run_does_nothing_when_nothing_changed(c):
    answer = c.run("directory", "publish", "--if-changed", "--json")
    check("the first run after a change publishes", "files" in answer.json(), answer)
    answer = c.run("directory", "publish", "--if-changed", "--json")
    check("the next does nothing", answer.json().get("unchanged") is True, answer)
    c.set_option("admin", "directory_english = yes")
    answer = c.run("directory", "publish", "--if-changed", "--json")
    check("an option is a change", "files" in answer.json(), answer)


def dir_07_only_the_key_s_owner_can_have_written_it(c, folder):
    answer = c.run("directory", "key", "--json")
    check("a key is made", answer.code == 0 and answer.json()["new"], answer)
    check("for its owner alone", os.stat(answer.json()["path"]).st_mode & 0o777 == 0o600)
    c.run("directory", "publish")
    answer = c.run("directory", "verify")
    check("what was published verifies", answer.code == 0, answer)
    result = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", f"{folder}/khoa.pem", "-rawin",
                             "-in", f"{folder}/manifest.json", "-sigfile", f"{folder}/manifest.json.sig"],
                            capture_output=True, text=True, check=False)
    check("openssl says so too", result.returncode == 0, result)
    handed_over = os.path.join(c.dir, "khoa.pem")
    shutil.copy(f"{folder}/khoa.pem", handed_over)
    for name, change, want in (("donvi/stp.csv", b"x", "donvi/stp.csv: changed"),
                               ("manifest.json", b" ", "manifest.json.sig: not by this key")):
        path = os.path.join(folder, name)
        with open(path, "rb") as f:
            before = f.read()
        os.unlink(path)
        with open(path, "wb") as f:
            f.write(before + change)
        answer = c.run("directory", "verify", folder, "--key", handed_over)
        check(f"a change of {name} is told", answer.code == 1 and want in answer.out, answer)
        with open(path, "wb") as f:
            f.write(before)
    check("and is mended", c.run("directory", "verify").code == 0)
    server = Server(folder)
    answer = c.run("directory", "verify", server.url, "--key", handed_over)
    check("over http too", answer.code == 0, answer)
    server.close()


def dir_06_pages_with_coded_addresses_read_the_same(c, server, folder):
    c.set_option("admin", "directory_coded = yes")
    c.set_option("admin", "directory_traps = yes")
    c.run("directory", "publish")
    with open(os.path.join(folder, "donvi/stp.html"), encoding="utf-8") as f:
        raw = f.read()
    bare = re.findall(r"[\w.-]+@[\w.-]+", raw)
    check("a harvester finds the trap alone", len(set(bare)) == 1 and bare[0].startswith("tiepnhan-"), bare)
    dom = browse(server.url + "donvi/stp.html", "--dump-dom")
    mails = re.findall(rf'href="mailto:([\w.-]+)@{DOMAIN}"', dom)
    check("a browser has the addresses", len(mails) == 17 + 2 and "omxuan.stp" in mails, mails)
    check("nobody sees the trap", re.search(r"<p hidden[^>]*><a href=\"mailto:tiepnhan-", dom))


def dir_01_every_format_has_everybody(folder, people):
    with open(os.path.join(folder, "danhba.csv"), "rb") as f:
        raw = f.read()
    check("DIR-03 CSV begins with a byte order mark", raw.startswith(b"\xef\xbb\xbfSTT,"))
    rows = list(csv.DictReader(raw.decode("utf-8-sig").splitlines()))
    check("DIR-01 CSV has everybody", len(rows) == people, len(rows))
    with open(os.path.join(folder, "danhba.json"), encoding="utf-8") as f:
        data = json.load(f)
    entries = [e for a in data["agencies"] for e in a["entries"]]
    check("DIR-01 JSON has everybody", len(entries) == people and data["schema"] == 1)
    allowed = {"kind", "name", "title", "department", "phone_office", "phone_mobile", "address"}
    check("DIR-02 JSON has no other fields", all(set(e) == allowed for e in entries))
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as f:
        manifest = json.load(f)
    files = tree(folder)
    listed = {f["path"]: f["sha256"] for f in manifest["files"]}
    check("DIR-07 the manifest lists every file", set(listed) | {"manifest.json"} == set(files))
    check("DIR-07 with its sum", all(hashlib.sha256(files[p]).hexdigest() == s for p,
          s in listed.items()))


def dir_04_who_leaves_is_gone_from_every_file(c, folder):
    """DIR-02 and DIR-04: who leaves, and who takes consent back, is gone from every file."""
    stp = c.run("account", "list", "--agency", "stp", "--json").json()["accounts"]
    people = [a for a in stp if a["kind"] == "person"]
    gone = people[3]
    mobile = [a for a in people if a["mobile_consent"] and a is not gone][0]
    before = b"".join(tree(folder).values())
    check("somebody and a mobile number are published", gone["address"].encode() in before
          and mobile["phone_mobile"].encode() in before)
    secret = [a["phone_mobile"] for a in people if not a["mobile_consent"]]
    check("DIR-02 no number without consent",
          secret and not any(p.encode() in before for p in secret))
    inode = os.stat(os.path.join(folder, "donvi", "snv.html")).st_ino
    portal = Portal(folder)
    portal.update()
    check("DIR-07 a portal fetches all units the first time", len(portal.fetched) == 12, portal.fetched)
    portal.update()
    check("DIR-07 and none when nothing changed", portal.fetched == [], portal.fetched)
    check("suspend", c.run("account", "suspend", gone["address"]).code == 0)
    answer = c.run("directory", "publish", "--json")
    check("DIR-07 only what changed is written", answer.json()["changed"] == 17, answer)
    portal.update()
    check("DIR-07 only the changed unit is fetched", portal.fetched == ["stp"], portal.fetched)
    after = tree(folder)
    check("DIR-04 a suspended person is absent everywhere",
          not [p for p, b in after.items() if gone["address"].encode() in b])
    check("an unchanged page is the same file", os.stat(os.path.join(folder,
          "donvi/snv.html")).st_ino
          == inode)
    return 216 - 1


def dir_06_mail_to_a_trap_names_the_file(c, folder):
    """smtpd refuses it like any unknown address, and says which file was harvested."""
    with open(os.path.join(folder, "donvi/stp.html"), encoding="utf-8") as f:
        trap = re.search(r"tiepnhan-[0-9a-f]+@[\w.]+", f.read()).group(0)
    c.start()
    answers = []
    for address in (f"tiepnhan-0123456789@{DOMAIN}", trap):
        smtp = smtplib.SMTP("127.0.0.1", int(c.port["2525"]), timeout=120)
        smtp.ehlo("bulk.example")
        smtp.mail("offers@bulk.example")
        answers.append(smtp.rcpt(address))
        closed = smtp.noop()[0]
        smtp.close()
    check("who writes to a trap may go", closed == 421, closed)
    unknown, trapped = answers
    check("it is refused", trapped[0] == 550, trapped)
    check("in the words for anybody who is not there",
          trapped[1].replace(trap.encode(), b"") == unknown[1].replace(f"tiepnhan-0123456789@{DOMAIN}".encode(), b""),
          (trapped, unknown))
    hits = re.findall(r"trap\.hit.*file=(\S+) sender=(\S+)", c.log_text())
    check("the log names the file, once", hits == [("donvi/stp.html", "offers@bulk.example")], hits)
    status = c.run("status", "--json").json()
    check("status counts it", status["smtpd"]["detail"]["trapped"] == 1, status)
    check("stopped", c.stop() == 0)


def dir_02_consent_that_is_withdrawn_takes_the_number_away(c, folder):
    people = [a for a in c.run("account", "list", "--agency", "snv", "--json").json()["accounts"]
              if a["mobile_consent"] and a["phone_mobile"]]
    address, number = people[0]["address"], people[0]["phone_mobile"].encode()
    shown = c.run("account", "show", address, "--json").json()["account"]
    check("who wrote the consent down, and when", shown["consent"]["by"] and shown["consent"]["at"] > 0, shown)
    check("it is published", any(number in b for b in tree(folder).values()))
    answer = c.run("account", "set", address, "--mobile-consent", "no", "--letter", "12/GDN")
    check("it is withdrawn", answer.code == 0, answer)
    c.run("directory", "publish")
    check("the number is gone from every file", not [p for p, b in tree(folder).items() if number in b])
    shown = c.run("account", "show", address, "--json").json()["account"]["consent"]
    check("that is written down too", shown["is"] is False and shown["letter"] == "12/GDN", shown)


def main():
    need("tidy", "chromium", "openssl")
    c = Congvu()
    try:
        folder = province(c)
        answer = c.run("directory", "publish", "--json")
        check("DIR-01 publish", answer.code == 0 and answer.json()["people"] == 216, answer)
        test_assets_are_fresh()
        dir_03_validators_find_nothing(folder)
        dir_03_pages_have_what_readers_need(folder)
        dir_03_colours_have_contrast(folder)
        dir_01_every_format_has_everybody(folder, 216)
        dir_07_the_json_is_as_its_schema_says(folder)
        server = Server(folder)
        dir_01_a_browser_shows_everybody(server, folder)
        dir_05_names_are_found_without_diacritics(server, folder)
        dir_05_people_are_found_from_the_first_page(server)
        dir_08_the_page_says_yes_or_no_and_the_agency(server, folder)
        dir_08_the_command_says_no_more_either(c)
        people = dir_04_who_leaves_is_gone_from_every_file(c, folder)
        dir_01_every_format_has_everybody(folder, people)
        dir_02_consent_that_is_withdrawn_takes_the_number_away(c, folder)
        dir_09_status_tells_who_has_published(c, folder)
        dir_04_an_hourly_run_does_nothing_when_nothing_changed(c)
        dir_03_axe_finds_nothing_and_phones_need_not_scroll_sideways(server, folder)
        dir_07_only_the_key_s_owner_can_have_written_it(c, folder)
        dir_06_pages_with_coded_addresses_read_the_same(c, server, folder)
        dir_06_mail_to_a_trap_names_the_file(c, folder)
        server.close()
    finally:
        c.done()
    finish()


main()
