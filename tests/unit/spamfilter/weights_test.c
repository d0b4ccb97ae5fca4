/* weights_test.c - scores, the file of weights, and the action that a sum comes to (SPM-02). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <unistd.h>

#include "common/register/snapshot_format.h"
#include "spamfilter/judge.h"
#include "tests/unit/check.h"

#define BASE ((uint64_t)CV_CLASS_USER << CV_ACCT_CLASS_SHIFT)

static struct spam_server server;
static struct congvu_options main_options;
static struct spamfilter_options options;
static struct spam_policy policy;
static struct cv_snapshot *snap;
static struct cv_buf snap_bytes, secret_bytes;

static void
add(struct reg_model *m, unsigned n, enum cv_reg_kind kind, const char *address, const char *agency)
{
	struct reg_account *a = reg_account_new();

	a->acct = BASE + n;
	a->kind = kind;
	a->state = CV_STATE_ACTIVE;
	reg_account_set(a, T_ADDRESS, cv_str_z(address));
	reg_account_set(a, T_AGENCY, cv_str_z(agency));
	reg_model_add(m, a);
	reg_model_put_address(
		m, cv_str_z(address),
		&(struct reg_address){ .type = REG_PRIMARY, .acct = a->acct });
}

static int
setup(void **state)
{
	static const uint8_t dummy[32];
	struct reg_model m;
	struct cv_err err;

	(void)state;
	reg_model_init(&m, "lamgiang.example");
	reg_model_put_domain(&m, CV_STR("lamgiang.example"), CV_STR(""));
	add(&m, 1, CV_KIND_PERSON, "hoa.stp@lamgiang.example", "stp");
	add(&m, 2, CV_KIND_ROLE, "vanthu.stp@lamgiang.example", "stp");
	add(&m, 3, CV_KIND_AGENCY, "syt@lamgiang.example", "syt");
	add(&m, 4, CV_KIND_PERSON, "an.syt@lamgiang.example", "syt");
	add(&m, 5, CV_KIND_GROUP, "tatca@lamgiang.example", "stp");
	cv_buf_init(&snap_bytes, SNAP_BYTES_MAX);
	cv_buf_init(&secret_bytes, SNAP_BYTES_MAX);
	snap_build(&m, 1, dummy, &snap_bytes, &secret_bytes);
	reg_model_done(&m);
	options = (struct spamfilter_options){.score_mark = "3",
		.score_junk = "5",
		.score_greylist = "off",
		.score_quarantine = "10",
		.score_refuse = "15",
		.public_boxes = "nguoidan@vidu.example @hoi.example"};
	server.main = &main_options;
	server.opt = &options;
	server.policy = &policy;
	atomic_init(&policy.refs, 1);
	pthread_mutex_init(&server.policy_lock, NULL);
	return snap_open_bytes(
		cv_buf_view(&snap_bytes), CV_STR_EMPTY, true, &snap, &err);
}

static int
teardown(void **state)
{
	(void)state;
	cv_snapshot_unref(snap);
	cv_buf_done(&snap_bytes);
	cv_buf_done(&secret_bytes);
	return 0;
}

static void
use_weights(const char *text)
{
	struct cv_err err;

	spam_weights_free(policy.weights);
	policy.weights = NULL;
	if (spam_weights_parse(cv_str_z(text), "w", &policy.weights, &err))
		fail_msg("%s", err.text);
}

/* The verdict on a mail of SCORE to RCPTS ("a b"). */
static struct spam_verdict
verdict_of(const char *rcpts, double score, bool is_submission, enum spam_action wanted)
{
	struct spam_mail *m = spam_mail_new(&server, 1);
	struct cv_str rest = cv_str_z(rcpts), word;

	while (cv_str_split(&rest, ' ', &word))
		spam_mail_rcpt(m, word);
	m->is_submission = is_submission;
	m->snap = snap;
	spam_found_weight(m, SPAM_RULE_SPF_FAIL, score, "%s", "test");
	if (wanted)
		spam_want(m, wanted, NULL);
	spam_decide(m);
	struct spam_verdict v = m->verdict;
	m->snap = NULL;
	spam_mail_free(m);
	return v;
}

static void
test_score__is_a_plain_number(void **state)
{
	static const struct {
		const char *text;
		bool good;
		double want;
	} rows[] = {
		{"0",      true,  0     },
		{"5",      true,  5     },
		{"-2.5",   true,  -2.5  },
		{"0.125",  true,  0.125 },
		{"1000",   true,  1000  },
		{"",       false, 0     },
		{"-",      false, 0     },
		{".5",     false, 0     },
		{"5.",     false, 0     },
		{"5,5",    false, 0     },
		{"1e3",    false, 0     },
		{"+5",     false, 0     },
		{" 5",     false, 0     },
		{"1001",   false, 0     },
		{"0.1234", false, 0     },
		{"nan",    false, 0     },
		{"off",    false, 0     },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		double got = 0;
		bool good = spam_score_parse(cv_str_z(rows[i].text), &got);
		CHECK(rows[i].text, good == rows[i].good &&
			(!good || (got - rows[i].want < 1e-9 && rows[i].want - got < 1e-9)));
	}
	CHECK_END();
}

