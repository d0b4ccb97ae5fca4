#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""fetchmail over IMAP: new mail of a folder is fetched once and kept, or fetched and removed."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import kit  # noqa: E402
from kit import expect  # noqa: E402
from mail_kit import ENGLISH, MEETING, held, utf7  # noqa: E402
from tap import Tap  # noqa: E402

FETCHMAIL = kit.need_program("fetchmail")
FOLDER = "Công văn đến"
# What fetchmail asks though it may hear NO, and why that is the right answer.
REFUSALS = {}


class Fetcher:
    def __init__(self, p, tap, user, words):
        self.home = os.path.join(p.dir, "fetchmail-" + words.split()[0])
        os.mkdir(self.home)
        self.rc = os.path.join(self.home, "rc")
        with open(os.open(self.rc, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as f:
            f.write(f"poll localhost protocol imap service {tap.port}\n"
                    f" user '{user}' password '{p.users[user]}' ssl sslcertck sslcertfile '{p.ca}'\n"
                    f" folder '{utf7(FOLDER)}' mda '/bin/sh -c \"cat >> {self.home}/box\"' {words}\n")

    def run(self, codes):
        """Fetches; gives how many messages there were. Code 1: there was nothing."""
        box = os.path.join(self.home, "box")
        if os.path.exists(box):
            os.unlink(box)
        kit.run([FETCHMAIL, "--fetchmailrc", self.rc, "--nodetach", "--nosyslog", "--pidfile",
                 os.path.join(self.home, "pid")], ok=codes, env={**os.environ, "HOME": self.home})
        if not os.path.exists(box):
            return ""
        with open(box, encoding="utf-8") as f:
            return f.read()


def test_new_mail_of_a_folder_is_fetched_once_or_removed():
    with kit.Province(filter=False) as p, Tap(p) as tap:
        an = p.user("an")
        c = p.imap(an)
        c.create(f'"{utf7(FOLDER)}"')
        for message in (ENGLISH, MEETING):
            c.append(f'"{utf7(FOLDER)}"', None, None, message)
        keeper, taker = (Fetcher(p, tap, an, words) for words in ("keep", "nokeep fetchall"))
        text = keeper.run((0,))
        expect("khong co gi moi" in text and "dự họp lúc 8 giờ" in text, text)
        expect(held(c, FOLDER) == {"Re: lich cong tac": ["\\Seen"],
                                   "Họp giao ban tuần 47": ["\\Seen"]}, held(c, FOLDER))
        expect(keeper.run((1,)) == "", "fetched again what was seen")
        text = taker.run((0,))
        expect("khong co gi moi" in text and "dự họp lúc 8 giờ" in text, text)
        expect(held(c, FOLDER) == {}, held(c, FOLDER))
        c.logout()
        tap.expect_only(REFUSALS)


kit.run_tests(globals())
