-- One Authentication-Results of ours on top; forged ones go whatever their spelling (RFC 8601 5).
c = open("192.0.2.1")
envelope(c, "<a@out.test>", "<b@lamgiang.example>")
reply = message(c, {
	{ "Authentication-Results", "mail.lamgiang.example; spf=pass" },
	{ "Authentication-Results", "other.test; spf=fail" },
	{ "authentication-results", "(x) \"mail.lamgiang.example\" 1; dkim=pass" },
	{ "From", "A <a@out.test>" },
	{ "Subject", "hello" },
}, "text\r\n")
expect(reply == SMFIR_CONTINUE, "taken")
expect(mt.eom_check(c, MT_HDRINSERT, "Authentication-Results"), "result inserted")
expect(mt.eom_check(c, MT_HDRDELETE, "Authentication-Results", 1), "first forged deleted")
value = field(c, "Authentication-Results")
expect(has(value, "spf=pass smtp.mailfrom=a@out.test"), "spf: " .. tostring(value))
expect(has(value, "dkim=none"), "dkim: " .. tostring(value))
expect(has(field(c, "X-Congvu-Verdict"), "pass; score=0.0; rules=none"), "verdict")
mt.disconnect(c)
