#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Lists of staff as CSV, XLSX and ODS: the same answers, the drill of 12,077 people, hostile files."""
import csv
import io
import os
import re
import subprocess
import sys
import time
import unicodedata
import zipfile

try:
    import odf.opendocument
    import odf.style
    import odf.table
    import odf.text
    import openpyxl
except ImportError:
    sys.exit(77)

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from admin_kit import DOMAIN, ROOT, Congvu, check, finish  # noqa: E402

HEAD = ["STT", "Họ và tên", "Chức vụ", "Mã đơn vị", "Điện thoại", "Thư điện tử"]
NFD = unicodedata.normalize("NFD", "Nguyễn Văn Bốn")
# What 26 dirty rows look like (domain: the province's own), and what becomes of them.
REPAIRED = {
    "blank-at": ["1", "Nguyễn Văn Một", "", "stp", "", f"nvmot.stp @{DOMAIN}"],
    "line-break": ["2", "Nguyễn Văn Hai", "", "stp", "", f"nvhai.stp@\n{DOMAIN}"],
    "blanks": ["3", "Nguyễn  Văn Ba", "", "stp", "", ""],
    "nfd": ["4", NFD, "", "stp", "", ""],
    "tone": ["5", "Nguyễn Văn Hoà", "", "stp", "", ""],
    "phone-float": ["6", "Nguyễn Văn Sáu", "", "stp", "912345678.0", ""],
    "phone-84": ["7", "Nguyễn Văn Bảy", "", "stp", "+84 912 345 678", ""],
    "phone-zero": ["8", "Nguyễn Văn Tám", "", "stp", "912345678", ""],
    "phone-dots": ["9", "Nguyễn Văn Chín", "", "stp", "0912.345.678", ""],
    "phone-two": ["10", "Nguyễn Văn Mười", "", "stp", "0912345678 / 0987654321", ""],
    "phone-length": ["11", "Nguyễn Văn Xuân", "", "stp", "01234567890", ""],
    "stt": ["150.00000000000003", "Nguyễn Văn Hạ", "", "stp", "", ""],
}
REJECTED = {
    "comma": ["1", "Lê Văn Không", "", "stp", "", "lvkhong@lamgiang,example"],
    "doubled": ["2", "Lê Văn Hai", "", "stp", "", f"lvhai..stp@@{DOMAIN}"],
    "no-at": ["3", "Lê Văn Ba", "", "stp", "", f"lvba.stp{DOMAIN}"],
    "no-domain": ["4", "Lê Văn Tư", "", "stp", "", "lvtu.stp@"],
    "go": ["5", "Lê Văn Năm", "", "stp", "", "lvnam@lamgiang.go.vn"],
    "no-local": ["6", "Lê Văn Sáu", "", "stp", "", "@gov.vn"],
    "typo": ["7", "Lê Văn Bảy", "", "stp", "", "levanbay@gmial.com"],
    "free-mail": ["8", "Lê Văn Tám", "", "stp", "", "levantam@gmail.com"],
    "two-people": ["10", "Lê Văn Mười", "", "stp", "", f"chung.stp@{DOMAIN}"],
    "honorific": ["11", "Ông Lê Văn Minh", "", "stp", "", ""],
    "title-in-name": ["12", "Lê Văn Quý - Phó Giám đốc", "", "stp", "", ""],
    "phone-in-name": ["13", "Lê Văn Bình 0912345678", "", "stp", "", ""],
    "title-in-unit": ["14", "Lê Văn Đạt", "", "Trưởng phòng", "", ""],
    "split-row": ["15", "Lê Văn", "", "", "", ""],
}
GOOD = [["16", "Lê Văn Chín", "", "stp", "", f"chung.stp@{DOMAIN}"],
        ["17", "Ông Mai Xuân", "Chuyên viên", "stp", "", ""]]


def dirty_rows():
    rows = [HEAD] + list(REPAIRED.values()) + GOOD + list(REJECTED.values())
    return rows + [["", "Kiên", "Chuyên viên", "stp", "", ""]]  # the other half of the last


def write_csv(path, rows, separator=",", start=""):
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(start)
        csv.writer(f, delimiter=separator).writerows(rows)


def write_xlsx(path, rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)


def ods_cell(value):
    cell = odf.table.TableCell(valuetype="string")
    for line in str(value).split("\n"):
        p = odf.text.P()
        for k, part in enumerate(re.split(r"( {2,})", line)):
            if k % 2:
                p.addElement(odf.text.S(c=len(part)))
            else:
                p.addText(part)
        cell.addElement(p)
    return cell


