/* acl_test.c - rights and identifiers are read and written, changes do what RFC 4314 says, and
 * evaluation agrees with a simple model on random lists. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include "common/base/rng.h"
#include "common/store/acl.h"

static void
test_rights__letters_are_read_and_written(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool ok;
		const char *plain, *old;
	} rows[] = {
		{"",               true,  "",            ""             },
		{"lrs",            true,  "lrs",         "lrs"          },
		{"aetxkpiwsrl",    true,  "lrswipkxtea", "lrswipkxteacd"},
		{"c",              true,  "kx",          "kxc"          },
		{"k",              true,  "k",           "kc"           },
		{"d",              true,  "te",          "ted"          },
		{"lrswida",        true,  "lrswitea",    "lrswitead"    },
		{"lll",            true,  "l",           "l"            },
		{"L",              false, "",            ""             },
		{"lrq",            false, "",            ""             },
		{"l r",            false, "",            ""             },
		{"l1",             false, "",            ""             },
		{"n",              false, "",            ""             },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		uint32_t rights;
		struct cv_buf plain = CV_BUF_INIT(64), old = CV_BUF_INIT(64);
		bool ok = cv_rights_parse(cv_str_z(rows[i].text), &rights);
		CHECK(rows[i].text, ok == rows[i].ok);
		if (ok) {
			cv_rights_write(rights, &plain);
			cv_rights_write_old(rights, &old);
			CHECK(rows[i].text, cv_str_eq_z(cv_buf_view(&plain), rows[i].plain));
			CHECK(rows[i].text, cv_str_eq_z(cv_buf_view(&old), rows[i].old));
		}
		cv_buf_done(&plain);
		cv_buf_done(&old);
	}
	CHECK_END();
}

static void
test_identifiers__have_one_spelling(void **state)
{
	(void)state;
	static const struct {
		const char *given, *id; /* NULL: refused */
		bool is_negative;
		enum cv_acl_kind kind;
	} rows[] = {
		{"duyen",                     "duyen@tinh.example",       false, CV_ACL_PERSON },
		{"Duyen@TINH.example",        "duyen@tinh.example",       false, CV_ACL_PERSON },
		{"-duyen",                    "duyen@tinh.example",       true,  CV_ACL_PERSON },
		{"\"duyen\"@tinh.example",    "duyen@tinh.example",       false, CV_ACL_PERSON },
		{"ha\xcc\x80@tinh.example",   "h\xc3\xa0@tinh.example",   false, CV_ACL_PERSON },
		{"Anyone",                    "anyone",                   false, CV_ACL_ANYONE },
		{"-anyone",                   "anyone",                   true,  CV_ACL_ANYONE },
		{"$HOLDERS",                  "$holders",                 false, CV_ACL_HOLDERS},
		{"Group:To-A",                "group:to-a@tinh.example",  false, CV_ACL_GROUP  },
		{"-group:to-a@tinh.example",  "group:to-a@tinh.example",  true,  CV_ACL_GROUP  },
		{"group:",                    NULL,                       false, CV_ACL_GROUP  },
		{"",                          NULL,                       false, CV_ACL_PERSON },
		{"-",                         NULL,                       false, CV_ACL_PERSON },
		{"two words",                 NULL,                       false, CV_ACL_PERSON },
		{"a@b@c",                     NULL,                       false, CV_ACL_PERSON },
		{"group:two words",           NULL,                       false, CV_ACL_PERSON },
		{"--duyen",                   "-duyen@tinh.example",      true,  CV_ACL_PERSON },
		{"\xff\xfe",                  NULL,                       false, CV_ACL_PERSON },
	};
	struct cv_arena arena = CV_ARENA_INIT;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_str id = CV_STR_EMPTY, address;
		bool is_negative;
		struct cv_err err;
		enum cv_status status = cv_acl_id_parse(cv_str_z(rows[i].given),
			CV_STR("tinh.example"), &arena, &id, &is_negative, &err);
		CHECK(rows[i].given, (status == CV_OK) == (rows[i].id != NULL));
		if (status || !rows[i].id)
			continue;
		CHECK(rows[i].given, cv_str_eq_z(id, rows[i].id));
		CHECK(rows[i].given, is_negative == rows[i].is_negative);
		CHECK(rows[i].given, cv_acl_kind(id, &address) == rows[i].kind);
	}
	cv_arena_done(&arena);
	CHECK_END();
}

