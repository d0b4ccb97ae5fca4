-- Several messages of one session, some of them aborted half-way, share nothing.
c = open("192.0.2.1")
for i = 1, 20 do
	envelope(c, "<a@out.test>", "<b@lamgiang.example>")
	if i % 3 == 0 then
		expect(mt.header(c, "From", "ct@lamgiang.example") == nil, "header")
		mt.abort(c)
	elseif i % 3 == 1 then
		reply = message(c, { { "From", "a@out.test" }, { "Subject", "m" .. i } }, "x\r\n")
		expect(reply == SMFIR_CONTINUE, "message " .. i)
		expect(has(field(c, "X-Congvu-Verdict"), "rules=none"), "rules of " .. i)
	else
		reply = message(c, { { "From", "ct@lamgiang.example" } }, "x\r\n")
		expect(reply == SMFIR_REPLYCODE, "forged " .. i)
	end
end
mt.disconnect(c)