def write_ods(path, rows, name="Danh sách"):
    book = odf.opendocument.OpenDocumentSpreadsheet()
    table = odf.table.Table(name=name)
    for row in rows:
        line = odf.table.TableRow()
        for value in row:
            line.addElement(ods_cell(value) if value else odf.table.TableCell())
        table.addElement(line)
    # What LibreOffice puts behind every list: a million empty rows.
    table.addElement(odf.table.TableRow(numberrowsrepeated=1048000))
    book.spreadsheet.addElement(table)
    book.save(path)


WRITERS = {"csv": write_csv, "xlsx": write_xlsx, "ods": write_ods}


def path_of(c, name):
    return os.path.join(c.dir, name)


def dry(c, path, *more):
    return c.run("import", path, "--dry-run", "--json", *more)


def plain(answer):
    got = answer.json()
    for key in ("repaired", "rejected"):
        for row in got.get(key, []):
            row["lines"] = [[cell.rstrip() for cell in line] for line in row["lines"]]
            for line in row["lines"]:
                while line and not line[-1]:
                    line.pop()
    return got


def acc_01_the_same_list_gives_the_same_answer_in_every_format(c):
    answers = {}
    for kind, write in WRITERS.items():
        write(path_of(c, f"dirty.{kind}"), dirty_rows())
        answers[kind] = plain(dry(c, path_of(c, f"dirty.{kind}")))
        got = answers[kind]
        check(f"{kind}: twelve repaired", [r["code"] for r in got["repaired"]] == list(REPAIRED),
              [r["code"] for r in got["repaired"]])
        check(f"{kind}: fourteen rejected", [r["code"] for r in got["rejected"]] == list(REJECTED),
              [r["code"] for r in got["rejected"]])
        check(f"{kind}: accounts", got["added"] == 14, got["added"])
    check("XLSX as CSV", answers["xlsx"] == answers["csv"], (answers["xlsx"], answers["csv"]))
    check("ODS as CSV", answers["ods"] == answers["csv"], (answers["ods"], answers["csv"]))


def acc_01_the_four_kinds_of_files_are_read(c):
    people = [["1", "Cao Thị Mai", "Giám đốc", "0299 3822100", "0912345678", ""],
              ["2", "Hồ Quốc Nam", "Văn thư", "", "", ""]]
    grouped = [["ỦY BAN NHÂN DÂN TỈNH LAM GIANG"], ["DANH SÁCH CÁN BỘ"], [],
               ["STT", "Họ và tên", "Chức vụ", "Điện thoại", "", "Thư điện tử"],
               ["", "", "", "Cơ quan", "Di động", ""], ["I", "Sở Tư pháp"], people[0],
               ["II", "Sở Nội vụ"], people[1]]
    for kind, write in WRITERS.items():
        write(path_of(c, f"groups.{kind}"), grouped)
        got = dry(c, path_of(c, f"groups.{kind}")).json()
        check(f"{kind}: header on row 4 in two rows, group rows", got.get("added") == 2, got)
    flat = [HEAD, ["1", "Cao Thị Mai", "Giám đốc", "stp", "0912345678", ""]]
    write_csv(path_of(c, "bom.csv"), flat, start="\ufeff")
    check("BOM", dry(c, path_of(c, "bom.csv")).json().get("added") == 1)
    write_csv(path_of(c, "semicolons.csv"), flat, ";")
    check("semicolons", dry(c, path_of(c, "semicolons.csv")).json().get("added") == 1)
    # TCVN3: "Họ và tên", "Hường" in the bytes of the nineties.
    tcvn3 = "STT,Hä vµ tªn,M· ®¬n vÞ\n1,Vò ThÞ H­êng,stp\n".encode("latin-1")
    with open(path_of(c, "tcvn3.csv"), "wb") as f:
        f.write(tcvn3)
    answer = dry(c, path_of(c, "tcvn3.csv"))
    check("TCVN3 is refused", answer.code == 1 and "TCVN3" in answer.err + answer.out, answer)
    got = dry(c, path_of(c, "tcvn3.csv"), "--charset", "TCVN3").json()
    check("unless declared", got.get("added") == 1, got)


