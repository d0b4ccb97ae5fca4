/* tlsrpt_days_test.c - the books on TLS over days: what is kept, told, tried again, thrown away. */
/* labels: tsan */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "smtpd/outbound.h"
#include "smtpd/tlsrpt.h"
#include "tests/unit/check.h"
#include "tests/unit/common/scratch.h"

#define DAY 86400

static const char zone[] =
	"wants.example. 60 IN MX 10 mx.wants.example.\n"
	"_smtp._tls.wants.example. 60 IN TXT \"v=TLSRPTv1; rua=https://nowhere.example/x\"\n"
	"quiet.example. 60 IN MX 10 mx.quiet.example.\n"
	"; fail _smtp._tls.lame.example\n"
	"lame.example. 60 IN MX 10 mx.lame.example.\n";

struct bench {
	char dir[64];
	struct smtpd_server server;
	struct congvu_options main;
	struct smtpd_options opt;
	struct smtpd_tlsrpt *books;
};

static struct bench *
bench_new(void)
{
	struct bench *b = cv_calloc(1, sizeof *b);
	struct cv_resolver_options o = { .zone_file = NULL };
	struct cv_err err;
	char path[100], queue[100];

	scratch_make("tlsrpt", b->dir);
	snprintf(path, sizeof path, "%s/zone", b->dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(zone, f);
	fclose(f);
	o.zone_file = path;
	b->main.default_domain = "lamgiang.example";
	b->main.province = "Tỉnh Lam Giang";
	b->opt.tls_report_contact = "";
	b->opt.tls_report_delay = 3600;
	b->opt.outbound_ca = "";
	b->server.main = &b->main;
	b->server.opt = &b->opt;
	snprintf(queue, sizeof queue, "%s/queue", b->dir);
	assert_int_equal(cv_queue_open(queue, &b->server.queue, &err), CV_OK);
	assert_int_equal(cv_resolver_new(&o, &b->server.resolver, &err), CV_OK);
	assert_int_equal(smtpd_tlsrpt_start(&b->server, NULL, &b->books, &err), CV_OK);
	return b;
}

static void
bench_free(struct bench *b)
{
	smtpd_tlsrpt_stop(b->books);
	smtpd_tlsrpt_free(b->books);
	cv_resolver_free(b->server.resolver);
	cv_queue_close(b->server.queue);
	scratch_remove(b->dir);
	free(b);
}

static json_t *
ask(struct bench *b, const char *what)
{
	json_t *request = json_pack("{s:s}", "do", what), *reply = NULL;
	struct cv_err err;

	assert_int_equal(smtpd_tlsrpt_do(b->books, request, &reply, &err), CV_OK);
	json_decref(request);
	return reply;
}

/* The row of DOMAIN among the "pending" or "sent" ones; *ROW_OUT's reply is the caller's. */
static json_t *
row_of(json_t *reply, const char *domain)
{
	json_t *row, *list = json_object_get(reply, "reports");
	size_t i;

	json_array_foreach(list, i, row)
		if (!strcmp(json_string_value(json_object_get(row, "domain")), domain))
			return row;
	return NULL;
}

static json_int_t
number(struct bench *b, const char *what, const char *domain, const char *key)
{
	json_t *reply = ask(b, what), *row = row_of(reply, domain);
	json_int_t n = row ? json_integer_value(json_object_get(row, key)) : -1;

	json_decref(reply);
	return n;
}

/* Looks at what is due and waits until DOMAIN's KEY among WHAT is WANT (-1: there is no row). */
static void
expect_soon(struct bench *b, const char *what, const char *domain, const char *key, json_int_t want)
{
	for (unsigned i = 0; i < 3000; i++) {
		json_decref(ask(b, "tlsrpt.send"));
		if (number(b, what, domain, key) == want)
			return;
		usleep(10000);
	}
	fail_msg("%s of %s in %s is %lld", key, domain, what,
		(long long)number(b, what, domain, key));
}

static void
note(struct bench *b, const char *domain, enum smtpd_tlsrpt_result result)
{
	struct smtpd_tlsrpt_event *e = smtpd_tlsrpt_event_new(domain);

	e->result = result;
	smtpd_tlsrpt_note(b->books, e);
}

static void
test_days__end_at_midnight_utc_and_are_tried_for_a_day(void **state)
{
	struct bench *b = bench_new();
	/* From the middle of a day on, so that midnight does not come between two lines. */
	int64_t shift = DAY - cv_wall_secs() % DAY + DAY / 2;

	(void)state;
	cv_clock_shift(shift);
	note(b, "wants.example", SMTPD_TLSRPT_SUCCESS);
	note(b, "wants.example", SMTPD_TLSRPT_EXPIRED);
	note(b, "quiet.example", SMTPD_TLSRPT_SUCCESS);
	note(b, "lame.example", SMTPD_TLSRPT_SUCCESS);
	expect_soon(b, "tlsrpt.pending", "wants.example", "bad", 1);
	/* The day is not over: nobody is asked and nothing tried. */
	assert_int_equal(number(b, "tlsrpt.pending", "wants.example", "tries"), 0);
	assert_int_equal(number(b, "tlsrpt.pending", "quiet.example", "good"), 1);

	cv_clock_shift(DAY);
	/* Who has no record hears nothing; whose DNS or server fails is asked again. */
	expect_soon(b, "tlsrpt.pending", "quiet.example", "good", -1);
	expect_soon(b, "tlsrpt.pending", "wants.example", "tries", 1);
	expect_soon(b, "tlsrpt.pending", "lame.example", "tries", 1);
	/* A new day's events have a row of their own; the old one is as it was. */
	note(b, "other.example", SMTPD_TLSRPT_SUCCESS);
	expect_soon(b, "tlsrpt.pending", "other.example", "good", 1);
	assert_int_equal(number(b, "tlsrpt.pending", "wants.example", "bad"), 1);
	assert_int_equal(number(b, "tlsrpt.pending", "wants.example", "tries"), 1);
	cv_clock_shift(700);
	expect_soon(b, "tlsrpt.pending", "wants.example", "tries", 2);

	cv_clock_shift(3 * DAY);
	expect_soon(b, "tlsrpt.sent", "wants.example", "tries", 3);
	json_t *reply = ask(b, "tlsrpt.sent");
	json_t *row = row_of(reply, "wants.example");
	assert_string_equal(json_string_value(json_object_get(row, "state")), "failed");
	json_decref(reply);
	cv_clock_shift(31 * DAY);
	expect_soon(b, "tlsrpt.sent", "wants.example", "tries", -1);
	cv_clock_shift(-shift - DAY - 700 - 3 * DAY - 31 * DAY);
	bench_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_days__end_at_midnight_utc_and_are_tried_for_a_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
