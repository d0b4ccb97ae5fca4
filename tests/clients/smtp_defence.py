#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""How strangers are met: front ends, pauses, delays, limits, lists, names, and a server that is full.

127.0.0.1 is inside. 127.0.0.2 is a front end that sends PROXY headers, so a test may be any peer;
127.0.0.3 is one that says by XCLIENT for whom it speaks: swaks and nginx are such.
"""
import http.server
import imaplib
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
import kit  # noqa: E402
from fake_milter import FakeMilter  # noqa: E402
from harness import free_ports  # noqa: E402
from kit import DOMAIN, PASSWORD, Province, expect, run_tests, wait_until  # noqa: E402

A, B = f"hoa.snv@{DOMAIN}", f"nam.stp@{DOMAIN}"
NETWORKS = {"inside_networks": "127.0.0.1/32", "proxy_networks": "127.0.0.2/32", "log_level": "debug"}
SWAKS_XCLIENT_FAILED = 33
ZONE = kit.ZONE + """far.example. 300 IN MX 10 mx.far.example.
mx.far.example. 300 IN A 198.51.100.31
31.100.51.198.in-addr.arpa. 300 IN PTR mx.far.example.
30.100.51.198.in-addr.arpa. 300 IN PTR mx.far.example.
2.100.51.198.good.example. 300 IN A 127.0.0.2
mx6.far.example. 300 IN AAAA 2001:db8::31
1.3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 300 IN PTR mx6.far.example.
"""


def province(main=None, **smtpd):
    options = {"xclient_networks": "127.0.0.3/32", "greet_pause": "0s", "drain_timeout": "0s", **smtpd}
    return Province(filter=False, main={**NETWORKS, **(main or {})}, zone=ZONE, smtpd=options)


class Peer:
    """One SMTP connection. PEER: an address behind the front end; None: from inside itself."""

    def __init__(self, p, peer=None, port="mx", first=b"", source=None, greeted=True):
        source = source or ("127.0.0.2" if peer else "127.0.0.1")
        self.sock = socket.create_connection(("127.0.0.1", p.port[port]), kit.PATIENCE,
                                             source_address=(source, 0))
        self.began = time.monotonic()
        if peer:
            self.sock.sendall(proxy_line(peer) + first)
        self.file = self.sock.makefile("rb")
        self.greeting = self.reply() if greeted else None
        self.waited = time.monotonic() - self.began

    def reply(self):
        lines = []
        while True:
            try:
                line = self.file.readline().decode()
            except ConnectionError:
                return "closed"
            if not line:
                return "closed"
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    def cmd(self, line):
        try:
            self.sock.sendall(line.encode() + b"\r\n")
        except ConnectionError:
            return "closed"
        return self.reply()

    def timed(self, line):
        began = time.monotonic()
        return self.cmd(line), time.monotonic() - began

    def hello(self):
        expect(self.greeting.startswith("220"), self.greeting)
        expect(self.cmd("EHLO client.example").startswith("250"), "EHLO")
        return self

    def login(self, p, user):
        import base64
        expect(self.cmd("STARTTLS").startswith("220"), "STARTTLS")
        self.sock = p.context().wrap_socket(self.sock, server_hostname="localhost")
        self.file = self.sock.makefile("rb")
        self.cmd("EHLO client.example")
        plain = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
        expect(self.cmd("AUTH PLAIN " + plain).startswith("235"), "AUTH")
        return self

    def send(self, sender, rcpt, subject):
        for line, code in ((f"MAIL FROM:<{sender}>", "250"), (f"RCPT TO:<{rcpt}>", "250"), ("DATA", "354")):
            reply = self.cmd(line)
            if not reply.startswith(code):
                return reply
        return self.cmd(f"From: <{sender}>\r\nSubject: {subject}\r\n\r\nchao\r\n.")

    def close(self):
        self.file.close()
        self.sock.close()


def proxy_line(peer):
    six = ":" in peer
    return f"PROXY {'TCP6' if six else 'TCP4'} {peer} {'::1' if six else '127.0.0.1'} 4660 25\r\n".encode()


def test_limits_are_the_networks_and_not_insides():
    """RFC 5321 4.5.3.1.10, 4.2.1: 421, 450 and 452 say: later."""
    with province(rate_messages="2", rate_rcpts="3", rate_commands="40", rate_conns="9",
                  max_conns_per_net="4") as p:
        p.user(A)
        rows = [("198.51.100.1", "198.51.100.200", "198.51.101.1"),
                ("2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:2::1")]
        for first, neighbour, other in rows:
            a, b, c = (Peer(p, peer).hello() for peer in (first, neighbour, other))
            for t in (a, b):
                expect(t.cmd("MAIL FROM:<a@far.example>").startswith("250"), "MAIL")
                t.cmd("RSET")
            reply = a.cmd("MAIL FROM:<a@far.example>")
            expect(reply.startswith("450 4.7.1 [PEER.messages] ") and " / " in reply, reply)
            expect(c.cmd("MAIL FROM:<a@far.example>").startswith("250"), "another network")
            replies = [c.cmd(f"RCPT TO:<{A}>")[:3] for _ in range(3)]
            reply = c.cmd(f"RCPT TO:<{A}>")
            expect(replies == ["250"] * 3 and reply.startswith("452 4.7.1 [PEER.recipients]"), reply)
            # b's network has said EHLO twice, MAIL three times, RSET twice
            replies = [b.cmd("NOOP") for _ in range(34)]
            expect(replies[32].startswith("250") and replies[33].startswith("421 4.7.0 [PEER.commands]"),
                   replies[32:])
            expect(b.reply() == "closed", "still open")
            d, e, f = (Peer(p, first) for _ in range(3))
            expect([t.greeting[:3] for t in (d, e, f)] == ["220", "220", "220"], "fewer than allowed")
            g = Peer(p, neighbour)
            expect(g.greeting.startswith("421 4.7.0 [PEER.connections] "), g.greeting)
            for t in (a, b, c, d, e, f, g):
                t.close()
            kit.wait_until("the server has seen them go",
                           lambda: p.ask("smtpd", "status")["connections"] == 0)

            def is_new():
                t = Peer(p, first)
                greeting = t.greeting
                t.close()
                return greeting
            greetings = [is_new() for _ in range(6)]
            expect(greetings[0].startswith("220") and greetings[-1].startswith("421 4.7.0"), greetings)
        inside = Peer(p).hello()
        for _ in range(60):
            expect(inside.send("a@far.example", A, "trong").startswith("250"), "inside")
        inside.close()


def test_an_account_has_limits_of_its_own():
    with province(rate_messages_account="2", rate_rcpts_account="3") as p:
        p.user(A)
        p.user(B)
        a, b = (Peer(p, port="submission").hello().login(p, user) for user in (A, B))
        for _ in range(2):
            expect(a.send(A, B, "mot").startswith("250"), "within the limit")
        reply = a.cmd(f"MAIL FROM:<{A}>")
        expect(reply.startswith("450 4.7.1 [ACCOUNT.messages]") and A in reply, reply)
        expect(b.cmd(f"MAIL FROM:<{B}>").startswith("250"), "another account")
        replies = [b.cmd(f"RCPT TO:<{A}>") for _ in range(4)]
        expect(replies[2].startswith("250") and replies[3].startswith("452 4.7.1 [ACCOUNT.rec"), replies)


def test_failed_log_ins_close_submission_to_the_network():
    with province(rate_auth_failures="3", slow_down_after="0") as p:
        p.user(A)
        def fail(peer, user):
            t = Peer(p, peer, "submission").hello()
            t.cmd("STARTTLS")
            t.sock = p.context().wrap_socket(t.sock, server_hostname="localhost")
            t.file = t.sock.makefile("rb")
            t.cmd("EHLO client.example")
            reply = t.cmd("AUTH PLAIN " + __import__("base64").b64encode(
                f"\0{user}\0sai".encode()).decode())
            t.close()
            return reply
        for i in range(3):
            reply = fail(f"198.51.100.{i + 1}", f"x{i}@{DOMAIN}")
            expect(reply.startswith("535"), reply)
        reply = fail("198.51.100.9", A)
        expect(reply.startswith("421 4.7.0 [PEER.auth]"), reply)
        reply = fail("198.51.101.9", A)
        expect(reply.startswith("535"), reply)


def reload(p, ok=True, **smtpd):
    p.options["smtpd"].update(smtpd)
    p._write_conf()
    answer = kit.harness.ask(os.path.join(p.dir, "run", "smtpd.ctl"), {"do": "reload"})
    expect(answer["ok"] == ok, answer)


def is_silent(t, secs=0.5):
    t.sock.settimeout(secs)
    try:
        return not t.sock.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return True
    finally:
        t.sock.settimeout(kit.PATIENCE)


def test_strangers_wait_for_the_greeting_and_good_senders_do_not():
    """RFC 5321 4.3.1: a client waits for the greeting."""
    with province(greet_pause="1s", dnswl="good.example") as p:
        p.user(A)
        t = Peer(p, "198.51.100.40").hello()
        expect(t.waited > 0.9, t.waited)
        expect(t.send("a@far.example", A, "dau tien").startswith("250"), "stranger")
        t.close()
        reload(p, greet_pause="30s")
        for peer in ("198.51.100.40", None, "198.51.100.2"):
            t = Peer(p, peer).hello()
            expect(t.waited < 29, peer, t.waited)
            t.close()
        neighbour = Peer(p, "198.51.100.41", greeted=False)
        expect(is_silent(neighbour), "its neighbour was greeted")
        # in the middle of the pause, and before it
        neighbour.sock.sendall(b"EHLO early.example\r\n")
        reply = neighbour.reply()
        expect(reply.startswith("554 5.5.0 [PEER.early]") and neighbour.reply() == "closed", reply)
        t = Peer(p, "198.51.100.40", first=b"EHLO early.example\r\n")
        expect(t.greeting.startswith("554 5.5.0 [PEER.early]"), t.greeting)
        # it was good no more
        expect(is_silent(Peer(p, "198.51.100.40", greeted=False)), "forgiven at once")
        # a peer that leaves meanwhile is no trouble
        Peer(p, "198.51.100.51", greeted=False).close()


def test_answers_to_faults_come_later_and_later():
    with province(slow_down_after="2", slow_down_max="2s", max_errors="5", rate_faults="12") as p:
        p.user(A)
        bad, good = Peer(p, "198.51.100.60").hello(), Peer(p, "198.51.101.60").hello()
        bad.cmd("MAIL FROM:<a@far.example>")
        times = [bad.timed(f"RCPT TO:<khong{i}@{DOMAIN}>") for i in range(5)]
        expect(all(r.startswith("550 5.1.1") for r, _ in times), times)
        expect(times[3][1] >= 0.95 and times[4][1] >= 1.95, times)
        # others are answered meanwhile
        bad.sock.sendall(f"RCPT TO:<khong@{DOMAIN}>\r\n".encode())
        expect(good.cmd("NOOP").startswith("250") and is_silent(bad, 0.1), "all are slow")
        expect(bad.reply().startswith("550") and bad.reply().startswith("421 4.7.0"), "too many")
        # a network whose faults are too many is slow from the first command on
        for i in range(2):
            t = Peer(p, f"198.51.100.6{i + 2}").hello()
            t.cmd("MAIL FROM:<a@far.example>")
            for n in range(3):
                t.cmd(f"RCPT TO:<khong{n}@{DOMAIN}>")
            t.close()
        t = Peer(p, "198.51.100.65")
        reply, took = t.timed("EHLO client.example")
        expect(reply.startswith("250") and took >= 0.95, reply, took)
        began = time.monotonic()
        t.sock.sendall(b"NOOP\r\nNOOP\r\n")
        t.reply()
        t.reply()
        expect(time.monotonic() - began >= 1.9, "pipelined commands", time.monotonic() - began)


def test_names_are_looked_up_and_told():
    """RFC 5321 4.4: the trace names the peer by what DNS says, not only by what it says."""
    with FakeMilter() as milter:
        with province(milters=milter.name()) as p:
            p.user(A)
            rows = [("198.51.100.31", "mx.far.example", "198.51.100.31"),
                    ("198.51.100.30", "unknown", "198.51.100.30"),
                    ("2001:db8::31", "mx6.far.example", "IPv6:2001:db8::31"),
                    ("198.51.100.99", "unknown", "198.51.100.99")]
            for peer, name, shown in rows:
                t = Peer(p, peer).hello()
                expect(t.send("a@far.example", A, "ten").startswith("250"), peer)
                t.close()
                connect = next(d for c, d in milter.sessions[-1].steps if c == "C")
                expect(connect.startswith(name.encode() + b"\0"), peer, connect)
                box = p.imap(A)
                box.select()
                last = box.search(None, "ALL")[1][0].split()[-1]
                trace = box.fetch(last, "(BODY[HEADER.FIELDS (RECEIVED)])")[1][0][1].decode()
                box.logout()
                expect(f"from client.example ({name} [{shown}])" in trace, trace)


def test_a_silent_resolver_holds_nobody_for_long():
    """Lists and names that do not answer refuse nothing; a sender's domain is put off, or not."""
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    main = {"dns_zone_file": "", "dns_forwarders": f"127.0.0.1@{silent.getsockname()[1]}"}
    for defer, code in (("yes", "451 4.1.8 [SENDER.dns]"), ("no", "250")):
        with province(main, dnsbl="bl.example", dns_wait="1s", require_known_sender_domain="yes",
                      sender_domain_defer=defer) as p:
            p.user(A)
            t = Peer(p, "198.51.100.70").hello()
            expect(t.waited < 10, "greeting", t.waited)
            t.cmd("MAIL FROM:<a@far.example>")
            reply, took = t.timed(f"RCPT TO:<{A}>")
            expect(reply.startswith(code) and took < 10, reply, took)
            t.cmd("RSET")
            t.cmd("MAIL FROM:<>")
            expect(t.cmd(f"RCPT TO:<{A}>").startswith("250"), "null sender")
            t.close()
    silent.close()


