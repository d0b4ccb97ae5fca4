"""The servers that are measured: congvu, and Postfix with Dovecot from Debian's packages.

Each runs in a folder of its own below /tmp, on loopback, on high ports, as root of the machine
starts it; nothing of the system's own mail service is touched. All stop by process id.
"""
# SPDX-License-Identifier: MPL-2.0
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness  # noqa: E402
import kit  # noqa: E402

PASSWORD = "mat-khau-do-toc-do-1"
USERS = 100
VMAIL = 5500 # no such user is needed: files belong to a number
TICK = os.sysconf("SC_CLK_TCK")


# ---- what a process tree costs ----

def tree(roots):
    """ROOTS and everything they started, as the kernel sees it now."""
    children = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as f:
                text = f.read()
        except OSError:
            continue
        children.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(
            int(text.partition(" ")[0]))
    found, queue = [], list(roots)
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += children.get(pid, [])
    return found


def kill_tree(root):
    """Everything at once, as a power cut would: the root may not start more meanwhile."""
    os.kill(root, signal.SIGSTOP)
    pids = tree([root])
    for pid in reversed(pids):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    # A parent may be slow to bury them: a zombie holds no socket.
    kit.wait_until("the killed are dead", lambda: not any(is_alive(pid) for pid in pids))


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def cpu_secs(roots):
    """User and system time of the tree, with that of children that ended."""
    total = 0
    for pid in tree(roots):
        try:
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(fields[i]) for i in (11, 12, 13, 14))
    return total / TICK


def written_bytes(roots):
    """What the tree gave to write(2). `write_bytes` would count whole folios of the page cache."""
    total = 0
    for pid in tree(roots):
        try:
            with open(f"/proc/{pid}/io") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("wchar:"))
        except OSError:
            continue
    return total


def memory_bytes(roots):
    """Proportional set size: shared pages are counted once."""
    total = 0
    for pid in tree(roots):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += sum(int(line.split()[1]) << 10 for line in f if line.startswith("Pss:"))
        except OSError:
            continue
    return total


def wait_port(port, line=True):
    """Until the server greets there."""
    def answers():
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as s:
                s.settimeout(2)
                return not line or s.recv(100)
        except OSError:
            return False
    kit.wait_until(f"port {port} answers", answers, secs=30, every=0.002)


# ---- where mail for outside goes ----

class Sink:
    """Postfix's smtp-sink(1): takes mail as fast as it comes and keeps none."""

    domain = "sink.example"

    def __init__(self):
        self.port = harness.free_ports(1)[0]
        self.process = None

    def start(self):
        self.counts = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            ["/usr/sbin/smtp-sink", "-u", "nobody", "-c", f"127.0.0.1:{self.port}", "1000"],
            stdin=subprocess.DEVNULL, stdout=self.counts, stderr=subprocess.DEVNULL)
        wait_port(self.port)

    def messages(self):
        """How many it has taken; it tells after each."""
        self.counts.seek(max(0, self.counts.seek(0, os.SEEK_END) - 200))
        found = re.findall(rb"mesg=(\d+)", self.counts.read())
        return int(found[-1]) if found else 0

    def stop(self):
        self.process.terminate()
        self.process.wait()


# ---- congvu ----

class Congvu:
    def __init__(self, with_filter, sink=None):
        self.name = "congvu+filter" if with_filter else "congvu"
        self.domain = harness.DOMAIN
        self.login = "u#@" + self.domain
        self.password = PASSWORD
        self.p = kit.Province(
            filter=with_filter, main={"log_level": "warn"},
            smtpd={"max_conns_per_ip": "0", "workers": "0", "rate_messages_account": "0",
                   "rate_rcpts_account": "0", "send_messages_day": "0",
                   "send_rcpts_day": "0", "send_first_time_day": "0", "send_burst": "0",
                   **({"smarthost": f"127.0.0.1:{sink.port}", "allow_loopback_targets": "yes"}
                      if sink else {})},
            imapd={"workers": "0", "cache": "256M", "plain_login_networks": "127.0.0.0/8",
                   "max_conns_per_user": "10000"})

    def start(self):
        self.p.start()
        for i in range(USERS):
            self.p.ask("imapd", "account.add", address=f"u{i:05d}@{self.domain}",
                       name="Nguyễn Văn Đo", password=PASSWORD, allow_weak=True, quota=1 << 36)
        self.p.refresh()
        port = self.p.port
        self.mx = self.deliver = port["mx"]
        self.submission, self.imap, self.imaps = port["submission"], port["imap"], port["imaps"]

    def all_pids(self):
        return [d.process.pid for d in self.p.daemons.values()]

    def imap_pids(self):
        return [self.p.daemons["imapd"].process.pid]

    def stored_bytes(self):
        """Rows and bodies, but for what is the same however much mail there is: log, ballast, and
        the zeros ahead of the newest body, which go when the daemon ends."""
        self.p.daemons["imapd"].stop()
        mail = os.path.join(self.p.dir, "mail")
        total = disk_bytes(mail + "/bodies") + sum(
            os.stat(name).st_blocks * 512 for name in glob.glob(mail + "/rows/*.db"))
        self.p.daemons["imapd"].start()
        return total

    def more_users(self, count):
        """Accounts up to number COUNT."""
        for i in range(USERS, count):
            self.p.ask("imapd", "account.add", address=f"u{i:05d}@{self.domain}",
                       name="Nguyễn Văn Đo", password=PASSWORD, allow_weak=True)
        self.p.refresh()

    def fresh(self):
        """The store's owner as it is after its start: memory of earlier work is not reused."""
        self.p.daemons["imapd"].stop()
        self.p.daemons["imapd"].start()

    def use_index(self, is_on):
        """The search index, from the next search on."""
        with open(self.p.conf, encoding="utf-8") as f:
            text = re.sub(r"\[imapd\]\n(search_index = \w+\n)?",
                          f"[imapd]\nsearch_index = {'yes' if is_on else 'no'}\n", f.read())
        with open(self.p.conf, "w", encoding="utf-8") as f:
            f.write(text)
        os.kill(self.p.daemons["imapd"].process.pid, signal.SIGHUP)
        time.sleep(1)

    def drain(self):
        kit.wait_until("congvu's queue is empty",
                       lambda: self.p.ask("smtpd", "status")["queue_messages"] == 0)

    def kill_and_restart(self):
        """Seconds from the kill of everything to the first greeting of each port."""
        for daemon in self.p.daemons.values():
            daemon.kill()
        began = time.monotonic()
        for daemon in self.p.daemons.values():
            daemon.start()
        wait_port(self.imap)
        wait_port(self.mx)
        return time.monotonic() - began

    def stop(self):
        self.p.stop()


