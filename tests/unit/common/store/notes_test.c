/* notes_test.c - notes on mailboxes: whose they are, where they go, how many there may be. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/notes.h"
#include "tests/unit/common/store/mailbox_kit.h"

#define AN   KIT_USER(1)
#define BINH KIT_USER(2)

static uint64_t
id_of(struct kit *k, const char *name)
{
	struct cv_mbox_info info;
	OK(cv_mbox_info(k->a, cv_str_z(name), &k->arena, &info, &k->err));
	return info.id;
}

static enum cv_status
set(struct kit *k, uint64_t box, cv_acct_id person, const char *name, const char *value)
{
	struct cv_note note = {.name = cv_str_z(name)};
	if (value)
		note.value = cv_str_z(value);
	return cv_notes_set(k->a, box, person, &note, 1, NULL, &k->t, &k->err);
}

/* What PERSON sees on BOX: "name=value name=value". */
static const char *
seen(struct kit *k, uint64_t box, cv_acct_id person)
{
	struct cv_note *notes;
	size_t count;
	struct cv_buf b = CV_BUF_INIT(1u << 20);
	OK(cv_notes_get(k->a, box, person, &k->arena, &notes, &count, &k->err));
	for (size_t i = 0; i < count; i++)
		cv_buf_printf(&b, "%s%.*s=%.*s", i ? " " : "", CV_STR_ARGS(notes[i].name),
			CV_STR_ARGS(notes[i].value));
	const char *text = cv_arena_z(&k->arena, cv_buf_view(&b));
	cv_buf_done(&b);
	return text;
}

static void
test_names__are_told_from_what_is_none(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool ok;
	} rows[] = {
		{"/private/comment", true},   {"/Shared/Vendor/x/y z", true}, {"/private/", false},
		{"/private", false},          {"", false},                    {"/", false},
		{"/privat/a", false},         {"/shared/a/", false},          {"/shared//a", false},
		{"/shared/a*", false},        {"/shared/%", false},           {"/shared/\xe1", false},
		{"/shared/a\tb", false},
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		CHECK(rows[i].name, cv_note_name_is_valid(cv_str_z(rows[i].name)) == rows[i].ok);
	char name[CV_NOTE_NAME_MAX + 2];
	memset(name, 'a', sizeof name);
	memcpy(name, "/shared/", 8);
	CHECK("longest", cv_note_name_is_valid(cv_str(name, CV_NOTE_NAME_MAX)));
	CHECK("too long", !cv_note_name_is_valid(cv_str(name, CV_NOTE_NAME_MAX + 1)));
	CHECK_END();
}

static void
test_notes__private_ones_belong_to_a_person(void **state)
{
	struct kit *k = *state;
	uint64_t inbox = id_of(k, "INBOX");
	OK(set(k, inbox, AN, "/private/comment", "an"));
	OK(set(k, inbox, BINH, "/private/comment", "binh"));
	OK(set(k, inbox, AN, "/shared/comment", "all"));
	OK(set(k, inbox, BINH, "/SHARED/Comment", "all of us"));
	OK(set(k, 0, AN, "/private/theme", "dark"));
	assert_string_equal(
		seen(k, inbox, AN), "/SHARED/Comment=all of us /private/comment=an");
	assert_string_equal(
		seen(k, inbox, BINH), "/SHARED/Comment=all of us /private/comment=binh");
	assert_string_equal(seen(k, 0, BINH), "");
	assert_string_equal(seen(k, CV_NOTES_ALL, AN),
		"/private/theme=dark /SHARED/Comment=all of us /private/comment=an");
	OK(set(k, inbox, AN, "/private/COMMENT", NULL));
	OK(set(k, inbox, AN, "/private/never", NULL));
	assert_int_equal(k->t, 0);
	assert_string_equal(seen(k, inbox, AN), "/SHARED/Comment=all of us");
	assert_string_equal(
		seen(k, inbox, BINH), "/SHARED/Comment=all of us /private/comment=binh");
	assert_int_equal(set(k, 12345, AN, "/private/a", "x"), CV_NOT_FOUND);
}

