#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The reports leaders read, on the full demo province (REP-01 to REP-08): figures, forms, the same octets."""
import csv
import io
import os
import subprocess
import sys
import zipfile

from admin_kit import ROOT, Congvu, check, finish

try:
    import openpyxl
    from odf import teletype
    from odf.opendocument import load as load_odt
    from odf.table import Table
except ImportError:
    print("skipped: python3-openpyxl and python3-odf are not installed")
    sys.exit(77)

DAY = "2026-11-23"
PERIOD = ("--period", "2026-10")
FIGURES = "12.077; 10.628 (88,0%); 8.454 (70,0%)"


def make_province(c):
    lists = os.path.join(c.dir, "lists")
    subprocess.run([sys.executable, os.path.join(ROOT, "conf/demo/province.py"), lists, "--full", "--day", DAY,
                    "--months", "2"], check=True, capture_output=True)
    answer = c.run("agency", "import", os.path.join(lists, "agencies.csv"), "--mailboxes")
    check("202 agencies", answer.code == 0 and "202" in answer.out, answer)
    answer = c.run("import", os.path.join(lists, "day0.csv"), "--json")
    check("10,628 people", answer.json().get("added") == 10628, answer)
    for _ in range(2):  # the same list again changes nothing
        answer = c.run("report", "import-use", os.path.join(lists, "use.csv"), "--json")
        check("use of the older system", answer.code == 0 and answer.json()["unknown"] == 0, answer)


def report(c, *words, lang="vi"):
    answer = c.run("report", *words, lang=lang)
    check("report " + " ".join(words), answer.code == 0, answer)
    return answer


def rep_01_coverage_and_use_of_the_full_province(c):
    answer = report(c, "usage", *PERIOD)
    check("REP-01 12.077; 10.628 (88,0%); 8.454 (70,0%)", FIGURES in answer.out, answer)
    check("REP-01 by agency", "Sở Tư pháp" in answer.out and "UBND Xã" in answer.out, answer)
    total = [r for r in report(c, "usage", *PERIOD, "--format", "json").json()["tables"]["agencies"]["rows"]
             if r.get("is_total")][0]
    check("REP-01 numbers for machines", (total["staff"], total["with_address"], total["coverage"],
                                          total["regular"], total["use"]) == (12077, 10628, 0.88, 8454, 0.7), total)
    rows = list(csv.DictReader(io.StringIO(report(c, "usage", *PERIOD, "--format", "csv").out.lstrip("\ufeff"))))
    check("REP-01 agencies sum up", sum(int(r["Số cán bộ"]) for r in rows[:-1]) == 12077 and
          sum(int(r["Dùng thường xuyên"]) for r in rows[:-1]) == 8454 and len(rows) == 203, rows[-1])


def rep_02_use_by_person_is_counts_only(c):
    rows = report(c, "usage", *PERIOD, "--agency", "stp", "--people", "--format", "json").json()
    people = rows["tables"]["people"]["rows"]
    check("REP-02 people of one agency and those below it", len(people) > 80 and
          {p["agency"] for p in people} >= {"stp"} and len({p["agency"] for p in people}) < 6, len(people))
    check("REP-02 counts, no subjects or correspondents",
          set(people[0]) == {"name", "address", "agency", "days", "share", "sent", "received", "opened", "regular"},
          people[0])
    answer = c.run("report", "usage", "--agency", "nosuch")
    check("REP-02 an agency that is not there is refused", answer.code == 1 and "agency list" in answer.err, answer)


def rep_03_periods_are_reproducible(c):
    for word, says in (("2026-10", "tháng 10/2026"), ("2026-Q3", "quý 3/2026"), ("2026-6m", "6 tháng đầu năm 2026"),
                       ("2026-9m", "9 tháng đầu năm 2026"), ("2026", "năm 2026"),
                       ("2026-10-05..2026-10-09", "từ 05/10/2026 đến 09/10/2026")):
        answer = report(c, "usage", "--period", word)
        check(f"REP-03 {word}", says in answer.out, answer)
    for more in ((), ("--format", "html"), ("--format", "xlsx"), ("--format", "odt"), ("--format", "json")):
        octets = []
        for turn in range(2):
            path = os.path.join(c.dir, f"report-{turn}")
            report(c, "usage", *PERIOD, *more, "--output", path)
            with open(path, "rb") as f:
                octets.append(f.read())
        check(f"REP-03 the same data, the same octets {more}", octets[0] == octets[1] and octets[0])
    month = report(c, "usage", *PERIOD, "--format", "json").json()["tables"]["agencies"]["rows"][-1]
    cumulative = report(c, "usage", *PERIOD, "--cumulative", "--format", "json").json()
    check("REP-03 cumulative", "lũy kế" in cumulative["subtitle"] and
          cumulative["tables"]["agencies"]["rows"][-1]["sent"] > month["sent"], cumulative["subtitle"])
    for word in ("2026-13", "Q3", "0m", "2026-10-09..2026-10-05", "x"):
        check(f"REP-03 '{word}' is no period", c.run("report", "usage", "--period", word).code == 64)


def rep_05_files_open_in_office_software(c):
    path = os.path.join(c.dir, "usage.xlsx")
    report(c, "usage", *PERIOD, "--format", "xlsx", "--output", path)
    sheet = openpyxl.load_workbook(path).worksheets[0]
    total = [cell for cell in list(sheet.iter_rows())[-1]]
    check("REP-05 numbers are numbers in XLSX", total[2].value == 12077 and total[2].number_format == "#,##0" and
          abs(total[4].value - 10628 / 12077) < 1e-9 and total[4].number_format == "0.0%", [x.value for x in total])
    path = os.path.join(c.dir, "usage.odt")
    report(c, "usage", *PERIOD, "--format", "odt", "--output", path)
    with zipfile.ZipFile(path) as z:
        check("REP-05 the package is whole", z.testzip() is None and z.namelist()[0] == "mimetype", z.namelist())
    document = load_odt(path)
    text = teletype.extractText(document.text)
    check("REP-05 ODT says the figures", FIGURES in text, text[:500])
    check("REP-05 ODT has the tables", len(document.getElementsByType(Table)) >= 1)


def main():
    c = Congvu()
    try:
        check("init", c.init().code == 0)
        make_province(c)
        rep_01_coverage_and_use_of_the_full_province(c)
        rep_02_use_by_person_is_counts_only(c)
        rep_03_periods_are_reproducible(c)
        rep_05_files_open_in_office_software(c)
    finally:
        c.done()
    finish()


main()
