/* engine_conformance_test.c - the promises E1 to E6 of engine.h, against every engine there is.
 *
 * Crashes are the business of tests/crash/engine_crash.c, races of engine_race_test.c.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/store/engine_kit.h"

/* ---- rows ---- */

static void
test_rows__come_back_and_absent_ones_are_null(void **state)
{
	struct kit *k = *state;
	struct cv_put puts[] = {kit_put("B/1", "inbox"), kit_put("S/1/1", "summary"),
		kit_put("Z", ""), kit_put("gone", "x")};
	uint64_t version;
	assert_int_equal(kit_commit(k, KIT_ACCT, 0, puts, 4, &version, NULL), CV_OK);
	assert_int_equal(version, 1);
	struct cv_put delete = { CV_STR("gone"), CV_STR_EMPTY },
		      never = { CV_STR("never"), CV_STR_EMPTY };
	struct cv_put deletes[] = {delete, never};
	assert_int_equal(kit_commit(k, KIT_ACCT, 1, deletes, 2, &version, NULL), CV_OK);
	assert_int_equal(version, 2);

	struct cv_str keys[] = {CV_STR("S/1/1"), CV_STR("gone"), CV_STR("Z"), CV_STR("B/1")};
	struct cv_str values[4];
	assert_int_equal(cv_meta_read(k->e, KIT_ACCT, keys, 4, values, &k->hold, &version, &k->err),
		CV_OK);
	assert_int_equal(version, 2);
	assert_true(cv_str_eq_z(values[0], "summary"));
	assert_null(values[1].p);
	assert_non_null(values[2].p);
	assert_int_equal(values[2].n, 0);
	assert_true(cv_str_eq_z(values[3], "inbox"));
}

static void
test_rows__of_every_size_come_back_exactly(void **state)
{
	struct kit *k = *state;
	static const size_t sizes[] = { 0,    1,    1023,  1024,  1025,
		                        4096, 5000, 16384, 65536, CV_VALUE_MAX };
	char *p = cv_malloc(CV_VALUE_MAX);
	for (int summary = 0; summary < 2; summary++)
		for (size_t i = 0; i < CV_COUNT(sizes); i++) {
			char key[32];
			kit_fill(p, sizes[i], i);
			snprintf(key, sizeof key, "%c/%zu", summary ? 'S' : 'M', i);
			struct cv_put put = {cv_str_z(key), {p, sizes[i]}};
			assert_int_equal(kit_commit(k, KIT_ACCT, CV_VERSION_ANY, &put, 1, NULL,
			                            NULL),
			                 CV_OK);
			assert_true(cv_str_eq(kit_get(k, KIT_ACCT, key), put.value));
		}
	free(p);
}

static void
test_limits__are_kept_by_batch_and_change_nothing(void **state)
{
	struct kit *k = *state;
	size_t n = CV_BATCH_MAX;
	char *p = cv_calloc(1, n), key[CV_KEY_MAX + 1];
	memset(key, 'k', sizeof key);
	const struct {
		const char *name;
		struct cv_put put;
		enum cv_status want;
	} rows[] = {
		{"a value at the limit",    {CV_STR("v"), {p, CV_VALUE_MAX}},     CV_OK   },
		{"a value above the limit", {CV_STR("v"), {p, CV_VALUE_MAX + 1}}, CV_LIMIT},
		{"a key at the limit",      {{key, CV_KEY_MAX}, {p, 1}},          CV_OK   },
		{"a key above the limit",   {{key, CV_KEY_MAX + 1}, {p, 1}},      CV_LIMIT},
		{"an empty key",            {{key, 0}, {p, 1}},                   CV_LIMIT},
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		uint64_t before = kit_version(k, KIT_ACCT);
		enum cv_status got =
			kit_commit(k, KIT_ACCT, CV_VERSION_ANY, &rows[i].put, 1, NULL, NULL);
		if (got != rows[i].want)
			fail_msg("%s: %s", rows[i].name, cv_status_name(got));
		assert_int_equal(kit_version(k, KIT_ACCT), before + !rows[i].want);
	}
	struct cv_put many[13];
	for (size_t i = 0; i < CV_COUNT(many); i++)
		many[i] = (struct cv_put){{key, i + 1}, {p, CV_VALUE_MAX}};
	assert_int_equal(kit_commit(k, KIT_ACCT, CV_VERSION_ANY, many, 13, NULL, NULL), CV_LIMIT);
	assert_int_equal(kit_commit(k, KIT_ACCT, CV_VERSION_ANY, many, 11, NULL, NULL), CV_OK);
	free(p);
}

