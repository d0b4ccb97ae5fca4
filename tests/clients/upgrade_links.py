#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""`congvu upgrade save` runs as root in a folder of the service's user (OPS-02): a link there must not lead
root out of it, and nothing that lies behind one is removed."""
import os
import time

from admin_kit import Congvu, check, finish


def ops_02_saving_before_an_upgrade_follows_no_link(c):
    """A daemon that was broken into plants the link; the package's next upgrade calls this as root."""
    victim = os.path.join(c.dir, "victim")
    os.makedirs(os.path.join(victim, "below"))
    for name in ("passwd", "below/shadow"):
        with open(os.path.join(victim, name), "w", encoding="ascii") as f:
            f.write("root")
    first = c.run("upgrade", "save", "--json")
    check("saved", first.code == 0, first)
    link = os.path.join(c.base, "upgrade", "unfinished")
    os.symlink(victim, link)
    time.sleep(1.1)  # a name is a second
    second = c.run("upgrade", "save", "--json")
    left = [n for n in ("passwd", "below/shadow") if os.path.exists(os.path.join(victim, n))]
    check("what lies behind the link is there", left == ["passwd", "below/shadow"], left)
    check("the link is gone and the data are saved", second.code == 0 and not os.path.lexists(link), second)
    # Real folders do go: two are kept, and what a killed run left is none.
    os.makedirs(os.path.join(c.base, "upgrade", "0.0.1-20200101T000000Z", "mail", "rows"))
    os.makedirs(os.path.join(link, "mail"))
    if os.geteuid() == 0:
        for where, folders, files in os.walk(os.path.join(c.base, "upgrade")):
            for name in folders + files:
                os.chown(os.path.join(where, name), *c.owner, follow_symlinks=False)
    time.sleep(1.1)
    third = c.run("upgrade", "save")
    check("saved again", third.code == 0, third)
    names = sorted(os.listdir(os.path.join(c.base, "upgrade")))
    check("two are kept", len(names) <= 2 and "unfinished" not in names and not names[0].startswith("0.0.1"), names)


def main():
    c = Congvu()
    try:
        os.chmod(c.dir, 0o755)
        more = ("--user", "nobody") if os.geteuid() == 0 else ()
        check("made", c.init(*more).code == 0)
        st = os.stat(os.path.join(c.base, "mail"))
        c.owner = (st.st_uid, st.st_gid)
        ops_02_saving_before_an_upgrade_follows_no_link(c)
    finally:
        c.done()
    finish()


main()
