/* mailbox_acl_test.c - lists of rights stay with their mailboxes, over a restart and a rename. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/store/mailbox_kit.h"

#include "common/store/grants.h"

static enum cv_status
change(struct kit *k, const char *box, const char *id, const char *rights)
{
	struct cv_acl_change c = {.id = cv_str_z(id)};
	assert_true(cv_acl_parse_change(cv_str_z(rights), &c));
	return cv_mbox_change_acl(k->a, cv_str_z(box), &c, NULL, &k->t, &k->err);
}

/* The list of BOX as "id rights", blanks between. */
static const char *
list_of(struct kit *k, const char *box)
{
	struct cv_mbox_info info;
	struct cv_acl acl;
	struct cv_buf text = CV_BUF_INIT(1u << 16);

	OK(cv_mbox_info(k->a, cv_str_z(box), &k->arena, &info, &k->err));
	OK(cv_acl_decode(info.acl, &k->arena, &acl));
	for (size_t i = 0; i < acl.count; i++) {
		cv_buf_z(&text, i ? " " : "");
		cv_buf_str(&text, acl.entries[i].id);
		cv_buf_c(&text, ' ');
		cv_rights_write(acl.entries[i].rights, &text);
	}
	const char *z = cv_arena_z(&k->arena, cv_buf_view(&text));
	cv_buf_done(&text);
	return z;
}

static void
test_acl__stays_over_restart_and_rename_and_goes_with_delete(void **state)
{
	struct kit *k = *state;

	OK(cv_mbox_create(k->a, CV_STR("A/B"), CV_USE_NONE, NULL, &k->t, &k->err));
	OK(change(k, "A", "hoa@x", "lrs"));
	OK(change(k, "A", "duyen@x", "lr"));
	OK(change(k, "INBOX", "anyone", "l"));
	assert_string_equal(list_of(k, "A"), "duyen@x lr hoa@x lrs");
	assert_string_equal(list_of(k, "A/B"), "");
	kit_close(k);
	kit_open(k);
	assert_string_equal(list_of(k, "A"), "duyen@x lr hoa@x lrs");
	assert_string_equal(list_of(k, "INBOX"), "anyone l");
	OK(change(k, "A/B", "an@x", "lrswi"));
	OK(cv_mbox_rename(k->a, CV_STR("A"), CV_STR("C"), &k->t, &k->err));
	assert_string_equal(list_of(k, "C"), "duyen@x lr hoa@x lrs");
	assert_string_equal(list_of(k, "C/B"), "an@x lrswi");
	OK(cv_mbox_delete(k->a, CV_STR("C"), &k->t, &k->err)); /* stays for its child */
	assert_string_equal(list_of(k, "C"), "");
	kit_close(k);
	kit_open(k);
	assert_string_equal(list_of(k, "C"), "");
	assert_string_equal(list_of(k, "C/B"), "an@x lrswi");
	OK(change(k, "C/B", "an@x", ""));
	assert_string_equal(list_of(k, "C/B"), "");
	kit_close(k);
	kit_open(k);
	assert_string_equal(list_of(k, "C/B"), "");
	assert_int_equal(change(k, "D", "an@x", "l"), CV_NOT_FOUND);
	kit_check_sound(k);
}

static void
test_RFC_4314_4__a_new_mailbox_has_the_list_of_the_one_above(void **state)
{
	struct kit *k = *state;

	OK(cv_mbox_create(k->a, CV_STR("A"), CV_USE_NONE, NULL, &k->t, &k->err));
	OK(change(k, "A", "duyen@x", "lrsk"));
	OK(cv_mbox_create(k->a, CV_STR("A/B/C"), CV_USE_NONE, NULL, &k->t, &k->err));
	assert_string_equal(list_of(k, "A/B"), "duyen@x lrsk");
	assert_string_equal(list_of(k, "A/B/C"), "duyen@x lrsk");
	OK(change(k, "A", "duyen@x", "l"));
	assert_string_equal(list_of(k, "A/B/C"), "duyen@x lrsk"); /* a copy */
	OK(cv_mbox_create(k->a, CV_STR("Other"), CV_USE_NONE, NULL, &k->t, &k->err));
	assert_string_equal(list_of(k, "Other"), "");
	OK(cv_mbox_delete(k->a, CV_STR("A/B"), &k->t, &k->err));
	OK(cv_mbox_create(k->a, CV_STR("A/B"), CV_USE_NONE, NULL, &k->t, &k->err));
	assert_string_equal(list_of(k, "A/B"), "duyen@x l"); /* made anew */
	kit_close(k);
	kit_open(k);
	assert_string_equal(list_of(k, "A/B"), "duyen@x l");
	assert_string_equal(list_of(k, "A/B/C"), "duyen@x lrsk");
	kit_check_sound(k);
}