# ---- Postfix and Dovecot ----

DOVECOT = """base_dir = {dir}/run
state_dir = {dir}/state
instance_name = bench-{name}
log_path = {dir}/log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_format = %n
mail_location = {location}
mail_uid = {vmail}
mail_gid = {vmail}
first_valid_uid = 100
mail_max_userip_connections = 100000
default_client_limit = 20000
default_process_limit = 8000
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = static
  args = password={{PLAIN}}{password}
}}
userdb {{
  driver = static
  args = uid={vmail} gid={vmail} home={dir}/mail/%n allow_all_users=yes
}}
service imap-login {{
  service_count = 0
  process_min_avail = 2
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 8000
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
  unix_listener lmtp {{
    mode = 0666
  }}
}}
service auth {{
  unix_listener auth-postfix {{
    mode = 0666
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""


ZSTD = """mail_plugins = $mail_plugins zlib
plugin {
  zlib_save = zstd
}
"""


def disk_bytes(path):
    """Blocks that the files below PATH take."""
    total = 0
    for folder, _, files in os.walk(path):
        total += sum(os.lstat(os.path.join(folder, name)).st_blocks * 512 for name in files)
    return total


class Dovecot:
    def __init__(self, name, location, folder, more=""):
        self.name = "dovecot-" + name
        self.dir = os.path.join(folder, name)
        self.login, self.password = "u#", PASSWORD
        self.imap, self.imaps, self.deliver = harness.free_ports(3)
        os.makedirs(self.dir)
        os.mkdir(self.dir + "/mail")
        os.chown(self.dir + "/mail", VMAIL, VMAIL)
        self.conf = self.dir + "/dovecot.conf"
        with open(self.conf, "w") as f:
            f.write(DOVECOT.format(
                name=name, dir=self.dir, cert=folder + "/cert.pem", key=folder + "/key.pem",
                location=location, vmail=VMAIL, password=PASSWORD, imap=self.imap,
                imaps=self.imaps, lmtp=self.deliver) + more)
        self.process = None

    def stored_bytes(self):
        return disk_bytes(self.dir + "/mail")

    def start(self):
        self.process = subprocess.Popen(["/usr/sbin/dovecot", "-F", "-c", self.conf],
                                        stdin=subprocess.DEVNULL, start_new_session=True,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_port(self.imap)
            wait_port(self.deliver)
        except kit.Failure as fault:
            with open(self.dir + "/log", errors="replace") as f:
                raise kit.Failure(fault, f.read()[-2000:]) from None

    def imap_pids(self):
        return [self.process.pid]

    def kill_and_restart(self):
        kill_tree(self.process.pid)
        self.process.wait()
        began = time.monotonic()
        self.start()
        return time.monotonic() - began

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()


MAIN_CF = """compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = {dir}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {dir}/log
maillog_file_prefixes = /tmp
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.bench.test
mydestination =
mynetworks = 127.0.0.0/8
disable_dns_lookups = yes
{relayhost}
smtpd_peername_lookup = no
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = mdbox.test, maildir.test, virtual.test
virtual_mailbox_base = {dir}/virtual
virtual_mailbox_maps = texthash:{dir}/etc/boxes
virtual_uid_maps = static:{vmail}
virtual_gid_maps = static:{vmail}
virtual_minimum_uid = 100
transport_maps = regexp:{dir}/etc/transport
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
# What a busy store put off is tried again soon, not after five minutes.
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
smtpd_sasl_type = dovecot
smtpd_sasl_path = {mdbox}/run/auth-postfix
"""

# The services that take, queue and deliver mail; chroot is off as nothing is prepared for it.
MASTER_CF = """{mx} inet n - n - - smtpd
{submission} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """One Postfix; the recipient's domain chooses how it delivers."""

    def __init__(self, folder, mdbox, maildir, sink):
        self.dir = os.path.join(folder, "postfix")
        self.mdbox, self.maildir = mdbox, maildir
        self.mx, self.submission = harness.free_ports(2)
        for name in ("", "/etc", "/spool", "/data", "/virtual"):
            os.makedirs(self.dir + name, exist_ok=True)
        os.chown(self.dir + "/virtual", VMAIL, VMAIL)
        shutil.chown(self.dir + "/data", "postfix")
        self.write("main.cf", MAIN_CF.format(
            dir=self.dir, vmail=VMAIL, mdbox=mdbox.dir, cert=folder + "/cert.pem",
            key=folder + "/key.pem",
            relayhost=f"relayhost = [127.0.0.1]:{sink.port}" if sink else "relayhost ="))
        self.write("master.cf", MASTER_CF.format(mx=self.mx, submission=self.submission))
        self.write("boxes", "".join(
            f"u{i:05d}@{way}.test u{i:05d}/\n"
            for way in ("mdbox", "maildir", "virtual") for i in range(USERS)))
        self.write("transport", f"/@mdbox\\.test$/ lmtp:unix:{mdbox.dir}/run/lmtp\n"
                                f"/@maildir\\.test$/ lmtp:unix:{maildir.dir}/run/lmtp\n"
                                "/@virtual\\.test$/ virtual:\n")
        # Some of its programs log after they gave up root.
        with open(self.dir + "/log", "w"):
            os.chmod(self.dir + "/log", 0o666)
        self.pid = None

    def write(self, name, text):
        with open(os.path.join(self.dir, "etc", name), "w") as f:
            f.write(text)

    def start(self):
        kit.run(["/usr/sbin/postfix", "-c", self.dir + "/etc", "start"], timeout=60)
        pid_file = self.dir + "/spool/pid/master.pid"

        def master():
            with open(pid_file) as f:
                return int(f.read().split()[0])
        self.pid = kit.wait_until("Postfix runs", lambda: os.path.exists(pid_file) and master())
        wait_port(self.mx)

    def kill_and_restart(self):
        kill_tree(self.pid)
        began = time.monotonic()
        self.start()
        return time.monotonic() - began

    def drain(self):
        def is_empty():
            for name in ("maildrop", "incoming", "active", "deferred"):
                for _, _, files in os.walk(os.path.join(self.dir, "spool", name)):
                    if files:
                        return False
            return True
        try:
            kit.wait_until("Postfix's queue is empty", is_empty, secs=60, every=0.005)
        except kit.Failure:
            # The time it took is in the rate; the run goes on.
            with open(self.dir + "/log", errors="replace") as f:
                put_off = [line for line in f if "status=deferred" in line]
            print("  ! Postfix's queue is not empty after 60 s:", *put_off[-1:], flush=True)

    def stop(self):
        with open(self.dir + "/log", errors="replace") as f:
            bounced = [line for line in f if "status=bounced" in line]
        if bounced:
            print(f"! Postfix returned {len(bounced)} messages: its figures are wrong:", bounced[0])
        if self.pid and is_alive(self.pid):
            os.kill(self.pid, signal.SIGTERM)
            kit.wait_until("Postfix stops", lambda: not is_alive(self.pid))


