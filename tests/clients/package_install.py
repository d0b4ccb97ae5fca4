#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""What `cmake --install` puts on a machine, and what the Debian package does with it: files in their places,
the five questions of `congvu init`, the list of components, the scripts of the package, versions there and
back (OPS-02, OSS-01, SEC-06)."""
import glob
import hashlib
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("CONGVU_BUILD") or sys.argv[1]


def run(*words, env=None, expect=0, **how):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
                          env={**os.environ, **(env or {})}, **how)
    assert expect is None or done.returncode == expect, (words, done.returncode, done.stdout)
    return done.stdout


def install(root):
    run("cmake", "--install", BUILD, "--prefix", "/usr", env={"DESTDIR": root})


def oss_01_a_plain_install_puts_everything_in_its_place(root):
    install(root)
    for path in ("usr/bin/congvu", "usr/libexec/congvu/congvu", "usr/libexec/congvu/congvu-smtpd",
                 "usr/libexec/congvu/congvu-imapd", "usr/libexec/congvu/congvu-spamfilter",
                 "usr/libexec/congvu/congvu-extract", "usr/share/man/man1/congvu.1",
                 "usr/share/man/man5/congvu.conf.5", "usr/lib/systemd/system/congvu.service",
                 "usr/lib/sysusers.d/congvu.conf", "usr/lib/tmpfiles.d/congvu.conf",
                 "etc/logrotate.d/congvu", "usr/share/doc/congvu/LICENSE",
                 "usr/share/doc/congvu/examples/congvu.conf"):
        assert os.path.exists(os.path.join(root, path)), path
    assert os.readlink(os.path.join(root, "usr/bin/congvu")) == "../libexec/congvu/congvu"
    assert "congvu " in run(os.path.join(root, "usr/bin/congvu"), "--version")


def sec_01_the_unit_lets_the_daemons_put_walls_around_themselves(root):
    """Debian 12's @system-service has neither: without them no daemon starts under systemd."""
    with open(os.path.join(root, "usr/lib/systemd/system/congvu.service"), encoding="utf-8") as f:
        allowed = re.search("^SystemCallFilter=(.*)", f.read(), re.MULTILINE).group(1).split()
    for call in ("seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"):
        assert call in allowed, call


def sec_06_the_list_of_components_names_programs_and_libraries(root):
    with open(os.path.join(root, "usr/share/doc/congvu/sbom.spdx.json"), encoding="utf-8") as f:
        sbom = json.load(f)
    assert sbom["spdxVersion"] == "SPDX-2.3"
    names = {p["name"]: p for p in sbom["packages"]}
    for library in ("libdb5.3", "libssl3", "libspf2-2", "libetpan20", "libcurl3-gnutls", "libunbound8"):
        assert library in names, (library, sorted(names))
        assert names[library]["versionInfo"] and names[library]["externalRefs"][0]["referenceLocator"]
    ids = {x["SPDXID"] for x in sbom["packages"] + sbom["files"]} | {"SPDXRef-DOCUMENT"}
    assert all(r["spdxElementId"] in ids and r["relatedSpdxElement"] in ids for r in sbom["relationships"])
    for f in sbom["files"]:
        with open(os.path.join(BUILD, "bin", f["fileName"][2:]), "rb") as program:
            assert f["checksums"][0]["checksumValue"] == hashlib.sha256(program.read()).hexdigest()


def read_until(fd, word, seconds=60):
    text, end = "", time.time() + seconds
    while word not in text and time.time() < end:
        if select.select([fd], [], [], 1)[0]:
            try:
                piece = os.read(fd, 4096)
            except OSError:
                break
            if not piece:
                break
            text += piece.decode("utf-8", "replace")
    return text