static void
test_batches__are_independent_conditional_and_in_order(void **state)
{
	struct kit *k = *state;
	cv_acct_id a = cv_acct(CV_CLASS_USER, 1), b = cv_acct(CV_CLASS_USER, 2);
	struct cv_put one = kit_put("k", "one"), two = kit_put("k", "two"),
		      bad = { CV_STR_EMPTY, { 0 } };
	struct cv_batch rows[] = {
		{.acct = a, .expect = 0, .puts = &one, .count = 1},               /* OK, version 1 */
		{.acct = b, .expect = 5, .puts = &one, .count = 1},               /* CONFLICT */
		{.acct = a, .expect = 1, .puts = &two, .count = 1},               /* OK, sees the first */
		{.acct = a, .expect = 1, .puts = &one, .count = 1},               /* CONFLICT */
		{.acct = b, .expect = CV_VERSION_ANY, .puts = &bad, .count = 1},  /* LIMIT */
		{.acct = b, .expect = CV_VERSION_ANY, .puts = &two, .count = 1},  /* OK */
	};
	static const struct { enum cv_status result; uint64_t version; } want[] = {
		{CV_OK, 1}, {CV_CONFLICT, 0}, {CV_OK, 2}, {CV_CONFLICT, 2}, {CV_LIMIT, 0}, {CV_OK, 1},
	};
	cv_ticket ticket;
	assert_int_equal(cv_meta_commit(k->e, rows, CV_COUNT(rows), &ticket, &k->err), CV_OK);
	assert_true(ticket > 0);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		assert_int_equal(rows[i].result, want[i].result);
		assert_int_equal(rows[i].version, want[i].version);
	}
	assert_true(cv_str_eq_z(kit_get(k, a, "k"), "two"));
	assert_true(cv_str_eq_z(kit_get(k, b, "k"), "two"));
}

static void
test_batches__by_the_hundred_all_arrive(void **state)
{
	struct kit *k = *state;
	enum { N = 300 };
	struct cv_put put = kit_put("D/1", "delivered");
	struct cv_batch rows[N];
	cv_ticket ticket;
	for (uint64_t i = 0; i < N; i++)
		rows[i] = (struct cv_batch){ .acct = cv_acct(CV_CLASS_USER, i),
			                     .expect = i % 7 ? 0 : 9,
			                     .puts = &put,
			                     .count = 1 };
	assert_int_equal(cv_meta_commit(k->e, rows, N, &ticket, &k->err), CV_OK);
	for (uint64_t i = 0; i < N; i++) {
		assert_int_equal(rows[i].result, i % 7 ? CV_OK : CV_CONFLICT);
		assert_int_equal(kit_version(k, cv_acct(CV_CLASS_USER, i)), i % 7 ? 1 : 0);
	}
}

/* ---- scans ---- */

struct seen {
	char text[4096];
	size_t stop_after, count;
};

static bool
note_key(void *arg, struct cv_str key, struct cv_str value)
{
	struct seen *s = arg;
	(void)value;
	size_t n = strlen(s->text);
	snprintf(s->text + n, sizeof s->text - n, "%.*s ", CV_STR_ARGS(key));
	return ++s->count != s->stop_after;
}