static bool
is_duyen(void *arg, struct cv_str id)
{
	(void)arg;
	return cv_str_eq_z(id, "duyen@x") || cv_str_eq_z(id, "group:a@x");
}

/* Applies "id rights" words, "|" between them, to an empty list. */
static enum cv_status
build(const char *text, uint32_t without, struct cv_buf *row)
{
	struct cv_str rest = cv_str_z(text), one, id;

	while (rest.n && cv_str_split(&rest, '|', &one)) {
		struct cv_acl_change change = {.without = without};
		struct cv_buf next = CV_BUF_INIT(CV_ACL_ROW_MAX);
		struct cv_err err;
		cv_str_split(&one, ' ', &id);
		change.is_negative = id.p[0] == '-';
		change.id = cv_str_sub(id, change.is_negative, id.n);
		assert_true(cv_acl_parse_change(one, &change));
		enum cv_status status = cv_acl_apply(cv_buf_view(row), &change, &next, &err);
		cv_buf_reset(row);
		cv_buf_str(row, cv_buf_view(&next));
		cv_buf_done(&next);
		if (status)
			return status;
	}
	return CV_OK;
}

static void
test_changes__add_up_for_who_is_meant(void **state)
{
	(void)state;
	static const struct {
		const char *name, *changes;
		uint32_t base;
		const char *rights; /* of duyen@x, who is in group:a@x */
		size_t entries;
	} rows[] = {
		{"nothing",              "",                                     0, "",     0},
		{"one entry",            "duyen@x lr",                           0, "lr",   1},
		{"union of entries",     "duyen@x lr|anyone s|group:a@x w",      0, "lrsw", 3},
		{"others do not count",  "hoa@x lrswi|group:b@x a",              0, "",     2},
		{"plus adds",            "duyen@x lr|duyen@x +sw",               0, "lrsw", 1},
		{"minus removes",        "duyen@x lrsw|duyen@x -sw",             0, "lr",   1},
		{"set replaces",         "duyen@x lrsw|duyen@x i",               0, "i",    1},
		{"empty set removes",    "duyen@x lrsw|duyen@x ",                0, "",     0},
		{"minus all removes",    "duyen@x lr|duyen@x -lr",               0, "",     0},
		{"plus nothing",         "duyen@x +",                            0, "",     0},
		{"negative takes",       "anyone lrswi|-duyen@x w",              0, "lrsi", 2},
		{"negative comes first", "-duyen@x w|anyone lrswi|duyen@x +w",   0, "lrsi", 3},
		{"negative of anyone",   "duyen@x lr|-anyone r",                 0, "l",    2},
		{"negative and base",    "-group:a@x te", CV_RIGHT_L | CV_RIGHT_T, "l",     1},
		{"a sign of two kinds",  "duyen@x lr|-duyen@x r|-duyen@x -r",    0, "lr",   1},
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf row = CV_BUF_INIT(CV_ACL_ROW_MAX), text = CV_BUF_INIT(64);
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_acl acl;
		CHECK(rows[i].name, !build(rows[i].changes, 0, &row));
		cv_rights_write(
			cv_acl_rights(cv_buf_view(&row), rows[i].base, is_duyen, NULL), &text);
		CHECK(rows[i].name, cv_str_eq_z(cv_buf_view(&text), rows[i].rights));
		CHECK(rows[i].name, !cv_acl_decode(cv_buf_view(&row), &arena, &acl));
		CHECK(rows[i].name, acl.count == rows[i].entries);
		CHECK(rows[i].name, (row.n == 0) == (acl.count == 0));
		cv_arena_done(&arena);
		cv_buf_done(&row);
		cv_buf_done(&text);
	}
	CHECK_END();
}

