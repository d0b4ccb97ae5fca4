#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""docs/conformity.md is what the tests say: each requirement of tests/requirements.txt with the tests whose
names carry its id (INT-03). A test carries ADR-02 when its function is called adr_02_..., or when it is a dialogue
whose first line is `# ADR-02: a sentence`; other tests that speak of the id are listed by file.

    check_conformity.py TREE [--write]
"""
import collections
import os
import re
import sys

FAMILIES = {
    "ADR": "Địa chỉ", "ACC": "Tài khoản", "POL": "Chính sách", "DIR": "Danh bạ công khai", "SMT": "Vận chuyển",
    "IMP": "Hộp thư", "SPM": "Lọc thư", "DOC": "Văn bản, công dân", "REP": "Báo cáo", "OPS": "Vận hành",
    "BAK": "Sao lưu", "SEC": "An toàn", "TRN": "Đào tạo", "OSS": "Mã nguồn mở", "INT": "Kết nối",
    "MIG": "Chuyển đổi"}

# Thông tư 39/2017/TT-BTTTT: the lines that concern mail, each with the tests that show it.
STANDARDS = [
    ("SMTP/MIME", "bắt buộc", ["tests/protocol/smtp", "tests/clients/swaks_mail.py", "tests/clients/malformed_mail.py"]),
    ("POP3", "bắt buộc (một trong hai, congvu có cả hai)", ["tests/protocol/pop3", "tests/clients/pop3_mail.py"]),
    ("IMAP4rev1", "bắt buộc (một trong hai, congvu có cả hai)",
     ["tests/protocol/imap", "tests/clients/python_mail.py", "tests/clients/thunderbird_mail.py"]),
    ("LDAPv3", "danh bạ", ["tests/clients/directory_ldap.py"]),
    ("DNS, DNSSEC", "bắt buộc", ["tests/clients/signed_dns.py"]),
    ("IPv4 và IPv6", "bắt buộc", ["tests/clients/smtp_sessions.py"]),
    ("UTF-8, TCVN 6909", "bắt buộc", ["tests/unit/common/text/charset_test.c", "tests/clients/imap_utf8.py"]),
    ("TLS", "bắt buộc", ["tests/clients/staff_tls.py", "tests/clients/postfix_dane.py"]),
    ("S/MIME", "khuyến nghị", ["tests/clients/signed_mail.py"]),
    ("HTML, CSV, JSON, XML", "trao đổi dữ liệu", ["tests/clients/directory_page.py"]),
    ("ODF, OOXML", "văn bản", ["tests/unit/admin/office_test.c"]),
]

DIALOGUES = (".imap", ".txt")


def requirements(tree):
    rows = []
    with open(os.path.join(tree, "tests/requirements.txt"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                rows.append(tuple(line.rstrip("\n").split(" ", 2)))
    return rows


def sentence(name):
    return re.sub("_+", " ", re.sub("^[A-Za-z]{3}_[0-9]{2}_", "", name)).strip()


def test_files(tree):
    for folder, _, names in sorted(os.walk(os.path.join(tree, "tests"))):
        if "fixtures" in folder or "corpus" in folder or "__pycache__" in folder:
            continue
        for name in sorted(names):
            if name.endswith((".py", ".c", ".sh") + (DIALOGUES if "protocol" in folder else ())) \
                    and name != "CMakeLists.txt":
                yield os.path.relpath(os.path.join(folder, name), tree)


def look(tree):
    """id -> {file: [sentences]}; id -> files that speak of it."""
    named, spoken = collections.defaultdict(dict), collections.defaultdict(set)
    for path in test_files(tree):
        with open(os.path.join(tree, path), encoding="utf-8", errors="replace") as f:
            text = f.read()
        if path.endswith(DIALOGUES):
            title = re.match(r"# ([A-Z]{3}-[0-9]{2}): (.+)", text)
            if title:
                named[title[1]].setdefault(path, []).append(re.sub(r" \(RFC [^)]*\)$", "", title[2]))
        # A lint speaks of ids without showing them, unless a check of its own is called so.
        if os.path.basename(path).startswith("check_"):
            text = "\n".join(re.findall(r"^def (\w+)", text, re.M))
        # A definition, or a case of a table that is called so; calls of the same name add nothing.
        for name in re.findall(r"\b(?:test_)?((?:[a-z]{3}|[A-Z]{3})_[0-9]{2}_[A-Za-z0-9_]+)\b", text):
            key = name[:3].upper() + "-" + name[4:6]
            found = named[key].setdefault(path, [])
            if sentence(name) not in found:
                found.append(sentence(name))
        for key in re.findall(r"\b[A-Z]{3}-[0-9]{2}\b", text):
            spoken[key].add(path)
    return named, spoken


def cell(named, spoken):
    parts = [f"`{path[6:]}`: {'; '.join(words)}" for path, words in sorted(named.items())]
    parts += [f"`{path[6:]}`" for path in sorted(spoken - set(named))]
    return "<br>".join(parts) or "-"


def page(tree):
    rows = requirements(tree)
    named, spoken = look(tree)
    state = {key: "Đạt" if named.get(key) else "Một phần" if spoken.get(key) else "Chưa" for key, _, _ in rows}
    first = [key for key, priority, _ in rows if priority == "M"]
    out = ["# Bảng phù hợp", "",
           "<!-- Made by tests/check_conformity.py from the names of the tests: change those instead. -->", "",
           "Mỗi yêu cầu gắn với những kiểm thử chứng minh nó; `./dev test` chạy tất cả, và bảng này được tạo từ tên",
           "của chúng. *Đạt*: có kiểm thử mang mã của yêu cầu. *Một phần*: có kiểm thử nhắc tới yêu cầu. *Chưa*:",
           "không có. Ưu tiên M: bản đầu; N: bản sau; L: về sau.", "",
           f"Ưu tiên M: {sum(state[k] == 'Đạt' for k in first)} trên {len(first)} đạt, "
           f"{sum(state[k] == 'Một phần' for k in first)} một phần. Tất cả: "
           f"{sum(s == 'Đạt' for s in state.values())} trên {len(rows)} đạt, "
           f"{sum(s == 'Một phần' for s in state.values())} một phần.", ""]
    family = None
    for key, priority, text in rows:
        if key[:3] != family:
            family = key[:3]
            out += [f"## {FAMILIES[family]}", "", "| mã | | yêu cầu | trạng thái | kiểm thử |", "|---|---|---|---|---|"]
        out.append(f"| {key} | {priority} | {text} | {state[key]} | {cell(named.get(key, {}), spoken.get(key, set()))} |")
        if rows.index((key, priority, text)) + 1 == len(rows) or \
                rows[rows.index((key, priority, text)) + 1][0][:3] != family:
            out.append("")
    out += ["## Tiêu chuẩn kỹ thuật (Thông tư 39/2017/TT-BTTTT)", "", "| tiêu chuẩn | mức | kiểm thử |", "|---|---|---|"]
    for name, level, paths in STANDARDS:
        there = [p for p in paths if os.path.exists(os.path.join(tree, p))]
        out.append(f"| {name} | {level} | {', '.join(f'`{p[6:]}`' for p in there) or 'Chưa'} |")
    unknown = sorted(set(named) - {key for key, _, _ in rows})
    return "\n".join(out) + "\n", unknown


def int_03_every_line_of_the_table_is_tied_to_its_tests(path, text):
    with open(path, encoding="utf-8") as f:
        return f.read() == text


def main():
    tree = sys.argv[1]
    path = os.path.join(tree, "docs/conformity.md")
    text, unknown = page(tree)
    if "--write" in sys.argv[2:]:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return 0
    # xyz_12_ may be a name like any other; only families that exist are meant.
    wrong = [key for key in unknown if key[:3] in FAMILIES]
    if wrong:
        print("tests carry ids that no requirement has:", ", ".join(wrong))
        return 1
    if int_03_every_line_of_the_table_is_tied_to_its_tests(path, text):
        return 0
    print("docs/conformity.md is not what the tests say: python3 tests/check_conformity.py . --write")
    return 1


sys.exit(main())
