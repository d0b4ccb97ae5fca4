/* mailbox_test.c - accounts and the list of mailboxes: names, hierarchy, subscriptions, quota. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/store/mailbox_kit.h"

/* The names of the list, joined by '|'; "-" marks \NoSelect, "+" subscribed. */
static char *
listing(struct kit *k)
{
	struct cv_mbox_info *list;
	size_t count;
	struct cv_buf b = CV_BUF_INIT(1u << 20);
	OK(cv_mbox_list(k->a, &k->arena, &list, &count, &k->err));
	for (size_t i = 0; i < count; i++) {
		bool folder = list[i].use || cv_str_eq_z(list[i].name, "INBOX");
		if (folder)
			continue; /* the default ones are always there */
		cv_buf_printf(&b, "%s%.*s%s%s", b.n ? "|" : "", CV_STR_ARGS(list[i].name),
			list[i].id && !list[i].selectable ? "-" : "",
			list[i].subscribed ? "+" : "");
	}
	cv_buf_c(&b, 0);
	return cv_buf_take(&b);
}

static void
expect_list(struct kit *k, const char *name, const char *want)
{
	char *have = listing(k);
	if (strcmp(have, want))
		print_error("\"%s\": have %s, want %s\n", name, have, want);
	CHECK(name, !strcmp(have, want));
	free(have);
}

static void
test_account__starts_with_the_vietnamese_folders(void **state)
{
	struct kit *k = *state;
	static const struct {
		const char *name;
		enum cv_special_use use;
	} rows[] = {
		{"INBOX",           CV_USE_NONE   },
		{"Lưu trữ",      CV_USE_ARCHIVE},
		{"Thùng rác",     CV_USE_TRASH  },
		{"Thư nháp",      CV_USE_DRAFTS },
		{"Thư rác",       CV_USE_JUNK   },
		{"Thư đã gửi", CV_USE_SENT   },
	};
	struct cv_mbox_info *list;
	size_t count;
	OK(cv_mbox_list(k->a, &k->arena, &list, &count, &k->err));
	assert_int_equal(count, CV_COUNT(rows));
	for (size_t i = 0; i < count; i++) {
		CHECK(rows[i].name, cv_str_eq_z(list[i].name, rows[i].name));
		CHECK(rows[i].name, list[i].use == rows[i].use);
		CHECK(rows[i].name,
			list[i].subscribed && list[i].selectable && list[i].uidvalidity);
		for (size_t j = 0; j < i; j++)
			CHECK(rows[i].name, list[i].uidvalidity != list[j].uidvalidity);
	}
	CHECK_END();
	struct cv_acct *other;
	assert_int_equal(
		cv_acct_open(k->s, KIT_USER(99), false, &other, NULL, &k->err), CV_NOT_FOUND);
	assert_int_equal(cv_acct_open(k->s, KIT_USER(1), false, &other, NULL, &k->err), CV_OK);
	assert_ptr_equal(other, k->a);
	cv_acct_close(other);
}

static void
test_create__checks_names(void **state)
{
	struct kit *k = *state;
	char deep[200] = "a", level[300], whole[1200];
	for (int i = 0; i < 32; i++)
		memcpy(deep + 1 + 2 * i, "/a", 3);
	memset(level, 'x', 256);
	level[256] = 0;
	for (size_t i = 0; i < 1001; i++)
		whole[i] = i % 200 == 199 ? '/' : 'y';
	whole[1001] = 0;
	const struct {
		const char *name;
		enum cv_status want;
	} rows[] = {
		{"",                  CV_INVALID},
		{"/a",                CV_INVALID},
		{"a//b",              CV_INVALID},
		{"a/ /b",             CV_INVALID},
		{" a",                CV_INVALID},
		{"a\tb",              CV_INVALID},
		{"a\x7f",             CV_INVALID},
		{"a\xc2\x85",         CV_INVALID},
		{"a\xe2\x80\xae",     CV_INVALID},
		{"\xff",              CV_INVALID},
		{"\xc0\xaf",          CV_INVALID},
		{"inbox",             CV_EXISTS },
		{"InBoX",             CV_EXISTS },
		{deep,                CV_LIMIT  },
		{level,               CV_LIMIT  },
		{whole,               CV_LIMIT  },
		{"Thư rác",         CV_EXISTS },
		{"Công văn đến", CV_OK     },
		{"thư rác",         CV_OK     },
		{"x/",                CV_OK     },
		{"inbox/y",           CV_OK     },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		enum cv_status status = cv_mbox_create(
			k->a, cv_str_z(rows[i].name), CV_USE_NONE, NULL, &k->t, &k->err);
		CHECK(rows[i].name, status == rows[i].want);
	}
	/* the same name in NFD is the same mailbox */
	CHECK("nfd", cv_mbox_create(k->a, CV_STR("Co\xcc\x82ng va\xcc\x86n \xc4\x91\xe1\xba\xbfn"),
			     CV_USE_NONE, NULL, &k->t, &k->err) == CV_EXISTS);
	expect_list(k, "list", "Công văn đến|INBOX/y|thư rác|x");
	CHECK_END();
}