static void
test_scan__is_ordered_over_both_trees_and_keeps_its_ends(void **state)
{
	struct kit *k = *state;
	static const char *const keys[] = {"A", "B", "R/1", "S/1/1", "S/1/2", "S/2/1", "T", "X/1"};
	cv_acct_id before = KIT_ACCT - 1, after = KIT_ACCT + 1;
	for (size_t i = 0; i < CV_COUNT(keys); i++) {
		assert_int_equal(kit_set(k, KIT_ACCT, keys[i], "v"), CV_OK);
		assert_int_equal(kit_set(k, before, keys[i], "v"), CV_OK);
		assert_int_equal(kit_set(k, after, keys[i], "v"), CV_OK);
	}
	static const struct {
		const char *from, *to;
		size_t limit, stop_after;
		const char *want;
	} rows[] = {
		{"",      "",      0, 0, "A B R/1 S/1/1 S/1/2 S/2/1 T X/1 "},
		{"B",     "T",     0, 0, "B R/1 S/1/1 S/1/2 S/2/1 "        },
		{"S/1/",  "S/10",  0, 0, "S/1/1 S/1/2 "                    },
		{"S/1/2", "",      0, 0, "S/1/2 S/2/1 T X/1 "              },
		{"S/1/2", "",      3, 0, "S/1/2 S/2/1 T "                  },
		{"",      "",      0, 4, "A B R/1 S/1/1 "                  },
		{"",      "",      2, 0, "A B "                            },
		{"S",     "S",     0, 0, ""                                },
		{"Y",     "",      0, 0, ""                                },
		{"",      "A",     0, 0, ""                                },
		{"R/2",   "S/1/2", 0, 0, "S/1/1 "                          },
		{"T",     "B",     0, 0, ""                                },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct seen s = {.stop_after = rows[i].stop_after};
		assert_int_equal(cv_meta_scan(k->e, KIT_ACCT, cv_str_z(rows[i].from),
			cv_str_z(rows[i].to), rows[i].limit, note_key, &s, &k->err), CV_OK);
		assert_string_equal(s.text, rows[i].want);
	}
}

struct sum {
	size_t rows, bytes;
	uint32_t next;
	bool out_of_order;
};

static bool
add_up(void *arg, struct cv_str key, struct cv_str value)
{
	struct sum *s = arg;
	struct cv_rd r = cv_rd(cv_str_sub(key, 2, key.n));
	s->out_of_order |= cv_rd_be32(&r) != s->next++;
	s->rows++;
	s->bytes += value.n;
	return true;
}

static void
test_scan__of_many_and_large_rows_misses_none(void **state)
{
	struct kit *k = *state;
	enum { N = 3000 };
	size_t bytes = 0;
	char *p = cv_malloc(CV_VALUE_MAX);
	kit_fill(p, CV_VALUE_MAX, 1);
	for (uint32_t i = 0; i < N; i++) {
		struct cv_buf key = CV_BUF_INIT(64);
		size_t n = i % 500 == 499 ? CV_VALUE_MAX : i * 7 % 1500;
		cv_buf_z(&key, "S/");
		cv_buf_be32(&key, i);
		struct cv_put put = {cv_buf_view(&key), {p, n}};
		assert_int_equal(kit_commit(k, KIT_ACCT, CV_VERSION_ANY, &put, 1, NULL, NULL),
		                 CV_OK);
		cv_buf_done(&key);
		bytes += n;
	}
	free(p);
	struct sum s = {0};
	assert_int_equal(cv_meta_scan(k->e, KIT_ACCT, CV_STR("S/"), CV_STR("S0"), 0, add_up, &s,
		&k->err), CV_OK);
	assert_int_equal(s.rows, N);
	assert_int_equal(s.bytes, bytes);
	assert_false(s.out_of_order);
}

static bool
change_rows(void *arg, struct cv_str key, struct cv_str value)
{
	struct kit *k = arg;
	struct cv_put put = {key, CV_STR_EMPTY};
	(void)value;
	assert_int_equal(kit_commit(k, KIT_ACCT, CV_VERSION_ANY, &put, 1, NULL, NULL), CV_OK);
	return true;
}

static void
test_scan__holds_nothing_while_it_calls_back(void **state)
{
	struct kit *k = *state;
	for (char c = 'a'; c <= 'z'; c++)
		assert_int_equal(kit_set(k, KIT_ACCT, (char[]){c, 0}, "v"), CV_OK);
	assert_int_equal(cv_meta_scan(k->e, KIT_ACCT, CV_STR_EMPTY, CV_STR_EMPTY, 0, change_rows, k,
		&k->err), CV_OK);
	struct seen s = {0};
	assert_int_equal(cv_meta_scan(k->e, KIT_ACCT, CV_STR_EMPTY, CV_STR_EMPTY, 0, note_key, &s,
		&k->err), CV_OK);
	assert_string_equal(s.text, "");
}

/* ---- accounts ---- */

struct listed {
	cv_acct_id last;
	size_t count;
	bool out_of_order;
};