def test_lists_change_while_it_runs():
    with province() as p:
        p.user(A)
        t = Peer(p, "198.51.100.2").hello()
        expect(t.send("a@far.example", A, "truoc").startswith("250"), "before")
        reload(p, ok=False, dnsbl="good.example=127.0.0.")
        reload(p, dnsbl="good.example")
        t = Peer(p, "198.51.100.2").hello()
        reply = t.send("a@far.example", A, "sau")
        expect(reply.startswith("554 5.7.1 [PEER.blocklist]"), reply)


def test_front_ends_reach_tls_from_the_first_octet_and_imap():
    """PROXY protocol 2: the header stands before the handshake."""
    with province() as p:
        p.user(A)
        for port, greeting in (("submissions", b"220 "), ("imaps", b"* OK"), ("imap", b"* OK")):
            sock = socket.create_connection((p.host, p.port[port]), kit.PATIENCE,
                                            source_address=("127.0.0.2", 0))
            sock.sendall(proxy_line("198.51.100.80"))
            if port != "imap":
                sock = p.context().wrap_socket(sock, server_hostname="localhost")
            expect(sock.recv(4) == greeting, port)
            sock.close()
        # without one nothing is said; from elsewhere it is no header
        sock = socket.create_connection((p.host, p.port["imap"]), kit.PATIENCE,
                                        source_address=("127.0.0.2", 0))
        sock.sendall(b"a NOOP\r\n")
        try:
            expect(sock.recv(100) == b"", "served without a header")
        except ConnectionResetError:
            pass
        sock = socket.create_connection((p.host, p.port["imap"]), kit.PATIENCE)
        sock.sendall(proxy_line("198.51.100.80"))
        text = sock.makefile("rb")
        lines = [text.readline(), text.readline()]
        expect(b"* OK" in lines[0] and b"BAD" in lines[1], lines)
        # the client's address is what counts: it is no inside network, and it is logged
        c = imaplib.IMAP4_SSL(p.host, p.port["imaps"], ssl_context=p.context())
        c.login(A, PASSWORD)
        c.logout()
        log = p.daemons["imapd"].text()
        expect("reason=\"PROXY header: neither version 1 nor 2\"" in log, log[-2000:])