static void
test_notes__last_as_long_as_the_mailbox(void **state)
{
	struct kit *k = *state;
	uint64_t id, inbox = id_of(k, "INBOX");
	OK(cv_mbox_create(k->a, CV_STR("a/b"), CV_USE_NONE, &id, &k->t, &k->err));
	OK(set(k, id, AN, "/shared/comment", "b"));
	OK(set(k, id, BINH, "/private/comment", "x"));
	OK(set(k, inbox, AN, "/shared/comment", "in"));
	OK(cv_mbox_rename(k->a, CV_STR("a"), CV_STR("c"), &k->t, &k->err));
	kit_close(k);
	kit_open(k);
	assert_int_equal(id_of(k, "c/b"), id);
	assert_string_equal(seen(k, id, AN), "/shared/comment=b");
	OK(cv_mbox_delete(k->a, CV_STR("c/b"), &k->t, &k->err));
	assert_string_equal(seen(k, CV_NOTES_ALL, BINH), "/shared/comment=in");
	/* a renamed INBOX leaves its notes on both */
	OK(cv_mbox_rename(k->a, CV_STR("INBOX"), CV_STR("old"), &k->t, &k->err));
	assert_string_equal(seen(k, id_of(k, "old"), AN), "/shared/comment=in");
	assert_string_equal(seen(k, inbox, AN), "/shared/comment=in");
	kit_check_sound(k);
}

static void
test_notes__are_limited_and_changed_all_or_none(void **state)
{
	struct kit *k = *state;
	uint64_t inbox = id_of(k, "INBOX");
	struct cv_note notes[CV_NOTES_MAX + 1];
	for (size_t i = 0; i < CV_COUNT(notes); i++)
		notes[i] = (struct cv_note){.name = cv_arena_printf(&k->arena, "/private/%zu", i),
			.value = CV_STR("v")};
	enum cv_status status = cv_notes_set(
		k->a, inbox, AN, notes, CV_COUNT(notes), NULL, &k->t, &k->err);
	assert_int_equal(status, CV_LIMIT);
	assert_string_equal(seen(k, inbox, AN), "");
	OK(cv_notes_set(k->a, inbox, AN, notes, CV_NOTES_MAX, NULL, &k->t, &k->err));
	assert_int_equal(set(k, inbox, AN, "/private/more", "v"), CV_LIMIT);
	OK(set(k, inbox, AN, "/private/0", "w"));
	OK(set(k, inbox, AN, "/shared/more", "v"));
	OK(set(k, inbox, BINH, "/private/more", "v"));
	notes[0].name = CV_STR("/private/new");
	notes[1].value = CV_STR_EMPTY;
	OK(cv_notes_set(k->a, inbox, AN, notes, 2, NULL, &k->t, &k->err));
}

static void
test_notes__set_the_special_use_with_them(void **state)
{
	struct kit *k = *state;
	uint64_t id, inbox = id_of(k, "INBOX");
	enum cv_special_use junk = CV_USE_JUNK, all = CV_USE_ALL, none = CV_USE_NONE;
	struct cv_note note = {.name = CV_STR("/shared/a"), .value = CV_STR("b")};
	struct cv_mbox_info info;
	OK(cv_mbox_create(k->a, CV_STR("x"), CV_USE_NONE, &id, &k->t, &k->err));
	assert_int_equal(
		cv_notes_set(k->a, id, AN, &note, 1, &junk, &k->t, &k->err), CV_EXISTS);
	assert_int_equal(
		cv_notes_set(k->a, inbox, AN, &note, 1, &all, &k->t, &k->err), CV_DENIED);
	assert_string_equal(seen(k, CV_NOTES_ALL, AN), "");
	OK(cv_notes_set(k->a, inbox, AN, NULL, 0, &none, &k->t, &k->err));
	OK(cv_notes_set(k->a, id, AN, &note, 1, &all, &k->t, &k->err));
	kit_close(k);
	kit_open(k);
	OK(cv_mbox_info(k->a, CV_STR("x"), &k->arena, &info, &k->err));
	assert_int_equal(info.use, CV_USE_ALL);
	assert_string_equal(seen(k, id, AN), "/shared/a=b");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, kit_setup, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names__are_told_from_what_is_none),
		TEST(test_notes__private_ones_belong_to_a_person),
		TEST(test_notes__last_as_long_as_the_mailbox),
		TEST(test_notes__are_limited_and_changed_all_or_none),
		TEST(test_notes__set_the_special_use_with_them),
	};
	return cmocka_run_group_tests_name("notes", tests, NULL, NULL);
}