static bool
list_acct(void *arg, cv_acct_id acct, uint64_t version)
{
	struct listed *l = arg;
	l->out_of_order |= l->count && acct <= l->last;
	l->out_of_order |= !version;
	l->last = acct;
	l->count++;
	return true;
}

static void
test_accts__are_those_of_the_class_that_have_rows(void **state)
{
	struct kit *k = *state;
	enum { N = 700 };
	for (uint64_t i = 0; i < N; i++)
		assert_int_equal(kit_set(k, cv_acct(CV_CLASS_QUEUE, i * 3),
			i % 2 ? "S/only" : "row", "v"), CV_OK);
	assert_int_equal(kit_set(k, cv_acct(CV_CLASS_AUDIT, UINT64_MAX >> 8), "row", "v"), CV_OK);
	assert_int_equal(kit_set(k, cv_acct(CV_CLASS_STATS, 0), "row", "v"), CV_OK);
	struct cv_put delete = {CV_STR("row"), CV_STR_EMPTY};
	cv_acct_id emptied = cv_acct(CV_CLASS_QUEUE, 30);
	assert_int_equal(kit_commit(k, emptied, 1, &delete, 1, NULL, NULL), CV_OK);

	struct listed l = {0};
	assert_int_equal(cv_meta_accts(k->e, CV_CLASS_QUEUE, list_acct, &l, &k->err), CV_OK);
	assert_int_equal(l.count, N - 1);
	assert_false(l.out_of_order);
	assert_int_equal(kit_version(k, emptied), 2);
	l = (struct listed){0};
	assert_int_equal(cv_meta_accts(k->e, CV_CLASS_AUDIT, list_acct, &l, &k->err), CV_OK);
	assert_int_equal(l.count, 1);
}

static void
test_versions__are_zero_before_the_first_row_and_only_grow(void **state)
{
	struct kit *k = *state;
	enum { N = 600 };
	cv_acct_id accts[N];
	uint64_t versions[N];
	for (uint64_t i = 0; i < N; i++) {
		accts[i] = cv_acct(CV_CLASS_USER, i);
		for (uint64_t j = 0; j < i % 3; j++)
			assert_int_equal(kit_set(k, accts[i], "k", "v"), CV_OK);
	}
	assert_int_equal(cv_meta_versions(k->e, accts, N, versions, &k->err), CV_OK);
	for (uint64_t i = 0; i < N; i++)
		assert_int_equal(versions[i], i % 3);
}

/* ---- export and import ---- */

static enum cv_status
change_while_exporting(void *arg, struct cv_str bytes, struct cv_err *err)
{
	struct kit *k = arg;
	(void)bytes, (void)err;
	return kit_set(k, KIT_ACCT, "late", "v");
}

static void
fill_account(struct kit *k, size_t rows)
{
	char key[32], value[3000];
	kit_fill(value, sizeof value, 5);
	for (size_t i = 0; i < rows; i++) {
		snprintf(key, sizeof key, "%c/%zu", i % 2 ? 'M' : 'S', i);
		struct cv_put put = {cv_str_z(key), {value, i * 37 % sizeof value}};
		assert_int_equal(kit_commit(k, KIT_ACCT, CV_VERSION_ANY, &put, 1, NULL, NULL),
		                 CV_OK);
	}
}

static void
test_export__and_import_give_the_same_account(void **state)
{
	struct kit *k = *state;
	cv_acct_id other = cv_acct(CV_CLASS_USER, 900);
	struct cv_buf first = CV_BUF_INIT(8u << 20), second = CV_BUF_INIT(8u << 20);
	cv_ticket ticket;
	fill_account(k, 700);
	for (int i = 0; i < 10; i++)
		assert_int_equal(kit_set(k, other, i % 2 ? "old" : "S/old", "v"), CV_OK);
	assert_int_equal(cv_meta_export(k->e, KIT_ACCT, 0, kit_collect, &first, &k->err), CV_OK);
	assert_int_equal(cv_meta_import(k->e, other, cv_buf_view(&first), &ticket, &k->err), CV_OK);
	cv_ticket_block(k->e, ticket);
	assert_true(kit_version(k, other) > kit_version(k, KIT_ACCT));
	assert_null(kit_get(k, other, "old").p);
	assert_int_equal(cv_meta_export(k->e, other, 0, kit_collect, &second, &k->err), CV_OK);
	assert_int_equal(first.n, second.n);
	assert_memory_equal(first.p + 20, second.p + 20, first.n - 20 - 32);

	cv_buf_reset(&second);
	assert_int_equal(cv_meta_export(k->e, other, kit_version(k, other), kit_collect, &second,
		&k->err), CV_OK);
	assert_int_equal(second.n, 0);
	cv_buf_done(&first);
	cv_buf_done(&second);
}

