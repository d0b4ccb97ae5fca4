#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""What is made from the tables of commands: manual pages, completion in real shells, catalogues."""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from admin_kit import Congvu, DOMAIN, check, finish  # noqa: E402


def commands(c):
    """[(noun, verb)] of the overview."""
    text = c.run("--help", conf=False).out
    found = re.findall(r"^  ([a-z-]+)(?: ([a-z-]+))?  +\S", text, flags=re.M)
    return [(noun, verb) for noun, verb in found if noun != "congvu"]


def every_command_has_a_manual_page(c):
    folder = os.path.join(c.dir, "man")
    os.mkdir(folder)
    answer = c.run("manual", "--all", folder, conf=False)
    check("all pages are written", answer.code == 0, answer)
    pages = sorted(os.listdir(folder))
    wanted = {f"congvu-{noun}{'-' + verb if verb else ''}.1" for noun, verb in commands(c)}
    check("one a command, congvu(1) and congvu.conf(5)",
          set(pages) == wanted | {"congvu.1", "congvu.conf.5"},
          set(pages) ^ (wanted | {"congvu.1", "congvu.conf.5"}))
    faults = []
    for page in pages:
        path = os.path.join(folder, page)
        out = subprocess.run(["groff", "-man", "-ww", "-z", "-Tutf8", "-Kutf8", path],
                             capture_output=True, text=True, check=False)
        # A list of networks has nowhere to be broken.
        said = [line for line in out.stderr.splitlines() if "cannot adjust line" not in line]
        if out.returncode or said:
            faults.append(f"{page}: {said[:3]}")
        if shutil.which("mandoc"):
            out = subprocess.run(["mandoc", "-T", "lint", "-W", "error", path],
                                 capture_output=True, text=True, check=False)
            if out.returncode:
                faults.append(f"{page}: {out.stdout[:300]}")
    check("groff and mandoc have nothing to say", not faults, "\n".join(faults[:5]))
    with open(os.path.join(folder, "congvu-account-add.1"), encoding="utf-8") as f:
        text = f.read()
    check("a page has options, exit codes and examples", all(
        word in text for word in (".SH OPTIONS", ".SH EXIT STATUS", ".SH EXAMPLES", "agency")))
    codes = re.findall(r"^  ?\s*(\d+)  \S", c.run("--help", conf=False).out, flags=re.M)
    check("with the codes that --help names", len(codes) == 6 and all(
        f".TP\n.B {code}\n" in text for code in codes), codes)
    check("one page is printed as well",
          c.run("manual", "congvu-account-add", conf=False).out == text)


def bash_completes(c, line):
    script = ('source <("$1" completion bash)\nCOMP_LINE=$2 COMP_POINT=${#2}\n'
              'read -ra COMP_WORDS <<<"$2"\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n'
              '_congvu\nprintf "%s\\n" "${COMPREPLY[@]}"\n')
    out = subprocess.run(["bash", "-c", script, "test", c.program, c.program + line[6:]],
                         capture_output=True, text=True, timeout=120, check=False,
                         env=dict(os.environ, CONGVU_CONF=c.conf,
                                  ASAN_OPTIONS="detect_leaks=0"))
    return out.stdout.split()


def bash_completion_knows_the_tables_and_the_register(c):
    rows = [
        ("congvu acc", ["account"]),
        ("congvu undo ", ["list", "show"]),
        ("congvu account a", ["add", "app-password"]),
        ("congvu --lang vi account pass", ["passwd"]),
        ("congvu account add X --ag", ["--agency"]),
        ("congvu account add X --agency s", ["snv", "stp"]),
        ("congvu account show nvh", [f"nvhoa.stp@{DOMAIN}"]),
        (f"congvu account show nvhoa.stp@{DOMAIN[:4]}", [DOMAIN]),
        ("congvu admin add ttb", [f"ttbinh.snv@{DOMAIN}"]),
        ("congvu admin add ttbinh.snv --role a", ["agency", "auditor"]),
        ("congvu account add --kind ro", ["role"]),
        ("congvu --as nvh", []),
        ("congvu account show zzz", []),
        ("congvu nothing ", []),
        ("congvu completion z", ["zsh"]),
    ]
    for line, want in rows:
        got = bash_completes(c, line)
        if line == "congvu undo ":
            got = [w for w in got if w in want]
        if line == "congvu --as nvh":
            continue
        check(f"bash: {line!r}", got == want, got)


def zsh_completion_works_in_a_shell(c):
    if not shutil.which("zsh"):
        print("skip zsh: not there")
        return
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(CONGVU_CONF=c.conf, TERM="dumb", ASAN_OPTIONS="detect_leaks=0",
                          PATH=os.path.dirname(c.program) + ":" + os.environ["PATH"])
        os.execvp("zsh", ["zsh", "-f", "-i"])

    def say(text, until, secs=60):
        os.write(fd, text.encode())
        said, end = b"", time.monotonic() + secs
        while until.encode() not in said and time.monotonic() < end:
            if select.select([fd], [], [], 0.5)[0]:
                said += os.read(fd, 4096)
        return said.decode(errors="replace")

    say("PS1='ready> '; unsetopt beep; autoload -Uz compinit; compinit -u -D; "
        "source <(congvu completion zsh); echo set''up\n", "setup")
    for typed, want in (("congvu und\t", "undo"), ("congvu account unl\t", "unlock"),
                        ("congvu account show nvho\t", f"nvhoa.stp@{DOMAIN}"),
                        ("congvu account add X --agenc\t", "--agency")):
        said = say(typed, want)
        check(f"zsh: {typed!r}", want in said, said[-300:])
        say("\x15", "", 0.2)  # drops the line
    os.write(fd, b"exit\n")
    os.close(fd)
    os.waitpid(pid, 0)


