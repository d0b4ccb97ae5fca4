-- A sign-up at a public service: marked, and held because the test's weights say so; a verdict that
-- came with it goes, however it is spelled (SPM-01, POL-02).
c = open("192.0.2.1")
envelope(c, "<no-reply@out.test>", "<b@lamgiang.example>")
reply = message(c, {
	{ "X-Congvu-Verdict", "pass; score=-9.0; rules=none" },
	{ "x-congvu-verdict", "pass" },
	{ "X-Congvu-Policy", "trusted" },
	{ "From", "Shop <no-reply@out.test>" },
	{ "Subject", "Verify your email address" },
	{ "List-Unsubscribe", "<https://out.test/u>" },
	{ "Content-Type", "text/plain; charset=utf-8" },
}, "Thank you for signing up. Your verification code is 482913.\r\n"
	.. "https://out.test/verify?token=a8f3k29dk20dkf93jfk20d\r\n")
expect(reply == SMFIR_CONTINUE, "taken")
expect(mt.eom_check(c, MT_HDRDELETE, "X-Congvu-Verdict", 1), "the first forged verdict goes")
expect(mt.eom_check(c, MT_HDRDELETE, "x-congvu-verdict", 2), "and the second")
expect(mt.eom_check(c, MT_HDRDELETE, "X-Congvu-Policy", 1), "and the policy")
expect(mt.eom_check(c, MT_HDRINSERT, "X-Congvu-Verdict"), "ours is there")
expect(has(field(c, "X-Congvu-Policy"), "signup"), "policy: " .. tostring(field(c, "X-Congvu-Policy")))
expect(mt.eom_check(c, MT_QUARANTINE), "held")
mt.disconnect(c)
