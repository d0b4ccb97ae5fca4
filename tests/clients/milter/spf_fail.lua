-- SPF fail is refused at MAIL with 5.7.23 (RFC 7372); the session goes on.
c = open("192.0.2.9")
expect(envelope(c, "<a@out.test>", "<b@lamgiang.example>") == SMFIR_REPLYCODE, "refused")
expect(envelope(c, "<a@none.test>", "<b@lamgiang.example>") == SMFIR_CONTINUE, "the next is not")
reply = message(c, { { "From", "a@none.test" } }, "")
expect(reply == SMFIR_CONTINUE, "taken")
mt.disconnect(c)
