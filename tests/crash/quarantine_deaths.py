#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""imapd dies while mail goes into quarantine and out of it: what was acknowledged is held exactly
once, what was released is in INBOX exactly once, the store's check finds nothing wrong."""
import os
import random
import smtplib
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "clients")]
import kit  # noqa: E402
from fake_milter import FakeMilter, insert_header, packet  # noqa: E402
from harness import HarnessError, ask  # noqa: E402
from kit import expect, wait_until  # noqa: E402

MESSAGES = int(os.environ.get("MESSAGES", "60"))


class Province(kit.Province):
    def __init__(self, filter_):
        super().__init__(filter=False, imapd={"quarantine_digest": "no"},
                         smtpd={"milters": filter_.name(), "retry_min": "1s"})

    def held(self, user):
        return self.ask("imapd", "quarantine.list", account=user)["items"]

    def inbox(self, user):
        c = self.imap(user)
        c.select("INBOX", readonly=True)
        count = len(c.search(None, "ALL")[1][0].split())
        c.logout()
        return count

    def kill_at(self, point):
        """Starts imapd so that it dies at POINT."""
        self.daemons["imapd"].stop()
        self.daemons["imapd"].start(env={"CONGVU_KILL": point})
        self.daemons["imapd"].killed = True

    def wait_for_death(self):
        wait_until("imapd to die", lambda: not self.daemons["imapd"].is_running())
        self.daemons["imapd"].start()


def filter_():
    f = FakeMilter()
    f.answers["E"] = [insert_header(0, b"X-Congvu-Verdict", b" quarantine; score=12.0; rules=x(12.0)"),
                      packet("c")]
    return f


def send(p, to, number):
    """True when it was taken."""
    try:
        s = p.smtp()
        s.sendmail("a@sender.example", [to], f"Subject: thu {number}\r\n\r\nx {number}\r\n")
        s.quit()
        return True
    except (smtplib.SMTPException, OSError):
        return False


def test_a_death_on_the_way_in_loses_and_doubles_nothing():
    with filter_() as f, Province(f) as p:
        an = p.user("an")
        points = ("deliver.body:1", "commit.before:1", "commit.after:1", "flush.before:1", "flush.after:1")
        for number, point in enumerate(points, 1):
            try:
                p.kill_at(point)
                is_armed = True
            except HarnessError:  # it came by that point on its way up
                is_armed = False
                p.daemons["imapd"].start()
            expect(send(p, an, number), point)
            if is_armed:
                p.wait_for_death()
            wait_until(f"message {number}", lambda: len(p.held(an)) == number)
        time.sleep(1)
        expect(len(p.held(an)) == len(points), p.held(an))
        p.check_store()


def test_a_death_between_delivery_and_removal_releases_once():
    with filter_() as f, Province(f) as p:
        an = p.user("an")
        path = os.path.join(p.dir, "run", "imapd.ctl")
        for number, point in enumerate(("quarantine.released:1", "expunge:1"), 1):
            send(p, an, number)
            item = wait_until("the message", lambda: p.held(an))[0]["item"]
            p.kill_at(point)
            try:
                ask(path, {"do": "quarantine.release", "account": an, "item": item})
            except (OSError, ValueError, HarnessError):
                pass  # no answer: it may have happened
            p.wait_for_death()
            if p.held(an):
                p.ask("imapd", "quarantine.release", account=an, item=item)
            expect(p.inbox(an) == number and not p.held(an), point, p.inbox(an), p.held(an))
            p.check_store()


def test_kills_at_any_time_leave_each_message_held_once():
    rng = random.Random(95)
    with filter_() as f, Province(f) as p:
        boxes = [p.user(f"an{i}") for i in range(3)]
        stop = threading.Event()

        def killer():
            while not stop.is_set():
                time.sleep(0.2 + rng.random() * 0.6)
                p.daemons["imapd"].kill()
                p.daemons["imapd"].start()
        thread = threading.Thread(target=killer)
        thread.start()
        try:
            taken = sum(send(p, boxes[n % 3], n) for n in range(MESSAGES))
        finally:
            stop.set()
            thread.join()
        expect(taken == MESSAGES, "smtpd refused", MESSAGES - taken)
        wait_until("all of them", lambda: sum(len(p.held(b)) for b in boxes) >= taken)
        wait_until("an empty queue", lambda: p.ask("smtpd", "queue.stats")["messages"] == 0)
        expect(sum(len(p.held(b)) for b in boxes) == taken, "held twice")
        expect(all(p.inbox(b) == 0 for b in boxes), "in an inbox")
        p.check_store()


if __name__ == "__main__":
    kit.run_tests(globals())