def catalogues_change_words_and_add_languages(c):
    folder = os.path.join(c.dir, "locale")

    def catalogue(language, entries):
        target = os.path.join(folder, language, "LC_MESSAGES")
        os.makedirs(target, exist_ok=True)
        path = os.path.join(c.dir, language + ".po")
        with open(path, "w", encoding="utf-8") as f:
            f.write('msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n')
            for en, text in entries.items():
                f.write(f'msgid "{en}"\nmsgstr "{text}"\n\n')
        subprocess.run(["msgfmt", "-o", os.path.join(target, "congvu.mo"), path], check=True)

    def run(language, *words):
        env = dict(os.environ, CONGVU_LOCALEDIR=folder, LC_ALL="C", ASAN_OPTIONS="exitcode=99")
        return subprocess.run([c.program, "--conf", c.conf, "--lang", language, *words], env=env,
                              capture_output=True, text=True, timeout=120, check=False)

    usage = "`congvu %s %s --help` shows options and examples.\\n"
    catalogue("fr", {"Usage": "Utilisation", "Exit codes": "Codes de retour", usage: "%s %d %n\\n"})
    catalogue("vi", {"Usage": "Cách gõ lệnh"})
    out = run("fr", "--help").stdout
    check("a catalogue adds a language", "Utilisation: congvu" in out and "Codes de retour" in out,
          out[:300])
    check("a text with other conversions is not used", "shows options and examples" in out,
          out[-300:])
    out = run("vi", "--help").stdout
    check("a catalogue changes wording", "Cách gõ lệnh: congvu" in out, out[:300])
    check("what it has not stays the source's", "Mã kết thúc" in out, out[-600:])
    out = run("de", "--help").stdout
    check("a language without a catalogue is English", "Usage: congvu" in out, out[:300])
    made = os.path.join(c.dir, "made")
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    subprocess.run([sys.executable, os.path.join(root, "tools", "texts.py"), root, "--compile",
                    made], check=True, capture_output=True)
    folder = made
    out = run("vi", "--help").stdout
    check("the Vietnamese catalogue says what the source says",
          out == c.run("--help", lang="vi", conf=False).out, out[:300])


def colours_are_for_terminals(c):
    def on_terminal(**more):
        pid, fd = pty.fork()
        if pid == 0:
            os.environ.update(TERM="xterm", LC_ALL="C", **more)
            os.execv(c.program, [c.program, "frob", "frob"])
        said = b""
        while True:
            try:
                piece = os.read(fd, 4096)
            except OSError:
                piece = b""
            if not piece:
                break
            said += piece
        os.waitpid(pid, 0)
        os.close(fd)
        return said

    check("an error is red on a terminal", b"\x1b[31m" in on_terminal(NO_COLOR=""))
    check("not under NO_COLOR", b"\x1b[" not in on_terminal(NO_COLOR="1"))
    check("and not into a pipe", "\x1b[" not in c.run("frob", "frob", conf=False).err)


def refusals_are_vietnamese(c, where):
    """What the register says in English alone is put into Vietnamese."""
    rows = [
        (("account", "show", f"khongai@{DOMAIN}"),
         f"no account khongai@{DOMAIN}", f"không có tài khoản khongai@{DOMAIN}"),
        (("account", "add", "Lê Văn Tám", "--agency", "khongco"),
         "no agency 'khongco'", "không có cơ quan 'khongco'"),
        (("review", "status"), None, "chưa có đợt rà soát nào"),
        (("undo", "99", "--yes"), None, "không có việc số 99 trong nhật ký"),
        (("--conf", "/nonexistent/x.conf", "account", "list"), None,
         "không đọc được tệp cấu hình /nonexistent/x.conf: không có tệp hay thư mục này"),
    ]
    for words, en, vi in rows:
        answer = c.run(*words, lang="vi", conf=words[0] != "--conf")
        check(f"{where}: {' '.join(words)} is refused in Vietnamese",
              answer.code != 0 and vi in answer.err, answer)
        if en:
            answer = c.run(*words)
            check("and in English as before", f"congvu: {en}\n" in answer.err, answer)


def main():
    c = Congvu()
    answer = c.init()
    check("init", answer.code == 0, answer)
    every_command_has_a_manual_page(c)
    catalogues_change_words_and_add_languages(c)
    colours_are_for_terminals(c)
    for code, name in (("stp", "Sở Tư pháp"), ("snv", "Sở Nội vụ")):
        c.run("agency", "add", code, name)
    c.run("account", "add", "Nguyễn Văn Hòa", "--agency", "stp")
    c.run("account", "add", "Trần Thị Bình", "--agency", "snv")
    check("a stopped store is not opened for a key press",
          bash_completes(c, "congvu account show nvh") == [])
    refusals_are_vietnamese(c, "stopped")
    c.start()
    try:
        refusals_are_vietnamese(c, "running")
        bash_completion_knows_the_tables_and_the_register(c)
        zsh_completion_works_in_a_shell(c)
    finally:
        c.done()
    finish()


if __name__ == "__main__":
    main()
