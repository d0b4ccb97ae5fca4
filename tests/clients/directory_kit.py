# SPDX-License-Identifier: MPL-2.0
"""What tests of the public directory share: a demo province, a web server that takes PUT, a browser."""
import base64
import http.server
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading

from admin_kit import DOMAIN, ROOT, Congvu, check, finish  # noqa: F401

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
              ".json": "application/json", ".js": "text/javascript"}
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


def province(c, *more):
    """`congvu init` and the small demo province: 12 units, 216 people."""
    check("init", c.init(*more).code == 0)
    demo = os.path.join(c.dir, "demo")
    subprocess.run([sys.executable, os.path.join(ROOT, "conf/demo/province.py"), demo], check=True,
                   capture_output=True)
    answer = c.run("agency", "import", os.path.join(demo, "agencies.csv"), "--mailboxes")
    check("agency import", answer.code == 0 and "12 new or changed" in answer.out, answer)
    answer = c.run("import", os.path.join(demo, "staff.csv"), "--json")
    check("import of the demo's staff", answer.json()["added"] == 216, answer)
    return os.path.join(c.base, "directory")
