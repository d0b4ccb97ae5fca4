-- Headers that are no mail get a defined answer.
c = open("192.0.2.9")
rows = {
	{ {}, SMFIR_CONTINUE }, -- nothing at all
	{ { { "Subject", "" } }, SMFIR_CONTINUE },
	{ { { "From", "" }, { "From", "" } }, SMFIR_CONTINUE },
	{ { { "From", string.rep("(", 900) } }, SMFIR_CONTINUE },
	{ { { "From", "a@b@c@" } }, SMFIR_CONTINUE },
	{ { { "From", "x (" .. string.rep("@lamgiang.example ", 5) } }, SMFIR_REPLYCODE },
	{ { { "DKIM-Signature", "v=1; a=rsa-sha256; d=out.test" }, { "From", "a@none.test" } }, SMFIR_CONTINUE },
	{ { { "Content-Type", "multipart/mixed; boundary=" .. string.rep("b", 900) } }, SMFIR_CONTINUE },
}
for i, row in ipairs(rows) do
	envelope(c, "<a@none.test>", "<b@lamgiang.example>")
	expect(message(c, row[1], "--b\r\n\0\255\r\n") == row[2], "row " .. i)
end
envelope(c, "<a@none.test>", "<b@lamgiang.example>")
expect(message(c, { { "From", "a@none.test" } }, "x\r\n") == SMFIR_CONTINUE, "and the next is taken")
mt.disconnect(c)
