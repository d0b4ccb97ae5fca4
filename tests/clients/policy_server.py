#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""An HTTPS server for MTA-STS policies that answers as its table says and counts who asked.

    server = PolicyServer("127.0.0.6", port, chain, key)
    server.policy["example"] = (200, "text/plain", "version: STSv1\\n...")
"""
import http.server
import ssl
import threading

PATH = "/.well-known/mta-sts.txt"


def policy(mode, *names, max_age=86400):
    lines = ["version: STSv1", "mode: " + mode] + ["mx: " + n for n in names]
    return 200, "text/plain", "\r\n".join(lines + [f"max_age: {max_age}", ""])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        domain = self.headers["Host"].split(":")[0].removeprefix("mta-sts.")
        self.server.asked.append(domain)
        code, kind, text = self.server.policy.get(domain, (404, "text/plain", "none"))
        if self.path not in (PATH, "/elsewhere"):
            code = 404
        self.send_response(code)
        self.send_header("Content-Type", kind)
        if code == 302:
            self.send_header("Location", "/elsewhere")
            self.server.policy[domain] = (200, "text/plain", text)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        try:
            self.wfile.write(text.encode())
        except OSError:
            pass  # the client had enough

    def log_message(self, *args):
        pass


class PolicyServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address, port, chain, key):
        super().__init__((address, port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        self.context = context
        self.policy, self.asked = {}, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, client_address):
        # The handshake on the request's own thread.
        super().finish_request(self.context.wrap_socket(request, server_side=True),
                               client_address)

    def handle_error(self, request, client_address):
        pass  # handshakes that the client ends are part of the tests

    def close(self):
        self.shutdown()
        self.server_close()
