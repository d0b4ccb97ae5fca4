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
import generate  # noqa: E402
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


HAND = ("signup-1.txt", "signup-2.txt", "signup-3.txt", "notices-1.txt", "notices-2.txt", "notices-3.txt",
        "notices-4.txt", "phishing-1.txt")
FALSE_MOST = 0.005
# Rules are tuned on all of them: signup-3 and notices-3, once held out, are so no more. What is never
# tuned on is the second author's.
OPEN_LEAST = 0.97


def test_POL_02__what_was_written_by_hand():
    sets = judge_sets(HAND)
    known = sets["signup-1.txt"] + sets["signup-2.txt"] + sets["signup-3.txt"]
    notices = [row for n in HAND if n.startswith("notices") for row in sets[n]]
    found, wrong = count(known, ("signup",)), count(notices, ("signup",))
    accused = count(notices, PHISHING)
    caught = count(sets["phishing-1.txt"], PHISHING)
    right = sum(1 for m, f in known if f"class={m.kind} " in f["rules"].get("signup", ""))
    table("Sets written by hand", [
        ("sign-ups found", share(found, len(known))),
        ("  with the right class", share(right, found)),
        ("notices taken for sign-ups", share(wrong, len(notices))),
        ("notices taken for phishing", share(accused, len(notices))),
        ("phishing found", share(caught, len(sets["phishing-1.txt"])))])
    expect(len(known) >= 160 and len(notices) >= 400, len(known), len(notices))
    expect(found >= OPEN_LEAST * len(known), "sign-ups missed", found)
    expect(wrong <= FALSE_MOST * len(notices), "notices taken for sign-ups", wrong)
    expect(accused <= FALSE_MOST * len(notices), "notices taken for phishing", accused)
    expect(caught >= 0.9 * len(sets["phishing-1.txt"]), "phishing missed", caught)


# What a second author wrote, who saw neither the rules nor the other sets; nobody tunes on it.
# Totals only, so that it stays so: no text of it is ever shown by this test.
SECOND = ("signup-second-author.txt", "notices-second-author.txt")
SECOND_LEAST, SECOND_FALSE_MOST = 0.95, 0.01


def test_POL_02__what_a_second_author_wrote():
    rows = []
    for name in SECOND:
        rows += [(name, m) for m in mails.read_set(name)]
    # Services and offices play no tricks with letters: the plain forms alone.
    forms = mails.PLAIN_FORMS
    found = judge_all([(m.address, mails.build(m, i, forms[i % len(forms)]))
                       for i, (_, m) in enumerate(rows)], {m.address.split("@")[1] for _, m in rows})
    signups, notices = ([(m, f) for (n, m), f in zip(rows, found) if n == name] for name in SECOND)
    caught, wrong = count(signups, ("signup",)), count(notices, ("signup",))
    table("Set of a second author", [
        ("sign-ups found", share(caught, len(signups))),
        ("notices taken for sign-ups", share(wrong, len(notices))),
        ("notices taken for phishing", share(count(notices, PHISHING), len(notices)))])
    expect(len(signups) >= 160 and len(notices) >= 200, len(signups), len(notices))
    expect(caught >= SECOND_LEAST * len(signups), "sign-ups missed", len(signups) - caught)
    expect(wrong <= SECOND_FALSE_MOST * len(notices), "notices taken for sign-ups", wrong)


def judge_made(kind, number):
    made = generate.make(kind, number)
    forms = mails.PLAIN_FORMS if kind == "ham" else mails.FORMS
    messages = [(m.address, mails.build(m, i, forms[i % len(forms)])) for i, m in enumerate(made)]
    return list(zip(made, judge_all(messages, {m.address.split("@")[1] for m in made})))