def acc_01_cells_of_office_programs_are_read_as_written(c):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Sở Tư pháp"
    sheet.append(["DANH SÁCH"])
    sheet.merge_cells("A1:F1")
    sheet.append(["STT", "Họ và tên", "Mã đơn vị", "Điện thoại", None, "Ngày vào ngành"])
    sheet.append([None, None, None, "Cơ quan", "Di động"])
    for merged in ("A2:A3", "B2:B3", "C2:C3", "D2:E2", "F2:F3"):
        sheet.merge_cells(merged)
    import datetime
    sheet.append([1, "Lý Thị Một", "stp", 2993822100, 912345678, datetime.date(2020, 2, 29)])
    sheet.append([2, "Lý Thị Hai", None, None, 8.4912345678e10])
    sheet.append([3, "Lý Thị Ba"])
    sheet.merge_cells("C4:C6")
    sheet["D4"].number_format = "00000000000"
    hidden = book.create_sheet("Ẩn")
    hidden.append(["x"])
    hidden.sheet_state = "hidden"
    book.create_sheet("Trống")
    book.save(path_of(c, "cells.xlsx"))
    got = dry(c, path_of(c, "cells.xlsx")).json()
    check("merged cells, numbers, one sheet that holds something", got.get("added") == 3, got)
    codes = [r["code"] for r in got.get("repaired", [])]
    check("numbers as they stand in the file", codes == ["phone-zero", "phone-84"], codes)
    lines = got["repaired"][0]["lines"][0]
    check("zeros of a format, a date", lines[3] == "02993822100" and lines[5] == "29/02/2020", lines)
    hidden.sheet_state = "visible"
    book.save(path_of(c, "several.xlsx"))
    answer = dry(c, path_of(c, "several.xlsx"))
    check("several sheets are not guessed at", answer.code == 1 and "Sở Tư pháp" in answer.out
          and "--sheet" in answer.out, answer)
    got = dry(c, path_of(c, "several.xlsx"), "--sheet", "Sở Tư pháp").json()
    check("one can be named", got.get("added") == 3, got)
    answer = dry(c, path_of(c, "several.xlsx"), "--sheet", "Sở X")
    check("a wrong name is answered by the right ones", answer.code == 1
          and "Trống" in answer.out, answer)
    sheet["B7"] = "=CONCATENATE(\"Lý Thị \",\"Tư\")"
    book.save(path_of(c, "formula.xlsx"))
    answer = dry(c, path_of(c, "formula.xlsx"), "--sheet", "Sở Tư pháp")
    check("a formula nobody calculated", answer.code == 1 and "B7" in answer.out, answer)


def repack(source, path, change):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))


