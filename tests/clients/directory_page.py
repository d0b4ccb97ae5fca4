#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The published directory as validators, browsers and web servers see it (DIR-01 to DIR-05, DIR-07)."""
import base64
import csv
import hashlib
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading

from admin_kit import DOMAIN, ROOT, Congvu, check, finish

USER, PASSWORD = "danhba", "mat khau cua web"


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            print(f"{program} is not installed")
            sys.exit(77)


# ---- a web server that takes PUT ----

class Web(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, code, body=b""):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        if code == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="danh ba"')
        self.end_headers()
        self.wfile.write(body)

    def is_allowed(self):
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return not self.server.with_auth or self.headers.get("Authorization") == wanted

    def handle_change(self, change):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.changes.append((self.command, self.path))
        if not self.is_allowed():
            return self.answer(401)
        if self.server.faults:
            return self.answer(self.server.faults.pop(0))
        path = os.path.join(self.server.folder, self.path.lstrip("/").removeprefix("danhba/"))
        return self.answer(change(path, body))

    def do_PUT(self):
        def put(path, body):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(body)
            return 201
        self.handle_change(put)

    def do_DELETE(self):
        def delete(path, _):
            if not os.path.exists(path):
                return 404
            os.unlink(path)
            return 204
        self.handle_change(delete)

    def do_GET(self):
        if not self.is_allowed():
            return self.answer(401)
        path = os.path.join(self.server.folder,
              self.path.split("?")[0].lstrip("/").removeprefix("danhba/"))
        if not os.path.isfile(path):
            return self.answer(404)
        with open(path, "rb") as f:
            body = f.read()
        kinds = {".html": "text/html; charset=utf-8", ".css": "text/css",
              ".json": "application/json"}
        self.send_response(200)
        self.send_header("Content-Type", kinds.get(os.path.splitext(path)[1], "text/plain"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server:
    def __init__(self, folder, with_auth=False, tls=None):
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
        self.http.folder, self.http.with_auth = folder, with_auth
        self.http.changes, self.http.faults = [], []
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://localhost:{self.http.server_port}/danhba/"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def take_changes(self):
        changes, self.http.changes = self.http.changes, []
        return changes

    def close(self):
        self.http.shutdown()
        self.http.server_close()


# ---- looking at it ----

def tree(folder):
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            with open(path, "rb") as f:
                found[os.path.relpath(path, folder)] = f.read()
    return found


def browse(url, *flags):
    with tempfile.TemporaryDirectory(prefix="congvu-chromium-") as profile:
        return subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={profile}", *flags, url],
            capture_output=True, text=True, timeout=240, check=False).stdout


def test_validator(folder):
    pages = sorted(name for name in tree(folder) if name.endswith(".html"))
    for page in pages:
        result = subprocess.run(["tidy", "-e", "-q", os.path.join(folder, page)],
              capture_output=True,
                                text=True, check=False)
        check(f"DIR-03 tidy finds nothing in {page}", result.returncode == 0 and not result.stderr,
              result.stderr)
    check("there is a page for each unit and one for all", len(pages) == 13, pages)


def test_accessible(folder, pages):
    for page in pages:
        with open(os.path.join(folder, page), encoding="utf-8") as f:
            text = f.read()
        for what, pattern in (("language", r'<html lang="vi">'), ("caption", r"<caption>"),
                              ("column heads", r'<th scope="col"'), ("row heads",
                                    r'<th scope="row"'),
                              ("skip link", r'class="skip" href="#noi-dung"'),
                              ("its target", r'<main id="noi-dung"'), ("page width",
                                    r'name="viewport"'),
                              ("day",
                                    r"<time datetime=\"\d{4}-\d\d-\d\d\">\d\d/\d\d/\d{4}</time>")):
            check(f"DIR-03 {page} has {what}", re.search(pattern, text))
        check(f"DIR-03 {page} has no script", not re.search(r"<script|\son\w+=|javascript:", text,
              re.I))
        check(f"DIR-03 {page} has one h1", len(re.findall(r"<h1>", text)) == 1)


def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    parts = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_contrast(folder):
    with open(os.path.join(folder, "style.css"), encoding="utf-8") as f:
        css = f.read()
    for scheme, block in (("light", css), ("dark", css[css.index("prefers-color-scheme: dark"):])):
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block.split("}")[0]))
        pairs = [(ink, sheet) for ink in ("ink", "soft", "link") for sheet in
                 ("page", "sheet", "zebra", "head")] + [("banner-ink", "banner")]
        for ink, sheet in pairs:
            a, b = sorted((luminance(colours[ink]), luminance(colours[sheet])), reverse=True)
            ratio = (a + 0.05) / (b + 0.05)
            check(f"DIR-03 {scheme}: {ink} on {sheet} has contrast {ratio:.1f}", ratio >= 4.5)


def test_style_is_fresh():
    with tempfile.TemporaryDirectory() as folder:
        for name in ("embed.py"):
            shutil.copy(os.path.join(ROOT, "admin", name), folder)
        subprocess.run([sys.executable, os.path.join(folder, "embed_style.py")], check=True)
        with open(os.path.join(folder, "directory_style.inc"), "rb") as f, \
                open(os.path.join(ROOT, "admin", "directory_style.inc"), "rb") as g:
            check("admin/directory/style.inc is made from the style sheet (run admin/embed_style.py)",
                  f.read() == g.read())