static void
test_rules__have_names_of_lower_case_words(void **state)
{
	(void)state;
	for (enum spam_rule r = 0; r < SPAM_RULES; r++) {
		const struct spam_rule_row *row = &spam_rules[r];
		CHECK(row->name, strspn(row->name, "abcdefghijklmnopqrstuvwxyz0123456789-") ==
				strlen(row->name) &&
			strlen(row->name) <= 40 && row->en[0] && row->vi[0]);
		CHECK(row->name, spam_rule_named(cv_str_z(row->name)) == r);
		CHECK(row->name, spam_group_word(row->group) != NULL);
	}
	CHECK("no such rule", spam_rule_named(CV_STR("bayse")) == SPAM_RULES);
	CHECK_END();
}

static void
test_file__names_the_line_that_is_wrong(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: fine */
	} rows[] = {
		{"",                                         NULL                         },
		{"# nothing\n\n  \r\n",                      NULL                         },
		{"spf-fail 4.5 # why\nforged-domain -1\r\n", NULL                         },
		{"spf-fail\t4.5",                            NULL                         },
		{"agency stp junk off\nagency syt mark 1",   NULL                         },
		{"spf-fail 4\nbayse 3\n",                    "w:2: no rule 'bayse'"       },
		{"spf-fail\n",                               "w:1: a weight like 4.5"     },
		{"spf-fail 4 5\n",                           "w:1: a weight like 4.5"     },
		{"\n\nspf-fail x\n",                         "w:3: a weight like 4.5"     },
		{"agency\n",                                 "w:1: no agency's code"      },
		{"agency stp pass 3\n",                      "w:1: 'pass' is no action"   },
		{"agency stp junk\n",                        "w:1: a score like 4.5"      },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct spam_weights *w = NULL;
		struct cv_err err = {0};
		enum cv_status status =
			spam_weights_parse(cv_str_z(rows[i].text), "w", &w, &err);
		CHECK(rows[i].text, rows[i].want ? status && !strncmp(err.text, rows[i].want,
								  strlen(rows[i].want))
						 : status == CV_OK);
		spam_weights_free(w);
	}
	CHECK_END();
}

static void
test_weights__change_what_rules_add(void **state)
{
	struct spam_weights *w;
	struct cv_err err;

	(void)state;
	assert_int_equal(spam_weights_parse(CV_STR("spf-fail 6\nsignup 2\n"), "w", &w, &err), 0);
	CHECK("the line's", spam_weights_of(w, SPAM_RULE_SPF_FAIL) > 5.9);
	CHECK("graded, in proportion", spam_weights_scaled(w, SPAM_RULE_SPF_FAIL, 1.5) > 2.9 &&
		spam_weights_scaled(w, SPAM_RULE_SPF_FAIL, 1.5) < 3.1);
	CHECK("others stay", spam_weights_of(w, SPAM_RULE_FORGED_DOMAIN) >=
			spam_rules[SPAM_RULE_FORGED_DOMAIN].weight);
	spam_weights_free(w);
	CHECK_END();
}

static void
test_SPM_02__a_score_refuses_nothing_that_is_for_agencies(void **state)
{
	static const struct {
		const char *name, *rcpts;
		double score;
		enum spam_action want;
		bool softened;
	} rows[] = {
		{"nothing",                  "hoa.stp@lamgiang.example", 0, SPAM_PASS, false},
		{"below",                    "hoa.stp@lamgiang.example", 2.9, SPAM_PASS, false},
		{"at the threshold",         "hoa.stp@lamgiang.example", 3, SPAM_MARK, false},
		{"junk",                     "hoa.stp@lamgiang.example", 9.9, SPAM_JUNK, false},
		{"quarantine",               "hoa.stp@lamgiang.example", 10, SPAM_QUARANTINE, false},
		{"refuse",                   "hoa.stp@lamgiang.example", 15, SPAM_REFUSE, false},
		{"a role box",               "vanthu.stp@lamgiang.example", 99, SPAM_QUARANTINE, true},
		{"an agency",                "syt@lamgiang.example", 99, SPAM_QUARANTINE, true},
		{"a group",                  "tatca@lamgiang.example", 99, SPAM_QUARANTINE, true},
		{"one of several",
			"hoa.stp@lamgiang.example syt@lamgiang.example", 99, SPAM_QUARANTINE, true},
		{"by the option",            "NguoiDan@vidu.example", 99, SPAM_QUARANTINE, true},
		{"its domain",               "ai@hoi.example", 99, SPAM_QUARANTINE, true},
		{"no such domain",           "ai@xhoi.example", 99, SPAM_REFUSE, false},
		{"nobody known",             "x@elsewhere.example", 99, SPAM_REFUSE, false},
		{"no recipient",             "", 99, SPAM_REFUSE, false},
	};

	(void)state;
	use_weights("");
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct spam_verdict v =
			verdict_of(rows[i].rcpts, rows[i].score, false, SPAM_PASS);
		CHECK(rows[i].name,
			v.action == rows[i].want && v.softened == rows[i].softened &&
				v.by_score == (rows[i].want != SPAM_PASS));
	}
	struct spam_verdict v =
		verdict_of("syt@lamgiang.example", 0, false, SPAM_REFUSE);
	CHECK("what a rule refuses stays refused", v.action == SPAM_REFUSE && !v.softened);
	v = verdict_of("hoa.stp@lamgiang.example", 6, false, SPAM_MARK);
	CHECK("the severer of both", v.action == SPAM_JUNK && v.by_score);
	v = verdict_of("hoa.stp@lamgiang.example", 99, true, SPAM_PASS);
	CHECK("no score stops what staff send", v.action == SPAM_PASS);
	CHECK_END();
}