def test_swaks_speaks_for_others():
    """Postfix XCLIENT_README; PROXY protocol 1 and 2 by another's hand."""
    swaks = kit.need_program("swaks")
    with province() as p:
        p.user(A)
        for args in (["--xclient-addr", "198.51.100.31", "--xclient-name", "mx.far.example",
                      "--xclient-helo", "far.example", "--local-interface", "127.0.0.3"],
                     ["--proxy", "TCP4 198.51.100.31 127.0.0.1 4660 25", "--proxy-version", "1",
                      "--local-interface", "127.0.0.2"],
                     ["--proxy-family", "AF_INET", "--proxy-source", "198.51.100.31", "--proxy-version", "2",
                      "--proxy-source-port", "4660", "--proxy-dest", "127.0.0.1", "--proxy-dest-port", "25",
                      "--proxy-protocol", "STREAM", "--proxy-command", "PROXY",
                      "--local-interface", "127.0.0.2"]):
            kit.run([swaks, "--server", p.host, "--port", str(p.port["mx"]), "--helo", "far.example",
                     "--from", "a@far.example", "--to", A, "--timeout", "30", *args])
        accepted = re.findall(r"msg\.accepted .*peer=(\S+)", p.daemons["smtpd"].text())
        expect(accepted == ["198.51.100.31"] * 3, accepted)
        # a stranger is not offered it, and swaks gives up
        kit.run([swaks, "--server", p.host, "--port", str(p.port["mx"]), "--helo", "far.example",
                        "--from", "a@far.example", "--to", A, "--timeout", "30", "--local-interface",
                        "127.0.0.4", "--xclient-addr", "10.0.0.1"], ok=(SWAKS_XCLIENT_FAILED,))


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
  server_name front.example; auth_http 127.0.0.1:{http}/;
  proxy_pass_error_message on; xclient on; {proxy}
  server {{ listen 127.0.0.1:{port}; protocol smtp; smtp_auth none; }}
}}
"""


def nginx_sends(p, proxy, peer_is):
    port, http_port = free_ports(2)
    AuthHttp.port = p.port["mx"]
    web = http.server.HTTPServer(("127.0.0.1", http_port), AuthHttp)
    threading.Thread(target=web.serve_forever, daemon=True).start()
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
            sock = socket.create_connection(("127.0.0.1", port), kit.PATIENCE,
                                            source_address=("127.0.0.7", 0))
            text = sock.makefile("rb")
            expect(text.readline().startswith(b"220"), "nginx's greeting")
            said = []
            for line in ("HELO far.example", "MAIL FROM:<a@far.example>", f"RCPT TO:<{A}>", "DATA",
                         "Subject: qua nginx\r\n\r\nchao\r\n.", "QUIT"):
                sock.sendall(line.encode() + b"\r\n")
                said.append(text.readline().decode()[:3])
            with open(os.path.join(folder, "log"), encoding="utf-8", errors="replace") as f:
                log = f.read()
            expect(said == ["250", "250", "250", "354", "250", "221"], said, log[-1500:])
            sock.close()
        finally:
            nginx.terminate()
            nginx.wait(kit.PATIENCE)
            web.shutdown()
            web.server_close()
    accepted = re.findall(r"msg\.accepted .*peer=(\S+)", p.daemons["smtpd"].text())
    expect(accepted and accepted[-1] == peer_is, accepted)


def test_nginx_is_a_front_end():
    kit.need_program("nginx")
    if not os.path.exists("/usr/lib/nginx/modules/ngx_mail_module.so"):
        kit.skip("nginx has no mail module (./dev setup)")
    with province({"proxy_networks": "127.0.0.6/32"}, xclient_networks="127.0.0.1/32") as p:
        p.user(A)
        nginx_sends(p, "", "127.0.0.7")


def test_a_full_server_answers_soon_and_serves_on():
    """RFC 5321 3.8, 4.2.1: 421 to whom there is no room for; the others are served meanwhile."""
    with province({"inside_networks": "127.0.0.1/32"}, max_conns="80", submission_reserve="50",
                  max_conns_per_ip="0", max_conns_per_net="0", rate_conns="0", greet_pause="0s",
                  workers="2") as p:
        p.user(A)
        p.user(B)
        served = [Peer(p, f"198.51.{i}.1").hello() for i in range(40)]
        began = time.monotonic()
        waiting = []
        for i in range(200):
            sock = socket.create_connection((p.host, p.port["mx"]), kit.PATIENCE)
            waiting.append(sock)
        expect(served[0].send("a@far.example", A, "giua con bao").startswith("250"), "served")
        for sock in waiting:
            text = sock.makefile("rb").read()
            expect(text.startswith(b"421 4.3.2 ") and text.endswith(b"\r\n"), text)
            sock.close()
        took = time.monotonic() - began
        expect(took < 20, "200 refusals took", took)
        print(f"    200 refusals and a message: {took:.2f} s")
        # the half of the staff is still theirs
        staff = [Peer(p, port="submission").hello() for _ in range(10)]
        expect(staff[0].login(p, B).send(B, A, "van gui duoc").startswith("250"), "submission")
        tls = socket.create_connection((p.host, p.port["submissions"]), kit.PATIENCE)
        tls = p.context().wrap_socket(tls, server_hostname="localhost")
        expect(tls.recv(4) == b"220 ", "submissions")
        # under stress a stranger's second fault is its last
        reply = served[1].cmd("FROB")
        expect(reply.startswith("500"), reply)
        reply = served[1].cmd("FROB")
        expect(reply.startswith("500") and served[1].reply().startswith("421 4.7.0"), reply)
        # and there is room again for one
        wait_until("the place is free", lambda: Peer(p, "198.51.100.1").greeting.startswith("220"))


def test_strangers_get_less_time_when_the_server_is_nearly_full():
    with province(max_conns="10", submission_reserve="0", stress_idle_timeout="5s", max_conns_per_ip="0",
                  rate_conns="0") as p:
        p.user(A)
        idle = [Peer(p, "198.51.100.1").hello() for _ in range(9)]
        inside = Peer(p).hello()
        began = time.monotonic()
        reply = idle[8].reply()
        expect(reply.startswith("421 4.4.2") and time.monotonic() - began < 60, reply)
        expect(inside.cmd("NOOP").startswith("250"), "inside was sent away")


if __name__ == "__main__":
    run_tests(globals())