def test_browser(server, folder):
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


def test_data(folder, people):
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


def test_changes(c, folder):
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
    check("suspend", c.run("account", "suspend", gone["address"]).code == 0)
    answer = c.run("directory", "publish", "--json")
    check("DIR-07 only what changed is written", answer.json()["changed"] == 8, answer)
    after = tree(folder)
    check("DIR-04 a suspended person is absent everywhere",
          not [p for p, b in after.items() if gone["address"].encode() in b])
    check("an unchanged page is the same file", os.stat(os.path.join(folder,
          "donvi/snv.html")).st_ino
          == inode)
    return 216 - 1


def test_push(c, folder):
    remote = os.path.join(c.dir, "www")
    os.mkdir(remote)
    server = Server(remote)
    server.http.faults = [503, 500]
    answer = c.run("directory", "publish", "--push", server.url, "--json")
    changes = server.take_changes()
    check("push sends everything once, after the server's two faults", answer.code == 0
          and tree(remote) == tree(folder) and len(changes) == len(tree(folder)) + 2, answer)
    check("push puts the manifest last", changes[-1] == ("PUT", "/danhba/manifest.json"),
          changes[-3:])
    answer = c.run("directory", "publish", "--push", server.url)
    check("push of nothing new sends nothing", answer.code == 0 and not server.take_changes(),
          answer)
    os.unlink(os.path.join(remote, "manifest.json"))
    with open(os.path.join(remote, "own.html"), "w", encoding="utf-8") as f:
        f.write("own")
    c.run("directory", "publish", "--push", server.url)
    server.take_changes()
    answer = c.run("directory", "publish", "--agency", "stp", "--out", "stp-only", "--push",
          server.url)
    names = tree(remote)
    check("push deletes what is no more, and only that",
          answer.code == 0 and "donvi/stp.html" in names
          and "donvi/snv.html" not in names and "own.html" in names, sorted(names))
    server.take_changes()
    server.http.faults = [403]
    answer = c.run("directory", "publish", "--push", server.url)
    check("a refusal ends it before the manifest", answer.code == 1 and "403" in answer.err
          and ("PUT", "/danhba/manifest.json") not in server.take_changes(), answer)
    server.close()
    answer = c.run("directory", "publish", "--push", server.url)
    check("a server that is not there is exit 69", answer.code == 69, answer)
    for url in ("http://192.0.2.1/x/", "ftp://localhost/", "http://user:pass@localhost/",
          "file:///tmp/x"):
        answer = c.run("directory", "publish", "--push", url)
        check(f"push refuses {url}", answer.code == 1, answer)


def test_push_tls(c, folder):
    remote = os.path.join(c.dir, "www-tls")
    os.mkdir(remote)
    keys = os.path.join(c.base, "keys")
    server = Server(remote, with_auth=True, tls=(f"{keys}/server.pem", f"{keys}/server.key"))
    answer = c.run("directory", "publish", "--push", server.url)
    check("push trusts no unknown authority", answer.code == 69 and not tree(remote), answer)
    c.set_option("admin", f"directory_push_ca = {keys}/ca.pem")
    answer = c.run("directory", "publish", "--push", server.url)
    check("push without a password is told so", answer.code == 1 and "401" in answer.err, answer)
    secret = os.path.join(c.dir, "push.auth")
    with open(secret, "w", encoding="utf-8") as f:
        f.write(f"{USER}:{PASSWORD}\n")
    os.chmod(secret, 0o644)
    c.set_option("admin", f"directory_push_auth = {secret}")
    answer = c.run("directory", "publish", "--push", server.url)
    check("a password file that others can read is refused",
          answer.code == 1 and "chmod" in answer.err,
          answer)
    os.chmod(secret, 0o600)
    answer = c.run("directory", "publish", "--push", server.url)
    check("push over https with a password", answer.code == 0 and tree(remote) == tree(folder),
          answer)
    check("the password is nowhere in what is said", PASSWORD not in answer.out + answer.err)
    server.close()


def main():
    need("tidy", "chromium")
    c = Congvu()
    try:
        check("init", c.init().code == 0)
        demo = os.path.join(c.dir, "demo")
        subprocess.run([sys.executable, os.path.join(ROOT, "conf/demo/province.py"), demo],
              check=True,
                       capture_output=True)
        answer = c.run("agency", "import", os.path.join(demo, "agencies.csv"), "--mailboxes")
        check("agency import", answer.code == 0 and "12 new or changed" in answer.out, answer)
        answer = c.run("import", os.path.join(demo, "staff.csv"), "--json")
        check("import of the demo's staff", answer.json()["added"] == 216, answer)
        folder = os.path.join(c.base, "directory")
        answer = c.run("directory", "publish", "--json")
        check("DIR-01 publish", answer.code == 0 and answer.json()["people"] == 216, answer)
        test_validator(folder)
        test_accessible(folder, ("index.html", "donvi/stp.html"))
        test_contrast(folder)
        test_style_is_fresh()
        test_data(folder, 216)
        server = Server(folder)
        test_browser(server, folder)
        server.close()
        test_data(folder, test_changes(c, folder))
        test_push(c, folder)
        test_push_tls(c, folder)
    finally:
        c.done()
    finish()


main()
