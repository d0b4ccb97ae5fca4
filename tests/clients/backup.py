#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""`congvu backup`: made while mail arrives, verified, drilled, restored (BAK-01 to BAK-03)."""
import glob
import json
import os
import pwd
import random
import re
import shutil
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), HERE]
from kit import BUILD, Province, RawImap, expect, run_tests  # noqa: E402

PASSPHRASE = "mot mat khau rat dai cho ban sao luu"


def congvu(p, *words, code=0, lang="en", env=None):
    done = subprocess.run(
        [os.path.join(BUILD, "bin", "congvu"), "--lang", lang, "--conf", p.conf, *words],
        capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, "ASAN_OPTIONS": "exitcode=99", **(env or {})})
    allowed = code if isinstance(code, tuple) else (code,)
    expect(done.returncode in allowed, words, done.returncode, done.stdout, done.stderr)
    expect("Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr)
    return done


def backup(p, verb, *words, **more):
    """The command's answer as JSON; those that open a backup get the operator's key."""
    if verb in ("restore", "drill", "show"):
        words += ("--key", p.key, "--passphrase-file", p.passphrase)
    done = congvu(p, "backup", verb, *words, "--json", **more)
    return json.loads(done.stdout) if done.stdout.startswith("{") else done


def equip(p, targets, **options):
    """Targets and keys for a province."""
    with open(p.conf, "a", encoding="utf-8") as f:
        f.write("\n[admin]\nbackup_targets = " + " ".join(targets) + "\n")
        for name, value in options.items():
            f.write(f"{name} = {value}\n")
    p.key, p.passphrase = os.path.join(p.dir, "operator.key"), os.path.join(p.dir, "passphrase")
    with open(p.passphrase, "w", encoding="utf-8") as f:
        f.write(PASSPHRASE + "\n")
    os.chmod(p.passphrase, 0o600)
    congvu(p, "backup", "key", "--out", p.key, "--passphrase-file", p.passphrase)
    text = open(p.key, encoding="ascii").read()
    shown = json.loads(congvu(p, "backup", "key", "--show", p.key, "--json").stdout)
    expect(shown["text"] == text and "▀" in shown["code"], shown)
    expect(text.startswith("congvu-backup-key 1\n") and os.stat(p.key).st_mode & 0o77 == 0, text)


def disk(p, name="disk"):
    path = os.path.join(p.dir, "target-" + name)
    os.makedirs(path, exist_ok=True)
    return f"{name}=file:{path}", path


def fill(c, count, mailbox="INBOX", flags="(\\Flagged $Label1)", size=500, first=0):
    for i in range(first, first + count):
        body = b"From: a@bo.example\r\nMessage-ID: <%d.%s@bo.example>\r\nSubject: thu %d\r\n\r\n%s\r\n" % (
            i, mailbox.encode(), i, random.Random(i).randbytes(size).hex().encode())
        answer = c.append(mailbox, body, flags)
        expect(answer.startswith(b"OK"), answer)


def count(p, user, mailbox="INBOX"):
    c = RawImap(p, user)
    lines = c.cmd(f'STATUS "{mailbox}" (MESSAGES)')
    c.close()
    return int(b"".join(lines).split(b"MESSAGES ")[1].split(b")")[0])


def files_of(path):
    return sorted(f for f in glob.glob(path + "/**", recursive=True) if os.path.isfile(f))


def other_machine(p):
    """A configuration for an empty machine with another name: only the target and the key."""
    base = os.path.join(p.dir, "machine-two")
    os.makedirs(base + "/run")
    conf = os.path.join(base, "congvu.conf")
    with open(p.conf, encoding="utf-8") as f:
        text = f.read()
    with open(conf, "w", encoding="utf-8") as f:
        text = text.replace(p.dir + "\n", base + "\n", 1)
        f.write(re.sub("(?m)^hostname *=.*", "hostname = mail-hai.lamgiang.example", text))
    return base, conf


def bak_01_backup_runs_while_mail_arrives_and_is_incremental():
    with Province(filter=False) as p:
        place, path = disk(p)
        equip(p, [place])
        an = p.user("an")
        c = RawImap(p, an)
        fill(c, 50, size=3000)
        stop = threading.Event()

        def arrive():
            mine, i = RawImap(p, an), 1000
            while not stop.is_set():
                fill(mine, 1, first=i)
                i += 1
            mine.close()

        writer = threading.Thread(target=arrive)
        writer.start()
        try:
            first = backup(p, "run")["targets"]["disk"]
            backup(p, "run")
        finally:
            stop.set()
            writer.join()
        expect(first["good"] > 0 and first["error"] == "", first)
        quiet = backup(p, "run")["targets"]["disk"]
        again = backup(p, "run")["targets"]["disk"]
        expect(again["new_bytes"] < first["bytes"], again)
        expect(not os.path.exists(os.path.join(p.dir, "mail", "backup")), "the copy is left")
        expect(backup(p, "verify")["faults"] == 0)
        listed = backup(p, "list")["backups"]
        expect(len(listed) == 4 and all("fault" not in b for b in listed), listed)
        # Sealed: nothing of the mail or of a name can be read there.
        for name in files_of(path):
            data = open(name, "rb").read()
            expect(b"Subject: thu" not in data and b"hot.db" not in data, name)
        drill = backup(p, "drill")
        expect(drill["ok"] and drill["messages"] >= 50 and drill["faults"] == 0, drill)
        expect(os.path.exists(drill["record"]), drill)
        status = backup(p, "status")
        expect(status["drill"]["ok"] and status["targets"]["disk"]["backups"] == 4, status)
        expect(quiet["took_ms"] >= 0, quiet)


def bak_01_queue_statistics_keys_and_configuration_are_in_it():
    with Province() as p:
        place, _ = disk(p)
        equip(p, [place])
        p.user("an")
        # What an upgrade kept as links would come back as copies: twice the disk for a restore.
        os.makedirs(os.path.join(p.dir, "upgrade", "0.1.0-20261122T080000Z", "mail", "bodies"))
        with open(os.path.join(p.dir, "upgrade", "0.1.0-20261122T080000Z", "mail", "bodies", "1.vol"), "w",
                  encoding="ascii") as f:
            f.write("a volume")
        expect(backup(p, "run")["ok"])
        names = {f["path"] for f in backup(p, "show")["files"]}
        wanted = {"mail/rows/hot.db", "mail/bodies/catalog", "queue/rows/hot.db", "stats/rows/hot.db",
                  "base/keys/backup.pub", "base/register/register.snap", "base/register/register.secret",
                  "conf/congvu.conf"}
        if "stats/classifier/rows/hot.db" not in names:
            print("     (no classifier in this province)")
        expect(wanted <= names, sorted(wanted - names), sorted(names))
        expect(not [n for n in names if n.startswith(("base/run", "base/index", "base/mail", "base/backup",
                                                      "base/upgrade", "base/target"))], sorted(names))
        # Stopped programs are backed up as well.
        for daemon in p.daemons.values():
            daemon.stop()
        expect(backup(p, "run")["ok"])
        names = {f["path"] for f in backup(p, "show")["files"]}
        expect({"mail/rows/hot.db", "queue/rows/hot.db"} <= names, sorted(names))
        expect(not glob.glob(p.dir + "/*/backup/rows"), "a copy is left")
        for daemon in p.daemons.values():
            daemon.start()


def bak_01_one_file_that_cannot_be_read_does_not_cost_the_backup():
    """Certificates are links, files come and go, root leaves a folder of its own: mail is saved all the same."""
    with Province(filter=False) as p:
        place, path = disk(p)
        equip(p, [place])
        outside = os.path.join(p.dir + "-outside")
        os.makedirs(outside)
        try:
            for name in ("cert.pem", "holidays.txt"):
                with open(os.path.join(outside, name), "w", encoding="ascii") as f:
                    f.write("*-01-01\n")
            os.symlink("holidays.txt", os.path.join(outside, "link.txt"))
            with open(p.conf, "a", encoding="utf-8") as f:
                f.write(f"\n[congvu]\nholidays_file = {outside}/link.txt\n")
            expect(backup(p, "run")["ok"])
            names = {f["path"] for f in backup(p, "show")["files"]}
            expect(f"outside{outside}/link.txt" in names, sorted(names))
            if os.geteuid() == 0:
                # As the service's user, who may not read what root left.
                nobody = pwd.getpwnam("nobody")
                with open(p.conf, "a", encoding="utf-8") as f:
                    f.write("\n[congvu]\nuser = nobody\n")
                for daemon in p.daemons.values():
                    daemon.stop()
                for top in (p.dir, path):
                    os.chmod(top, 0o755)
                    for where, folders, files in os.walk(top):
                        for name in folders + files:
                            os.chown(os.path.join(where, name), nobody.pw_uid, nobody.pw_gid,
                                     follow_symlinks=False)
                    os.chown(top, nobody.pw_uid, nobody.pw_gid)
                os.mkdir(os.path.join(p.dir, "of-root"), 0o700)
                with open(os.path.join(p.dir, "of-root-too"), "w", encoding="ascii") as f:
                    os.chmod(f.fileno(), 0o600)
                os.chmod(outside, 0o755)
                done = congvu(p, "backup", "run", "--json", code=2)
                row = json.loads(done.stdout)["targets"]["disk"]
                expect(row["unread"] == 2 and row["error"] == "" and "of-root" in row["unread_first"], row)
                expect("of-root" in done.stderr, done.stderr)
        finally:
            shutil.rmtree(outside)


def bak_02_keys_of_a_new_machine_do_not_swallow_the_old_ones():
    with Province(filter=False) as p:
        place, _ = disk(p)
        equip(p, [place])
        p.user("an")
        old = os.path.join(p.dir, "keys", "dkim-old.pem")
        for name, text in ((old, "old key"), (os.path.join(p.dir, "keys", "same.pem"), "the same")):
            with open(name, "w", encoding="ascii") as f:
                f.write(text)
        backup(p, "run")
        for daemon in p.daemons.values():
            daemon.kill()
        for name in ("mail", "queue"):
            shutil.rmtree(os.path.join(p.dir, name))
        with open(old, "w", encoding="ascii") as f:
            f.write("key that init made here")
        done = backup(p, "restore", "--all", "--yes")
        expect(open(old, encoding="ascii").read() == "key that init made here", "overwritten")
        aside = os.path.join(p.dir, "restored-files", "base", "keys", "dkim-old.pem")
        expect(done["aside"] >= 1 and open(aside, encoding="ascii").read() == "old key", done)
        expect(not os.path.exists(os.path.join(p.dir, "restored-files", "base", "keys", "same.pem")), done)


def bak_02_one_message_one_mailbox_one_account_come_back_and_nothing_doubles():
    with Province(filter=False) as p:
        place, _ = disk(p)
        equip(p, [place])
        an, binh = p.user("an"), p.user("binh")
        c = RawImap(p, an)
        fill(c, 10)
        c.cmd('CREATE "D&AfE- &AOE-n"')
        fill(c, 5, '"D&AfE- &AOE-n"', flags="(\\Seen)")
        other = RawImap(p, binh)
        fill(other, 3)
        before = [line for line in c.cmd("SELECT INBOX") and c.cmd("FETCH 1:10 (INTERNALDATE FLAGS)")
                  if b"FETCH" in line]
        backup(p, "run")
        c.cmd("SELECT INBOX")
        c.cmd("STORE 1:4 +FLAGS.SILENT (\\Deleted)")
        c.cmd("EXPUNGE")
        c.cmd('DELETE "D&AfE- &AOE-n"')
        fill(c, 1, first=77)

        dry = backup(p, "restore", "--account", an, "--mailbox", "INBOX", "--dry-run")
        expect(dry["messages"] == 4 and dry["there"] == 6 and dry["dry_run"], dry)
        one = backup(p, "restore", "--account", an, "--message", "2.INBOX@bo.example", "--mailbox",
                     "INBOX", "--into", "Khôi phục")
        expect(one["messages"] == 1 and count(p, an, "Kh&APQ-i ph&HuU-c") == 1, one)
        one = backup(p, "restore", "--account", an, "--message", "2.INBOX@bo.example", "--mailbox",
                     "INBOX", "--into", "Khôi phục")
        expect(one["messages"] == 0 and count(p, an, "Kh&APQ-i ph&HuU-c") == 1, one)
        done = backup(p, "restore", "--account", an, "--mailbox", "INBOX")
        expect(done["messages"] == 4 and count(p, an) == 11, done)
        done = backup(p, "restore", "--account", an)
        expect(done["messages"] == 5 and count(p, an, "D&AfE- &AOE-n") == 5, done)
        expect(backup(p, "restore", "--account", an)["messages"] == 0, "it doubled")
        c.cmd("SELECT INBOX")
        now = [line for line in c.cmd("FETCH 1:* (INTERNALDATE FLAGS)") if b"FETCH" in line]
        for line in before[:4]:
            what = line.split(b"INTERNALDATE")[1].split(b'"')[1]
            found = [n for n in now if what in n]
            expect(found and all(b"$Label1" in n and b"\\Flagged" in n for n in found[:1]), line, now)
        expect(backup(p, "restore", "--account", "nobody", code=1) is not None)
        expect(count(p, binh) == 3, "another's box was touched")
        p.check_store()


def bak_02_everything_comes_back_on_an_empty_machine():
    with Province(filter=False) as p:
        place, _ = disk(p)
        equip(p, [place])
        an = p.user("an")
        c = RawImap(p, an)
        fill(c, 20)
        c.cmd("SELECT INBOX")
        uidvalidity = [line for line in c.cmd("STATUS INBOX (UIDVALIDITY UIDNEXT)")]
        backup(p, "run")
        fill(c, 3, first=500)  # seen by clients, then lost
        c.close()
        backup(p, "restore", "--all", "--yes", code=1)  # a store is in the way
        for daemon in p.daemons.values():
            daemon.kill()
        for name in ("mail", "queue", "register", "keys"):
            shutil.rmtree(os.path.join(p.dir, name))
        done = backup(p, "restore", "--all", "--yes")
        expect(done["messages"] == 20 and done["faults"] == 0, done)
        expect(os.path.isdir(done["queue"]) and os.path.exists(os.path.join(p.dir, "keys", "backup.pub")),
               done)
        for daemon in p.daemons.values():
            daemon.start()
        expect(count(p, an) == 20, "messages")
        c = RawImap(p, an)
        now = c.cmd("STATUS INBOX (UIDVALIDITY UIDNEXT)")
        def number(lines, word):
            return int(b"".join(lines).split(word + b" ")[1].replace(b")", b" ").split()[0])
        expect(number(now, b"UIDVALIDITY") > number(uidvalidity, b"UIDVALIDITY"), now, uidvalidity)
        expect(number(now, b"UIDNEXT") > number(uidvalidity, b"UIDNEXT") + 3, now)
        c.cmd("CREATE Moi")
        fill(c, 1, "Moi")
        p.check_store()
        # It is the same the next time it is opened, and a backup goes on with the chain.
        c.close()
        p.daemons["imapd"].stop()
        p.daemons["imapd"].start()
        c = RawImap(p, an)
        expect(number(c.cmd("STATUS INBOX (UIDVALIDITY)"), b"UIDVALIDITY") == number(now, b"UIDVALIDITY"))
        c.close()
        expect(backup(p, "run")["targets"]["disk"]["error"] == "")
        expect(backup(p, "verify")["faults"] == 0)


def bak_02_another_machine_with_another_name_takes_over():
    with Province(filter=False) as p:
        place, _ = disk(p)
        equip(p, [place])
        an = p.user("an")
        c = RawImap(p, an)
        fill(c, 10)
        c.close()
        backup(p, "run")
        base, conf = other_machine(p)
        mine, p.conf = p.conf, conf
        dry = backup(p, "restore", "--all", "--dry-run")
        expect(dry["dry_run"] and dry["bytes"] > 0 and not os.path.exists(base + "/mail/rows"), dry)
        done = backup(p, "restore", "--all", "--yes")
        expect(done["messages"] == 10 and done["mail"] == os.path.join(base, "mail"), done)
        checked = congvu(p, "store", "check", "--bodies", "--json")
        expect(json.loads(checked.stdout)["messages"] == 10, checked.stdout)
        listed = json.loads(congvu(p, "account", "list", "--json").stdout)
        expect(an in [a["address"] for a in listed["accounts"]], listed)
        old = os.path.join(base, "restored-files", "conf", "congvu.conf")
        expect(os.path.exists(old), "the old configuration is not beside the new one")
        p.conf = mine
        expect(count(p, an) == 10, "the first machine was touched")


def bak_02_what_was_put_in_place_is_on_disk_before_it_is_done():
    with Province(filter=False) as p:
        place, path = disk(p)
        equip(p, [place])
        p.user("an")
        backup(p, "run")
        for daemon in p.daemons.values():
            daemon.kill()
        base, p.conf = other_machine(p)
        # Whichever folder cannot be synced: that restore is not done. At last none is left to fail.
        for at in range(1, 200, 4):
            for name in ("mail", "stats", "queue-restored", "keys"):
                shutil.rmtree(os.path.join(base, name), ignore_errors=True)
            done = backup(p, "restore", "--all", "--yes", code=(0, 69),
                          env={"CONGVU_FAIL": f"backup.sync_folder:EIO:{at}"})
            if done["ok"]:
                break
            expect("cannot sync" in done["error"] and base in done["error"], done)
        expect(done["ok"] and at > 8, at, done)
        # A target's folder that cannot be read to its end is not a whole list.
        n = len(files_of(path))
        for verb in ("prune", "verify"):
            backup(p, verb, code=(1, 69), env={"CONGVU_FAIL": "backup.list:EIO:2:0"})
        expect(len(files_of(path)) == n, files_of(path))


def bak_01_retention_keeps_days_and_months():
    with Province(filter=False) as p:
        place, path = disk(p)
        equip(p, [place], backup_keep_daily=3, backup_keep_monthly=2)
        p.user("an")
        today = time.time() // 86400 * 86400 + 43200
        shifts = [0, 1, 2, 3, 4, 40, 41, 75, 76, 77]
        for day in shifts:
            shift = {"CONGVU_CLOCK_SHIFT": str(int(today + day * 86400 - time.time()))}
            expect(backup(p, "run", env=shift)["ok"])
        days = [time.strftime("%Y%m%d", time.gmtime(today + d * 86400)) for d in shifts]
        months = sorted({d[:6] for d in days})[-2:]
        wanted = set(days[-3:]) | {max(d for d in days if d.startswith(m)) for m in months}
        kept = {b["backup"][:8] for b in backup(p, "list")["backups"]}
        expect(kept == wanted, kept, wanted)
        expect(backup(p, "verify")["faults"] == 0)
        expect(backup(p, "drill", "--backup", sorted(kept)[0])["ok"])
        expect(len([n for n in files_of(path) if "/manifests/" in n]) == len(wanted), files_of(path))


def bak_03_a_flipped_octet_in_any_file_is_found():
    with Province(filter=False) as p:
        place, path = disk(p)
        equip(p, [place])
        an = p.user("an")
        c = RawImap(p, an)
        fill(c, 20)
        backup(p, "run")
        fill(c, 5, first=100)
        backup(p, "run")
        c.close()
        expect(backup(p, "verify")["faults"] == 0)
        rng = random.Random(7)
        names = files_of(path)
        expect(len(names) >= 6, names)
        for name in names:
            good = open(name, "rb").read()
            for at in sorted({0, len(good) - 1, rng.randrange(len(good))}):
                bad = bytearray(good)
                bad[at] ^= 1 << rng.randrange(8)
                with open(name, "wb") as f:
                    f.write(bad)
                found = backup(p, "verify", code=1)
                expect(found["faults"] >= 1, name, at, found)
            with open(name, "wb") as f:
                f.write(good)
        expect(backup(p, "verify")["faults"] == 0)
        # Gone: a pack, and the newest backup (somebody turned the target back).
        for name in [n for n in names if "packs/" in n][:1] + [n for n in names if "manifests/" in n][-1:]:
            os.rename(name, p.dir + "/aside")
            expect(backup(p, "verify", code=1)["faults"] >= 1, name)
            os.rename(p.dir + "/aside", name)
        # With the key each chunk is opened.
        found = backup(p, "verify", "--key", p.key, "--passphrase-file", p.passphrase)
        expect(found["faults"] == 0, found)
        with open(p.passphrase, "w", encoding="utf-8") as f:
            f.write("khong phai mat khau do\n")
        expect("passphrase does not open" in congvu(p, "backup", "show", "--key", p.key,
               "--passphrase-file", p.passphrase, code=1).stderr)


if __name__ == "__main__":
    run_tests({"test_" + n: f for n, f in globals().items() if n.startswith("bak_")})
