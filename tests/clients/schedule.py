#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The scheduler inside `congvu serve`: shifted clocks, a job that fails, one that hangs, kill -9."""
import json
import os
import re
import signal
import socket
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from admin_kit import Congvu, check, finish  # noqa: E402


class BlackHole:
    """A web server that takes connections and never says a word."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.taken = []
        threading.Thread(target=self.run, daemon=True).start()
        return self

    def run(self):
        try:
            while True:
                self.taken.append(self.socket.accept()[0])
        except OSError:
            pass

    def __exit__(self, *_):
        self.socket.close()


def wait_for(what, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = what()
        if got:
            return got
        time.sleep(0.1)
    return None


def job(c, name="publish"):
    rows = c.run("schedule", "list", "--json").json()["jobs"]
    return next(r for r in rows if r["job"] == name)


def ended(c):
    return re.findall(r"job\.ended job=publish result=(\S+)", c.log_text())


def shift_to(second):
    """Programs started from now on believe that it is SECOND of a minute."""
    os.environ["CONGVU_CLOCK_SHIFT"] = str(int(second - time.time() % 60))


def configure(c, **options):
    with open(c.plain_conf, encoding="utf-8") as f:
        text = f.read()
    with open(c.conf, "w", encoding="utf-8") as f:
        # A run each minute that went well is told at level debug.
        f.write(text + "\n[congvu]\nlog_level = debug\n\n[admin]\n" +
                "".join(f"{k} = {v}\n" for k, v in options.items()))


def dir_04_the_directory_follows_the_register_by_itself(c):
    configure(c, job_publish="every 1m")
    check("published once by hand", c.run("directory", "publish").code == 0)
    shift_to(50)
    c.start()
    answer = c.run("status", "--json").json()
    check("status knows the scheduler", answer["schedule"]["running"], answer)
    check("an agency", c.run("agency", "add", "snv", "Sở Nội vụ").code == 0)
    made = c.run("account", "add", "Nguyễn Văn Hoà", "--agency", "snv")
    check("somebody new", made.code == 0, made)
    found = wait_for(lambda: "ok" in ended(c))
    check("the job ran", found, c.log_text()[-2000:])
    pages = ""
    for folder, _, names in os.walk(os.path.join(c.base, "directory")):
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as f:
                pages += f.read()
    check("and the person is in the directory", "Nguyễn Văn Ho" in pages)
    row = job(c)
    check("the list tells of it", row["last_result"] == "ok" and row["failures"] == 0, row)
    check("as the service's user, one process", row["next_secs"] > 0, row)
    c.stop()
    check("the scheduler went with it", not c.run("schedule", "list", "--json").json()["running"])


def time_that_was_missed_is_caught_up_once(c):
    configure(c, job_publish="daily 02:30")
    os.environ["CONGVU_CLOCK_SHIFT"] = "0"
    c.start()
    wait_for(lambda: job(c)["when"] == "daily 02:30" and job(c)["next_secs"] > time.time())
    time.sleep(1.5)  # it settles with the new timetable
    c.stop()
    os.environ["CONGVU_CLOCK_SHIFT"] = str(5 * 86400)
    c.start()
    found = wait_for(lambda: "ok" in ended(c))
    check("after five days it ran at once", found, c.log_text()[-2000:])
    time.sleep(3)
    check("once", ended(c).count("ok") == 1, ended(c))
    row = job(c)
    check("and next at 02:30", row["next"].endswith(" 02:30:00"), row)
    check("not by day of the wrong clock", row["next_secs"] > time.time() + 5 * 86400 - 60, row)
    c.stop()


def a_job_that_hangs_costs_nobody_anything(c):
    with BlackHole() as hole:
        configure(c, job_publish="every 1m", directory_push=f"http://127.0.0.1:{hole.port}/d/")
        os.environ["CONGVU_CLOCK_SHIFT"] = str(20 * 86400 + int(50 - time.time() % 60))
        c.start()
        check("the job began", wait_for(lambda: hole.taken), c.log_text()[-2000:])
        pid = int(re.findall(r"job\.started job=publish pid=(\d+)", c.log_text())[-1])
        again = c.run("schedule", "run", "publish")
        check("not twice at once", again.code == 1 and "already" in again.err, again)
        # kill -9 of the scheduler: the job goes with it, the supervisor starts another one.
        scheduler = int(re.findall(r"serve\.started program=congvu pid=(\d+)", c.log_text())[-1])
        os.kill(scheduler, signal.SIGKILL)
        check("the job is gone too", wait_for(lambda: not os.path.exists(f"/proc/{pid}")))
        check("another scheduler", wait_for(
            lambda: c.log_text().count("serve.started program=congvu pid=") == 2))
        check("it noted the interruption", wait_for(lambda: "job.interrupted" in c.log_text()))
        row = job(c)
        check("which counts as a failure", row["last_result"] == "interrupted"
              and row["failures"] == 1 and row["state"] == "waiting", row)
        # kill -9 of the job itself.
        check("paused", c.run("schedule", "pause", "publish").code == 0)
        check("paused is said", job(c)["state"] == "paused")
        check("resumed, it runs at once", c.run("schedule", "resume", "publish").code == 0)
        check("a second run", wait_for(lambda: c.log_text().count("job.started job=publish") == 2),
              c.log_text()[-2000:])
        pid = int(re.findall(r"job\.started job=publish pid=(\d+)", c.log_text())[-1])
        wait_for(lambda: len(hole.taken) >= 2)
        os.kill(pid, signal.SIGKILL)
        check("its death is noted", wait_for(lambda: "interrupted" in ended(c)), ended(c))
        check("and paused for", job(c)["failures"] == 2, job(c))
        # Stopping the service stops a job without counting it.
        c.run("schedule", "resume", "publish")
        wait_for(lambda: len(hole.taken) >= 3)
        began = time.monotonic()
        check("stopped cleanly", c.stop() == 0)
        check("in good time", time.monotonic() - began < 60)
        check("the run was stopped", ended(c)[-1] == "stopped", ended(c))


def a_supervisor_that_is_killed_takes_the_job_along(c):
    with BlackHole() as hole:
        configure(c, job_publish="every 1m", directory_push=f"http://127.0.0.1:{hole.port}/d/")
        os.environ["CONGVU_CLOCK_SHIFT"] = str(40 * 86400)
        c.start()
        check("what was stopped begins again", wait_for(lambda: hole.taken), c.log_text()[-2000:])
        pids = [int(p) for p in re.findall(r"(?:started program=congvu|job=publish) pid=(\d+)",
                                           c.log_text())]
        c.serve.send_signal(signal.SIGKILL)
        c.serve.wait()
        check("scheduler and job are gone", len(pids) == 2 and wait_for(
            lambda: not any(os.path.exists(f"/proc/{p}") for p in pids)), pids)
        c.serve = None
        c.start()
        check("the next one says what became of it", wait_for(
            lambda: job(c)["last_result"] in ("stopped", "interrupted")), job(c))
        c.stop()


def a_job_that_fails_is_told_of(c):
    configure(c, job_publish="every 1m", directory_push="http://127.0.0.1:9/d/")
    answer = c.run("schedule", "run", "publish")
    check("by hand its exit code is the command's", answer.code == 69, answer)
    with open(os.path.join(c.base, "schedule", "state.json"), encoding="utf-8") as f:
        state = json.load(f)
    check("its error is remembered", state["publish"]["error"], state)
    check("more failures", state["publish"]["failures"] >= 2, state)
    for lang, word in (("en", "in a row"), ("vi", "liên tiếp")):
        answer = c.run("schedule", "list", lang=lang)
        check(f"the list says so ({lang})", word in answer.out, answer)
        answer = c.run("status", lang=lang)
        check(f"and status ({lang})", word in answer.out, answer)
    configure(c, job_publish="off")
    check("off is off", job(c)["state"] == "off" and job(c)["next"] == "-")
    check("by hand it works", c.run("schedule", "run", "publish").code == 0)
    check("and is well again", job(c)["failures"] == 0)
    bad = c.run("schedule", "run", "nothing")
    check("an unknown job", bad.code == 64, bad)
    configure(c, job_publish="whenever")
    bad = c.run("config", "check")
    check("a wrong time is named", bad.code == 78 and "job_publish" in bad.out + bad.err, bad)
    configure(c, job_publish="daily 02:30")
    days = c.run("schedule", "list", "--days", "3", "--json").json()["jobs"]
    check("every run of three days", 3 <= sum(r["job"] == "publish" for r in days) <= 4, days)


def keys_are_changed_when_dns_has_the_next_ones(c):
    def rotate(*more):
        answer = c.run("dkim", "rotate", "--json", *more)
        rows = answer.json().get("domains", [{}])
        return answer.code, rows[0].get("state"), rows[0].get("selector")

    zone = os.path.join(c.dir, "zone")
    with open(zone, "w", encoding="utf-8") as f:
        f.write("$ORIGIN .\n")
    configure(c)
    with open(c.conf, "a", encoding="utf-8") as f:
        f.write(f"\n[congvu]\ndns_zone_file = {zone}\n")
    first = c.run("dkim", "show", "lamgiang.example", "--json").json()["records"][0]["selector"]
    check("a young key stays", rotate() == (0, "fresh", first), rotate())
    check("a dry run makes nothing", rotate("--after", "0", "--dry-run")[1] == "made"
          and rotate()[1] == "fresh")
    time.sleep(1.1)  # pairs are told apart by their files' seconds
    code, state, second = rotate("--after", "0")
    check("an old one gets a successor", (code, state) == (2, "made") and second != first, second)
    check("which waits for DNS", rotate() == (2, "waits", second), rotate())
    shown = c.run("dkim", "show", "lamgiang.example", "--json").json()["records"]
    check("the old one still signs", all(r["current"] == (not r["selector"].startswith(second))
                                         for r in shown), shown)
    with open(zone, "a", encoding="utf-8") as f:
        f.writelines(r["zone"] + "\n" for r in shown)
    ran = c.run("schedule", "run", "dkim-rotate")
    check("once DNS has it", ran.code == 0, ran)
    shown = c.run("dkim", "show", "lamgiang.example", "--json").json()["records"]
    check("the next one signs", all(r["current"] == r["selector"].startswith(second)
                                    for r in shown), shown)
    check("the job remembers", job(c, "dkim-rotate")["last_result"] == "ok")


def main():
    c = Congvu()
    try:
        made = c.init()
        check("init", made.code == 0, made)
        c.plain_conf = c.conf + ".plain"
        os.rename(c.conf, c.plain_conf)
        for test in (dir_04_the_directory_follows_the_register_by_itself,
                     time_that_was_missed_is_caught_up_once,
                     a_job_that_hangs_costs_nobody_anything,
                     a_supervisor_that_is_killed_takes_the_job_along, a_job_that_fails_is_told_of,
                     keys_are_changed_when_dns_has_the_next_ones):
            print(test.__name__.replace("_", " "))
            if os.path.exists(os.path.join(c.dir, "serve.log")):
                os.unlink(os.path.join(c.dir, "serve.log"))
            test(c)
    finally:
        c.done()
    finish()


main()
