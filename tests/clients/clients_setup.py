#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Set-up files as mail programs read them: Thunderbird's own reader, Apple's format, Outlook's POST through nginx
and a CGI program, and codes on paper as a camera sees them."""
import json
import os
import plistlib
import re
import ssl
import subprocess
import urllib.request
import xml.etree.ElementTree

from directory_kit import DOMAIN, ROOT, Congvu, browse, check, finish, need, province
from directory_push import wait_for
from ports import free_port
import marionette

HOST = "mail." + DOMAIN
OUTLOOK = ("{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}")


def read(path, mode="r"):
    with open(path, mode, **({} if "b" in mode else {"encoding": "utf-8"})) as f:
        return f.read()


def thunderbird_understands_both(c, web, ports, sheet_text):
    """Its own readFromXML(), an account made of what that found, and its own export for telephones."""
    user = f"rmhbia.stp@{DOMAIN}"
    imap, smtp = int(ports["2993"]), int(ports["2465"])
    tb = marionette.Thunderbird({
        "mail.accountmanager.accounts": "account1", "mail.account.account1.server": "server1",
        "mail.account.account1.identities": "id1", "mail.server.server1.type": "imap",
        "mail.server.server1.hostname": HOST, "mail.server.server1.port": imap,
        "mail.server.server1.userName": user, "mail.server.server1.name": user,
        "mail.server.server1.socketType": 3, "mail.server.server1.authMethod": 3,
        "mail.server.server1.login_at_startup": False, "mail.server.server1.check_new_mail": False,
        "mail.identity.id1.useremail": user, "mail.identity.id1.fullName": "Rơ Mah H'Bia",
        "mail.identity.id1.smtpServer": "smtp1", "mail.smtpservers": "smtp1",
        "mail.smtpserver.smtp1.type": "smtp", "mail.smtpserver.smtp1.hostname": HOST,
        "mail.smtpserver.smtp1.port": smtp, "mail.smtpserver.smtp1.username": user,
        "mail.smtpserver.smtp1.try_ssl": 3, "mail.smtpserver.smtp1.authMethod": 3})
    try:
        config = tb.do("""
            const {readFromXML} = ChromeUtils.importESModule(
                "resource:///modules/accountcreation/readFromXML.sys.mjs");
            const {JXON} = ChromeUtils.importESModule("resource:///modules/JXON.sys.mjs");
            const {AccountConfig} = ChromeUtils.importESModule(
                "resource:///modules/accountcreation/AccountConfig.sys.mjs");
            const xml = new DOMParser().parseFromString(args[0], "text/xml");
            const found = readFromXML(JXON.build(xml), "isp");
            AccountConfig.replaceVariables(found, "Rơ Mah H'Bia", args[1]);
            const plain = s => ({type: s.type, host: s.hostname, port: s.port, socket: s.socketType, auth: s.auth,
                                 user: s.username});
            return {incoming: plain(found.incoming), outgoing: plain(found.outgoing),
                    more: found.incomingAlternatives.map(plain), domains: found.domains};
        """, read(f"{web}/mail/config-v1.1.xml"), user)
        check("Thunderbird takes IMAP over TLS", config["incoming"] == {
            "type": "imap", "host": HOST, "port": imap, "socket": 3, "auth": 3, "user": user}, config)
        check("and submission over TLS", config["outgoing"] == {
            "type": "smtp", "host": HOST, "port": smtp, "socket": 3, "auth": 3, "user": user}, config)
        check("and knows POP3 and STARTTLS", {(s["type"], s["socket"]) for s in config["more"]}
              == {("imap", 2), ("pop3", 3)}, config)
        exported = tb.do("""
            const {QRExport} = ChromeUtils.importESModule("moz-src:///comm/mail/modules/QRExport.sys.mjs");
            const data = await QRExport.getAccountData(MailServices.accounts.accounts.find(
                a => a.incomingServer.type == "imap").key, false);
            return JSON.stringify(QRExport.getQRData(data, 1, 1));
        """)
        check("the code on paper is what Thunderbird itself would show a telephone",
              json.loads(exported) == json.loads(sheet_text), exported + "\n" + sheet_text)
    finally:
        tb.close()


def apple_s_profile_is_a_signed_property_list(c, web, ports):
    signed = f"{web}/mail/congvu.mobileconfig"
    result = subprocess.run(["openssl", "cms", "-verify", "-inform", "DER", "-in", signed, "-CAfile",
                             f"{c.base}/keys/ca.pem", "-purpose", "any"], capture_output=True, check=False)
    check("openssl trusts the signature", result.returncode == 0, result.stderr)
    profile = plistlib.loads(result.stdout)
    mail = profile["PayloadContent"][0]
    check("it sets up mail", mail["PayloadType"] == "com.apple.mail.managed"
          and mail["IncomingMailServerHostName"] == HOST and mail["IncomingMailServerUseSSL"] is True
          and mail["IncomingMailServerPortNumber"] == int(ports["2993"])
          and mail["OutgoingMailServerPortNumber"] == int(ports["2465"]), mail)
    check("and asks who it is for", not {"EmailAddress", "IncomingPassword", "OutgoingPassword"} & set(mail), mail)
    own = plistlib.loads(c.run("clients", "show", f"rmhbia.stp@{DOMAIN}", "--profile").out.encode())
    check("one for a person has the address", own["PayloadContent"][0]["EmailAddress"] == f"rmhbia.stp@{DOMAIN}")


def outlook_gets_its_answer_by_post(c, web):
    keys = os.path.join(c.base, "keys")
    port = free_port()
    text = read(os.path.join(ROOT, "conf/web/nginx-autoconfig.conf"))
    for old, new in (("/var/www/congvu-clients", web), ("listen 443", f"listen 127.0.0.1:{port}"),
                     ("/etc/ssl/congvu/web.pem", f"{keys}/server.pem"),
                     ("/etc/ssl/congvu/web.key", f"{keys}/server.key")):
        text = text.replace(old, new)
    conf = os.path.join(c.dir, "nginx.conf")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(f"daemon off; master_process off; user root; pid {c.dir}/nginx.pid; error_log {c.dir}/nginx.err;\n"
                f"events {{}}\nhttp {{ access_log off; client_body_temp_path {c.dir}/body;\n{text}\n}}\n")
    process = subprocess.Popen(["nginx", "-c", conf], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        check("nginx takes conf/web/nginx-autoconfig.conf", wait_for(port, process))
        context = ssl.create_default_context(cafile=f"{keys}/ca.pem")
        body = b"<Autodiscover><Request><EMailAddress>a@lamgiang.example</EMailAddress></Request></Autodiscover>"
        for path in ("autodiscover/autodiscover.xml", "Autodiscover/Autodiscover.xml"):
            request = urllib.request.Request(f"https://localhost:{port}/{path}", data=body,
                                             headers={"Content-Type": "text/xml"})
            with urllib.request.urlopen(request, context=context) as reply:
                answer, kind = reply.read(), reply.headers["Content-Type"]
            check(f"{path} answers POST", kind.startswith("text/xml")
                  and answer == read(f"{web}/autodiscover/autodiscover.xml", "rb"), answer)
        with urllib.request.urlopen(f"https://localhost:{port}/mail/congvu.mobileconfig", context=context) as reply:
            check("the profile has its type",
                  reply.headers["Content-Type"] == "application/x-apple-aspen-config")
    finally:
        process.terminate()
        process.wait(60)
    cgi = subprocess.run([os.path.join(ROOT, "conf/web/congvu-autodiscover")], capture_output=True, check=True,
                         env={**os.environ, "CONGVU_CLIENTS": web}).stdout
    check("the CGI program answers the same", cgi.split(b"\r\n\r\n", 1)[1] == answer)
    protocols = [p.findtext(OUTLOOK + "Type") for p in
                 xml.etree.ElementTree.fromstring(answer).iter(OUTLOOK + "Protocol")]
    check("it names IMAP, POP3 and SMTP", protocols == ["IMAP", "POP3", "SMTP"], protocols)


def a_sheet_has_codes_that_cameras_read(c):
    """The page as it is drawn; the two codes as zbar sees them in the picture."""
    user = f"rmhbia.stp@{DOMAIN}"
    sheet, picture = os.path.join(c.dir, "sheet.html"), os.path.join(c.dir, "sheet.png")
    answer = c.run("clients", "sheet", user, "--out", sheet)
    check("a sheet for one", answer.code == 0 and os.stat(sheet).st_mode & 0o777 == 0o600, answer)
    text = read(sheet)
    check("with name, address, servers", all(x in text for x in (user, HOST, "Rơ Mah H&#39;Bia", "Thunderbird",
                                                               "Outlook", "iPhone", "Android")), text[:500])
    result = subprocess.run(["tidy", "-e", "-q", sheet], capture_output=True, text=True, check=False)
    check("tidy finds nothing", result.returncode == 0 and not result.stderr, result.stderr)
    browse(f"file://{sheet}", f"--screenshot={picture}", "--window-size=1000,1300", "--force-device-scale-factor=2",
           "--hide-scrollbars")
    codes = subprocess.run(["zbarimg", "-q", "--raw", "--nodbus", picture], capture_output=True, text=True,
                           check=False).stdout.splitlines()
    check("both codes are read", len(codes) == 2, codes)
    check("one leads to the profile", f"https://autoconfig.{DOMAIN}/mail/congvu.mobileconfig" in codes, codes)
    settings = [x for x in codes if x.startswith("[1,")]
    check("no password in the other", settings and json.loads(settings[0])[2][7] == "", codes)
    shown = c.run("clients", "show", user, lang="vi")
    check("the terminal draws it too", shown.code == 0 and "▀" in shown.out and f"{HOST}, cổng" in shown.out, shown)
    answer = c.run("clients", "sheet", "--agency", "stp", "--out", f"{c.dir}/stp.html", "--json")
    check("sheets for an agency", answer.json().get("sheets") == 18
          and read(f"{c.dir}/stp.html").count('<article class="to">') == 18, answer)
    for words in (("clients", "sheet", f"khong.co@{DOMAIN}", "--out", sheet), ("clients", "show", "x@y.example"),
                  ("clients", "sheet", "--agency", "khong", "--out", sheet)):
        answer = c.run(*words)
        check(f"'{' '.join(words[:3])}' is refused", answer.code == 1, answer)
    return settings[0] if settings else "[]"


def dns_names_the_servers(c):
    lines = c.run("dns", "show", DOMAIN).out
    for label in ("_imaps._tcp", "_submissions._tcp", "_pop3s._tcp", "_autodiscover._tcp"):
        check(f"a SRV line for {label}", re.search(rf"^{label}\.{DOMAIN}\. IN SRV \d+ 1 \d+ {HOST}\.", lines, re.M),
              lines[-800:])


def main():
    need("thunderbird", "nginx", "openssl", "chromium", "zbarimg", "tidy")
    c = Congvu()
    try:
        province(c)
        web = os.path.join(c.dir, "web")
        answer = c.run("clients", "publish", "--out", web, "--sign")
        check("publish", answer.code == 0, answer)
        settings = a_sheet_has_codes_that_cameras_read(c)
        apple_s_profile_is_a_signed_property_list(c, web, c.port)
        outlook_gets_its_answer_by_post(c, web)
        dns_names_the_servers(c)
        thunderbird_understands_both(c, web, c.port, settings)
    finally:
        c.done()
    finish()


main()
