#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Front ends of IMAP: what they say by ID (RFC 2971) of their clients, and nginx's mail proxy, which
logs in with synchronising literals.

127.0.0.3 may say by ID for whom it speaks; 127.0.0.1 is nginx, which sends PROXY headers.
"""
import http.server
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import kit  # noqa: E402
from harness import free_ports  # noqa: E402
from kit import PASSWORD, Province, expect, wait_until  # noqa: E402
from session_list import sessions  # noqa: E402

INSIDE, FAR = "198.51.100.7", "203.0.113.9"
OUTSIDE = b"outside the office"


def province(main=None, **imapd):
    options = {"id_networks": "127.0.0.3/32", "plain_login_networks": "127.0.0.3/32", **imapd}
    return Province(filter=False, imapd=options,
                    main={"inside_networks": "198.51.100.0/24 127.0.0.3/32", **(main or {})})


class Client(kit.RawImap):
    """From SOURCE, without TLS."""

    def __init__(self, port, source):
        self.sock = socket.create_connection(("127.0.0.1", port), kit.PATIENCE,
                                             source_address=(source, 0))
        self.file = self.sock.makefile("rb")
        self.tags = 0
        self.greeting = self.line()

    def forward(self, ip, ok=b"OK", **more):
        fields = {"x-originating-ip": ip, "x-originating-port": "4711",
                  "x-connected-ip": "192.0.2.1", "x-connected-port": "993",
                  "x-session-id": "phiên 1", "x-proxy-ttl": "4", "x-forward-x": "y",
                  **{name.replace("_", "-"): value for name, value in more.items()}}
        words = " ".join(f'"{name}" ' + (f'"{value}"' if value is not None else "NIL")
                         for name, value in fields.items())
        return self.cmd(f"ID ({words})", ok=ok)

    def fail(self, user):
        """What a wrong password is answered: inside and outside are told different things."""
        return self.finish(self.start(f'LOGIN "{user}" "sai mat khau"'))[1]


def test_a_front_end_says_for_whom_it_speaks():
    with province() as p:
        an = p.user("an")
        c = Client(p.port["imap"], "127.0.0.3")
        c.forward(INSIDE)
        expect(OUTSIDE not in c.fail(an), "inside")
        c.cmd(f'LOGIN "{an}" "{PASSWORD}"')
        rows = sessions(p, an)
        expect([r["peer"] for r in rows] == [INSIDE], rows)
        log = p.daemons["imapd"].text()
        expect(re.search(rf"imap\.forwarded peer={INSIDE} by=127\.0\.0\.3 session=phi\?+n\?1", log),
               log[-1500:])
        expect(re.search(rf"imap\.login user={an} peer={INSIDE}", log), log[-1500:])
        # Once logged in it is as it is.
        c.forward(FAR)
        expect([r["peer"] for r in sessions(p, an)] == [INSIDE], "after the log-in")
        c.close()

        c = Client(p.port["imap"], "127.0.0.3")
        c.forward("2001:db8::7")
        expect(OUTSIDE in c.fail(an), "IPv6 from outside")
        c.forward("khong phai dia chi")
        expect(OUTSIDE in c.fail(an), "an address that is none is nobody's")
        c.forward(INSIDE, x_originating_port="99999")
        expect(OUTSIDE in c.fail(an), "a port that is none")
        c.close()


def test_nobody_else_is_believed():
    with province(plain_login_networks="127.0.0.0/8") as p:
        an = p.user("an")
        c = Client(p.port["imap"], "127.0.0.4")
        c.forward(INSIDE)
        expect(OUTSIDE in c.fail(an), "outside")
        expect("imap.forwarded" not in p.daemons["imapd"].text(), "logged")
        # A front end that says nothing of a client speaks for itself.
        c = Client(p.port["imap"], "127.0.0.3")
        c.cmd('ID ("name" "front" "x-session-id" "x")')
        c.cmd(f'LOGIN "{an}" "{PASSWORD}"')
        expect([r["peer"] for r in sessions(p, an)] == ["127.0.0.3"], sessions(p, an))


def test_limits_are_those_of_the_client():
    with province(max_conns_per_ip="2") as p:
        first = [Client(p.port["imap"], "127.0.0.3") for _ in range(2)]
        for c in first:
            c.forward(FAR)
        third = Client(p.port["imap"], "127.0.0.3")  # the front end itself has none any more
        third.forward(FAR, ok=b"NO")
        expect(b"[LIMIT]" in third.last, third.last)
        expect(third.file.read() == b"", "the third is not closed")
        other = Client(p.port["imap"], "127.0.0.3")
        other.forward("203.0.113.10")


def test_tls_of_the_front_end_binds_nobody_else():
    """Whether one may log in is decided by the wire; what binds to TLS is not offered."""
    with province(plain_login_networks=INSIDE + "/32") as p:
        an = p.user("an")
        c = Client(p.port["imap"], "127.0.0.3")
        c.forward(INSIDE)
        tag = c.start(f'LOGIN "{an}" "{PASSWORD}"')
        expect(b"[PRIVACYREQUIRED]" in c.finish(tag)[1], "log-in without TLS")
        tag = c.start("STARTTLS")
        c.finish(tag)
        c.sock = p.context().wrap_socket(c.sock, server_hostname=p.host)
        c.file = c.sock.makefile("rb")
        offered = b" ".join(c.cmd("CAPABILITY"))
        expect(b"AUTH=PLAIN" in offered and b"-PLUS" not in offered and b"EXTERNAL" not in offered,
               offered)
        c.cmd(f'LOGIN "{an}" "{PASSWORD}"')


class AuthHttp(http.server.BaseHTTPRequestHandler):
    """What nginx asks before it proxies: everybody may, to the port of the class."""
    port = 0

    def do_GET(self):
        self.send_response(200)
        for name, value in (("Auth-Status", "OK"), ("Auth-Server", "127.0.0.1"),
                            ("Auth-Port", str(self.port))):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass


NGINX = """load_module /usr/lib/nginx/modules/ngx_mail_module.so;
daemon off; pid {dir}/pid; error_log {dir}/log info; worker_processes 1;
events {{ worker_connections 64; }}
mail {{
  auth_http 127.0.0.1:{http}/; proxy_pass_error_message on; {proxy}
  server {{ listen 127.0.0.1:{port}; protocol imap; imap_auth plain login; }}
}}
"""


def through_nginx(p, an, proxy):
    """Logs in through nginx from 127.0.0.7 in both ways; the peers that imapd saw."""
    port, http_port = free_ports(2)
    AuthHttp.port = p.port["imap"]
    web = http.server.HTTPServer(("127.0.0.1", http_port), AuthHttp)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    peers = []
    with tempfile.TemporaryDirectory(prefix="congvu-nginx-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        with open(os.path.join(folder, "conf"), "w", encoding="utf-8") as f:
            f.write(NGINX.format(dir=folder, http=http_port, port=port, proxy=proxy))
        nginx = subprocess.Popen(["nginx", "-c", os.path.join(folder, "conf"), "-p", folder],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        try:
            def answers():
                try:
                    socket.create_connection(("127.0.0.1", port), 5).close()
                    return True
                except OSError:
                    return False
            wait_until("nginx listens", answers)
            for literals in (False, True):
                c = Client(port, "127.0.0.7")
                if literals:
                    c.send(b"a LOGIN {%d}\r\n" % len(an))
                    expect(c.line().startswith(b"+"), "nginx asks for the name")
                    c.send(b"%s {%d}\r\n" % (an.encode(), len(PASSWORD)))
                    expect(c.line().startswith(b"+"), "nginx asks for the password")
                    c.send(PASSWORD.encode() + b"\r\n")
                    expect(b"a OK" in c.line(), "logged in by literals")
                else:
                    c.cmd(f'LOGIN "{an}" "{PASSWORD}"')
                c.append("INBOX", b"Subject: qua nginx\r\n\r\nchao\r\n")
                c.cmd("SELECT INBOX")
                lines = c.cmd("FETCH 1 BODY[TEXT]")
                expect(b"chao" in b"".join(lines), lines)
                peers += [r["peer"] for r in sessions(p, an)]
                c.cmd("LOGOUT")
                c.close()
                wait_until("the session is gone", lambda: not sessions(p, an))
        finally:
            nginx.terminate()
            nginx.wait(kit.PATIENCE)
            web.shutdown()
            web.server_close()
    return peers


def need_nginx():
    kit.need_program("nginx")
    if not os.path.exists("/usr/lib/nginx/modules/ngx_mail_module.so"):
        kit.skip("nginx has no mail module (./dev setup)")


def test_nginx_logs_in_with_literals():
    need_nginx()
    with province({"inside_networks": "127.0.0.0/8"}, plain_login_networks="127.0.0.0/8") as p:
        expect(through_nginx(p, p.user("an"), "") == ["127.0.0.1"] * 2)


def test_nginx_sends_proxy_headers():
    need_nginx()
    with province({"inside_networks": "127.0.0.0/8", "proxy_networks": "127.0.0.1/32"},
                  plain_login_networks="127.0.0.0/8") as p:
        expect(through_nginx(p, p.user("an"), "proxy_protocol on;") == ["127.0.0.7"] * 2)


if __name__ == "__main__":
    kit.run_tests(globals())
