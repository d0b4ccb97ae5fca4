#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""The reports leaders read, on the full demo province (REP-01 to REP-08): figures, forms, the same octets."""
import csv
import datetime
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


def rep_03_the_reports_of_a_month_are_kept(c):
    """What the scheduler runs on the first of a month: every report, for people and for sheets."""
    folder = os.path.join(c.dir, "kept")
    answer = c.run("report", "keep", "--period", "2026-10", "--output", folder, "--json")
    there = set(os.listdir(os.path.join(folder, "2026-10")))
    own = {f"{kind}.{form}" for form in ("html", "xlsx") for kind in ("usage", "response", "checks", "capacity")}
    check("REP-03: all reports of the month lie in its folder", own <= there, answer)
    # What the filter alone knows cannot be told while it is stopped: the job is tried again.
    check("what is missing is said", answer.code == (0 if len(there) == 14 else 69), (answer.code, there))
    with open(os.path.join(folder, "2026-10", "usage.html"), encoding="utf-8") as f:
        check("with the figures of the terminal", "10.628 (88,0%)" in f.read())
    check("a quarter is no month", c.run("report", "keep", "--period", "2026-Q3", "--output", folder).code == 64)


def rep_05_files_open_in_office_software(c):
    path = os.path.join(c.dir, "usage.xlsx")
    report(c, "usage", *PERIOD, "--format", "xlsx", "--output", path)
    sheet = openpyxl.load_workbook(path).worksheets[1]  # by agency, behind by cluster
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


def rep_04_scores_are_the_same_for_the_same_data(c):
    training = os.path.join(c.dir, "training.csv")
    with open(training, "w", encoding="utf-8") as f:
        f.write("code,trained,of\nstp,45,90\nsnv,180,180\n")
    answer = report(c, "score", *PERIOD, "--training", training)
    check("REP-04 by cluster, with the formula", "Khối sở, ban, ngành" in answer.out and "Điểm = 30 x" in answer.out,
          answer.out[:600])
    again = report(c, "score", *PERIOD, "--training", training)
    check("REP-04 the same data, the same order", answer.out == again.out)
    tables = report(c, "score", *PERIOD, "--training", training, "--format", "json").json()["tables"]
    rows = [r for t in tables.values() for r in t["rows"]]
    stp, snv = ([r for r in rows if r["code"] == code][0] for code in ("stp", "snv"))
    # What cannot be measured is left out and the rest scaled: coverage 30, use 25, training 5 of 60.
    for row, trained in ((stp, 0.5), (snv, 1.0)):
        want = (row["coverage"] * 30 + row["use"] * 25 + trained * 5) * 100 / 60
        check(f"REP-04 points of {row['code']}", row["answers"] is None and row["training"] == trained and
              abs(row["points"] - want) < 0.11, (row, want))
    for table in tables.values():
        places = [(r["place"], -r["points"], r["code"]) for r in table["rows"]]
        check("REP-04 by points, then by code", places == sorted(places), places[:5])
    with open(training, "w", encoding="utf-8") as f:
        f.write("stp,many\nnosuch,3\n")
    answer = c.run("report", "score", "--training", training)
    check("REP-04 a faulty list is refused with its line", answer.code == 1 and "line 2" in answer.err, answer)


def rep_05_a_draft_report_in_the_form_of_offices(c):
    path = os.path.join(c.dir, "draft.odt")
    report(c, "draft", "--period", "2026-10", "--format", "odt", "--output", path, lang="en")
    document = load_odt(path)
    text = teletype.extractText(document.text)
    for words in ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc", "BÁO CÁO", "Nơi nhận:",
                  "tháng 10/2026", "10.628 người đã được cấp địa chỉ thư điện tử công vụ (88,0%)", "Chưa đạt", "Đạt",
                  "PHỤ LỤC", "01/10/2026 đến 31/10/2026"):
        check(f"REP-05 the draft says '{words}'", words in text, text[:1500])
    path = os.path.join(c.dir, "annex.xlsx")
    report(c, "draft", "--period", "2026-10", "--format", "xlsx", "--output", path)
    names = openpyxl.load_workbook(path).sheetnames
    check("REP-05 its annex as a workbook", len(names) == 3 and "Theo cơ quan" in names[1], names)


def rep_06_the_year_of_security_data_ends_on_14_december(c):
    answer = report(c, "security", "--period", "2026", "--format", "json").json()
    check("REP-06 cut-off", "từ 15/12/2025 đến 14/12/2026" in answer["subtitle"], answer["subtitle"])
    values = {r["id"]: r["value"] for r in answer["tables"]["indicators"]["rows"]}
    check("REP-06 the filter's figures are not known while it is down", values["accounts"] == 10628 and
          values["stopped"] is None, values)


