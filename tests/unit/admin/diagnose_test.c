/* diagnose_test.c - OPS-03: what every cause says, and whether it is named for the right facts. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/doctor/diagnose.h"
#include "tests/unit/check.h"

static void
ops_03_every_cause_has_a_sentence_and_a_next_step_in_both_languages(CV_UNUSED void **state)
{
	assert_true(diagnose_causes_count >= 20);
	for (size_t i = 0; i < diagnose_causes_count; i++) {
		const struct diagnose_cause *c = &diagnose_causes[i];
		const char *const texts[] = {c->text, c->text_vi, c->next, c->next_vi};
		for (size_t k = 0; k < CV_COUNT(texts); k++)
			if (!texts[k] || !texts[k][0])
				fail_msg("%s: text %zu is missing", c->id, k);
		if (!c->find)
			fail_msg("%s: nobody finds it", c->id);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(diagnose_causes[k].id, c->id))
				fail_msg("%s stands twice", c->id);
	}
}

/* What a far server answered, and the cause that is named for it. */
static void
ops_03_answers_of_others_are_understood(CV_UNUSED void **state)
{
	static const struct {
		const char *status, *reply, *cause;
	} rows[] = {
		{"5.7.23", "550 5.7.23 SPF validation failed",       "refused-spf"       },
		{"5.7.20", "550 5.7.20 no passing DKIM signature",   "refused-dkim"      },
		{"5.7.1",  "554 5.7.1 blocked using zen.example",    "refused-reputation"},
		{"5.1.1",  "550 5.1.1 no such user",                 "unknown-there"     },
		{"4.2.2",  "452 4.2.2 mailbox full",                 "full-there"        },
		{"5.4.4",  "no MX and no address",                   "no-mx"             },
		{"4.7.5",  "the certificate does not fit",           "tls-required"      },
		{"5.3.4",  "552 5.3.4 message too large",            "too-big-there"     },
		{"4.4.1",  "connection timed out",                   "silent-there"      },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct admin_call call = {0};
		json_t *events = json_pack("[{s:s, s:s, s:s, s:s, s:s, s:s, s:I}]", "e", "out",
			"fate", "failed", "host", "mx.far.example", "to", "a@far.example", "status",
			rows[i].status, "reply", rows[i].reply, "t", (json_int_t)1000);
		struct diagnosis d = {.call = &call, .events = events, .mid = "x"};
		bool found = false;
		for (size_t k = 0; k < diagnose_causes_count; k++) {
			const struct diagnose_cause *c = &diagnose_causes[k];
			struct cv_buf facts = CV_BUF_INIT(4000);
			if (!strcmp(c->id, rows[i].cause))
				found = c->find(&d, c->arg, &facts);
			cv_buf_done(&facts);
		}
		if (!found)
			fail_msg("%s: not %s", rows[i].reply, rows[i].cause);
		json_decref(events);
	}
}

static bool
holds(const struct diagnosis *d, const char *id)
{
	for (size_t k = 0; k < diagnose_causes_count; k++) {
		const struct diagnose_cause *c = &diagnose_causes[k];
		struct cv_buf facts = CV_BUF_INIT(4000);
		bool found = !strcmp(c->id, id) && c->find(d, c->arg, &facts);
		cv_buf_done(&facts);
		if (found)
			return true;
	}
	return false;
}

static void
ops_03_boxes_that_took_nothing_and_full_ones_are_named(CV_UNUSED void **state)
{
	struct admin_call call = {0};
	json_t *events = json_pack("[{s:s, s:s, s:s, s:I}]", "e", "box", "to", "a@x.example",
		"result", "over quota", "t", (json_int_t)1000);
	json_t *quota = json_pack("{s:I, s:I}", "messages", (json_int_t)95, "limit_messages",
		(json_int_t)100);
	json_t *smtpd = json_pack("{s:[s]}", "not_ready", "the store is away");
	json_t *fates = json_pack("[{s:s}]", "address", "a@x.example");
	struct diagnosis d = {.call = &call, .events = events, .quota = quota, .fates = fates,
		.mid = "x", .status = {NULL, smtpd, NULL}};

	assert_true(holds(&d, "undelivered"));
	assert_true(holds(&d, "too-many-messages"));
	assert_true(holds(&d, "not-ready"));
	assert_true(holds(&d, "gone"));
	assert_false(holds(&d, "read"));
	json_decref(events);
	json_decref(quota);
	json_decref(smtpd);
	json_decref(fates);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			ops_03_every_cause_has_a_sentence_and_a_next_step_in_both_languages),
		cmocka_unit_test(ops_03_answers_of_others_are_understood),
		cmocka_unit_test(ops_03_boxes_that_took_nothing_and_full_ones_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
