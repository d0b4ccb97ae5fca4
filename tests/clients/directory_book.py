#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The directory as an address book: OpenLDAP with conf/ldap/slapd.conf, asked by ldapsearch and by
Thunderbird itself (DIR-10)."""
import os
import re
import subprocess
import urllib.parse

from directory_kit import DOMAIN, ROOT, Congvu, check, finish, need, province
from directory_push import wait_for
from ports import free_port
import marionette

BASE = "dc=lamgiang,dc=example"


def hoa(c):
    """People whose names have hoa in them, with and without marks, and one who is not to be found."""
    for number, (name, more) in enumerate((("Nguyễn Thị Hòa", ()), ("Trần Văn Hoá", ()), ("Lê Thị Hoa", ()),
                                           ("Phạm Văn Hòa", ("--unlisted",)))):
        answer = c.run("account", "add", name, "--address", f"hoa{number}.stp@{DOMAIN}", "--agency", "stp", "--title",
                       "Chuyên viên", *more, "--json")
        check(f"an account for {name}", answer.code == 0, answer)


def slapd(c):
    """conf/ldap/slapd.conf with its paths in the test's folder."""
    room = os.path.join(c.dir, "ldap")
    os.makedirs(f"{room}/db")
    with open(os.path.join(ROOT, "conf/ldap/slapd.conf"), encoding="utf-8") as f:
        text = f.read().replace("/var/lib/congvu-ldap", room).replace("/run/congvu-ldap", room)
    with open(f"{room}/slapd.conf", "w", encoding="utf-8") as f:
        f.write(text)
    answer = c.run("directory", "ldif")
    with open(f"{room}/danhba.ldif", "w", encoding="utf-8") as f:
        f.write(answer.out)
    result = subprocess.run(["slapadd", "-q", "-f", f"{room}/slapd.conf", "-l", f"{room}/danhba.ldif"],
                            capture_output=True, text=True, check=False)
    check("slapadd takes the whole book", result.returncode == 0, result)
    port = free_port()
    ldapi = "ldapi://" + urllib.parse.quote(f"{room}/ldapi", safe="")
    with open(f"{room}/log", "wb") as log:
        process = subprocess.Popen(["slapd", "-f", f"{room}/slapd.conf", "-d", "0", "-h",
                                    f"ldap://127.0.0.1:{port} {ldapi}"],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    check("slapd listens", wait_for(port, process))
    return process, room, port, ldapi


def search(port, pattern, *attributes):
    result = subprocess.run(["ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", f"ldap://127.0.0.1:{port}",
                             "-b", BASE, pattern, *attributes], capture_output=True, text=True, check=False)
    return result.stdout, result.returncode


def mails(port, pattern):
    return sorted(re.findall(r"^mail: (\S+)", search(port, pattern, "mail")[0], re.M))


def dir_10_hoa_finds_hoa_however_it_is_written(port):
    wanted = [f"hoa{n}.stp@{DOMAIN}" for n in range(3)]
    for name, pattern in (("a client that knows names", "(cn=*hoa*)"), ("one that knows beginnings", "(cn=hoa*)"),
                          ("given names", "(givenName=hoa)"),
                          ("Thunderbird's", "(&(objectclass=*)(|(mail=*hoa*)(cn=*hoa*)(givenName=*hoa*)(sn=*hoa*)))"),
                          ("Outlook's", "(&(mail=*)(|(mail=hoa*)(cn=hoa*)(sn=hoa*)(givenName=hoa*)(displayName=hoa*)))")):
        found = mails(port, pattern)
        check(f"{name} filter finds them", [m for m in found if m.startswith("hoa")] == wanted, found)
    check("words in the usual order", wanted[0] in mails(port, "(cn=nguyen thi hoa*)"))
    check("with marks too", wanted[0] in mails(port, "(cn=*Thị Hòa*)"))


def dir_10_the_book_has_what_the_pages_have_and_no_more(c, port):
    out, _ = search(port, "(mail=rmhbia.stp@*)")
    names = {line.split(":")[0] for line in out.splitlines() if line}
    check("fields of a person", names <= {"dn", "objectClass", "displayName", "cn", "sn", "givenName", "title", "o",
                                          "ou", "telephoneNumber", "mobile", "mail"}, names)
    check("an unlisted person is absent", not mails(port, f"(mail=hoa3.stp@{DOMAIN})"))
    people = c.run("account", "list", "--agency", "stp", "--json").json()["accounts"]
    for person in [p for p in people if p["kind"] == "person" and p["phone_mobile"]][:6]:
        out, _ = search(port, f"(mail={person['address']})", "mobile")
        check(f"the mobile number of {person['address']} only with consent",
              ("mobile:" in out) == person["mobile_consent"], out)
    _, code = search(port, "(objectClass=*)")
    check("nobody takes the whole book", code == 4)


def dir_10_nobody_else_writes(port):
    change = f"dn: mail=stp@{DOMAIN},ou=stp,{BASE}\nchangetype: delete\n"
    for how in (["-x"], ["-x", "-D", f"cn=admin,{BASE}", "-w", "secret"]):
        result = subprocess.run(["ldapmodify", *how, "-H", f"ldap://127.0.0.1:{port}"], input=change,
                                capture_output=True, text=True, check=False)
        check(f"a change by {how} is refused", result.returncode != 0, result)
    check("it is still there", mails(port, f"(mail=stp@{DOMAIN})") == [f"stp@{DOMAIN}"])


def dir_10_changes_follow(c, room, port, ldapi):
    c.run("account", "suspend", f"hoa0.stp@{DOMAIN}")
    c.run("account", "add", "Hoàng Văn Mới", "--address", f"moi.stp@{DOMAIN}", "--agency", "stp")
    env = {**os.environ, "CONGVU": f"{c.program} --conf {c.conf}"}
    result = subprocess.run([os.path.join(ROOT, "conf/ldap/update.sh"), f"{room}/danhba.ldif", ldapi], env=env,
                            capture_output=True, text=True, check=False)
    check("update.sh runs", result.returncode == 0, result)
    check("who left is gone, who came is there", not mails(port, f"(mail=hoa0.stp@{DOMAIN})")
          and mails(port, "(cn=*hoang van moi*)") == [f"moi.stp@{DOMAIN}"])
    with open(f"{room}/danhba.ldif", encoding="utf-8") as f:
        check("the file is today's", f.read() == c.run("directory", "ldif").out)


def dir_10_thunderbird_completes_hoa(port):
    """The real one, with no setting but the server's address."""
    server = "ldap_2.servers.danhba"
    tb = marionette.Thunderbird({
        f"{server}.description": "Danh bạ", f"{server}.dirType": 0, f"{server}.filename": "ldap.sqlite",
        f"{server}.uri": f"ldap://127.0.0.1:{port}/{BASE}??sub?(objectclass=*)", f"{server}.maxHits": 100,
        "ldap_2.autoComplete.useDirectory": True, "ldap_2.autoComplete.directoryServer": server})
    try:
        found = tb.do("""
            const search = Cc["@mozilla.org/autocomplete/search;1?name=ldap"].createInstance(Ci.nsIAutoCompleteSearch);
            return await new Promise(done => search.startSearch(args[0], JSON.stringify({type: "addr_to", idKey: ""}),
                null, {onSearchResult(_, result) {
                    if (result.searchResult == Ci.nsIAutoCompleteResult.RESULT_SUCCESS_ONGOING
                        || result.searchResult == Ci.nsIAutoCompleteResult.RESULT_NOMATCH_ONGOING) return;
                    done(Array.from({length: result.matchCount}, (_, i) => result.getValueAt(i)));
                }}));
        """, "hoa")
        wanted = {f"Lê Thị Hoa <hoa2.stp@{DOMAIN}>", f"Trần Văn Hoá <hoa1.stp@{DOMAIN}>",
                  f"Nguyễn Thị Hòa <hoa0.stp@{DOMAIN}>"}
        check("it offers them by the names people write", wanted <= set(found), found)
        check("and nobody who is not listed", not [x for x in found if "hoa3" in x], found)
    finally:
        tb.close()


def main():
    need("slapd", "slapadd", "ldapsearch", "ldapmodify", "thunderbird")
    c = Congvu()
    process = None
    try:
        province(c)
        hoa(c)
        process, room, port, ldapi = slapd(c)
        dir_10_hoa_finds_hoa_however_it_is_written(port)
        dir_10_the_book_has_what_the_pages_have_and_no_more(c, port)
        dir_10_nobody_else_writes(port)
        dir_10_thunderbird_completes_hoa(port)
        dir_10_changes_follow(c, room, port, ldapi)
    finally:
        if process:
            process.terminate()
            process.wait(60)
        c.done()
    finish()


if __name__ == "__main__":
    main()
