#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""kill -9 at each step of a backup, a restore and a pruning, in the tool and in the daemon; a full disk.

After each: older backups verify, the next run is whole, nothing half is taken for a backup, the mail is unharmed."""
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "clients")]
from backup import backup, congvu, count, disk, equip, fill, files_of  # noqa: E402
from kit import Province, RawImap, expect, run_tests  # noqa: E402


def start(p):
    place, path = disk(p)
    equip(p, [place])
    an = p.user("an")
    c = RawImap(p, an)
    fill(c, 40, size=30000)
    c.close()
    return an, path


def sound(p, backups, messages):
    """What must hold after any death."""
    expect(backup(p, "verify")["faults"] == 0, "verify")
    expect(len(backup(p, "list")["backups"]) == backups, "a half backup is listed")
    drill = backup(p, "drill")
    expect(drill["ok"] and drill["messages"] == messages, drill)


def bak_01_a_backup_killed_at_any_step_harms_nothing():
    points = ["backup.put_object:1", "backup.object_put:1", "backup.put_object:2", "backup.rename:1",
              "backup.rename:2", "backup.rename:3", "backup.object_put:2", "backup.file:8", "backup.manifest:1"]
    with Province(filter=False) as p:
        an, path = start(p)
        done, messages = 0, 40
        for i, point in enumerate(points):
            congvu(p, "backup", "run", code=-9, env={"CONGVU_KILL": point})
            if done:
                sound(p, done, messages - 5)
            expect(backup(p, "run")["ok"])
            done += 1
            sound(p, done, messages)
            expect(not [f for f in files_of(path) if "/tmp/" in f[len(p.dir):]], point)
            c = RawImap(p, an)
            fill(c, 5, first=1000 + 10 * i, size=100)
            c.close()
            messages += 5
        # Behind the manifest it is a backup, whatever the tool could still say.
        congvu(p, "backup", "run", code=-9, env={"CONGVU_KILL": "backup.manifest_put:1"})
        sound(p, done + 1, messages)
        p.check_store()


def bak_01_a_daemon_killed_while_it_copies_harms_nothing():
    with Province(filter=False) as p:
        an, _ = start(p)
        expect(backup(p, "run")["ok"])
        imapd = p.daemons["imapd"]
        for point in ("backup.rows:1", "backup.bodies:1"):
            imapd.stop()
            imapd.start({"CONGVU_KILL": point})
            backup(p, "run", code=(1, 69))
            imapd.process.wait(30)
            imapd.killed = True
            imapd.start()
            sound(p, backup(p, "status")["targets"]["disk"]["backups"], 40)
            expect(count(p, an) == 40)
            p.check_store()
            expect(backup(p, "run")["ok"])
        # Restoring into it: what it had taken is there once.
        c = RawImap(p, an)
        c.cmd("SELECT INBOX")
        c.cmd("STORE 1:30 +FLAGS.SILENT (\\Deleted)")
        c.cmd("EXPUNGE")
        c.close()
        imapd.stop()
        imapd.start({"CONGVU_KILL": "backup.put:1"})
        backup(p, "restore", "--account", an, code=(1, 69))
        imapd.process.wait(30)
        imapd.killed = True
        imapd.start()
        backup(p, "restore", "--account", an)
        expect(count(p, an) == 40, count(p, an))
        expect(backup(p, "restore", "--account", an)["messages"] == 0)
        p.check_store()


def bak_02_a_whole_restore_killed_at_any_step_begins_again():
    with Province(filter=False) as p:
        an, _ = start(p)
        expect(backup(p, "run")["ok"])
        for daemon in p.daemons.values():
            daemon.kill()
        for name in ("mail", "queue", "register", "keys"):
            os.rename(os.path.join(p.dir, name), os.path.join(p.dir, name + ".lost"))
        for point in ("backup.extracted:1", "backup.filled:1", "backup.place:1", "backup.place:2"):
            backup(p, "restore", "--all", "--yes", code=-9, env={"CONGVU_KILL": point})
            expect(not os.path.exists(os.path.join(p.dir, "mail", "rows")), "half of it is in place")
            queue = os.path.join(p.dir, "queue-restored")
            if os.path.exists(queue):
                shutil.rmtree(queue)
        done = backup(p, "restore", "--all", "--yes", code=1, env={"CONGVU_FAIL": "backup.extract:ENOSPC:2"})
        done = backup(p, "restore", "--all", "--yes")
        expect(done["messages"] == 40 and not done["faults"], done)
        expect(not [n for n in os.listdir(p.dir) if n.endswith(".restoring")], os.listdir(p.dir))
        for daemon in p.daemons.values():
            daemon.start()
        expect(count(p, an) == 40)
        p.check_store()


def bak_01_a_full_target_leaves_the_older_backups_alone():
    with Province(filter=False) as p:
        an, path = start(p)
        expect(backup(p, "run")["ok"])
        before = set(files_of(path))
        c = RawImap(p, an)
        fill(c, 10, first=100, size=30000)
        c.close()
        failed = backup(p, "run", code=1, env={"CONGVU_FAIL": "backup.write:ENOSPC:1:0"})
        expect("space" in failed["targets"]["disk"]["error"], failed)
        expect(set(files_of(path)) == before, "something is left")
        sound(p, 1, 40)
        expect(backup(p, "run")["ok"])
        sound(p, 2, 50)


if __name__ == "__main__":
    mine = {n: f for n, f in globals().items() if n.startswith("bak_")}
    run_tests({"test_" + n: f for n, f in mine.items()})