/* $holders have rights without an entry: none is another thing than no entry. */
static void
test_changes__keep_what_differs_from_no_entry(void **state)
{
	(void)state;
	static const struct {
		const char *changes;
		bool found;
		uint32_t rights;
	} rows[] = {
		{"$holders ",                      true,  0                                  },
		{"$holders lrswipkxte",            false, 0                                  },
		{"$holders +a",                    true,  CV_RIGHTS_ALL                      },
		{"$holders -t",                    true,  CV_RIGHTS_HOLDER & ~CV_RIGHT_T     },
		{"$holders -t|$holders +t",        false, 0                                  },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf row = CV_BUF_INIT(CV_ACL_ROW_MAX);
		uint32_t rights = 0;
		CHECK(rows[i].changes, !build(rows[i].changes, CV_RIGHTS_HOLDER, &row));
		bool found = cv_acl_find(cv_buf_view(&row), cv_acl_holders, false, &rights);
		CHECK(rows[i].changes, found == rows[i].found && rights == rows[i].rights);
		cv_buf_done(&row);
	}
	CHECK_END();
}

static void
test_changes__stop_at_the_limit(void **state)
{
	(void)state;
	struct cv_buf row = CV_BUF_INIT(2 * CV_ACL_ROW_MAX);
	char text[32];

	for (unsigned i = 0; i < CV_ACL_ENTRIES_MAX; i++) {
		snprintf(text, sizeof(text), "p%u@x lr", i);
		assert_int_equal(build(text, 0, &row), CV_OK);
	}
	struct cv_buf kept = CV_BUF_INIT(2 * CV_ACL_ROW_MAX);
	cv_buf_str(&kept, cv_buf_view(&row));
	assert_int_equal(build("another@x l", 0, &row), CV_LIMIT);
	assert_int_equal(build("p1@x +s", 0, &kept), CV_OK);
	assert_int_equal(build("p1@x |another@x l", 0, &kept), CV_OK);
	cv_buf_done(&row);
	cv_buf_done(&kept);
}

static void
test_rows__are_refused_when_cut_or_out_of_order(void **state)
{
	(void)state;
	struct cv_buf row = CV_BUF_INIT(CV_ACL_ROW_MAX);
	assert_int_equal(build("duyen@x lr|-duyen@x w|anyone l", 0, &row), CV_OK);
	assert_true(cv_acl_is_valid(cv_buf_view(&row)));
	unsigned valid = 0;
	for (size_t n = 1; n < row.n; n++)
		valid += cv_acl_is_valid(cv_str(row.p, n));
	assert_int_equal(valid, 3); /* a list that ends between two entries is a list */
	static const struct {
		const char *name;
		struct cv_str row;
	} rows[] = {
		{"another version",    CV_STR("\x02\x02\x01z")                  },
		{"an empty name",      CV_STR("\x01\x02\x00")                   },
		{"the same twice",     CV_STR("\x01\x02\x01z\x04\x01z")         },
		{"descending",         CV_STR("\x01\x02\x01z\x02\x01y")         },
		{"negative first",     CV_STR("\x01\x03\x01z\x02\x01z")         },
		{"an unknown right",   CV_STR("\x01\x80\x20\x01z")              },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i].name, !cv_acl_is_valid(rows[i].row));
	cv_buf_done(&row);
	CHECK_END();
}

/* ---- the model: a table of identifiers by who is meant ---- */

#define IDS    12
#define PEOPLE 6

struct model {
	uint32_t rights[IDS][2]; /* [1]: negative */
	bool means[IDS][PEOPLE];
	unsigned who;
};