/* Each row acts and then shows the list. A name that was deleted stays subscribed. */
static void
test_hierarchy__create_delete_rename_subscribe(void **state)
{
	struct kit *k = *state;
	static const struct {
		char act; /* create, delete, rename, subscribe, unsubscribe */
		const char *name, *to;
		enum cv_status want;
		const char *list;
	} rows[] = {
		{'c', "a/b/c",   "",      CV_OK,        "a|a/b|a/b/c"                   },
		{'c', "a/b/c",   "",      CV_EXISTS,    "a|a/b|a/b/c"                   },
		{'c', "a b",     "",      CV_OK,        "a|a b|a/b|a/b/c"               },
		{'d', "a/b",     "",      CV_OK,        "a|a b|a/b-|a/b/c"              },
		{'d', "a/b",     "",      CV_DENIED,    "a|a b|a/b-|a/b/c"              },
		{'c', "a/b",     "",      CV_OK,        "a|a b|a/b|a/b/c"               },
		{'d', "a/b",     "",      CV_OK,        "a|a b|a/b-|a/b/c"              },
		{'s', "a/b/c",   "",      CV_OK,        "a|a b|a/b-|a/b/c+"             },
		{'r', "a",       "z/y",   CV_OK,        "a b|z|z/y|z/y/b-|z/y/b/c+"     },
		{'r', "z/y",     "z/y/q", CV_INVALID,   "a b|z|z/y|z/y/b-|z/y/b/c+"     },
		{'r', "z/y",     "a b",   CV_EXISTS,    "a b|z|z/y|z/y/b-|z/y/b/c+"     },
		{'r', "none",    "other", CV_NOT_FOUND, "a b|z|z/y|z/y/b-|z/y/b/c+"     },
		{'d', "z/y/b/c", "",      CV_OK,        "a b|z|z/y|z/y/b/c+"            },
		{'d', "z/y/b/c", "",      CV_NOT_FOUND, "a b|z|z/y|z/y/b/c+"            },
		{'c', "z/y/b/c", "",      CV_OK,        "a b|z|z/y|z/y/b|z/y/b/c+"      },
		{'u', "z/y/b/c", "",      CV_OK,        "a b|z|z/y|z/y/b|z/y/b/c"       },
		{'s', "later",   "",      CV_OK,        "a b|later+|z|z/y|z/y/b|z/y/b/c"},
		{'r', "a b",     "later", CV_OK,        "later+|z|z/y|z/y/b|z/y/b/c"    },
		{'u', "later",   "",      CV_OK,        "later|z|z/y|z/y/b|z/y/b/c"     },
		{'u', "nothing", "",      CV_OK,        "later|z|z/y|z/y/b|z/y/b/c"     },
		{'d', "INBOX",   "",      CV_DENIED,    "later|z|z/y|z/y/b|z/y/b/c"     },
		{'r', "z",       "INBOX", CV_EXISTS,    "later|z|z/y|z/y/b|z/y/b/c"     },
	};
	for (int round = 0; round < 2; round++) { /* the second time after reading it again */
		for (size_t i = 0; !round && i < CV_COUNT(rows); i++) {
			struct cv_str name = cv_str_z(rows[i].name), to = cv_str_z(rows[i].to);
			enum cv_status status =
				rows[i].act == 'c'   ? cv_mbox_create(k->a, name, CV_USE_NONE, NULL,
							       &k->t, &k->err)
				: rows[i].act == 'd' ? cv_mbox_delete(k->a, name, &k->t, &k->err)
				: rows[i].act == 'r'
					? cv_mbox_rename(k->a, name, to, &k->t, &k->err)
					: cv_mbox_subscribe(
						  k->a, name, rows[i].act == 's', &k->t, &k->err);
			CHECK(rows[i].list, status == rows[i].want);
			expect_list(k, rows[i].name, rows[i].list);
		}
		kit_close(k);
		kit_open(k);
		expect_list(k, "read again", rows[CV_COUNT(rows) - 1].list);
	}
	CHECK_END();
	kit_check_sound(k);
}