static void
test_import__of_a_stream_cut_or_changed_touches_nothing(void **state)
{
	struct kit *k = *state;
	cv_acct_id other = cv_acct(CV_CLASS_USER, 901);
	struct cv_buf b = CV_BUF_INIT(1u << 20);
	cv_ticket ticket;
	fill_account(k, 20);
	assert_int_equal(kit_set(k, other, "mine", "v"), CV_OK);
	assert_int_equal(cv_meta_export(k->e, KIT_ACCT, 0, kit_collect, &b, &k->err), CV_OK);
	for (size_t n = 0; n < b.n; n += 97)
		assert_int_equal(cv_meta_import(k->e, other, cv_str(b.p, n), &ticket, &k->err),
			CV_CORRUPT);
	for (size_t i = 0; i < b.n; i += 101) {
		b.p[i] ^= 4;
		assert_int_equal(cv_meta_import(k->e, other, cv_buf_view(&b), &ticket, &k->err),
			CV_CORRUPT);
		b.p[i] ^= 4;
	}
	assert_true(cv_str_eq_z(kit_get(k, other, "mine"), "v"));
	assert_int_equal(kit_version(k, other), 1);
	cv_buf_done(&b);
}

static void
test_export__of_an_account_that_changes_meanwhile_conflicts(void **state)
{
	struct kit *k = *state;
	fill_account(k, 200);
	assert_int_equal(cv_meta_export(k->e, KIT_ACCT, 0, change_while_exporting, k, &k->err),
		CV_CONFLICT);
}

/* ---- leases ---- */

static void
test_lease__is_for_one_holder_until_it_runs_out(void **state)
{
	struct kit *k = *state;
	struct cv_str name = CV_STR("cell"), a = CV_STR("node-a"), b = CV_STR("node-b");
	assert_int_equal(cv_meta_lease(k->e, name, a, 60, &k->err), CV_OK);
	assert_int_equal(cv_meta_lease(k->e, name, b, 60, &k->err), CV_DENIED);
	assert_int_equal(cv_meta_lease(k->e, CV_STR("other"), b, 60, &k->err), CV_OK);
	assert_int_equal(cv_meta_lease(k->e, name, a, 0, &k->err), CV_OK);
	assert_int_equal(cv_meta_lease(k->e, name, b, 60, &k->err), CV_OK);
	assert_int_equal(cv_meta_lease(k->e, name, a, 60, &k->err), CV_DENIED);
	assert_int_equal(cv_meta_lease(k->e, CV_STR_EMPTY, a, 60, &k->err), CV_INVALID);
}

/* ---- tickets ---- */

struct counted {
	struct cv_waiter waiter;
	cv_ticket *last;
	bool *out_of_order, called;
};

static void
count_call(struct cv_waiter *w)
{
	struct counted *c = CV_CONTAINER(w, struct counted, waiter);
	*c->out_of_order |= w->ticket < *c->last;
	*c->last = w->ticket;
	c->called = true;
}

static void
test_tickets__release_their_waiters_in_order(void **state)
{
	struct kit *k = *state;
	enum { N = 500 };
	static struct counted waiters[N];
	static cv_ticket last, tickets[N];
	static bool out_of_order;
	for (size_t i = 0; i < N; i++) {
		struct cv_put put = kit_put("k", "v");
		assert_int_equal(kit_commit(k, KIT_ACCT, CV_VERSION_ANY, &put, 1, NULL,
		                            &tickets[i]),
		                 CV_OK);
		assert_true(tickets[i] > (i ? tickets[i - 1] : 0));
	}
	for (size_t i = N; i-- > 0;) {
		waiters[i] = (struct counted){.waiter.fn = count_call, .last = &last,
			.out_of_order = &out_of_order};
		if (i == N - 1) /* keep the order check to those that are parked together */
			continue;
		cv_ticket_wait(k->e, tickets[i], &waiters[i].waiter);
	}
	cv_ticket_block(k->e, tickets[N - 1]);
	assert_true(cv_ticket_is_durable(k->e, tickets[N - 1]));
	assert_true(cv_ticket_is_durable(k->e, 0));
	kit_close(k);
	for (size_t i = 0; i < N - 1; i++)
		assert_true(waiters[i].called);
	kit_open(k);
}