static void
model_id(unsigned i, char out[32])
{
	if (!i)
		snprintf(out, 32, "anyone");
	else
		snprintf(out, 32, i % 2 ? "p%u@x" : "group:p%u@x", i);
}

static bool
model_is(void *arg, struct cv_str id)
{
	const struct model *m = arg;
	char text[32];

	for (unsigned i = 0; i < IDS; i++) {
		model_id(i, text);
		if (cv_str_eq_z(id, text))
			return m->means[i][m->who];
	}
	fail_msg("asked about %.*s", CV_STR_ARGS(id));
	return false;
}

static uint32_t
model_rights(const struct model *m, uint32_t base)
{
	uint32_t given = base, taken = 0;

	for (unsigned i = 0; i < IDS; i++)
		if (!i || m->means[i][m->who]) {
			given |= m->rights[i][0];
			taken |= m->rights[i][1];
		}
	return given & ~taken;
}

static void
model_change(struct model *m, struct cv_buf *row)
{
	char id[32];
	unsigned i = (unsigned)cv_random_below(IDS);
	struct cv_acl_change change = {
		.is_negative = cv_random_below(3) == 0,
		.op = (enum cv_acl_op)cv_random_below(3),
		.rights = (uint32_t)cv_random_below(CV_RIGHTS_ALL + 1u),
	};
	struct cv_buf next = CV_BUF_INIT(CV_ACL_ROW_MAX);
	struct cv_err err;

	model_id(i, id);
	change.id = cv_str_z(id);
	uint32_t *mine = &m->rights[i][change.is_negative];
	*mine = change.op == CV_ACL_SET   ? change.rights
		: change.op == CV_ACL_ADD ? *mine | change.rights
					  : *mine & ~change.rights;
	assert_int_equal(cv_acl_apply(cv_buf_view(row), &change, &next, &err), CV_OK);
	cv_buf_reset(row);
	cv_buf_str(row, cv_buf_view(&next));
	cv_buf_done(&next);
}

static void
test_evaluation__agrees_with_a_simple_model(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct model m = {0};
		struct cv_buf row = CV_BUF_INIT(CV_ACL_ROW_MAX);
		uint32_t base = cv_random_below(2) ? CV_RIGHTS_HOLDER : 0;
		for (unsigned i = 0; i < IDS; i++)
			for (unsigned p = 0; p < PEOPLE; p++)
				m.means[i][p] = cv_random_below(3) == 0;
		for (unsigned step = 0; step < 40; step++) {
			model_change(&m, &row);
			assert_true(cv_acl_is_valid(cv_buf_view(&row)));
			for (m.who = 0; m.who < PEOPLE; m.who++)
				assert_int_equal(
					cv_acl_rights(cv_buf_view(&row), base, model_is, &m),
					model_rights(&m, base));
		}
		struct cv_arena arena = CV_ARENA_INIT;
		struct cv_buf again = CV_BUF_INIT(CV_ACL_ROW_MAX);
		struct cv_acl acl;
		assert_int_equal(cv_acl_decode(cv_buf_view(&row), &arena, &acl), CV_OK);
		cv_acl_encode(&acl, &again);
		assert_true(cv_str_eq(cv_buf_view(&row), cv_buf_view(&again)));
		cv_arena_done(&arena);
		cv_buf_done(&again);
		cv_buf_done(&row);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rights__letters_are_read_and_written),
		cmocka_unit_test(test_identifiers__have_one_spelling),
		cmocka_unit_test(test_changes__add_up_for_who_is_meant),
		cmocka_unit_test(test_changes__keep_what_differs_from_no_entry),
		cmocka_unit_test(test_changes__stop_at_the_limit),
		cmocka_unit_test(test_rows__are_refused_when_cut_or_out_of_order),
		cmocka_unit_test(test_evaluation__agrees_with_a_simple_model),
	};
	return cmocka_run_group_tests_name("acl", tests, NULL, NULL);
}