static void
test_create__never_gives_an_id_or_uidvalidity_twice(void **state)
{
	struct kit *k = *state;
	uint64_t last_id = 0;
	uint32_t last_validity = 0;
	for (int i = 0; i < 5; i++) {
		uint64_t id;
		OK(cv_mbox_create(k->a, CV_STR("again"), CV_USE_NONE, &id, &k->t, &k->err));
		uint32_t validity = kit_info(k, "again").uidvalidity;
		assert_true(id > last_id);
		assert_true(validity > last_validity);
		last_id = id;
		last_validity = validity;
		OK(cv_mbox_delete(k->a, CV_STR("again"), &k->t, &k->err));
		if (i == 2) {
			kit_close(k);
			kit_open(k);
		}
	}
}

static void
test_rename__of_inbox_moves_its_messages(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	for (int i = 0; i < 5; i++)
		kit_append(k, m, i);
	OK(cv_mbox_rename(k->a, CV_STR("INBOX"), CV_STR("old/mail"), &k->t, &k->err));
	assert_int_equal(kit_info(k, "INBOX").exists, 0);
	assert_int_equal(kit_info(k, "old/mail").exists, 5);
	assert_int_equal(kit_info(k, "INBOX").uidnext, 6);
	cv_mbox_close(m);
	kit_check_sound(k);
}

static void
test_handle__survives_a_rename_and_ends_with_a_delete(void **state)
{
	struct kit *k = *state;
	const struct cv_view *v;
	OK(cv_mbox_create(k->a, CV_STR("one"), CV_USE_NONE, NULL, &k->t, &k->err));
	struct cv_mbox *m = kit_mbox(k, "one");
	OK(cv_mbox_view(m, &v, &k->err));
	OK(cv_mbox_rename(k->a, CV_STR("one"), CV_STR("two"), &k->t, &k->err));
	assert_int_equal(kit_append(k, m, 1), 1);
	assert_int_equal(kit_info(k, "two").exists, 1);
	assert_int_equal(v->exists, 0); /* a view never changes */
	OK(cv_mbox_delete(k->a, CV_STR("two"), &k->t, &k->err));
	const struct cv_view *none;
	assert_int_equal(cv_mbox_view(m, &none, &k->err), CV_NOT_FOUND);
	assert_int_equal(kit_store(k, m, 1, CV_STORE_ADD, CV_FLAG_SEEN), CV_NOT_FOUND);
	cv_view_unref(v);
	cv_mbox_close(m);
	kit_check_sound(k);
}