class Way:
    """Postfix with one way of delivering, measured like a server of its own."""

    def __init__(self, postfix, name, store):
        self.name = "postfix+" + name
        self.domain = name + ".test"
        self.password = PASSWORD
        self.postfix, self.store = postfix, store
        self.mx, self.submission = postfix.mx, postfix.submission

    def all_pids(self):
        return [self.postfix.pid] + (self.store.imap_pids() if self.store else [])

    def drain(self):
        self.postfix.drain()


class Peers:
    def __init__(self, sink=None):
        self.dir = tempfile.mkdtemp(prefix="congvu-bench-", dir="/tmp")
        os.chmod(self.dir, 0o755)
        kit.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-days", "30", "-subj", "/CN=mail.bench.test",
                 "-keyout", self.dir + "/key.pem", "-out", self.dir + "/cert.pem"])
        self.mdbox = Dovecot("mdbox", "mdbox:~/mdbox", self.dir)
        self.maildir = Dovecot("maildir", "maildir:~/Maildir", self.dir)
        self.postfix = Postfix(self.dir, self.mdbox, self.maildir, sink)
        self.ways = {name: Way(self.postfix, name, store) for name, store in (
            ("mdbox", self.mdbox), ("maildir", self.maildir), ("virtual", None))}
        self.running = []

    def start(self):
        for server in (self.mdbox, self.maildir, self.postfix):
            self.running.append(server)
            server.start()

    def stop(self):
        while self.running:
            try:
                self.running.pop().stop()
            except (kit.Failure, OSError) as fault:
                print("!", fault)
        shutil.rmtree(self.dir, ignore_errors=True)
