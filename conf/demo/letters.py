#!/usr/bin/python3
# SPDX-License-Identifier: MPL-2.0
"""Send a few letters through the demo, as staff and as a citizen: letters.py DEMO.ENV"""
import email.utils
import smtplib
import ssl
import sys
from email.message import EmailMessage


def settings(path):
    with open(path, encoding="utf-8") as f:
        return dict(line.strip().split("=", 1) for line in f if "=" in line)


def letter(sender, to, subject, text, attachment=None):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"] = email.utils.localtime()
    message["Message-ID"] = email.utils.make_msgid(domain=sender.rsplit("@", 1)[1].strip(">"))
    message.set_content(text)
    if attachment:
        message.add_attachment(attachment.encode(), maintype="text", subtype="csv", filename="lịch công tác.csv")
    return message


def main():
    env = settings(sys.argv[1])
    user1, user2 = env["DEMO_USER1"], env["DEMO_USER2"]
    tls = ssl.create_default_context(cafile=env["DEMO_CA"])
    with smtplib.SMTP(env["DEMO_HOST"], int(env["DEMO_SUBMISSION_PORT"])) as s:
        s.starttls(context=tls)
        s.login(user1, env["DEMO_PASS1"])
        s.send_message(letter(
            f"Nguyễn Thị Hòa <{user1}>", user2, "[GM] Họp giao ban tuần 47",
            "Kính gửi anh Nam,\n\nMời anh dự họp giao ban lúc 8 giờ thứ Hai tại phòng họp số 2.\n\nTrân trọng.\n",
            "ngày,nội dung\n23/11/2026,Họp giao ban\n"))
        s.send_message(letter(f"Nguyễn Thị Hòa <{user1}>", f"{user2}, {user1}", "[TB] Lịch trực cơ quan",
                              "Gửi các anh chị lịch trực tháng 12.\n"))
    with smtplib.SMTP(env["DEMO_HOST"], int(env["DEMO_MX_PORT"])) as s:
        s.send_message(letter(
            "Lê Văn Dân <le.van.dan@congdan.example>", user1, "Hỏi về thủ tục chứng thực",
            "Kính gửi Sở Tư pháp,\n\nXin cho hỏi hồ sơ chứng thực gồm những gì?\n"))
    print("3 letters sent")


if __name__ == "__main__":
    main()
