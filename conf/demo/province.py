#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Make the fictional province Lam Giang: 202 units and 12,077 people, the same ones every time.

    province.py FOLDER [--full] [--day 2026-11-23] [--months 12]

writes FOLDER/agencies.csv (code, name, parent, type, rank, staff, cluster), FOLDER/staff.csv (the list an
office of internal affairs would send: all staff), FOLDER/day0.csv (those of them who have an address on day 0)
and FOLDER/use.csv (what they did in the last whole months before --day, 12 unless --months says otherwise).
Without --full: a dozen units and about two hundred people.
"""
import csv
import datetime
import os
import random
import sys
import unicodedata

SEED = 20250701  # the day the old provinces merged

BODIES = [  # code, name, staff
    ("vpubnd", "Văn phòng UBND tỉnh", 120), ("vpdbqh", "Văn phòng Đoàn ĐBQH và HĐND tỉnh", 60),
    ("snv", "Sở Nội vụ", 180), ("stp", "Sở Tư pháp", 90), ("stc", "Sở Tài chính", 230),
    ("sct", "Sở Công Thương", 160), ("snnmt", "Sở Nông nghiệp và Môi trường", 330),
    ("sxd", "Sở Xây dựng", 320), ("skhcn", "Sở Khoa học và Công nghệ", 150),
    ("svhttdl", "Sở Văn hóa, Thể thao và Du lịch", 140), ("sgddt", "Sở Giáo dục và Đào tạo", 130),
    ("syt", "Sở Y tế", 200), ("sdttg", "Sở Dân tộc và Tôn giáo", 80),
    ("bqlkkt", "Ban Quản lý Khu kinh tế", 110), ("thanhtra", "Thanh tra tỉnh", 190),
    ("ttpvhcc", "Trung tâm Phục vụ hành chính công", 110),
]
SERVICE = [
    "Trung tâm Chuyển đổi số", "Trung tâm Khuyến nông", "Trung tâm Kiểm soát bệnh tật",
    "Trung tâm Dịch vụ việc làm", "Trung tâm Lưu trữ lịch sử", "Thư viện tỉnh", "Bảo tàng tỉnh",
    "Trung tâm Văn hóa tỉnh", "Trung tâm Xúc tiến đầu tư", "Trung tâm Quan trắc môi trường",
    "Trung tâm Quỹ đất", "Trung tâm Trợ giúp pháp lý", "Ban Quản lý dự án giao thông",
    "Ban Quản lý dự án dân dụng", "Ban Quản lý rừng phòng hộ", "Vườn quốc gia Lam Giang",
    "Bệnh viện đa khoa tỉnh", "Bệnh viện y học cổ truyền", "Bệnh viện sản nhi",
    "Trường Cao đẳng Lam Giang", "Trường THPT chuyên Lam Giang", "Trung tâm Bảo trợ xã hội",
    "Trung tâm Huấn luyện thể thao", "Nhà hát ca múa nhạc", "Trung tâm Giống cây trồng",
    "Cảng vụ đường thủy", "Trung tâm Kiểm định xây dựng", "Trung tâm Pháp y",
]
PLACE_A = ["Tân", "Bình", "Phước", "Long", "Thạnh", "Hòa", "Vĩnh", "An", "Đại", "Mỹ", "Sơn", "Hưng", "Trà", "Lộc"]
PLACE_B = ["Lập", "Phú", "Thành", "Sơn", "Hải", "Giang", "Minh", "Khê", "Lộc", "Châu", "Điền"]

SURNAMES = {"Nguyễn": 34, "Trần": 11.5, "Lê": 9.3, "Phạm": 6.6, "Phan": 4.2, "Huỳnh": 2.7, "Võ": 2.6,
            "Hoàng": 2.4, "Đặng": 2.1, "Bùi": 2, "Trương": 1.9, "Vũ": 1.8, "Đỗ": 1.4, "Hồ": 1.4, "Ngô": 1.4,
            "Đinh": 1.1, "Dương": 1, "Lý": 0.9, "Đoàn": 0.9, "Mai": 0.8, "Đào": 0.8, "Lương": 0.7, "Trịnh": 0.7,
            "Hà": 0.6, "Cao": 0.6, "Tạ": 0.5, "Châu": 0.5, "Thái": 0.5, "Phùng": 0.4, "Tô": 0.4, "Lâm": 0.4,
            "Rơ Mah": 0.15, "Ksor": 0.15, "Siu": 0.15, "Kpă": 0.1, "Rơ Châm": 0.1, "Niê": 0.1}
MIDDLE_MEN = {"Văn": 26, "Minh": 7, "Hữu": 7, "Quốc": 6, "Thanh": 6, "Đức": 5, "Công": 4, "Xuân": 4, "Ngọc": 4,
              "Đình": 4, "Hoàng": 4, "Anh": 3, "Trọng": 3, "Tuấn": 3, "Quang": 3, "Thành": 3, "Duy": 2, "Bá": 2, "": 4}
MIDDLE_WOMEN = {"Thị": 23, "Thị Thanh": 5, "Thị Thu": 5, "Thị Ngọc": 5, "Thị Kim": 4, "Thị Hồng": 4, "Thị Mỹ": 4,
                "Thị Bích": 4, "Thị Minh": 4, "Ngọc": 7, "Thanh": 4, "Thu": 4, "Hồng": 3, "Kim": 3, "Phương": 3,
                "Minh": 3, "Mỹ": 3, "Hoài": 2, "Bảo": 2, "Diễm": 2}
GIVEN_MEN = ["Tuấn", "Hùng", "Dũng", "Sơn", "Hoàng", "Huy", "Anh", "Nam", "Long", "Hải", "Thắng", "Cường", "Phong",
             "Bình", "Minh", "Quân", "Đức", "Khánh", "Trung", "Hiếu", "Tùng", "Lâm", "Phúc", "Thành", "Toàn", "Vinh",
             "Kiên", "Đạt", "Tâm", "Tài", "Hòa", "Lộc", "Nghĩa", "Quang", "Việt", "Thịnh", "Tiến", "Thái"]
GIVEN_WOMEN = ["Trang", "Thảo", "Linh", "Phương", "Hằng", "Hương", "Anh", "Hiền", "Hà", "Lan", "Nga", "Thủy", "Hoa",
               "Yến", "Mai", "Nhung", "Tuyết", "Vân", "Dung", "Loan", "Oanh", "Hạnh", "Ngân", "Nhi", "Trâm", "Duyên",
               "Thúy", "Hòa", "Quỳnh", "Giang", "Tâm", "Châu", "My", "Diễm", "Liên", "Xuân", "Ly"]

PROVINCIAL_POSTS = [  # share of a provincial body's people, title, kind of department
    ("Chuyên viên chính", 0.2), ("Chuyên viên", 0.55), ("Kế toán", 0.05), ("Văn thư", 0.03), ("Cán sự", 0.07),
    ("Nhân viên", 0.1)]
COMMUNE_PARTS = [("", 6), ("Văn phòng HĐND và UBND", 16), ("Phòng Kinh tế", 16), ("Phòng Văn hóa - Xã hội", 16 - 2),
                 ("Trung tâm Phục vụ hành chính công", 8)]


def fold(text):
    """ASCII letters and digits of TEXT, lower case."""
    text = unicodedata.normalize("NFD", text.lower().replace("đ", "d"))
    return "".join(c for c in text if c.isascii() and c.isalnum())


def pick(rng, weights):
    return rng.choices(list(weights), weights=list(weights.values()))[0]


def person(rng):
    if rng.random() < 0.5:
        return " ".join(w for w in (pick(rng, SURNAMES), pick(rng, MIDDLE_MEN), rng.choice(GIVEN_MEN)) if w)
    return " ".join((pick(rng, SURNAMES), pick(rng, MIDDLE_WOMEN), rng.choice(GIVEN_WOMEN)))


def communes(rng):
    """98 names, 8 of them twice: the two old provinces each had one."""
    names = [f"{a} {b}" for a in PLACE_A for b in PLACE_B if a != b]
    rng.shuffle(names)
    names = names[:90]
    names += names[:8]
    kinds = ["Xã"] * 80 + ["Phường"] * 17 + ["Đặc khu"]
    rng.shuffle(kinds)
    prefix = {"Xã": ("x", "xa"), "Phường": ("p", "phuong"), "Đặc khu": ("dk", "dac_khu")}
    taken, out = set(), []
    for kind, name in zip(kinds, names):
        code = base = (prefix[kind][0] + fold(name))[:11]
        if code in taken:
            code = base[:10] + "2"
        taken.add(code)
        out.append((code, f"{kind} {name}", prefix[kind][1]))
    return out


def head_titles(name):
    if name.startswith("Văn phòng"):
        return "Chánh Văn phòng", "Phó Chánh Văn phòng"
    if name.startswith("Thanh tra"):
        return "Chánh Thanh tra", "Phó Chánh Thanh tra"
    return "Giám đốc", "Phó Giám đốc"


def body_people(rng, name, count):
    """Titles and departments of a provincial body or service unit."""
    head, deputy = head_titles(name)
    people = [(head, ""), (deputy, ""), (deputy, "")]
    departments = ["Văn phòng", "Phòng Kế hoạch - Tài chính", "Phòng Nghiệp vụ 1", "Phòng Nghiệp vụ 2",
                   "Phòng Thanh tra"]
    departments = departments[:max(1, min(5, count // 15))]
    for department in departments:
        people += [("Trưởng phòng", department), ("Phó Trưởng phòng", department)]
    weights = dict(PROVINCIAL_POSTS)
    while len(people) < count:
        people.append((pick(rng, weights), rng.choice(departments)))
    return people[:count]


def commune_people(rng):
    people = [("Chủ tịch", ""), ("Phó Chủ tịch", ""), ("Phó Chủ tịch", ""), ("Chuyên viên chính", ""),
              ("Chuyên viên", ""), ("Chuyên viên", "")]
    for department, count in COMMUNE_PARTS[1:]:
        people += [("Trưởng phòng", department), ("Phó Trưởng phòng", department)]
        people += [(pick(rng, {"Chuyên viên": 6, "Văn thư": 1, "Kế toán": 1, "Cán sự": 2}), department)
                   for _ in range(count - 2)]
    return people


def units(rng, full):
    """(code, name, parent, type, rank, [(title, department)...]) of every unit."""
    out = []
    for rank, (code, name, count) in enumerate(BODIES, 10):
        out.append((code, name, "", "so", rank, body_people(rng, name, count)))
    for i, name in enumerate(SERVICE):
        parent = BODIES[(i * 5) % len(BODIES)][0]
        count = 93 if i == len(SERVICE) - 1 else 92
        code = "".join(w[0] for w in fold_words(name))[:8] + str(i + 1)
        out.append((code, name, parent, "dvsn", 40, body_people(rng, name, count)))
    places = communes(rng)
    for code, name, kind in places:
        out.append((code, "UBND " + name, "", kind, 60, commune_people(rng)))
    for code, name, _ in places[:60]:
        people = [("Giám đốc", ""), ("Phó Giám đốc", "")] + [("Nhân viên", "")] * 15
        out.append(("dv" + code[:10], "Trung tâm Dịch vụ tổng hợp " + name, code, "dvsn_xa", 80, people))
    if full:
        return out
    small = [u for u in out if u[0] in ("vpubnd", "snv", "stp", "skhcn", "ttpvhcc")]
    small += [u for u in out if u[3] in ("xa", "phuong")][:5] + [u for u in out if u[3] == "dvsn"][:2]
    return [(c, n, p if p in {s[0] for s in small} else "", t, r, people[:18]) for c, n, p, t, r, people in small]


def fold_words(name):
    return [w for w in (fold(w) for w in name.split()) if w]


EDGE = [  # people whose names have broken other systems; each takes the place of a drawn name
    "Ông Mai Xuân", "Đoàn Văn Nỉ", "Ngô Toàn", "Rơ Mah H'Bia", "Y Bhiu Niê", "Nguyễn Hoàng Bảo Trâm Anh",
    "Nguyễn Văn An", "Nguyễn Văn An", "Nguyễn Văn An", unicodedata.normalize("NFD", "Trần Thị Thuý"), "Lê Thị Thúy"]


CLUSTERS = {"so": "Khối sở, ban, ngành", "dvsn": "Khối đơn vị sự nghiệp", "xa": "Khối xã, phường, đặc khu",
            "phuong": "Khối xã, phường, đặc khu", "dac_khu": "Khối xã, phường, đặc khu",
            "dvsn_xa": "Khối đơn vị sự nghiệp cấp xã"}
# Day 0 (REP-01): 1,150 people of communes and 299 of service units have no address yet; 8,454 use theirs.
WITHOUT = {"xa": 1150, "phuong": 1150, "dac_khu": 1150, "dvsn_xa": 299}
REGULAR_SHARE = 8454 / 10628
NEW_SHARE = 0.7  # of the regular users of day 0 in the first month that is known


def without_address(all_staff, full):
    """The staff numbers of those who have no address: the last of each commune, as many as day 0 says."""
    left = {"commune": 1150, "service": 299} if full else {"commune": 12, "service": 0}
    groups = {"commune": [], "service": []}
    for row in all_staff:
        kind = {"dvsn_xa": "service"}.get(row["type"], "commune" if row["type"] in WITHOUT else None)
        if kind:
            groups[kind].append(row)
    out = set()
    for kind, count in left.items():
        # Juniors first, unit by unit in turns: heads have an address everywhere.
        by_unit = {}
        for row in groups[kind]:
            by_unit.setdefault(row["code"], []).append(row["id"])
        turn = 0
        while count and by_unit:
            for ids in by_unit.values():
                if count and len(ids) > 4:
                    out.add(ids.pop())
                    count -= 1
            turn += 1
            if turn > 100:
                break
    return out


def write_use(path, day0, day, months):
    """Use by month: a row is staff number, month, days of use, sent, received, opened."""
    rng = random.Random(SEED + 1)
    regular_count = round(len(day0) * REGULAR_SHARE)
    order = [row["id"] for row in day0]
    rng.shuffle(order)
    regular, others = order[:regular_count], order[regular_count:]
    first = day.year * 12 + day.month - 1 - months
    with open(path, "w", encoding="utf-8", newline="") as f:
        out = csv.writer(f)
        out.writerow(["staff_id", "month", "days", "sent", "received", "opened"])
        for m in range(first, first + months):
            start = datetime.date(m // 12, m % 12 + 1, 1)
            end = datetime.date((m + 1) // 12, (m + 1) % 12 + 1, 1)
            weekdays = sum((start + datetime.timedelta(d)).weekday() < 5 for d in range((end - start).days))
            share = 1 if months == 1 else NEW_SHARE + (1 - NEW_SHARE) * (m - first) / (months - 1)
            users = regular[:round(len(regular) * share)]
            occasional = others[:round(len(others) * share * 0.75)] + regular[len(users):]
            for who, lowest, highest in [(w, -(-weekdays * 3 // 4), weekdays - 1) for w in users] + \
                    [(w, 1, weekdays // 3) for w in occasional]:
                days = rng.randint(lowest, highest)
                out.writerow([who, f"{start:%Y-%m}", days, days * rng.randint(1, 8), days * rng.randint(6, 24),
                              days * rng.randint(1, 4)])


# The two people whose log-ins ./dev shows: their addresses are given, their staff rows are the first that fit.
DEMO_PEOPLE = {("stp", "Chuyên viên"): ("Nguyễn Thị Hòa", "nthoa.stp@lamgiang.example"),
               ("snv", "Trưởng phòng"): ("Trần Văn Nam", "tvnam.snv@lamgiang.example")}


def make_staff(rng, all_units):
    """Every row of the list of staff, in its order."""
    edge, demo, out = list(EDGE), dict(DEMO_PEOPLE), []
    for code, _, _, kind, _, people in all_units:
        office = f"0299 3{rng.randrange(100000, 999999)}"
        for title, department in people:
            name, address = person(rng), ""
            if edge and code == "stp":
                name = edge.pop(0)
            elif (code, title) in demo:
                name, address = demo.pop((code, title))
            out.append({"id": f"LG{len(out) + 1:05}", "name": name, "title": title, "code": code, "type": kind,
                        "department": department, "office": office, "mobile": f"09{rng.randrange(10**7, 10**8)}",
                        "consent": "x" if rng.random() < 0.2 else "", "address": address})
    return out


def write_staff(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as f:
        out = csv.writer(f)
        out.writerow(["STT", "Mã cán bộ", "Họ và tên", "Chức vụ", "Mã đơn vị", "Phòng", "Điện thoại cơ quan",
                      "Di động", "Đồng ý công khai di động", "Thư điện tử"])
        for number, row in enumerate(rows, 1):
            out.writerow([number, row["id"], row["name"], row["title"], row["code"], row["department"],
                          row["office"], row["mobile"], row["consent"], row["address"]])


def option(name, default):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    folder, full = sys.argv[1], "--full" in sys.argv[2:]
    day = datetime.date.fromisoformat(option("--day", datetime.date.today().isoformat()))
    os.makedirs(folder, exist_ok=True)
    rng = random.Random(SEED)
    all_units = units(rng, full)
    staff = make_staff(rng, all_units)
    with open(os.path.join(folder, "agencies.csv"), "w", encoding="utf-8", newline="") as f:
        out = csv.writer(f)
        out.writerow(["code", "name", "parent", "type", "rank", "staff", "cluster"])
        for code, name, parent, kind, rank, people in all_units:
            out.writerow([code, name, parent, kind, rank, len(people), CLUSTERS[kind]])
    without = without_address(staff, full)
    day0 = [row for row in staff if row["id"] not in without]
    write_staff(os.path.join(folder, "staff.csv"), staff)
    write_staff(os.path.join(folder, "day0.csv"), day0)
    write_use(os.path.join(folder, "use.csv"), day0, day, int(option("--months", "12")))
    print(f"{len(all_units)} units, {len(staff)} people, {len(day0)} of them with an address")


if __name__ == "__main__":
    main()