static void
test_quota__is_exact_and_refuses_what_does_not_fit(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	struct cv_quota q;
	uint64_t want = 0;
	for (int i = 0; i < 3; i++) {
		char *text = kit_text(i);
		want += strlen(text);
		free(text);
		kit_append(k, m, i);
	}
	cv_acct_quota(k->a, &q);
	assert_true(q.used_bytes == want && q.used_messages == 3);
	OK(cv_acct_set_quota(k->a, want + 10, &k->t, &k->err));
	cv_mbox_close(m);
	kit_close(k);
	kit_open(k);
	m = kit_mbox(k, "INBOX");
	cv_acct_quota(k->a, &q);
	assert_true(q.used_bytes == want && q.limit_bytes == want + 10);
	struct cv_spool spool;
	char *text = kit_text(9);
	kit_spool(&spool, text);
	struct cv_append item = {.message = &spool};
	assert_int_equal(cv_mbox_append(m, &item, 1, &k->t, &k->err), CV_OVERQUOTA);
	cv_spool_done(&spool);
	struct cv_deliverer *d;
	OK(cv_deliverer_local(k->s, &d, &k->err));
	struct cv_deliver_rcpt rcpt = {.acct = KIT_USER(1)};
	kit_deliver(d, "too-much", text, &rcpt, 1);
	assert_int_equal(rcpt.result, CV_OVERQUOTA);
	cv_deliverer_free(d);
	free(text);
	OK(kit_store(k, m, 1, CV_STORE_ADD, CV_FLAG_DELETED));
	size_t removed;
	OK(cv_mbox_expunge(m, NULL, 0, &removed, &k->t, &k->err));
	cv_acct_quota(k->a, &q);
	assert_true(q.used_messages == 2 && q.used_bytes < want);
	cv_mbox_close(m);
	kit_check_sound(k);
}

static void
test_accounts__not_used_are_forgotten_and_read_again(void **state)
{
	struct kit *k = *state;
	const uint64_t many = CV_IDLE_ACCTS_MAX + 300;
	for (uint64_t i = 10; i < 10 + many; i++) {
		struct cv_acct *a;
		OK(cv_acct_open(k->s, KIT_USER(i), true, &a, &k->t, &k->err));
		cv_acct_close(a);
	}
	assert_true(k->s->idle_count <= CV_IDLE_ACCTS_MAX);
	struct cv_acct *a;
	struct cv_mbox_info info;
	OK(cv_acct_open(k->s, KIT_USER(10), false, &a, NULL, &k->err));
	OK(cv_mbox_info(a, CV_STR("Thư rác"), &k->arena, &info, &k->err));
	assert_int_equal(info.use, CV_USE_JUNK);
	cv_acct_close(a);
}

static void
test_purge__leaves_no_row_and_no_body(void **state)
{
	struct kit *k = *state;
	struct cv_deliverer *d;
	struct cv_acct *other;
	OK(cv_acct_open(k->s, KIT_USER(2), true, &other, &k->t, &k->err));
	cv_acct_close(other);
	OK(cv_deliverer_local(k->s, &d, &k->err));
	struct cv_deliver_rcpt rcpts[2] = {{.acct = KIT_USER(1)}, {.acct = KIT_USER(2)}};
	char *text = kit_text(1);
	kit_deliver(d, "both", text, rcpts, 2);
	kit_deliver(d, "one", text, rcpts, 1);
	free(text);
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	OK(cv_acct_purge(k->s, KIT_USER(1), &k->t, &k->err));
	assert_int_equal(kit_store(k, m, 1, CV_STORE_ADD, CV_FLAG_SEEN), CV_NOT_FOUND);
	cv_mbox_close(m);
	struct cv_check_report r;
	OK(cv_store_check(k->s, false, true, kit_print_fault, NULL, &r, &k->err));
	assert_true(r.accounts == 1 && r.bodies == 1 && !r.wrong_body_counts && !r.orphan_bodies);
	cv_acct_close(k->a);
	assert_int_equal(
		cv_acct_open(k->s, KIT_USER(1), false, &k->a, NULL, &k->err), CV_NOT_FOUND);
	OK(cv_acct_open(k->s, KIT_USER(1), true, &k->a, &k->t, &k->err));
	cv_deliverer_free(d);
	kit_check_sound(k);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, kit_setup, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_account__starts_with_the_vietnamese_folders),
		TEST(test_create__checks_names),
		TEST(test_hierarchy__create_delete_rename_subscribe),
		TEST(test_create__never_gives_an_id_or_uidvalidity_twice),
		TEST(test_rename__of_inbox_moves_its_messages),
		TEST(test_handle__survives_a_rename_and_ends_with_a_delete),
		TEST(test_quota__is_exact_and_refuses_what_does_not_fit),
		TEST(test_accounts__not_used_are_forgotten_and_read_again),
		TEST(test_purge__leaves_no_row_and_no_body),
	};
	return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
