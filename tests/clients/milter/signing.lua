-- A log-in gets both signatures; the same mail without one is forged.
c = open("192.0.2.9")
envelope(c, "<nvhoa@lamgiang.example>", "<b@out.test>", "nvhoa@lamgiang.example")
fields = { { "From", "Nguyen Van Hoa\n <nvhoa@lamgiang.example>" }, { "Subject", "x" } }
expect(message(c, fields, "no line end") == SMFIR_CONTINUE, "taken")
first, second = field(c, "DKIM-Signature", 0), field(c, "DKIM-Signature", 1)
expect(has(first, "a=ed25519-sha256") and has(second, "a=rsa-sha256"), tostring(first))
expect(field(c, "Authentication-Results") == nil, "nothing about our own")
envelope(c, "<nvhoa@lamgiang.example>", "<b@out.test>")
expect(message(c, fields, "no line end") == SMFIR_REPLYCODE, "forged without log-in")
mt.disconnect(c)
