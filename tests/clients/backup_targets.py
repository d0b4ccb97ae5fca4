#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""`congvu backup` to S3-compatible storage and by SFTP (OpenSSH), with faults on the way (BAK-01, BAK-03)."""
import getpass
import os
import random
import signal
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from backup import backup, congvu, count, disk, equip, fill, files_of  # noqa: E402
from kit import Province, RawImap, expect, need_program, run_tests, skip, wait_until  # noqa: E402
from ports import free_ports  # noqa: E402

try:
    from s3_server import S3
except ImportError:
    skip("python3-botocore is not installed")


class Sshd:
    """OpenSSH's server on loopback for the user of the test, with keys made now."""

    def __init__(self, folder):
        need_program("/usr/sbin/sshd")
        self.dir = os.path.join(folder, "sshd")
        os.mkdir(self.dir, 0o700)
        self.port = free_ports(1)[0]
        self.files = tempfile.mkdtemp(prefix="congvu-test-far-", dir="/tmp")  # not below base_dir
        for name in ("host", "client", "other"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(name)], check=True)
        with open(self.path("authorized"), "w", encoding="ascii") as f:
            f.write(open(self.path("client.pub"), encoding="ascii").read())
        with open(self.path("config"), "w", encoding="ascii") as f:
            f.write(f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.path('host')}\n"
                    f"AuthorizedKeysFile {self.path('authorized')}\nPidFile none\nStrictModes no\n"
                    "UsePAM no\nPasswordAuthentication no\nSubsystem sftp internal-sftp\n")
        self.known("host")
        self.process = None
        self.start()

    def path(self, name):
        return os.path.join(self.dir, name)

    def known(self, key):
        kind, text = open(self.path(key + ".pub"), encoding="ascii").read().split()[:2]
        with open(self.path("known_hosts"), "w", encoding="ascii") as f:
            f.write(f"[127.0.0.1]:{self.port} {kind} {text}\n")

    def start(self):
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", self.path("config")],
                                        stderr=open(self.path("log"), "a", encoding="utf-8"))
        wait_until("sshd listens", lambda: "listening" in open(self.path("log"), encoding="utf-8").read())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    def target(self, name="far"):
        return (f"{name}=sftp://{getpass.getuser()}@127.0.0.1:{self.port}{self.files},"
                f"key={self.path('client')},known-hosts={self.path('known_hosts')}")


def round_trip(p, name, user):
    first = backup(p, "run", "--target", name)["targets"][name]
    expect(first["error"] == "" and first["new_bytes"] > 10000, first)
    c = RawImap(p, user)
    fill(c, 5, first=900)
    c.close()
    second = backup(p, "run", "--target", name)["targets"][name]
    expect(second["new_bytes"] < first["new_bytes"], first, second)
    expect(backup(p, "verify", "--target", name)["faults"] == 0)
    drill = backup(p, "drill", "--target", name)
    expect(drill["ok"], drill)
    listed = backup(p, "list", "--target", name)["backups"]
    expect(len(listed) == 2, listed)
    one = backup(p, "restore", "--target", name, "--account", user, "--into", "Lai")
    expect(one["messages"] == 0 and one["there"] > 0, one)
    c = RawImap(p, user)
    c.cmd("SELECT INBOX")
    c.cmd("STORE 1:3 +FLAGS.SILENT (\\Deleted)")
    c.cmd("EXPUNGE")
    c.close()
    one = backup(p, "restore", "--target", name, "--account", user)
    expect(one["messages"] == 3, one)