def rep_07_indicators_come_with_definitions(c):
    text = report(c, "index", *PERIOD, "--format", "csv").out.lstrip("\ufeff")
    rows = {r["Mã"]: r for r in csv.DictReader(io.StringIO(text))}
    check("REP-07 CSV and definitions", rows["staff"]["Giá trị"] == "12077" and
          rows["coverage"]["Giá trị"] == "88,0%" and rows["agency_boxes"]["Giá trị"] == "100,0%" and
          all(r["Định nghĩa"] for r in rows.values()), rows)


def rep_08_paper_is_an_estimate_with_its_inputs(c):
    answer = report(c, "paper", *PERIOD, "--pages", "3")
    check("REP-08 marked, inputs and formula shown", "ước tính" in answer.out and "pages = 3" in answer.out and
          "sent x percent / 100" in answer.out, answer)


def ops_05_months_left_of_the_disk(c):
    v = os.statvfs(os.path.join(c.base, "mail"))
    used = (v.f_blocks - v.f_bavail) * v.f_frsize
    then = datetime.date.today() - datetime.timedelta(60)
    path = os.path.join(c.base, "schedule", "capacity.csv")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:  # of a clock that ran ahead for some days
        f.write("day,boxes,used_bytes,disk_used_bytes,disk_bytes\r\n")
        f.writelines(f"{datetime.date.today() + datetime.timedelta(n)},1,1,1,9\r\n" for n in (400, 401, 402))
    check("sample", c.run("report", "sample").code == 0)
    with open(path, encoding="utf-8") as f:
        lines = f.read().splitlines()
    check("OPS-05 a sample a day", len(lines) == 2 and lines[1].split(",")[1] == "10831", lines)
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{lines[0]}\r\n{then},9000,0,{used // 2},{v.f_blocks * v.f_frsize}\r\n{lines[1]}\r\n")
    answer = report(c, "capacity", "--format", "json").json()
    row = answer["tables"]["forecast"]["rows"][0]
    want = v.f_bavail * v.f_frsize / (used / 2 / 60 * 30)
    check("OPS-05 months left", abs(row["months"] - want) < 0.05 * want + 0.2, (row, want))
    check("OPS-05 the formula is shown", any("x 30 /" in t for t in answer["texts"]), answer["texts"])


def spm_09_and_pol_08_by_agency_and_month(c):
    """SPM-09, POL-08: needs the running filter."""
    answer = c.run("report", "spam")
    check("SPM-09 without the filter it says so", answer.code == 69, answer)
    c.start()
    for verb in ("spam", "policy"):
        answer = report(c, verb, "--period", "2026-9m", "--format", "csv")
        check(f"{verb} as CSV", answer.out.startswith("\ufeff"), answer)
        months = report(c, verb, "--period", "2026-9m", "--format", "json").json()["tables"]["months"]["rows"]
        check(f"{verb} by month", [m["month"] for m in months] == [f"{m:02}/2026" for m in range(1, 10)], months)
    check("REP-01 the same on a running store", FIGURES in report(c, "usage", *PERIOD).out)
    ops_04_an_agency_admin_gets_reports_of_his_agency_alone(c)
    check("the service ends well", c.stop() == 0)


def ops_04_an_agency_admin_gets_reports_of_his_agency_alone(c):
    who, password = "nthoa.stp@lamgiang.example", "Mua-thu-4-Ha-Noi!"
    answer = c.run("account", "passwd", who, stdin=password + "\n")
    check("a password", answer.code == 0, answer)
    answer = c.run("admin", "add", who, "--role", "agency", "--agency", "stp")
    check("an agency admin", answer.code == 0, answer)

    def as_him(*words):
        return c.run("--as", who, "--as-password-stdin", "report", *words, stdin=password + "\n")
    for verb in ("usage", "checks", "response"):
        answer = as_him(verb, *PERIOD, "--agency", "stp")
        check(f"OPS-04 {verb} of his own", answer.code == 0 and "Sở Tư pháp" in answer.out and
              "Sở Nội vụ" not in answer.out, answer)
        for other in (("--agency", "snv"), ()):
            answer = as_him(verb, *PERIOD, *other)
            check(f"OPS-04 {verb} {other} is refused", answer.code == 1 and "12.077" not in answer.out, answer)


def main():
    c = Congvu()
    try:
        check("init", c.init().code == 0)
        make_province(c)
        rep_01_coverage_and_use_of_the_full_province(c)
        rep_02_use_by_person_is_counts_only(c)
        rep_03_periods_are_reproducible(c)
        rep_03_the_reports_of_a_month_are_kept(c)
        rep_05_files_open_in_office_software(c)
        rep_04_scores_are_the_same_for_the_same_data(c)
        rep_05_a_draft_report_in_the_form_of_offices(c)
        rep_06_the_year_of_security_data_ends_on_14_december(c)
        rep_07_indicators_come_with_definitions(c)
        rep_08_paper_is_an_estimate_with_its_inputs(c)
        ops_05_months_left_of_the_disk(c)
        spm_09_and_pol_08_by_agency_and_month(c)
    finally:
        c.done()
    finish()


main()