static void
test_agencies__have_thresholds_of_their_own(void **state)
{
	(void)state;
	use_weights("agency stp junk 7\nagency stp refuse off\nagency syt mark 1\n");
	struct spam_verdict v = verdict_of("hoa.stp@lamgiang.example", 6, false, SPAM_PASS);
	CHECK("later junk", v.action == SPAM_MARK);
	v = verdict_of("hoa.stp@lamgiang.example", 99, false, SPAM_PASS);
	CHECK("never refused", v.action == SPAM_QUARANTINE && !v.softened);
	v = verdict_of("an.syt@lamgiang.example", 1, false, SPAM_PASS);
	CHECK("sooner marked", v.action == SPAM_MARK);
	v = verdict_of("an.syt@lamgiang.example hoa.stp@lamgiang.example", 2, false, SPAM_PASS);
	CHECK("of several the mildest", v.action == SPAM_PASS);
	v = verdict_of("an.syt@lamgiang.example hoa.stp@lamgiang.example", 6, false, SPAM_PASS);
	CHECK("of several the mildest, again", v.action == SPAM_MARK);
	spam_weights_free(policy.weights);
	policy.weights = NULL;
	CHECK_END();
}

static void
test_findings__are_kept_once_and_clean(void **state)
{
	struct cv_buf out = CV_BUF_INIT(8192);

	(void)state;
	use_weights("");
	struct spam_mail *m = spam_mail_new(&server, 1);
	spam_verdict_rules(&m->verdict, true, &out);
	CHECK("none", cv_str_eq_z(cv_buf_view(&out), "none"));
	spam_found(m, SPAM_RULE_SIGNUP, "a\r\nb%c", 127);
	spam_found(m, SPAM_RULE_SIGNUP, "again");
	spam_found_weight(m, SPAM_RULE_SPF_FAIL, 2.25, "%0400d", 1);
	CHECK("once", m->verdict.count == 2 && spam_has(m, SPAM_RULE_SIGNUP));
	CHECK("no control octets", !strcmp(m->verdict.found[0].detail, "a??b?"));
	CHECK("cut", strlen(m->verdict.found[1].detail) == SPAM_DETAIL_MAX);
	cv_buf_reset(&out);
	spam_verdict_rules(&m->verdict, false, &out);
	CHECK("the weightiest first",
		cv_str_eq_z(cv_buf_view(&out), "spf-fail(2.2),signup(0.0)"));
	for (enum spam_rule r = 0; r < SPAM_RULES; r++)
		spam_found(m, r, "%s", "");
	cv_buf_reset(&out);
	spam_verdict_rules(&m->verdict, true, &out);
	struct cv_str rest = cv_buf_view(&out), line;
	while (cv_str_split(&rest, '\n', &line))
		CHECK("folded", line.n < 100);
	CHECK("all fit", !out.full && m->verdict.count == SPAM_RULES);
	spam_mail_free(m);
	spam_weights_free(policy.weights);
	policy.weights = NULL;
	cv_buf_done(&out);
	CHECK_END();
}

static void
test_budget__makes_a_defined_verdict(void **state)
{
	(void)state;
	use_weights("");
	options.message_cpu_ms = 1;
	struct spam_mail *m = spam_mail_new(&server, 1);
	for (int i = 0; i < 10000000 && !spam_mail_is_costly(m); i++)
		continue;
	CHECK("found", spam_has(m, SPAM_RULE_TOO_COSTLY) && m->verdict.count == 1);
	CHECK("once", spam_mail_is_costly(m) && m->verdict.count == 1);
	CHECK("no time to wait", spam_mail_wait_ms(m) == 0);
	options.message_secs = 5;
	spam_mail_budget(m);
	CHECK("a budget begins", spam_mail_wait_ms(m) > 1000 && spam_mail_wait_ms(m) <= 5000);
	spam_mail_free(m);
	spam_weights_free(policy.weights);
	policy.weights = NULL;
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_score__is_a_plain_number),
		cmocka_unit_test(test_rules__have_names_of_lower_case_words),
		cmocka_unit_test(test_file__names_the_line_that_is_wrong),
		cmocka_unit_test(test_weights__change_what_rules_add),
		cmocka_unit_test(test_SPM_02__a_score_refuses_nothing_that_is_for_agencies),
		cmocka_unit_test(test_agencies__have_thresholds_of_their_own),
		cmocka_unit_test(test_findings__are_kept_once_and_clean),
		cmocka_unit_test(test_budget__makes_a_defined_verdict),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