def bak_01_s3_compatible_storage_takes_signed_objects_and_faults_are_tried_again():
    server = S3()
    with Province(filter=False) as p:
        equip(p, [server.target(p.dir)])
        an = p.user("an")
        c = RawImap(p, an)
        fill(c, 60, size=40000)
        c.close()
        server.fail_every = 5
        round_trip(p, "s3", an)
        expect(server.failed > 5 and not server.faults, server.failed, server.faults)
        expect(all(k.startswith("tinh/lam-giang/") for k in server.objects), list(server.objects))
        server.fail_every = 0
        # A flipped octet in any object.
        for key in sorted(server.objects):
            good = server.objects[key]
            bad = bytearray(good)
            bad[random.Random(key).randrange(len(bad))] ^= 4
            server.objects[key] = bytes(bad)
            expect(backup(p, "verify", code=1)["faults"] >= 1, key)
            server.objects[key] = good
        # The storage goes away, fills up, and comes back.
        server.full = True
        failed = backup(p, "run", code=1)
        expect("507" in failed["targets"]["s3"]["error"], failed)
        server.full, server.gone = False, True
        failed = backup(p, "run", code=1)
        expect(failed["targets"]["s3"]["error"], failed)
        expect(backup(p, "status")["targets"]["s3"]["error"], "status says nothing")
        server.gone = False
        expect(backup(p, "run")["targets"]["s3"]["error"] == "")
        expect(backup(p, "verify")["faults"] == 0)
        # A wrong secret is said, not tried again.
        with open(p.dir + "/s3.credentials", "w", encoding="ascii") as f:
            f.write("AKIDCONGVU:khac\n")
        failed = backup(p, "run", code=1)["targets"]["s3"]["error"]
        expect("403" in failed and "khac" not in failed and "bi-mat" not in failed, failed)
        expect(server.faults, "the server takes anything")


def bak_03_an_append_only_target_is_never_asked_to_remove():
    server = S3()
    server.locked = True
    with Province(filter=False) as p:
        equip(p, [server.target(p.dir, more=",append-only=yes")], backup_keep_daily=1, backup_keep_monthly=0)
        p.user("an")
        for _ in range(3):
            expect(backup(p, "run")["targets"]["s3"]["error"] == "")
        done = congvu(p, "backup", "prune", code=1)
        expect("append-only" in done.stderr, done.stderr)
        expect(not server.refused or all(r[1] == "NoSuchKey" for r in server.refused), server.refused)
        expect(backup(p, "list")["backups"].__len__() == 3)
        expect(backup(p, "verify")["faults"] == 0)


def bak_01_three_copies_of_which_one_is_by_sftp_and_a_lost_one_fails_alone():
    server = S3()
    with Province(filter=False) as p:
        sshd = Sshd(p.dir)
        try:
            place, path = disk(p)
            equip(p, [place, server.target(p.dir), sshd.target()])
            an = p.user("an")
            c = RawImap(p, an)
            fill(c, 60, size=40000)
            c.close()
            round_trip(p, "far", an)
            done = backup(p, "run")
            expect(done["ok"] and set(done["targets"]) == {"disk", "s3", "far"}, done)
            names = files_of(sshd.files)
            expect(not [n for n in names if n.endswith(".part")], names)
            bad = bytearray(open(names[-1], "rb").read())
            bad[-1] ^= 1
            with open(names[-1], "wb") as f:
                f.write(bad)
            expect(backup(p, "verify", "--target", "far", code=1)["faults"] >= 1)
            bad[-1] ^= 1
            with open(names[-1], "wb") as f:
                f.write(bad)
            # Another machine answers in its place: its key is not the one we know.
            sshd.known("other")
            done = backup(p, "run", code=2)
            expect(done["targets"]["far"]["error"] and not done["targets"]["disk"]["error"], done)
            sshd.known("host")
            sshd.stop()
            done = backup(p, "run", code=2)
            expect(done["targets"]["far"]["error"] and not done["targets"]["s3"]["error"], done)
            sshd.start()
            # The disk is not mounted: an empty folder, or none, is not written to.
            os.rename(path, path + ".away")
            done = backup(p, "run", code=2)
            expect("mounted" in done["targets"]["disk"]["error"], done)
            os.mkdir(path)
            done = backup(p, "run", code=2)
            expect("mounted" in done["targets"]["disk"]["error"] and not os.listdir(path), done)
            os.rmdir(path)
            os.rename(path + ".away", path)
            expect(backup(p, "run")["ok"] and backup(p, "verify")["faults"] == 0)
        finally:
            sshd.stop()
            shutil.rmtree(sshd.files)


if __name__ == "__main__":
    mine = {n: f for n, f in globals().items() if n.startswith("bak_")}
    run_tests({"test_" + n: f for n, f in mine.items()})