static void
test_tickets__of_nothing_are_durable_already(void **state)
{
	struct kit *k = *state;
	struct cv_put put = kit_put("k", "v");
	cv_ticket ticket = 99;
	assert_int_equal(kit_commit(k, KIT_ACCT, 44, &put, 1, NULL, &ticket), CV_CONFLICT);
	assert_int_equal(ticket, 0);
}

/* ---- bodies ---- */

static void
test_bodies__of_every_size_come_back_by_ranges(void **state)
{
	struct kit *k = *state;
	static const struct { size_t n, step; } rows[] = {
		{0, 1}, {1, 1}, {100, 7}, {128 << 10, 1 << 20}, {(128 << 10) - 1, 1000},
		{(128 << 10) + 1, 4096}, {300000, 70000}, {1 << 20, 1 << 20}, {(4 << 20), 1 << 16},
		{(4 << 20) + 1, 100000}, {9 << 20, 9 << 20},
	};
	struct cv_buf out = CV_BUF_INIT(16u << 20);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		size_t n = rows[i].n;
		char *p = cv_malloc(n + 1);
		struct cv_blob_ref ref;
		struct cv_blob_stat stat;
		kit_fill(p, n, i);
		assert_int_equal(kit_body(k, "id-1", p, n, rows[i].step, &ref), CV_OK);
		assert_int_equal(cv_blob_stat(k->e, &ref, &stat, &k->err), CV_OK);
		assert_int_equal(stat.size_bytes, n);
		assert_true(stat.stored_bytes < n + 4096);
		const struct { uint64_t offset, length; } ranges[] = {
			{0, UINT64_MAX}, {0, 1}, {n / 2, 10}, {n ? n - 1 : 0, 100}, {n, 5}, {n + 10, 5},
			{(128 << 10) - 3, 6}, {1, n}, {5, 0}, {200000, 131072},
		};
		for (size_t j = 0; j < CV_COUNT(ranges); j++) {
			uint64_t from = CV_MIN(ranges[j].offset, n);
			uint64_t length = CV_MIN(ranges[j].length, n - from);
			assert_int_equal(kit_read_body(k, &ref, ranges[j].offset, ranges[j].length,
				&out), CV_OK);
			assert_true(cv_str_eq(cv_buf_view(&out), cv_str(p + from, length)));
		}
		free(p);
	}
	cv_buf_done(&out);
}

static void
test_bodies__under_way_at_once_do_not_mix(void **state)
{
	struct kit *k = *state;
	enum { N = 12, BYTES = 700000, LARGE = 6 << 20 };
	struct cv_blob_put *puts[N];
	struct cv_blob_ref refs[N];
	char *p[N];
	struct cv_buf out = CV_BUF_INIT(8u << 20);
	for (size_t i = 0; i < N; i++) {
		size_t n = i % 3 ? BYTES : LARGE;
		p[i] = cv_malloc(n);
		kit_fill(p[i], n, i);
		assert_int_equal(cv_blob_begin(k->e, CV_STR("x"), n, &puts[i], &k->err), CV_OK);
	}
	for (size_t at = 0; at < LARGE; at += 50000)
		for (size_t i = 0; i < N; i++) {
			size_t n = i % 3 ? BYTES : LARGE;
			if (at < n)
				assert_int_equal(cv_blob_write(puts[i],
					cv_str(p[i] + at, CV_MIN(n - at, 50000)), &k->err), CV_OK);
		}
	for (size_t i = 0; i < N; i++) {
		if (i % 4 == 3)
			cv_blob_abort(puts[i]);
		else
			assert_int_equal(cv_blob_finish(puts[i], &refs[i], &k->err), CV_OK);
	}
	for (size_t i = 0; i < N; i++) {
		if (i % 4 != 3) {
			assert_int_equal(kit_read_body(k, &refs[i], 0, UINT64_MAX, &out), CV_OK);
			assert_true(
				cv_str_eq(cv_buf_view(&out), cv_str(p[i], i % 3 ? BYTES : LARGE)));
		}
		free(p[i]);
	}
	cv_buf_done(&out);
}