def test_POL_02__sets_of_the_demo_province():
    signups, ham = judge_made("signup", 300), judge_made("ham", 2000)
    phishing, spam = judge_made("phishing", 200), judge_made("spam", 1000)
    found, wrong = count(signups, ("signup",)), count(ham, ("signup",))
    caught, accused = count(phishing, PHISHING), count(ham, PHISHING)
    labelled = [row for row in spam if row[0].subject.startswith(("[QC]", "QC:"))]
    table("Generated sets", [
        ("sign-ups found", share(found, len(signups))),
        ("ham taken for sign-ups", share(wrong, len(ham))),
        ("phishing found", share(caught, len(phishing))),
        ("ham taken for phishing", share(accused, len(ham))),
        ("labelled advertising found", share(count(labelled, ("advertising-label",)), len(labelled))),
        ("ham with a label", share(count(ham, ("advertising-label",)), len(ham))),
        ("spam with words of advertising", share(count(spam, ("bulk-words",)), len(spam))),
        ("ham with words of advertising", share(count(ham, ("bulk-words",)), len(ham)))])
    expect(found >= 0.97 * len(signups) and wrong <= FALSE_MOST * len(ham), found, wrong)
    expect(caught >= 0.97 * len(phishing) and accused <= FALSE_MOST * len(ham), caught, accused)
    expect(count(labelled, ("advertising-label",)) == len(labelled), "labels missed")


def secrecy_mails(lines):
    """(marked, mail) of lines "yes|subject|text"."""
    for line in lines:
        want, where, text = line.rstrip("\n").split("|", 2)
        text = text.replace("\\n", "\n")
        m = mails.Mail("Hòa <hoa@partner.example>", text if where == "subject" else "Kính gửi",
                       "", text if where == "text" else "Xin gửi tài liệu.")
        if where == "file":
            m.flags["file"] = text
        yield want == "yes", where, m


def test_POL_04__marks_are_told_from_their_decoys():
    with open(os.path.join(mails.HERE, "secrecy.txt"), encoding="utf-8") as f:
        lines = [line for line in f if not line.startswith("#")]
    generated = ["no|" + d for d in generate.make("decoys", 100)]
    wrong = {"marks missed": [], "decoys taken for marks": []}
    number = {True: 0, False: 0}
    for form in ("base64", "nfd", "cp1258", "html", "entities"):
        rows = list(secrecy_mails(lines + generated))
        # An encoded word per charset is the form's; names of files travel as they are.
        found = judge_all([(m.address, mails.build(m, i, form)) for i, (_, _, m) in enumerate(rows)],
                          {"partner.example"})
        for (marked, where, m), f in zip(rows, found):
            number[marked] += 1
            if ("secrecy-mark" in f["rules"]) != marked:
                wrong["marks missed" if marked else "decoys taken for marks"].append(
                    (form, where, m.subject, m.flags, m.text))
    table("Marks of secrecy, five encodings", [
        ("marks missed", share(len(wrong["marks missed"]), number[True])),
        ("decoys taken for marks", share(len(wrong["decoys taken for marks"]), number[False]))])
    expect(not wrong["marks missed"], wrong["marks missed"][:5])
    expect(len(wrong["decoys taken for marks"]) <= 0.01 * number[False],
           wrong["decoys taken for marks"][:10])


def test_POL_04__names_inside_archives_count_too():
    rows = [("(TỐI MẬT).pdf", True), ("thu muc/Kế hoạch (Mật).docx", True), ("bao_mat.pdf", False)]
    messages = []
    for name, _ in rows:
        m = mails.Mail("Hòa <hoa@partner.example>", "Tài liệu", "", "Xin gửi.")
        m.flags["zip"] = name
        messages.append((m.address, mails.build(m, len(messages), "base64")))
    found = judge_all(messages, {"partner.example"})
    for (name, marked), f in zip(rows, found):
        expect(("secrecy-mark" in f["rules"]) == marked, name, f["rules"])


def test_SPM_04__what_nobody_sees_does_not_hide_what_is_read():
    lure = ('<p>Hộp thư của bạn đã đạt 98% dung lượng. Vui lòng nâng cấp ngay tại <a href="http://full.example/login">'
            "đây</a> nếu không hộp thư sẽ bị khóa trong 24 giờ.</p>")
    filler = "Kính chúc sức khỏe và thành công. " * 80
    bodies = [lure, f'<div style="display:none">{filler}</div>{lure}', f'<p style="font-size:0">{filler}</p>{lure}']
    messages = [("a@full.example", ("From: a@full.example\r\nTo: b@lamgiang.example\r\nSubject: x\r\nMIME-Version: 1.0"
                 f"\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{body}\r\n").encode()) for body in bodies]
    for body, f in zip(bodies, judge_all(messages, {"full.example"})):
        expect("phish-mailbox" in f["rules"], body[:30], f["rules"])


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
