#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The directory sent to web servers: plain PUT, WebDAV as nginx does it, SFTP as OpenSSH does it (DIR-01)."""
import os
import pwd
import shutil
import socket
import subprocess
import time

from directory_kit import PASSWORD, USER, Congvu, Server, check, finish, need, province, tree
from ports import free_port

NGINX_MODULES = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so"


def wait_for(port, process):
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.1)
    return False


def dir_01_plain_http_gets_what_changed_and_nothing_else(c, folder):
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


def dir_01_https_is_checked_and_secrets_are_files(c, folder):
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


# ---- WebDAV ----

def nginx(c, remote, port, keys):
    conf = os.path.join(c.dir, "nginx.conf")
    log = os.path.join(c.dir, "nginx.log")
    auth = os.path.join(c.dir, "nginx.auth")
    hashed = subprocess.run(["openssl", "passwd", "-apr1", "-stdin"], input=PASSWORD, capture_output=True,
                            text=True, check=True).stdout.strip()
    with open(auth, "w", encoding="utf-8") as f:
        f.write(f"{USER}:{hashed}\n")
    with open(conf, "w", encoding="utf-8") as f:
        f.write(f"""daemon off; master_process off; worker_processes 1; user root;
load_module {NGINX_MODULES};
pid {c.dir}/nginx.pid; error_log {log}.err;
events {{}}
http {{
  access_log {log}; client_body_temp_path {c.dir}/body;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {keys}/server.pem; ssl_certificate_key {keys}/server.key;
    location /danhba/ {{
      alias {remote}/; client_max_body_size 100m;
      dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS;
      auth_basic "danh ba"; auth_basic_user_file {auth};
    }}
  }}
}}
""")
    process = subprocess.Popen(["nginx", "-c", conf], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    check("nginx listens", wait_for(port, process))
    return process, log


def dir_01_webdav_puts_beside_and_moves(c, folder):
    remote = os.path.join(c.dir, "www-dav")
    os.mkdir(remote)
    keys = os.path.join(c.base, "keys")
    port = free_port()
    process, log = nginx(c, remote, port, keys)
    try:
        url = f"https://localhost:{port}/danhba/"
        answer = c.run("directory", "publish", "--push", url, "--json")
        check("WebDAV has what the folder has", answer.code == 0 and tree(remote) == tree(folder), answer)
        with open(log, encoding="utf-8") as f:
            lines = f.read().splitlines()
        check("nothing was put into its place directly",
              not [x for x in lines if '"PUT ' in x and ".moi HTTP" not in x], lines[:5])
        check("the manifest was moved last", '"MOVE /danhba/manifest.json.moi' in lines[-1], lines[-3:])
        answer = c.run("directory", "verify", url)
        check("what stands there verifies", answer.code == 0, answer)
        with open(log, "w", encoding="utf-8"):
            pass
        answer = c.run("directory", "publish", "--push", url, "--json")
        check("nothing new sends nothing", answer.json()["push"]["sent"] == 0, answer)
    finally:
        process.terminate()
        process.wait(60)


# ---- SFTP ----

def sshd(c, port):
    """internal-sftp alone, as the user that runs this, with keys made for it."""
    room = os.path.join(c.dir, "ssh")
    os.mkdir(room, 0o700)
    for name in ("host", "other", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-m", "PEM", "-N", "", "-f", f"{room}/{name}"],
                       check=True)
    shutil.copy(f"{room}/client.pub", f"{room}/authorized")
    os.makedirs("/run/sshd", exist_ok=True)
    with open(f"{room}/conf", "w", encoding="utf-8") as f:
        f.write(f"""Port {port}
ListenAddress 127.0.0.1
HostKey {room}/host
PidFile {room}/pid
AuthorizedKeysFile {room}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
Subsystem sftp internal-sftp
ForceCommand internal-sftp
""")
    process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", f"{room}/conf"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=open(f"{room}/log", "wb"))
    check("sshd listens", wait_for(port, process))
    return process, room


def known(room, name, port):
    with open(f"{room}/{name}.pub", encoding="utf-8") as f:
        kind, key = f.read().split()[:2]
    with open(f"{room}/known", "w", encoding="utf-8") as f:
        f.write(f"[127.0.0.1]:{port} {kind} {key}\n")


def dir_01_sftp_checks_the_host_key_and_replaces_files(c, folder):
    remote = os.path.join(c.dir, "www-ssh")
    os.mkdir(remote)
    port = free_port()
    process, room = sshd(c, port)
    try:
        url = f"sftp://127.0.0.1:{port}{remote}/"
        with open(os.path.join(c.dir, "push.auth"), "w", encoding="utf-8") as f:
            f.write(pwd.getpwuid(os.getuid()).pw_name + ":\n")
        answer = c.run("directory", "publish", "--push", url)
        check("without a list of keys nothing is sent", answer.code == 1 and "known_hosts" in answer.err, answer)
        c.set_option("admin", f"directory_push_key = {room}/client")
        c.set_option("admin", f"directory_push_known_hosts = {room}/known")
        known(room, "other", port)
        answer = c.run("directory", "publish", "--push", url)
        check("another host's key is refused", answer.code == 1 and not tree(remote), answer)
        known(room, "host", port)
        answer = c.run("directory", "publish", "--push", url, "--json")
        check("SFTP has what the folder has", answer.code == 0 and tree(remote) == tree(folder), answer)
        stp = [a for a in c.run("account", "list", "--agency", "stp", "--json").json()["accounts"]
               if a["kind"] == "person"]
        check("suspend", c.run("account", "suspend", stp[0]["address"]).code == 0)
        answer = c.run("directory", "publish", "--push", url, "--json")
        check("what changed replaces the old", answer.code == 0 and tree(remote) == tree(folder)
              and answer.json()["push"]["sent"] == 18, answer)
        # A page that cannot be removed there must not be forgotten: its people may have left.
        stuck = next(n for n in tree(remote) if n.startswith("donvi/") and "stp" not in n)
        os.rename(f"{remote}/{stuck}", f"{remote}/{stuck}.kept")
        os.mkdir(f"{remote}/{stuck}")
        answer = c.run("directory", "publish", "--agency", "stp", "--out", "stp-alone", "--push", url, "--json")
        check("what cannot be deleted is said", answer.code != 0, answer)
        os.rmdir(f"{remote}/{stuck}")
        os.rename(f"{remote}/{stuck}.kept", f"{remote}/{stuck}")
        answer = c.run("directory", "publish", "--agency", "stp", "--out", "stp-alone", "--push", url, "--json")
        check("what is no more is deleted", answer.code == 0 and tree(remote) == tree(f"{c.dir}/stp-alone"), answer)
    finally:
        process.terminate()
        process.wait(60)


def main():
    need("nginx", "openssl", "ssh-keygen")
    if not os.path.exists(NGINX_MODULES) or not os.path.exists("/usr/sbin/sshd"):
        need("libnginx-mod-http-dav-ext and openssh-server")
    c = Congvu()
    try:
        folder = province(c)
        check("publish", c.run("directory", "publish").code == 0)
        dir_01_plain_http_gets_what_changed_and_nothing_else(c, folder)
        dir_01_https_is_checked_and_secrets_are_files(c, folder)
        check("key", c.run("directory", "key").code == 0)
        dir_01_webdav_puts_beside_and_moves(c, folder)
        dir_01_sftp_checks_the_host_key_and_replaces_files(c, folder)
    finally:
        c.done()
    finish()


if __name__ == "__main__":
    main()