static void
test_bodies__of_another_size_than_announced_are_refused(void **state)
{
	struct kit *k = *state;
	struct cv_blob_put *put;
	struct cv_blob_ref ref;
	assert_int_equal(cv_blob_begin(k->e, CV_STR("x"), 10, &put, &k->err), CV_OK);
	assert_int_equal(cv_blob_write(put, CV_STR("123456789"), &k->err), CV_OK);
	assert_int_equal(cv_blob_finish(put, &ref, &k->err), CV_INVALID);
	assert_int_equal(cv_blob_begin(k->e, CV_STR("x"), 10, &put, &k->err), CV_OK);
	assert_int_equal(cv_blob_write(put, CV_STR("12345678901"), &k->err), CV_INVALID);
	assert_int_equal(cv_blob_finish(put, &ref, &k->err), CV_INVALID);
	assert_int_equal(cv_blob_begin(k->e, CV_STR("x"), UINT64_MAX, &put, &k->err), CV_LIMIT);
	char id[66];
	memset(id, 'i', sizeof id);
	assert_int_equal(cv_blob_begin(k->e, cv_str(id, 65), 1, &put, &k->err), CV_LIMIT);
}

struct bodies {
	size_t alive, dead;
	uint64_t bytes;
};

static bool
count_body(void *arg, const struct cv_blob_ref *ref, uint64_t size_bytes, bool dead)
{
	struct bodies *b = arg;
	(void)ref;
	b->alive += !dead;
	b->dead += dead;
	b->bytes += size_bytes;
	return true;
}

static void
test_bodies__are_listed_and_removed_ones_are_flagged(void **state)
{
	struct kit *k = *state;
	struct cv_blob_ref refs[30];
	char p[5000];
	kit_fill(p, sizeof p, 3);
	for (size_t i = 0; i < CV_COUNT(refs); i++)
		assert_int_equal(kit_body(k, "id", p, 100 + i * 150, 5000, &refs[i]), CV_OK);
	for (size_t i = 0; i < CV_COUNT(refs); i += 3)
		assert_int_equal(cv_blob_remove(k->e, &refs[i], &k->err), CV_OK);
	for (int round = 0; round < 2; round++) {
		struct bodies b = {0};
		assert_int_equal(cv_blob_each(k->e, count_body, &b, &k->err), CV_OK);
		assert_int_equal(b.alive, 20);
		assert_int_equal(b.dead, 10);
		kit_close(k);
		kit_open(k);
		assert_false(k->crashed);
	}
}

static void
test_bodies__have_count_rows_in_the_order_of_their_places(void **state)
{
	struct kit *k = *state;
	struct cv_blob_ref refs[5];
	struct cv_buf keys[5];
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(kit_body(k, "id", "hello", 5, 5, &refs[i]), CV_OK);
		assert_int_equal(cv_blob_acct(&refs[i]) >> CV_ACCT_CLASS_SHIFT, CV_CLASS_BODY);
		assert_true(cv_blob_acct(&refs[i]) == cv_blob_acct(&refs[0]));
		cv_buf_init(&keys[i], 64);
		cv_blob_count_key(&refs[i], &keys[i]);
		assert_int_equal(keys[i].p[0], 'C');
		if (i)
			assert_true(cv_str_cmp(cv_buf_view(&keys[i - 1]), cv_buf_view(&keys[i])) <
			            0);
	}
	for (size_t i = 0; i < 5; i++)
		cv_buf_done(&keys[i]);
}

static void
test_refs__that_name_nothing_are_not_found(void **state)
{
	struct kit *k = *state;
	struct cv_blob_ref ref, other;
	struct cv_blob_stat stat;
	assert_int_equal(kit_body(k, "id", "hello", 5, 5, &ref), CV_OK);
	static const struct {
		const char *name;
		size_t at;
		uint8_t value;
		enum cv_status want;
	} rows[] = {
		{ "another volume", 4, 77, CV_NOT_FOUND }, { "beyond the end", 8, 1, CV_NOT_FOUND },
		{ "another size", 14, 4, CV_INVALID },     { "another check", 20, 0, CV_CORRUPT },
		{ "no place at all", 9, 65, CV_INVALID },  { "another type", 0, 'x', CV_INVALID },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		other = ref;
		other.bytes[rows[i].at] = rows[i].value;
		enum cv_status got = cv_blob_stat(k->e, &other, &stat, &k->err);
		if (got != rows[i].want)
			fail_msg("%s: %s", rows[i].name, cv_status_name(got));
	}
	other = ref;
	other.n = 3;
	assert_int_equal(cv_blob_stat(k->e, &other, &stat, &k->err), CV_INVALID);
}

