#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Make the fictional province Lam Giang: 202 units and 12,077 people, the same ones every time.

    province.py FOLDER [--full]

writes FOLDER/agencies.csv (code, name, parent, type, rank) and FOLDER/staff.csv (the list an office of
internal affairs would send). Without --full: a dozen units and about two hundred people.
"""
import csv
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


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    folder, full = sys.argv[1], "--full" in sys.argv[2:]
    os.makedirs(folder, exist_ok=True)
    rng = random.Random(SEED)
    all_units = units(rng, full)
    with open(os.path.join(folder, "agencies.csv"), "w", encoding="utf-8", newline="") as f:
        out = csv.writer(f)
        out.writerow(["code", "name", "parent", "type", "rank"])
        for code, name, parent, kind, rank, _ in all_units:
            out.writerow([code, name, parent, kind, rank])
    count = 0
    edge = list(EDGE)
    with open(os.path.join(folder, "staff.csv"), "w", encoding="utf-8", newline="") as f:
        out = csv.writer(f)
        out.writerow(["STT", "Họ và tên", "Chức vụ", "Mã đơn vị", "Phòng", "Điện thoại cơ quan", "Di động",
                      "Đồng ý công khai di động"])
        for code, _, _, _, rank, people in all_units:
            office = f"0299 3{rng.randrange(100000, 999999)}"
            for title, department in people:
                name = person(rng)
                if edge and code == "stp":
                    name = edge.pop(0)
                count += 1
                out.writerow([count, name, title, code, department, office, f"09{rng.randrange(10**7, 10**8)}",
                              "x" if rng.random() < 0.2 else ""])
    print(f"{len(all_units)} units, {count} people")


if __name__ == "__main__":
    main()