static unsigned calls;

static void
on_change(struct cv_watch *w)
{
	(void)w;
	calls++;
}

static void
test_change__is_told_to_who_has_the_mailbox_open(void **state)
{
	struct kit *k = *state;
	struct cv_watch w = {.fn = on_change};
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	struct cv_str acl;

	calls = 0;
	cv_list_init(&w.link);
	cv_mbox_watch(m, &w);
	unsigned before = cv_mbox_acl_version(m);
	OK(change(k, "INBOX", "duyen@x", "lr"));
	assert_true(cv_mbox_acl_version(m) != before);
	assert_int_equal(calls, 1);
	OK(cv_mbox_acl(m, &k->arena, &acl, &k->err));
	uint32_t rights;
	assert_true(cv_acl_find(acl, CV_STR("duyen@x"), false, &rights));
	before = cv_mbox_acl_version(m);
	OK(change(k, "INBOX", "duyen@x", "+l")); /* as it was */
	assert_int_equal(cv_mbox_acl_version(m), before);
	assert_int_equal(calls, 1);
	cv_mbox_unwatch(m, &w);
	cv_mbox_close(m);
}

static bool
write_grant(void *arg, cv_acct_id owner, struct cv_str id)
{
	cv_buf_printf(arg, "%llu %.*s|", (unsigned long long)(owner & 0xff), CV_STR_ARGS(id));
	return true;
}

static void
expect_grants(struct kit *k, const char *want)
{
	struct cv_buf text = CV_BUF_INIT(1u << 16);

	OK(cv_grants_each(k->s, write_grant, &text, &k->err));
	cv_buf_c(&text, '\0');
	assert_string_equal(text.p, want);
	cv_buf_done(&text);
}

static void
test_grants__tell_who_gives_rights_to_whom(void **state)
{
	struct kit *k = *state;

	expect_grants(k, "");
	uint64_t version = cv_grants_version(k->s);
	OK(cv_mbox_create(k->a, CV_STR("A/B"), CV_USE_NONE, NULL, &k->t, &k->err));
	OK(change(k, "A", "hoa@x", "lr"));
	assert_true(cv_grants_version(k->s) != version);
	OK(change(k, "A/B", "hoa@x", "l"));
	OK(change(k, "A/B", "group:to@x", "l"));
	version = cv_grants_version(k->s);
	OK(change(k, "A/B", "hoa@x", "lrs"));
	assert_true(cv_grants_version(k->s) == version);
	expect_grants(k, "1 group:to@x|1 hoa@x|");
	OK(change(k, "A", "hoa@x", ""));
	expect_grants(k, "1 group:to@x|1 hoa@x|");
	kit_close(k);
	kit_open(k);
	expect_grants(k, "1 group:to@x|1 hoa@x|");
	OK(change(k, "A/B", "hoa@x", ""));
	expect_grants(k, "1 group:to@x|");
	OK(cv_mbox_delete(k->a, CV_STR("A/B"), &k->t, &k->err));
	expect_grants(k, "");
	OK(change(k, "INBOX", "an@x", "l"));
	kit_check_sound(k);
	OK(cv_grants_purge(k->s, KIT_USER(1), &k->err)); /* as after an import */
	struct cv_check_report r;
	OK(cv_store_check(k->s, false, false, NULL, NULL, &r, &k->err));
	assert_true(r.bad_rows == 1 && !r.repaired);
	OK(cv_store_check(k->s, true, false, NULL, NULL, &r, &k->err));
	assert_int_equal(r.repaired, 1);
	kit_check_sound(k);
	expect_grants(k, "1 an@x|");
	OK(cv_acct_purge(k->s, KIT_USER(1), &k->t, &k->err));
	expect_grants(k, "");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, kit_setup, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_acl__stays_over_restart_and_rename_and_goes_with_delete),
		TEST(test_RFC_4314_4__a_new_mailbox_has_the_list_of_the_one_above),
		TEST(test_grants__tell_who_gives_rights_to_whom),
		TEST(test_change__is_told_to_who_has_the_mailbox_open),
	};
	return cmocka_run_group_tests_name("mailbox_acl", tests, NULL, NULL);
}
