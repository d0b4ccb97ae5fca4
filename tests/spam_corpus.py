#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Make Vietnamese official mail, spam and phishing to learn from and to measure with:
spam_corpus.py [--seed N] [--ham N] [--spam N] [--phishing N] [--kinds] DIR

DIR/ham, DIR/spam and DIR/phishing get one file a message; with --kinds a message's name begins with
the template it came from, so that a measurement can keep whole templates apart. Everything is made
up: names by weight, addresses below .example. Generated sets flatter every filter: the wording of a
template is the same in what is learned and in what is judged. The spread of charsets, typing
without diacritics, typos, HTML, forwarded text, wanted mail that sells and unwanted mail that is
polite makes that smaller, not small."""
import argparse
import base64
import os
import random
import re
import unicodedata
from email.header import Header

SURNAMES = ["Nguyễn"] * 34 + ["Trần"] * 12 + ["Lê"] * 9 + ["Phạm"] * 7 + ["Phan"] * 4 + [
    "Huỳnh", "Huỳnh", "Võ", "Võ", "Hoàng", "Hoàng", "Đặng", "Đặng", "Bùi", "Bùi", "Trương", "Vũ", "Đỗ", "Hồ", "Ngô",
    "Đinh", "Dương", "Rơ Mah", "Ksor", "Siu", "Niê", "Lý", "Mai", "Cao", "Tạ", "Châu"]
MIDDLES = ["Văn", "Thị", "Minh", "Hữu", "Quốc", "Thanh", "Đức", "Ngọc", "Thị Thu", "Thị Ngọc", "Hoàng", "Xuân",
    "Công", ""]
GIVEN = ["Tuấn", "Hùng", "Dũng", "Sơn", "Hoàng", "Huy", "Anh", "Nam", "Trang", "Thảo", "Linh", "Phương", "Hằng",
    "Hương",
         "Hiền", "Duyên", "Hòa", "Thúy", "Bình", "Cường", "Đạt", "Giang", "Khánh", "Lan", "My", "Nga", "Oanh", "Phúc",
         "Quân", "Tâm", "Uyên", "Vinh", "Yến", "Toàn", "Trâm"]
AGENCIES = ["Sở Tư pháp", "Sở Nội vụ", "Sở Tài chính", "Sở Y tế", "Sở Xây dựng", "Sở Công Thương",
    "Văn phòng UBND tỉnh",
            "Sở Nông nghiệp và Môi trường", "Sở Giáo dục và Đào tạo", "Thanh tra tỉnh", "UBND xã Tân Lập",
                "UBND xã Hòa Bình",
            "UBND phường Trà Sơn", "Sở Khoa học và Công nghệ", "Ban Quản lý Khu kinh tế", "Sở Dân tộc và Tôn giáo",
            "Trung tâm Phục vụ hành chính công", "UBND xã Ia Drông", "Sở Văn hóa, Thể thao và Du lịch",
            "Công an tỉnh"]
CODES = ["stp", "snv", "stc", "syt", "sxd", "sct", "vpubnd", "snnmt", "sgddt", "thanhtra", "tanlap", "hoabinh",
    "trason",
         "skhcn", "bqlkkt", "sdttg", "ttpvhcc", "iadrong", "svhttdl", "cat"]
PLACES = ["phòng họp số 1", "phòng họp số 2", "hội trường tầng 3", "hội trường UBND tỉnh", "phòng họp trực tuyến",
          "Trung tâm Hội nghị tỉnh", "phòng 302"]
TOPICS = ["chuyển đổi số", "cải cách hành chính", "phòng cháy chữa cháy", "giải ngân vốn đầu tư công",
    "an toàn thực phẩm",
          "phòng chống thiên tai", "sáp nhập đơn vị hành chính", "quản lý đất đai", "bảo hiểm y tế toàn dân",
          "xây dựng nông thôn mới", "công tác văn thư lưu trữ", "tuyển dụng viên chức", "kê khai tài sản", "bầu cử",
          "phòng chống tham nhũng", "chương trình giảm nghèo bền vững", "dịch sốt xuất huyết", "thi đua khen thưởng",
          "quy hoạch sử dụng đất", "đo đạc bản đồ địa chính", "tiêm chủng mở rộng", "năm học mới", "thu ngân sách"]
THINGS = ["báo cáo", "biên bản", "dự thảo quyết định", "tờ trình", "kế hoạch", "danh sách", "công văn", "phụ lục",
    "hồ sơ",
          "giấy mời", "lịch công tác", "biểu mẫu"]
ASKS = ["cấp giấy chứng nhận quyền sử dụng đất", "đăng ký kết hôn", "cấp phép xây dựng", "chứng thực bản sao",
        "trích lục khai sinh", "cấp lại thẻ bảo hiểm y tế", "chuyển trường cho con", "đăng ký hộ kinh doanh",
        "hỗ trợ người cao tuổi", "tách thửa đất", "trợ cấp thất nghiệp", "xin xác nhận tình trạng hôn nhân",
        "cấp lý lịch tư pháp", "khiếu nại tiền đền bù", "đường thôn bị hư hỏng", "ô nhiễm từ trại heo cạnh nhà",
        "mất nước sinh hoạt nhiều ngày", "tiếng ồn karaoke ban đêm", "thuế đất phi nông nghiệp"]
FREE = ["gmail.example", "yahoo.example", "hotmail.example", "congdan.example", "thudientu.example"]
COMPANIES = ["Công ty TNHH Phúc An", "Công ty CP Thiết bị Minh Long", "Trung tâm Đào tạo Tri Việt",
    "Công ty TNHH In Đại Phát",
             "Công ty CP Phần mềm Sao Mai", "Tập đoàn Địa ốc Hưng Thịnh Phát", "Công ty Du lịch Biển Xanh",
             "Công ty TNHH Nội thất Hoàn Mỹ", "Viện Nghiên cứu Quản lý Á Châu", "Công ty CP Truyền thông Rồng Việt"]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def one(self, *rows):
        return self.r.choice(rows)

    def some(self, rows, low, high):
        return self.r.sample(rows, min(len(rows), self.r.randint(low, high)))

    def name(self):
        r = self.r
        return " ".join(w for w in (r.choice(SURNAMES), r.choice(MIDDLES), r.choice(GIVEN)) if w)

    def number(self):
        kind = self.one("UBND", "STP", "SNV", "STC", "SYT", "BC", "KH", "QĐ", "TB", "GM")
        return f"{self.r.randint(1, 4800)}/{kind}-{self.one('VP', 'NC', 'TH', 'KT', 'VX', 'TCCB')}"

    def date(self):
        return f"{self.r.randint(1, 28):02d}/{self.r.randint(1, 12):02d}/2026"

    def day(self):
        return self.one("thứ Hai", "thứ Ba", "thứ Tư", "thứ Năm", "thứ Sáu", "sáng mai", "chiều nay", "đầu tuần sau")

    def phone(self):
        return self.one("09", "03", "0269.", "08", "0908.") + str(self.r.randint(1000000, 9999999))

    def money(self):
        return f"{self.r.randint(1, 990)}.{self.r.choice(['000', '500'])}.000 đồng"

    def word(self, low=5, high=12):
        return "".join(self.r.choice("abcdefghiklmnopqrstuvxyz0123456789") for _ in range(self.r.randint(low, high)))


def bare(text):
    """Typed without diacritics."""
    text = text.replace("đ", "d").replace("Đ", "D")
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def typos(m, text, rate):
    out = []
    for word in text.split(" "):
        if len(word) > 3 and m.r.random() < rate:
            at = m.r.randrange(1, len(word) - 1)
            word = m.one(word[:at] + word[at + 1:], word[:at] + word[at] + word[at:],
                word[:at] + word[at + 1] + word[at] + word[at + 2:])
        out.append(word)
    return " ".join(out)


# ---- wanted mail: subject, paragraphs; officials, citizens, firms and machines ----

def hello(m):
    return m.one("Kính gửi các đồng chí,", "Kính gửi anh/chị,", f"Kính gửi {m.r.choice(AGENCIES)},", "Chào em,",
        "Anh Nam thân mến,",
                 "Gửi các anh chị,", "Kính gửi: Như trên.", f"Kính gửi đồng chí {m.name()},", "Chào chị,")


def bye(m):
    return m.one("Trân trọng.", "Trân trọng cảm ơn./.", "Cảm ơn anh.", "Xin cảm ơn!", "Thân,",
        "Rất mong sự phối hợp của quý cơ quan.",
                 "Trân trọng kính chào.", "Em cảm ơn ạ.")


def ham_meeting(m):
    t = m.r.choice(TOPICS)
    return (m.one(f"[GM] Họp về {t}", f"Giấy mời họp {t}", f"Mời dự hội nghị {t}", f"V/v mời họp triển khai {t}"),
            [hello(m), m.one(f"{m.r.choice(AGENCIES)} trân trọng kính mời anh/chị dự họp về {t}.",
                             f"Thực hiện chỉ đạo của lãnh đạo, {m.r.choice(AGENCIES)} tổ chức cuộc họp bàn về {t}.",
                             f"Mời các đồng chí tham dự buổi làm việc với đoàn công tác về {t}."),
             f"Thời gian: {m.r.randint(7, 16)} giờ {m.one('00', '30')}, {m.day()}, ngày {m.date()}. Địa điểm: {m.r.choice(PLACES)}.",
             m.one("Đề nghị đến dự đúng giờ, mang theo tài liệu.", "Tài liệu gửi kèm thư này.",
             "Nếu vắng xin báo lại văn phòng trước 16 giờ.",
                   "Thành phần: trưởng các phòng chuyên môn."), bye(m)])


def ham_report(m):
    t = m.r.choice(TOPICS)
    return (m.one(f"Đề nghị báo cáo {t}", f"V/v báo cáo quý {m.r.randint(1, 4)} về {t}", f"Đôn đốc gửi số liệu {t}",
        f"[BC] {t}"),
            [hello(m), f"Căn cứ Công văn số {m.number()} ngày {m.date()} về {t},",
             m.one(f"đề nghị các đơn vị tổng hợp số liệu theo biểu mẫu, gửi trước ngày {m.date()}.",
                   "đến nay còn một số đơn vị chưa gửi báo cáo, đề nghị khẩn trương thực hiện.",
                   f"{m.r.choice(AGENCIES)} gửi báo cáo tổng hợp, đề nghị góp ý trước {m.day()}.",
                   "xin gửi số liệu của đơn vị, có điều chỉnh so với bản trước ở mục 3."), bye(m), m.name()])


def ham_document(m):
    a = m.r.choice(THINGS)
    return (m.one(f"Gửi {a} số {m.number()}", f"{a.capitalize()} đã ký", f"Chuyển văn bản: {a}",
        f"Re: {a} {m.r.choice(TOPICS)}"),
            [hello(m), m.one(f"Văn thư gửi {a} số {m.number()} để thực hiện.",
                f"Em gửi lại {a} đã sửa theo ý kiến của anh.",
                             f"Xin ý kiến đồng chí về {a} đính kèm, hạn trả lời {m.day()}.",
                             f"Chuyển anh {a} của {m.r.choice(AGENCIES)} để xử lý theo thẩm quyền."), bye(m)])


def ham_short(m):
    return (m.one("Re: Lịch trực", "Re: họp giao ban", "Fwd: tài liệu", "Re: " + m.r.choice(TOPICS),
        "(không chủ đề)", "Re: nghỉ phép"),
            [m.one("Ok em, anh nhận được rồi.", "Chị xem lại giúp em trang 2 nhé.",
                "Anh bận, chuyển sang " + m.day() + " được không?",
                   "Em gửi lại file, bản trước bị lỗi phông chữ.", "Đã duyệt, cho phát hành.",
                       "Nhờ anh ký số giúp em trong sáng nay.",
                   "Mai em xin nghỉ phép nửa ngày, việc đã bàn giao cho " + m.name() + ".", "Đồng ý."),
             m.one("", "Gửi từ điện thoại của tôi", m.name(), bye(m))])


def ham_citizen(m):
    a = m.r.choice(ASKS)
    return (m.one(f"Hỏi về thủ tục {a}", f"Xin hỏi {a}", "Kiến nghị của công dân", "hoi thu tuc",
        f"Đơn phản ánh {a}", "Kính nhờ giải đáp"),
            [m.one(f"Kính gửi {m.r.choice(AGENCIES)},", "Kinh gui quy co quan", "Chào anh chị,",
                "Thưa ông chủ tịch,"),
             m.one(f"Tôi tên {m.name()}, ở thôn {m.r.randint(1, 12)}, xã Tân Lập, xin hỏi về việc {a}.",
                   f"Gia đình tôi nộp hồ sơ {a} từ ngày {m.date()} đến nay chưa có kết quả.",
                   f"Cho tôi hỏi {a} thì cần giấy tờ gì, nộp ở đâu, lệ phí bao nhiêu tiền?",
                   f"Chúng tôi là các hộ dân tổ {m.r.randint(1, 9)} phản ánh việc {a}, đề nghị kiểm tra."),
             m.one("Rất mong được trả lời sớm.", f"Số điện thoại của tôi {m.phone()}.",
                 "Mong cơ quan xem xét giúp đỡ gia đình tôi.",
                   "Tôi gọi điện nhiều lần mà không ai nghe máy."), m.one(bye(m), "Người viết đơn: " + m.name())])


def ham_supplier(m):
    return (m.one("Báo giá theo yêu cầu", "Hồ sơ nghiệm thu hợp đồng", "Gửi hóa đơn tháng " + str(m.r.randint(1,
        12)), "Biên bản thanh lý hợp đồng"),
            [hello(m), m.one(f"Theo yêu cầu của quý cơ quan tại công văn {m.number()}, {m.r.choice(COMPANIES)} gửi báo giá thiết bị, tổng cộng {m.money()}.",
                             f"{m.r.choice(COMPANIES)} gửi hóa đơn điện tử và biên bản nghiệm thu để quý cơ quan thanh toán {m.money()}.",
                             "Hàng đã giao đủ theo hợp đồng, đề nghị quý cơ quan xác nhận công nợ."),
             f"Liên hệ: {m.name()}, {m.phone()}.", bye(m)])


def ham_machine(m):
    return (m.one("[QLVB] Bạn có văn bản mới", "[QLVB] Văn bản sắp đến hạn xử lý", "[Cổng DVC] Hồ sơ chờ tiếp nhận",
        "Nhắc việc tự động"),
            [f"Hệ thống quản lý văn bản thông báo: văn bản số {m.number()} ngày {m.date()} đã chuyển đến tài khoản của bạn.",
             m.one(f"Hạn xử lý: {m.date()}.", "Trạng thái: chờ cho ý kiến.", f"Người chuyển: {m.name()}."),
             f"Xem tại https://qlvb.lamgiang.example/vanban/{m.r.randint(10000, 99999)}",
             "Đây là thư tự động, xin không trả lời."])


def ham_it(m):
    return (m.one("Thông báo bảo trì hệ thống thư điện tử", "Nhắc đổi mật khẩu thư công vụ theo quy chế",
        "Hướng dẫn cài chữ ký số", "Cảnh báo thư lừa đảo"),
            ["Kính gửi các cơ quan, đơn vị,",
             m.one(f"Trung tâm Công nghệ thông tin bảo trì máy chủ thư từ 22 giờ ngày {m.date()}, hệ thống có thể gián đoạn.",
                   "Theo quy chế sử dụng thư điện tử, đề nghị người dùng đổi mật khẩu trước cuối tháng, tự vào trang nội bộ của tỉnh, không bấm liên kết trong thư.",
                   "Gần đây có thư giả mạo yêu cầu nâng cấp hộp thư. Đề nghị không mở, báo ngay cho cán bộ phụ trách.",
                   "Gửi tài liệu hướng dẫn cài đặt chữ ký số trên máy tính, liên hệ số nội bộ 305 khi cần hỗ trợ."),
                   bye(m)])


def ham_union(m):
    return (m.one("Công đoàn: phát động ủng hộ", "Thông báo khám sức khỏe định kỳ",
        "Giải bóng chuyền chào mừng 2/9", "Tin buồn", "Thăm hỏi gia đình chính sách"),
            [hello(m), m.one("Công đoàn cơ sở phát động quyên góp ủng hộ đồng bào vùng lũ, mỗi người một ngày lương.",
                             f"Lịch khám sức khỏe định kỳ của cơ quan vào {m.day()}, đề nghị nhịn ăn sáng.",
                             "Đề nghị các tổ công đoàn đăng ký đội bóng chuyền, danh sách gửi trước thứ Sáu.",
                             f"Thân mẫu đồng chí {m.name()} từ trần, lễ viếng tổ chức tại nhà riêng."), bye(m)])


def ham_training(m):
    t = m.r.choice(TOPICS)
    return (m.one(f"Triệu tập lớp tập huấn {t}", f"V/v cử cán bộ bồi dưỡng {t}", f"Lịch học lớp bồi dưỡng {t}"),
            [hello(m), f"{m.r.choice(AGENCIES)} tổ chức lớp tập huấn về {t} trong {m.r.randint(1, 5)} ngày, bắt đầu {m.date()}, không thu học phí.",
             "Đề nghị các đơn vị cử cán bộ tham dự, gửi danh sách học viên về văn phòng.", bye(m)])


def ham_newsletter(m):
    return (m.one("Bản tin cải cách hành chính", "Điểm báo ngày " + m.date(), "Bản tin pháp luật tuần"),
            [f"Bản tin số {m.r.randint(1, 60)}",
                *[f"- {m.r.choice(AGENCIES)}: kết quả {t} đạt {m.r.randint(40, 99)}%." for t in m.some(TOPICS, 3, 6)],
             "Xem đầy đủ: https://bantin.lamgiang.example/", "Hủy nhận bản tin: trả lời thư này."])


def ham_english(m):
    return (m.one("Project workshop agenda", "Re: Site visit next week", "Invitation: donor coordination meeting"),
            ["Dear colleagues,", m.one("Please find attached the agenda of the workshop on climate resilient agriculture.",
                                       "Our mission would like to visit the irrigation scheme on Tuesday; could you confirm the car and the interpreter?",
                                       "Thank you for the comments on the inception report, a revised version follows on Friday."),
             "Best regards,", m.name()])


def ham_invoice(m):
    return (m.one("Hóa đơn điện tử tiền điện", "Thông báo cước viễn thông",
        "Giấy báo nước tháng " + str(m.r.randint(1, 12))),
            ["Kính gửi quý khách hàng,", f"Mã khách hàng PC{m.r.randint(10**8, 10**9)}. Số tiền phải thanh toán {m.money()}, hạn {m.date()}.",
             "Tra cứu hóa đơn tại https://hoadon.dienluc.example/tracuu", bye(m)])


# ---- unwanted mail ----

def spam_course(m):
    t = m.one("đấu thầu qua mạng", "kế toán trưởng", "văn thư lưu trữ", "lãnh đạo cấp phòng",
        "quản lý dự án đầu tư", "an toàn lao động", "chứng chỉ hành nghề")
    return (m.one(f"Chiêu sinh khóa {t}", f"[QC] Khai giảng lớp {t} - giảm 30%", f"Thư mời tham gia khóa học {t}",
        f"Lịch khai giảng {t} tháng {m.r.randint(1, 12)}"),
            ["Kính gửi Quý cơ quan, đơn vị!",
                f"{m.r.choice(COMPANIES)} trân trọng thông báo chiêu sinh khóa {t}, cấp chứng chỉ toàn quốc.",
             m.one(f"Học phí ưu đãi chỉ còn {m.money()}, giảm 30% cho nhóm từ 3 học viên.",
                 "Đăng ký sớm nhận quà tặng và tài liệu miễn phí.",
                   "Học trực tuyến mọi lúc, nhận bằng nhanh, không cần lên lớp."),
             f"Hotline/Zalo: {m.phone()} ({m.name()}).", m.one("Rất hân hạnh được phục vụ!",
                 "Đăng ký ngay hôm nay!", f"Xem lịch: http://{m.word()}.daotao.example/dk?id={m.word()}")])


def spam_realty(m):
    return (m.one("Đất nền ven biển sổ đỏ trao tay", "Cơ hội đầu tư căn hộ chỉ từ 900 triệu",
        "Mở bán đợt cuối - chiết khấu 12%", "BÁN GẤP lô góc 2 mặt tiền"),
            [m.one("Anh chị có đang tìm kênh đầu tư sinh lời?", "Kính chào quý khách!"),
             f"Dự án {m.one('Sunrise', 'Golden', 'Green', 'Royal')} {m.one('City', 'Bay', 'Riverside', 'Park')} mở bán {m.r.randint(5, 60)} suất nội bộ, giá chỉ {m.money()}/m2.",
             m.one("Cam kết lợi nhuận 18%/năm, ngân hàng hỗ trợ vay 70%.",
             "Sổ đỏ riêng từng nền, hạ tầng hoàn thiện, tặng ngay 2 chỉ vàng."),
             f"Gọi ngay {m.phone()} để giữ chỗ. http://{m.word()}.diaoc.example/?ref={m.word()}"])


def spam_loan(m):
    return (m.one("Vay tín chấp lương cán bộ lãi 0,6%", "Giải ngân trong ngày, không cần thế chấp",
        "Hỗ trợ vay vốn công chức"),
            [f"Chúng tôi hỗ trợ vay từ {m.money()} cho cán bộ, công chức, viên chức.",
                m.one("Chỉ cần căn cước và bảng lương, giải ngân 24h.", "Nợ xấu vẫn vay được, bảo mật tuyệt đối."),
             f"Zalo {m.phone()}.", m.one("Bấm vào đây: ",
                 "Đăng ký tại ") + f"http://{m.word()}.vaynhanh.example/{m.word()}"])


def spam_goods(m):
    g = m.one("máy photocopy", "mực in chính hãng", "bàn ghế văn phòng", "quà tặng tết", "lịch bloc 2027",
        "đồng phục công sở", "máy chấm công", "camera an ninh", "tủ hồ sơ", "yến sào", "mật ong rừng", "rượu vang")
    return (m.one(f"Báo giá {g} giá rẻ", f"KHUYẾN MÃI {g.upper()} giảm 50%", f"[QC] {g}", f"Thanh lý {g} cuối năm",
        f"Thư chào hàng {g}"),
            [m.one("Kính gửi quý khách hàng,", "Kính gửi Quý Công ty/Cơ quan,", "Dear anh chị,"),
             f"{m.r.choice(COMPANIES)} chuyên cung cấp {g} giá tốt nhất thị trường, chiết khấu cao cho kế toán và phòng hành chính.",
             m.one("Miễn phí giao hàng, bảo hành 24 tháng, đổi trả trong 7 ngày.",
             "Mua 10 tặng 1, áp dụng đến hết tháng.", f"Giá chỉ từ {m.money()}, xuất hóa đơn theo yêu cầu."),
             f"Liên hệ kinh doanh {m.name()} {m.phone()}. Website http://{m.word(4, 8)}shop.example", m.one("",
             "Nếu không muốn nhận thư này vui lòng bấm hủy đăng ký.")])


def spam_tour(m):
    return (m.one("Tour hè giá sốc chỉ 2.990k", "Du lịch Đà Nẵng - Hội An khởi hành hằng tuần",
        "Ưu đãi team building cho công đoàn"),
            [m.r.choice(COMPANIES) + " gửi chương trình tour trọn gói cho cơ quan, công đoàn.",
                f"Giá chỉ {m.money()}/khách, xe đời mới, khách sạn 4 sao.",
             m.one("Đặt trước 30 ngày giảm ngay 15%.", "Tặng nón du lịch, nước suối, bảo hiểm."),
                 f"Hotline {m.phone()}"])


def spam_web(m):
    return (m.one("Thiết kế website chuẩn SEO", "Dịch vụ email marketing 10 triệu địa chỉ",
        "Bán danh sách giám đốc doanh nghiệp 2026", "SEO top Google cam kết"),
            [m.one("Bạn muốn tăng doanh số?", "Website của bạn chưa lên top?", "Chào anh/chị,"),
                f"Bên em cung cấp {m.one('gói quảng cáo', 'danh sách khách hàng', 'dịch vụ website')} trọn gói {m.money()}.",
             m.one("Cam kết lên top 10 sau 30 ngày.", "Gửi không giới hạn, tỷ lệ vào inbox 98%.",
                 "Dùng thử miễn phí 7 ngày."), f"Skype/Zalo: {m.word()} {m.phone()}"])


def spam_health(m):
    return (m.one("Bí quyết giảm cân 10kg trong 2 tuần", "Thuốc gia truyền trị dứt điểm đau khớp",
        "Tăng cường sinh lý nam", "Giảm m.ỡ bụ.ng cấp tốc"),
            [m.one("Không cần ăn kiêng, không tập luyện!", "100% thảo dược, hiệu quả sau 7 ngày hoặc hoàn tiền!"),
                f"Chỉ {m.money()} một liệu trình, mua 2 tặng 1.",
             f"Đặt hàng: http://{m.word()}.suckhoe.example/{m.word()} {m.one('MIỄN PHÍ SHIP', 'Số lượng có hạn!!!')}"])


def spam_bet(m):
    return (m.one("Nh.à c.ái tặng 888k cho thành viên mới", "Nạp đầu thưởng 200%", "Kèo thơm tối nay",
        "Đánh đề online uy tín"),
            [m.one("Đăng ký nhận ngay 100k trải nghiệm.", "Rút tiền 2 phút, hoàn trả mỗi ngày."),
                f"Link vào mới nhất: http://{m.word()}.bet{m.r.randint(10, 99)}.example/?a={m.word()}",
             m.one("Nhanh tay!!!", "Chơi là thắng")])


def spam_english(m):
    return (m.one("Increase your website ranking", "Business proposal", "RE: Product catalogue 2026",
        "You have been selected", "LED lights factory price", "Mobile app development"),
            [m.one("Dear Sir/Madam,", "Hello dear friend,", "Hi there,"), m.one(
                "We are a professional manufacturer of LED lights in Shenzhen with competitive factory price and fast delivery.",
                "I am barrister John Ade, your late relative left USD 8,500,000 in our bank and I need your cooperation to transfer the fund.",
                "We can place your website on the first page of search engines with guaranteed results.",
                "Your email address has won 750,000 euro in the online lottery draw. Contact our agent to claim your prize."),
             m.one("Reply now for a free quote.", f"Visit http://{m.word()}.example/{m.word()}",
                 "This offer is limited."), m.one("Best regards", "God bless you", "Kind regards, sales team")])


def spam_finance(m):
    return (m.one("Nhóm kín chứng khoán khuyến nghị miễn phí", "Lợi nhuận 5%/ngày với tiền số",
        "Cơ hội thu nhập thụ động", "Việc làm thêm tại nhà 500k/ngày"),
            [m.one("Tham gia nhóm Telegram để nhận mã cổ phiếu tăng trần.",
                "Chỉ cần điện thoại, làm 2 tiếng mỗi ngày, nhận lương ngay.",
                    "Robot giao dịch tự động, cam kết không lỗ."),
             f"Đã có {m.r.randint(500, 9000)} thành viên nhận {m.money()}.",
                 f"Tham gia: https://t.{m.word(3, 5)}.example/{m.word()}"])


def spam_print(m):
    return (m.one("In ấn giá xưởng", "Nhận khắc dấu, in thiệp, in lịch", "Phần mềm hóa đơn điện tử 500 số chỉ 300k",
        "Chữ ký số giảm 60%"),
            ["Kính gửi phòng kế toán,", m.r.choice(COMPANIES) + m.one(" nhận in lịch, phong bì, kẹp hồ sơ lấy ngay.", " cung cấp chữ ký số, hóa đơn điện tử giá rẻ nhất.", " tặng thêm 6 tháng sử dụng phần mềm kế toán."),
             f"Giá chỉ {m.money()}. Gọi {m.phone()} gặp {m.name()}.", "Hân hạnh được phục vụ quý khách!"])


# ---- phishing ----

def phish_quota(m):
    return (m.one("Hộp thư của bạn đã đầy", "Cảnh báo: dung lượng hộp thư vượt 98%", "Mailbox quota exceeded",
        "Nâng cấp hệ thống thư điện tử"),
            [m.one("Kính gửi người dùng,", "Dear user,", "Thưa quý cán bộ,"), m.one(
                "Hộp thư của bạn đã vượt giới hạn lưu trữ và sẽ bị khóa trong 24 giờ. Bấm vào liên kết dưới đây để nâng cấp.",
                "Ban quản trị nâng cấp máy chủ thư, đề nghị xác nhận tài khoản và mật khẩu để không bị gián đoạn.",
                "Your mailbox is almost full. Login to keep the same password and avoid deactivation."),
             f"https://{m.word()}.{m.one('webmail', 'mail-update', 'xacminh')}.example/{m.one('login', 'dangnhap', 'verify')}?u={m.word()}", m.one("Bộ phận hỗ trợ kỹ thuật", "IT Helpdesk", "Ban quản trị hệ thống")])


def phish_tax(m):
    return (m.one("Thông báo hoàn thuế thu nhập cá nhân", "Tổng cục Thuế: yêu cầu kê khai bổ sung",
        "Cập nhật định danh điện tử mức 2"),
            [f"Mã số thuế của ông/bà đủ điều kiện hoàn {m.money()}.",
                m.one("Đăng nhập bằng tài khoản ngân hàng và mã OTP để nhận tiền.",
                    "Tải ứng dụng theo liên kết và cung cấp số căn cước.",
                                                                     "Nếu không xác nhận trước 17 giờ hôm nay hồ sơ sẽ bị hủy."), f"http://{m.word()}.thue-dientu.example/{m.word()}"])


def phish_leader(m):
    return (m.one("Việc gấp", "Em có rảnh không?", "Nhờ chuyển khoản giúp anh"),
            [m.one("Anh đang họp không nghe máy được.", "Chị đang đi công tác xa."),
                m.one(f"Em chuyển giúp {m.money()} cho đối tác, chiều anh gửi lại.",
                    "Em mua giúp anh 5 thẻ cào 500k rồi chụp mã gửi qua thư này.",
                                                                                         "Gửi gấp cho anh danh sách cán bộ kèm số căn cước và số tài khoản."), m.name(), m.one("Giám đốc", "Chủ tịch UBND", "Gửi từ iPhone")])


def phish_file(m):
    return (m.one("Hóa đơn quá hạn", "Tài liệu mật được chia sẻ với bạn", "Quyết định kỷ luật",
        "Scan từ máy photocopy"),
            [m.one("Bạn nhận được một tài liệu, đăng nhập thư điện tử để xem.",
                "Vui lòng mở tệp đính kèm và bật nội dung để đọc.",
                    "Xem chi tiết vi phạm của bạn trong tệp kèm theo."),
             f"https://{m.word()}.chiase.example/f/{m.word(16, 24)}", m.one("Liên kết hết hạn sau 24 giờ.", "")])


def phish_bank(m):
    return (m.one("Tài khoản ngân hàng của bạn tạm khóa", "Giao dịch bất thường", "Bưu kiện không giao được",
        "Thanh toán phí vận chuyển"),
            [m.one("Chúng tôi phát hiện đăng nhập lạ vào tài khoản của bạn.",
                f"Bưu phẩm {m.word().upper()} chưa giao được do thiếu phí {m.money()}."),
             m.one("Xác thực ngay để tránh bị khóa vĩnh viễn.", "Nhập số thẻ và mã OTP để tiếp tục."),
                 f"http://{m.word()}.{m.one('nganhang', 'buuchinh', 'secure')}-vn.example/{m.word()}"])


HAM = [(ham_meeting, 14, "staff"), (ham_report, 13, "staff"), (ham_document, 13, "staff"), (ham_short, 12, "staff"),
    (ham_citizen, 14, "citizen"), (ham_supplier, 6, "firm"),
       (ham_machine, 6, "machine"), (ham_it, 3, "staff"), (ham_union, 4, "staff"), (ham_training, 5, "staff"),
           (ham_newsletter, 4, "machine"), (ham_english, 3, "firm"), (ham_invoice, 3, "firm")]
SPAM = [(spam_course, 18, "bulk"), (spam_realty, 9, "bulk"), (spam_loan, 8, "bulk"), (spam_goods, 18, "bulk"),
    (spam_tour, 6, "bulk"), (spam_web, 9, "free"), (spam_health, 6, "bulk"), (spam_bet, 6, "bot"),
        (spam_english, 9, "bot"), (spam_finance, 6, "bot"), (spam_print, 8, "free")]
PHISHING = [(phish_quota, 4, "bot"), (phish_tax, 2, "bot"), (phish_leader, 2, "free"), (phish_file, 2, "stolen"),
    (phish_bank, 2, "bot")]


def sender(m, who):
    """(name, address, fields, authentication results)"""
    name = m.name()
    given = bare(name.split()[-1]).lower()
    local = m.one(given + str(m.r.randint(1, 999)), bare(name).lower().replace(" ", "")[:18],
        given + "." + m.word(2, 4))
    if who in ("staff", "stolen"):
        code = m.r.choice(CODES)
        good = m.r.random() < 0.95
        fields = [m.one(("User-Agent", "Mozilla Thunderbird"), ("X-Mailer", "Microsoft Outlook 16.0"),
            ("User-Agent", "Roundcube Webmail/1.6.5"), None)]
        return (m.one(name, f"{name} - {code.upper()}", ""), f"{given}.{code}@lamgiang.example", fields, ("pass",
            "pass", "pass") if good else ("none", "none", "none"))
    if who in ("citizen", "free"):
        host = m.r.choice(FREE)
        fields = [m.one(None, ("X-Mailer", "YahooMailAndroidMobile"), ("X-Mailer", "iPhone Mail (21A329)"))]
        return (m.one(name, bare(name), ""), f"{local}@{host}", fields, ("pass", "pass", "pass")
            if m.r.random() < 0.9 else ("softfail", "none", "none"))
    if who == "firm":
        host = m.one("phucan", "minhlong", "saomai", "dienluc", "vienthong", "project-lamgiang") + ".example"
        return (m.one(name, m.r.choice(COMPANIES)), f"{m.one('ketoan', 'kinhdoanh', given, 'info')}@{host}", [None],
            ("pass", m.one("pass", "none"), m.one("pass", "none")))
    if who == "machine":
        return (m.one("Hệ thống QLVB", "Cổng Dịch vụ công", "Ban biên tập"), m.one("no-reply@qlvb.lamgiang.example",
            "dvc@lamgiang.example", "bantin@lamgiang.example"),
                [("Auto-Submitted", "auto-generated"), m.one(None, ("List-Unsubscribe",
                    "<mailto:huy@lamgiang.example>"))], ("pass", "pass", "pass"))
    if who == "bulk":
        host = m.one(m.word(5, 9), "news-" + m.word(3, 5), "mail" + str(m.r.randint(1, 30)) + "." + m.word(4,
            7)) + m.one(".example", "-vn.example", ".marketing.example")
        fields = [("List-Unsubscribe", f"<http://{host}/u/{m.word()}>") if m.r.random() < 0.5 else None,
            ("Precedence", "bulk") if m.r.random() < 0.3 else None,
                  ("X-Mailer", m.one("PHPMailer 6.6.0", "AcyMailing", "SendBlaster 4.4", "Microsoft Outlook 16.0"))
                      if m.r.random() < 0.5 else None]
        return (m.one(m.r.choice(COMPANIES), name, "Phòng kinh doanh", bare(name)),
            f"{m.one('info', 'sale', 'tuyensinh', given, 'marketing')}@{host}", fields,
                m.one(("pass", "pass", "pass"), ("pass", "none", "none"), ("pass", "pass", "none"), ("none", "none",
                    "none")))
    return (m.one(name, "Support", "Admin", "Ban quản trị", "", bare(name)), f"{m.word()}@{m.word(5, 9)}.example",
        [("X-Priority", "1") if m.r.random() < 0.3 else None],
            m.one(("fail", "none", "none"), ("softfail", "none", "none"), ("none", "none", "none"), ("pass", "none",
                "none"), ("pass", "pass", "pass")))


def shown_link(m, link, is_loud):
    return m.one(link, "xem chi tiết", "Bấm vào đây") if is_loud else link


def as_html(m, paragraphs, is_loud):
    body = []
    for p in paragraphs:
        if not p:
            continue
        p = re.sub(r"(https?://\S+)", lambda u: f'<a href="{u.group(1)}">{shown_link(m, u.group(1), is_loud)}</a>', p)
        body.append(m.one(f"<p>{p}</p>", f"<div>{p}</div>", f'<p style="color:red;font-size:16pt"><b>{p}</b></p>'
            if is_loud else f"<p>{p}</p>"))
    if is_loud and m.r.random() < 0.4:
        body.append(f'<img src="http://{m.word()}.example/{m.word()}.gif" width="1" height="1">')
    return "<html><head><meta charset=\"utf-8\"></head><body>" + "\r\n".join(body) + "</body></html>"


def to_1258(text):
    """windows-1258 writes tones behind their letters."""
    out = []
    for c in unicodedata.normalize("NFC", text):
        apart = unicodedata.normalize("NFD", c)
        tones = [x for x in apart if x in "\u0300\u0301\u0303\u0309\u0323"]
        out.append(c if not tones else unicodedata.normalize("NFC", "".join(x for x in apart
            if x not in tones)) + tones[0])
    return "".join(out).encode("cp1258")


def encoded(m, text, kind):
    """A text part: header lines and body."""
    charset = m.r.choices(["utf-8", "windows-1258", "nfd"], [90, 4, 6])[0]
    data = text.replace("\n", "\r\n")
    if charset == "windows-1258":
        try:
            raw = to_1258(data)
        except UnicodeEncodeError:
            charset, raw = "utf-8", data.encode()
    elif charset == "nfd":
        charset, raw = "utf-8", unicodedata.normalize("NFD", data).encode()
    else:
        raw = data.encode()
    if m.r.random() < 0.5:
        cte, body = "base64", base64.encodebytes(raw).decode().replace("\n", "\r\n")
    else:
        cte, body = "8bit", raw.decode("latin-1")
    return f"Content-Type: text/{kind}; charset={m.one(charset, chr(34) + charset + chr(34))}\r\nContent-Transfer-Encoding: {cte}\r\n", body


def attachment(m, names):
    name = m.r.choice(names)
    data = base64.encodebytes(bytes(m.r.randrange(256) for _ in range(m.r.randint(100,
        2000)))).decode().replace("\n", "\r\n")
    return (f"Content-Type: application/octet-stream; name=\"{name}\"\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n"
            "Content-Transfer-Encoding: base64\r\n", data)


def message(m, template, who):
    subject, paragraphs = template(m)
    kind = template.__name__
    paragraphs = [p for p in paragraphs if p]
    name, address, fields, results = sender(m, who)
    is_loud = who in ("bulk", "bot")
    if who in ("citizen", "free", "bot") and m.r.random() < 0.25:
        subject, paragraphs = bare(subject), [bare(p) for p in paragraphs]
    if who in ("citizen", "free", "staff") and m.r.random() < 0.4:
        paragraphs = [typos(m, p, 0.06) for p in paragraphs]
    if is_loud and m.r.random() < 0.2:
        subject = subject.upper()
    if kind.startswith("ham") and m.r.random() < 0.25:
        other = m.r.choice([ham_report, ham_document, ham_meeting, ham_citizen])(m)
        paragraphs += ["", m.one("-----Original Message-----", "Vào lúc 08:15, " + m.name() + " đã viết:"),
            *["> " + p for p in other[1]]]
        subject = m.one("Re: ", "Fwd: ", "") + subject
    parts = []
    style = m.r.random()
    if style < (0.25 if is_loud else 0.55):
        parts.append(encoded(m, "\n\n".join(paragraphs) + "\n", "plain"))
    elif style < (0.75 if is_loud else 0.6):
        parts.append(encoded(m, as_html(m, paragraphs, is_loud), "html"))
    else:
        inner = [encoded(m, "\n\n".join(paragraphs) + "\n", "plain"), encoded(m, as_html(m, paragraphs, is_loud),
            "html")]
        edge = "alt" + m.word()
        parts.append((f'Content-Type: multipart/alternative; boundary="{edge}"\r\n',
                      "".join(f"--{edge}\r\n{h}\r\n{b}\r\n" for h, b in inner) + f"--{edge}--\r\n"))
    if kind in ("ham_document", "ham_report", "ham_meeting", "ham_supplier") and m.r.random() < 0.6:
        parts.append(attachment(m, ["bao cao.pdf", "Phu luc.docx", "so lieu.xlsx", "GM.pdf", "du thao.doc",
            "to trinh.pdf"]))
    if kind == "phish_file" or (kind.startswith("spam") and m.r.random() < 0.15):
        parts.append(attachment(m, ["bao gia.pdf", "catalogue.pdf", "lich khai giang.pdf", "hoadon.pdf.zip",
            "scan.html", "taive.rar"] if kind == "phish_file" else
                                ["bao gia.pdf", "catalogue.pdf", "thu moi.docx", "brochure.jpg"]))
    host = address.split("@")[1]
    head = [f"Authentication-Results: mx.lamgiang.example; spf={results[0]}; dkim={results[1]}; dmarc={results[2]}",
            f"Received: from {m.one('mail.' + host, host, m.word() + '.' + host if not is_loud else '[203.0.113.' + str(m.r.randint(1, 250)) + ']')} "
            f"by {m.one('relay.' + host, 'mx.' + host)} with {m.one('ESMTPS', 'ESMTP', 'ESMTPSA' if not is_loud else 'SMTP')}; Mon, 23 Nov 2026 08:00:00 +0700"]
    shown = f"{Header(name, 'utf-8').encode()} <{address}>" if name else address
    head += [f"From: {shown}", f"To: {m.one('vanthu', 'chuyenvien', 'nvhung', 'tthoa')}.{m.r.choice(CODES)}@lamgiang.example",
             f"Subject: {subject if subject.isascii() else Header(subject, 'utf-8').encode(linesep=chr(13) + chr(10))}",
             f"Date: {m.one('Mon', 'Tue', 'Wed')}, {m.r.randint(1, 28)} Nov 2026 {m.r.randint(0, 23):02d}:{m.r.randint(0, 59):02d}:00 {'+0700' if not is_loud or m.r.random() < 0.6 else m.one('+0000', '+0800', '-0500')}",
             f"Message-ID: <{m.word(12, 30)}@{host if m.r.random() < 0.8 else m.word() + '.local'}>",
             "MIME-Version: 1.0"]
    if who == "free" and m.r.random() < 0.4:
        head.append(f"Reply-To: {m.word()}@{m.r.choice(FREE)}")
    head += [f"{f[0]}: {f[1]}" for f in fields if f]
    if len(parts) == 1:
        text = "\r\n".join(head) + "\r\n" + parts[0][0] + "\r\n" + parts[0][1]
    else:
        edge = "mix" + m.word()
        text = ("\r\n".join(head) + f'\r\nContent-Type: multipart/mixed; boundary="{edge}"\r\n\r\n' +
                "".join(f"--{edge}\r\n{h}\r\n{b}\r\n" for h, b in parts) + f"--{edge}--\r\n")
    return kind, text.encode("latin-1", "replace")


def messages(seed, rows, count):
    """COUNT of (template's name, octets)."""
    m = Maker(seed)
    for _ in range(count):
        template, _, who = m.r.choices(rows, [w for _, w, _ in rows])[0]
        yield message(m, template, who)


def write(folder, found, kinds=False):
    os.makedirs(folder, exist_ok=True)
    for i, (kind, data) in enumerate(found):
        with open(os.path.join(folder, (kind + "-" if kinds else "") + f"{i:05d}.eml"), "wb") as out:
            out.write(data)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("dir")
    p.add_argument("--seed", type=int, default=2026)
    p.add_argument("--ham", type=int, default=2000)
    p.add_argument("--spam", type=int, default=1000)
    p.add_argument("--phishing", type=int, default=200)
    p.add_argument("--kinds", action="store_true")
    a = p.parse_args()
    for i, (name, rows, count) in enumerate((("ham", HAM, a.ham), ("spam", SPAM, a.spam), ("phishing", PHISHING,
        a.phishing))):
        write(os.path.join(a.dir, name), messages(a.seed * 10 + i, rows, count), a.kinds)
    print(f"{a.ham} ham, {a.spam} spam, {a.phishing} phishing in {a.dir}")


if __name__ == "__main__":
    main()
