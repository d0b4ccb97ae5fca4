#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""How well the policy for official addresses finds what it looks for (POL-02, POL-04, SPM-04): every
set of tests/fixtures/policy through congvu-spamfilter itself, with the limits it must keep."""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.dirname(HERE), HERE, os.path.join(ROOT, "tests", "fixtures", "policy")]
from kit import BUILD, expect, run_tests  # noqa: E402
import mails  # noqa: E402

CLIENT = "203.0.113.5"
SUFFIXES = "lamgiang.example gov.example"
PHISHING = ("phish-mailbox", "phish-tax", "phish-it", "phish-bank", "phish-courier", "phish-invoice",
            "phish-login-link", "phish-ask")


def judge_all(messages, domains):
    """[{rules: {name: detail}, verdict, score}] of MESSAGES, in their order. Every sender's domain
    has an SPF record that lets the client send, as swindlers' domains have too."""
    with tempfile.TemporaryDirectory(prefix="congvu-policy-") as folder:
        os.chmod(folder, 0o755)
        zone = "".join(f'{d} TXT "v=spf1 ip4:{CLIENT} -all"\n{d} A {CLIENT}\n' for d in sorted(domains))
        with open(os.path.join(folder, "zone"), "w", encoding="utf-8") as f:
            f.write(zone)
        with open(os.path.join(folder, "conf"), "w", encoding="utf-8") as f:
            f.write(f"[congvu]\nbase_dir = {folder}\nhostname = mail.lamgiang.example\n"
                    f"default_domain = lamgiang.example\nofficial_suffixes = {SUFFIXES}\n"
                    f"dns_zone_file = {folder}/zone\n[spamfilter]\n")
        mail_dir = os.path.join(folder, "mail")
        os.mkdir(mail_dir)
        for i, (address, message) in enumerate(messages):
            with open(os.path.join(mail_dir, f"{i:05}.eml"), "wb") as f:
                f.write(b"Return-Path: <" + address.encode() + b">\r\n" + message)
        out = subprocess.run([os.path.join(BUILD, "bin", "congvu-spamfilter"), "judge", "--local",
                              "--json", "--conf", os.path.join(folder, "conf"), "--client", CLIENT,
                              mail_dir], capture_output=True, check=True).stdout
    found = []
    for line in out.decode().splitlines():
        row = json.loads(line)
        row["rules"] = {r["name"]: r["detail"] for r in row["rules"]} \
            if row["rules"] and isinstance(row["rules"][0], dict) else dict.fromkeys(row["rules"], "")
        found.append(row)
    expect(len(found) == len(messages), len(found), len(messages))
    return found


def judge_sets(names, form=None):
    """Of each set its mails, each with what was found."""
    loaded = {n: mails.read_set(n) for n in names}
    every = [m for s in loaded.values() for m in s]
    messages = [(m.address, mails.build(m, i, form)) for i, m in enumerate(every)]
    found = judge_all(messages, {m.address.split("@")[1] for m in every})
    results, at = {}, 0
    for name, s in loaded.items():
        results[name] = list(zip(s, found[at:at + len(s)]))
        at += len(s)
    return results


def share(part, whole):
    return f"{part}/{whole} = {100.0 * part / max(whole, 1):.1f} %"


def count(rows, names):
    return sum(1 for _, found in rows if any(n in found["rules"] for n in names))


def table(title, lines):
    print(f"\n{title}")
    for name, text in lines:
        print(f"  {name:<44} {text}")


HAND = ("signup-1.txt", "signup-2.txt", "notices-1.txt", "notices-2.txt", "notices-3.txt",
        "notices-4.txt", "phishing-1.txt")
FOUND_LEAST, HELD_OUT_LEAST, FALSE_MOST = 0.94, 0.88, 0.005


def test_POL_02__what_was_written_by_hand():
    sets = judge_sets(HAND)
    signups = sets["signup-1.txt"] + sets["signup-2.txt"]
    notices = [row for n in HAND if n.startswith("notices") for row in sets[n]]
    found, wrong = count(signups, ("signup",)), count(notices, ("signup",))
    held, held_wrong = count(sets["signup-2.txt"], ("signup",)), count(sets["notices-3.txt"], ("signup",))
    accused = count(notices, PHISHING)
    caught = count(sets["phishing-1.txt"], PHISHING)
    right = sum(1 for m, f in signups if f"class={m.kind} " in f["rules"].get("signup", ""))
    table("Sets written by hand", [
        ("sign-ups found", share(found, len(signups))),
        ("  of the held-out part", share(held, len(sets["signup-2.txt"]))),
        ("  with the right class", share(right, found)),
        ("notices taken for sign-ups", share(wrong, len(notices))),
        ("  of the held-out part", share(held_wrong, len(sets["notices-3.txt"]))),
        ("notices taken for phishing", share(accused, len(notices))),
        ("phishing found", share(caught, len(sets["phishing-1.txt"])))])
    expect(len(signups) >= 120 and len(notices) >= 400, len(signups), len(notices))
    expect(found >= FOUND_LEAST * len(signups), "sign-ups missed", found)
    expect(held >= HELD_OUT_LEAST * len(sets["signup-2.txt"]), "held-out sign-ups missed", held)
    expect(wrong <= FALSE_MOST * len(notices), "notices taken for sign-ups", wrong)
    expect(accused <= FALSE_MOST * len(notices), "notices taken for phishing", accused)
    expect(caught >= 0.9 * len(sets["phishing-1.txt"]), "phishing missed", caught)


def test_POL_02__every_form_of_mail_is_read_alike():
    every = mails.read_set("signup-1.txt")[:30]
    counts = {}
    messages, forms = [], []
    for form in mails.FORMS:
        for i, m in enumerate(every):
            messages.append((m.address, mails.build(m, i, form)))
            forms.append(form)
    for form, found in zip(forms, judge_all(messages, {m.address.split("@")[1] for m in every})):
        counts[form] = counts.get(form, 0) + ("signup" in found["rules"])
    table("Sign-ups found by form", [(f, share(n, len(every))) for f, n in counts.items()])
    expect(max(counts.values()) - min(counts.values()) <= 1, counts)


if __name__ == "__main__":
    run_tests(globals())