def hostile_books_are_refused(c):
    source = path_of(c, "dirty.xlsx")
    bomb = b"<x>" + b" " * (300 << 20)
    repack(source, path_of(c, "bomb.xlsx"),
           lambda n, b: bomb if n == "xl/worksheets/sheet1.xml" else b)
    doctype = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'
    repack(source, path_of(c, "entities.xlsx"),
           lambda n, b: doctype if n == "xl/workbook.xml" else b)
    deep = b"<a>" * 5000
    repack(path_of(c, "dirty.ods"), path_of(c, "deep.ods"),
           lambda n, b: deep if n == "content.xml" else b)
    far = re.compile(rb'r="B3"')
    repack(source, path_of(c, "far.xlsx"), lambda n, b: far.sub(b'r="XFD1048576"', b)
           if n == "xl/worksheets/sheet1.xml" else b)
    with open(source, "rb") as f:
        whole = f.read()
    rows = {"bomb.xlsx": None, "entities.xlsx": None, "deep.ods": None, "far.xlsx": None,
            "cut.xlsx": whole[:len(whole) // 2], "old.xls": b"\xd0\xcf\x11\xe0" + b"\0" * 600,
            "other.zip": None}
    with zipfile.ZipFile(path_of(c, "other.zip"), "w") as z:
        z.writestr("hello.txt", "hello")
    for name, content in rows.items():
        if content:
            with open(path_of(c, name), "wb") as f:
                f.write(content)
        began = time.monotonic()
        answer = dry(c, path_of(c, name))
        check(f"{name} is refused", answer.code == 1 and "error" in answer.out, answer)
        check(f"{name} soon", time.monotonic() - began < 30)


def full_list(c):
    """The province's list with 12 rows to repair and 14 to reject in it; the clean rows too."""
    folder = path_of(c, "province")
    os.makedirs(folder, exist_ok=True)
    subprocess.run([sys.executable, os.path.join(ROOT, "conf/demo/province.py"), folder, "--full"],
                   check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(folder, "staff.csv"), encoding="utf-8-sig", newline="") as f:
        clean = list(csv.reader(f))
    columns = {name: i for i, name in enumerate(clean[0])}
    name, phone, mail = columns["Họ và tên"], columns["Di động"], columns["Thư điện tử"]
    unit, number, title = columns["Mã đơn vị"], columns["STT"], columns["Chức vụ"]
    for row in clean[1:]:
        row[name] = unicodedata.normalize("NFC", row[name]).replace("Thuý", "Thúy")
    dirty = [list(row) for row in clean]
    at = iter(range(100, 12000, 400))
    for code, bad in REPAIRED.items():
        row = dirty[next(at)]
        if code in ("blank-at", "line-break"):
            row[mail] = bad[5].replace("nv", f"sua{row[number]}", 1)
        elif code in ("blanks", "nfd", "tone"):
            row[name] = bad[1]
        elif code == "stt":
            row[number] = bad[0]
        else:
            row[phone] = bad[4]
    for code, bad in REJECTED.items():
        i = next(at)
        row = dirty[i]
        if code == "two-people":
            row[mail] = dirty[i - 1][mail] = f"chung.{dirty[i - 1][unit]}@{DOMAIN}"
        elif code == "honorific":
            row[name] = "Ông Nguyễn " + row[name].split()[-1] + " Minh"
        elif code == "title-in-name":
            row[name] += " - Phó Giám đốc"
        elif code == "phone-in-name":
            row[name] += " 0912345678"
        elif code == "title-in-unit":
            row[unit] = "Trưởng phòng"
        elif code == "split-row":
            second = list(row)
            dirty[i] = [""] * len(row)
            dirty[i][number], dirty[i][name] = row[number], " ".join(row[name].split()[:-1] + [""]).strip()
            dirty[i][name] = dirty[i][name] if " " in dirty[i][name] else "Nguyễn " + dirty[i][name]
            second[number], second[name] = "", row[name].split()[-1]
            dirty.insert(i + 1, second)
        else:
            row[mail] = bad[5]
    return folder, columns, clean, dirty, title


def killed_in_the_middle(c, path, before):
    """kill -9 of the owner of the register: wholly or not at all; what came is taken back here."""
    with subprocess.Popen([c.program, "--conf", c.conf, "--json", "import", path], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tool:
        time.sleep(0.6)
        os.kill(int(re.findall(r"started program=congvu-imapd pid=(\d+)", c.log_text())[-1]), 9)
        tool.communicate(timeout=120)
    end = time.monotonic() + 90
    while c.log_text().count("imapd.ready") < 2 and time.monotonic() < end:
        time.sleep(0.2)
    total = c.run("account", "list", "--json").json()["total"]
    print(f"     after kill -9 in the middle: {total - before} accounts more")
    check("kill -9 leaves all or nothing", total in (before, before + 12063), (before, total))
    if total > before:
        acts = c.run("undo", "list", "--json").json()
        act = max(a.get("act", a.get("id", 0)) for a in acts["acts"])
        check("taken back", c.run("undo", str(act), "--yes").code == 0, acts)


def acc_01_12077_people_12_repaired_14_rejected_12063_accounts(c):
    folder, columns, clean, dirty, _ = full_list(c)
    check("12,077 people", len(clean) - 1 == 12077)
    path = path_of(c, "tinh.csv")
    write_csv(path, dirty)
    agencies = c.run("agency", "import", os.path.join(folder, "agencies.csv"))
    check("202 units", agencies.code == 0, agencies)
    before = c.run("account", "list", "--json").json()["total"]
    killed_in_the_middle(c, path, before)
    rejects, repairs = path_of(c, "loai.csv"), path_of(c, "sua.csv")
    tried = c.run("import", path, "--dry-run", "--json", "--rejects", rejects, "--repairs", repairs)
    began = time.monotonic()
    done = c.run("import", path, "--json", "--rejects", rejects, "--repairs", repairs)
    took = time.monotonic() - began
    print(f"     12,077 rows on the running system: {took:.1f} s")
    got, want = done.json(), tried.json()
    check("exit 2: some rows were rejected", done.code == 2, done.code)
    check("12 repaired, 14 rejected", len(got["repaired"]) == 12 and len(got["rejected"]) == 14,
          [(r["row"], r["code"], r["name"]) for r in got["repaired"] + got["rejected"]])
    check("12,063 accounts", got["added"] == 12063, got["added"])
    check("the dry run said the same", all(want[k] == got[k] for k in
          ("rows", "added", "repaired", "rejected")), want["added"])
    after = c.run("account", "list", "--json").json()["total"]
    check("and they are there", after - before == 12063, (before, after))
    check("under a minute", took < 60, took)
    with open(rejects, encoding="utf-8-sig", newline="") as f:
        bad = list(csv.reader(f))
    check("the reject file has every column, reason, proposal, row",
          bad[0][:len(clean[0])] == clean[0] and len(bad[0]) == len(clean[0]) + 3
          and len(bad) == 1 + 14 + 1, bad[0])
    began = time.monotonic()
    again = c.run("import", path, "--json").json()
    print(f"     again: {time.monotonic() - began:.1f} s")
    check("importing again changes nothing", again["added"] == again["updated"] == 0
          and again["unchanged"] == 12063, {k: again[k] for k in ("added", "updated", "unchanged")})
    # Corrected by the desk: what the list of personnel says.
    right = {row[columns["STT"]]: row for row in clean[1:]}
    fixed = [bad[0]] + [right[row[0]] + row[len(clean[0]):] for row in bad[1:] if row[0]]
    write_csv(rejects, fixed, start="\ufeff")
    answer = c.run("import", rejects, "--json")
    check("the corrected reject file is imported", answer.code == 0
          and answer.json()["added"] == 14, answer)
    total = c.run("account", "list", "--json").json()["total"]
    check("12,077 accounts", total - before == 12077, total)
    book = path_of(c, "tinh.xlsx")
    write_xlsx(book, clean)
    began = time.monotonic()
    answer = c.run("import", book, "--json")
    print(f"     the same as XLSX: {time.monotonic() - began:.1f} s")
    check("the clean list as XLSX changes nothing but what was repaired", answer.code == 0
          and answer.json()["added"] == 0 and answer.json()["unchanged"] > 12050, answer)


def acc_01_a_reject_file_in_xlsx_can_be_corrected_and_imported(c):
    rejects = path_of(c, "loai.xlsx")
    answer = c.run("import", path_of(c, "dirty.ods"), "--rejects", rejects, lang="vi")
    check("rejected", answer.code == 2, answer)
    book = openpyxl.load_workbook(rejects)
    sheet = book.active
    head = next(r for r in sheet.iter_rows() if any(x.value == "Họ và tên" for x in r))
    titles = [x.value for x in head]
    check("reasons in Vietnamese", "Lý do bị loại" in titles and "Đề xuất sửa" in titles, titles)
    column = {t: i for i, t in enumerate(titles)}
    fixed = 0
    for row in sheet.iter_rows(min_row=head[0].row + 1):
        name, proposal = row[column["Họ và tên"]], row[column["Đề xuất sửa"]].value
        if name.value == "Lê Văn":
            name.value, row[column["Mã đơn vị"]].value = "Lê Văn Kiên", "stp"
        elif name.value == "Kiên":
            for cell in row:
                cell.value = None
        elif proposal and "@" not in proposal:
            name.value = proposal
        else:
            row[column["Thư điện tử"]].value = None
            if row[column["Mã đơn vị"]].value == "Trưởng phòng":
                row[column["Mã đơn vị"]].value = "stp"
        fixed += 1
    book.save(rejects)
    answer = c.run("import", rejects, "--json")
    check("corrected and imported", answer.code == 0 and answer.json()["added"] == 14, answer)


def province(tests, is_running):
    c = Congvu()
    try:
        made = c.init()
        check("init", made.code == 0, made)
        if is_running:
            c.start()
        else:
            for code, name in (("stp", "Sở Tư pháp"), ("snv", "Sở Nội vụ")):
                check(name, c.run("agency", "add", code, name).code == 0)
        for test in tests:
            print(test.__name__.replace("_", " "))
            test(c)
    finally:
        c.done()


def main():
    province((acc_01_the_same_list_gives_the_same_answer_in_every_format,
              acc_01_the_four_kinds_of_files_are_read,
              acc_01_cells_of_office_programs_are_read_as_written, hostile_books_are_refused,
              acc_01_a_reject_file_in_xlsx_can_be_corrected_and_imported), False)
    province((acc_01_12077_people_12_repaired_14_rejected_12063_accounts,), True)
    finish()


main()