/* ---- the whole ---- */

static void
test_a_second_opener__is_refused_and_told_by_whom(void **state)
{
	struct kit *k = *state;
	struct cv_engine *e;
	struct cv_engine_options o = {.dir = k->dir};
	bool crashed;
	char pid[32];
	snprintf(pid, sizeof pid, "process %ld ", (long)getpid());
	assert_int_equal(cv_engine_open(&o, &e, &crashed, &k->err), CV_TEMPFAIL);
	assert_non_null(strstr(k->err.text, pid));
}

static void
test_everything__is_there_after_a_clean_stop(void **state)
{
	struct kit *k = *state;
	struct cv_blob_ref ref;
	struct cv_buf out = CV_BUF_INIT(100);
	struct cv_engine_stats stats;
	assert_false(k->crashed);
	assert_int_equal(kit_set(k, KIT_ACCT, "k", "kept"), CV_OK);
	assert_int_equal(kit_body(k, "id", "hello", 5, 5, &ref), CV_OK);
	assert_int_equal(cv_engine_checkpoint(k->e, &k->err), CV_OK);
	cv_engine_stats(k->e, &stats);
	assert_true(stats.commits == 1 && stats.checkpoints == 1 && stats.blob_bytes > 5);
	for (int i = 0; i < 3; i++) {
		kit_close(k);
		kit_open(k);
		assert_false(k->crashed);
		assert_true(cv_str_eq_z(kit_get(k, KIT_ACCT, "k"), "kept"));
		assert_int_equal(kit_version(k, KIT_ACCT), 1);
		assert_int_equal(kit_read_body(k, &ref, 0, 9, &out), CV_OK);
		assert_true(cv_str_eq_z(cv_buf_view(&out), "hello"));
	}
	cv_buf_done(&out);
}

static void
test_an_engine_without_bodies__refuses_them(void **state)
{
	struct kit *k = *state;
	struct cv_blob_put *put;
	kit_close(k);
	kit_remove_tree(k->dir);
	kit_open_with(k, (struct cv_engine_options){.with_blobs = false});
	assert_int_equal(cv_blob_begin(k->e, CV_STR("x"), 1, &put, &k->err), CV_INVALID);
	assert_int_equal(kit_set(k, KIT_ACCT, "k", "v"), CV_OK);
}

#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_rows__come_back_and_absent_ones_are_null),
		T(test_rows__of_every_size_come_back_exactly),
		T(test_limits__are_kept_by_batch_and_change_nothing),
		T(test_batches__are_independent_conditional_and_in_order),
		T(test_batches__by_the_hundred_all_arrive),
		T(test_scan__is_ordered_over_both_trees_and_keeps_its_ends),
		T(test_scan__of_many_and_large_rows_misses_none),
		T(test_scan__holds_nothing_while_it_calls_back),
		T(test_accts__are_those_of_the_class_that_have_rows),
		T(test_versions__are_zero_before_the_first_row_and_only_grow),
		T(test_export__and_import_give_the_same_account),
		T(test_import__of_a_stream_cut_or_changed_touches_nothing),
		T(test_export__of_an_account_that_changes_meanwhile_conflicts),
		T(test_lease__is_for_one_holder_until_it_runs_out),
		T(test_tickets__release_their_waiters_in_order),
		T(test_tickets__of_nothing_are_durable_already),
		T(test_bodies__of_every_size_come_back_by_ranges),
		T(test_bodies__under_way_at_once_do_not_mix),
		T(test_bodies__of_another_size_than_announced_are_refused),
		T(test_bodies__are_listed_and_removed_ones_are_flagged),
		T(test_bodies__have_count_rows_in_the_order_of_their_places),
		T(test_refs__that_name_nothing_are_not_found),
		T(test_a_second_opener__is_refused_and_told_by_whom),
		T(test_everything__is_there_after_a_clean_stop),
		T(test_an_engine_without_bodies__refuses_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
