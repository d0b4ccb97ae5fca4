-- Bounces: HELO is what SPF can check; an address literal or nonsense gives none.
rows = { { "mail.out.test", "192.0.2.1", "spf=pass smtp.helo=mail.out.test" },
	{ "[192.0.2.1]", "192.0.2.1", "spf=none" }, { "nonsense", "192.0.2.1", "spf=none" } }
for _, row in ipairs(rows) do
	c = open(row[2], row[1])
	expect(envelope(c, "<>", "<b@lamgiang.example>") == SMFIR_CONTINUE, "mail")
	expect(message(c, { { "From", "MAILER-DAEMON@out.test" } }, "x\r\n") == SMFIR_CONTINUE, "taken")
	value = field(c, "Authentication-Results")
	expect(has(value, row[3]), tostring(value))
	mt.disconnect(c)
end