def answer_the_questions(program, base, answers):
    """`congvu init` at a terminal. Returns what it said."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(CONGVU_LANG="en", CONGVU_CONF="")
        os.execv(program, [program, "init", "--base-dir", base, "--ports", "demo"])
    said = ""
    for i, (mark, answer) in enumerate(answers):
        said += read_until(fd, mark)
        assert mark in said, said
        os.write(fd, (answer + "\n").encode())
    said += read_until(fd, "dkim show")
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return os.waitstatus_to_exitcode(status), said


def ops_02_init_asks_five_questions_and_the_service_can_start(root, work):
    program = os.path.join(root, "usr/bin/congvu")
    base = os.path.join(work, "province")
    code, said = answer_the_questions(program, base, [
        ("1/5", "nodots"), ("not a whole domain", "lamgiang.example"), ("2/5", "Tỉnh Lam Giang"), ("3/5", ""),
        ("4/5", "10.20.0.0/16"), ("5/5", "")])
    assert code == 0, said
    conf = os.path.join(base, "congvu.conf")
    with open(conf, encoding="utf-8") as f:
        text = f.read()
    for line in ("default_domain = lamgiang.example", "hostname = mail.lamgiang.example",
                 "province = Tỉnh Lam Giang"):
        assert line in text, text
    assert re.search(r"inside_networks = .*10\.20\.0\.0/16", text)
    run(program, "--conf", conf, "config", "check")
    # Nobody at a terminal: no question, one sentence.
    out = run(program, "init", "--base-dir", base + "2", stdin=subprocess.DEVNULL, expect=1)
    assert "--domain" in out
    return program, conf


def ops_02_there_and_back_without_loss(program, conf):
    """A later version (its number in the file, its rows in the store) and this one, in turns."""
    base = os.path.dirname(conf)
    call = [program, "--conf", conf, "--lang", "en"]
    run(*call, "account", "add", "Trần Văn Nam", "--address", "nam@lamgiang.example")
    assert "can work on these data" in run(*call, "upgrade", "check")
    run(*call, "upgrade", "save")
    saved = json.loads(run(*call, "--json", "upgrade", "list"))["saved"]
    assert len(saved) == 1
    later = {"CONGVU_FORMAT": "2/1"}
    run(*call, "account", "add", "Lê Thị Lan", "--address", "lan@lamgiang.example", env=later)
    with open(os.path.join(base, "mail/format"), encoding="ascii") as f:
        assert f.read().startswith("congvu-store 2 1 ")
    for who in ("nam@lamgiang.example", "lan@lamgiang.example"):
        run(*call, "account", "show", who)  # this version again: nothing is lost
    breaking = {"CONGVU_FORMAT": "3/3"}
    run(*call, "account", "show", "lan@lamgiang.example", env=breaking)
    out = run(*call, "account", "show", "lan@lamgiang.example", expect=None)
    assert "install congvu" in out, out
    out = run(*call, "upgrade", "check", expect=1)
    assert "needs a program of format 3" in out, out
    # The way back: asks first, keeps what it takes away.
    out = run(*call, "upgrade", "restore", saved[0], stdin=subprocess.DEVNULL, expect=None)
    assert "--yes" in out, out
    run(*call, "upgrade", "restore", saved[0], "--yes")
    run(*call, "account", "show", "nam@lamgiang.example")
    run(*call, "account", "show", "lan@lamgiang.example", expect=1)
    assert os.path.exists(os.path.join(base, "upgrade", saved[0], "mail/format"))
    for name in ("../x", "0.1.0", "9-20260101T000000Z"):
        out = run(*call, "upgrade", "restore", name, "--yes", expect=1)
    for _ in range(2):
        time.sleep(1.1)
        run(*call, "upgrade", "save")
    assert len(json.loads(run(*call, "--json", "upgrade", "list"))["saved"]) == 2


def oss_02_the_debian_package_is_whole(work):
    """cpack with the programs of this build: what is in it and what its scripts do without systemd."""
    if not shutil.which("cpack") or not shutil.which("dpkg-deb"):
        return
    out = run("cpack", "-G", "DEB", "-B", work, "-D", "CPACK_DEBIAN_COMPRESSION_TYPE=none", cwd=BUILD)
    packages = glob.glob(os.path.join(work, "congvu_*.deb"))
    assert len(packages) == 1, out
    info = run("dpkg-deb", "--info", packages[0])
    assert "Package: congvu" in info and "libdb5.3" in info, info
    for script in ("preinst", "postinst", "prerm", "postrm"):
        assert re.search(rf"\b{script}\b", info), info
    names = run("dpkg-deb", "--contents", packages[0])
    assert "./usr/bin/congvu -> ../libexec/congvu/congvu" in names and "./etc/logrotate.d/congvu" in names
    for line in names.splitlines():
        assert line.split()[1] == "root/root", line
        assert line[0] == "l" or "w" not in line[5] + line[8], line
    for script in glob.glob(os.path.join(TREE, "conf/debian/p*")):
        run("sh", "-n", script)


def main():
    with tempfile.TemporaryDirectory(prefix="congvu-test-") as work:
        root = os.path.join(work, "root")
        oss_01_a_plain_install_puts_everything_in_its_place(root)
        sec_01_the_unit_lets_the_daemons_put_walls_around_themselves(root)
        sec_06_the_list_of_components_names_programs_and_libraries(root)
        program, conf = ops_02_init_asks_five_questions_and_the_service_can_start(root, work)
        ops_02_there_and_back_without_loss(program, conf)
        oss_02_the_debian_package_is_whole(work)
    print("ok")


main()
