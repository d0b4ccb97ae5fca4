/* feed_test.c - a watcher of an account finds out all that happened, and nothing of its own. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/feed.h"
#include "tests/unit/common/store/mailbox_kit.h"

enum { ME = 7, OTHER = 8 };

struct watcher {
	struct cv_feed_watch w;
	uint64_t place;
	unsigned calls;
};

static void
count_call(struct cv_feed_watch *w)
{
	CV_CONTAINER(w, struct watcher, w)->calls++;
}

static void
watch(struct kit *k, struct watcher *w, unsigned wants)
{
	*w = (struct watcher){.w = {.fn = count_call, .wants = wants}};
	cv_feed_watch(k->a, &w->w, &w->place);
}

/* What happened since W looked last, but for what ME did: "INBOX new gone; CREATED a; ...". */
static const char *
news(struct kit *k, struct watcher *w, unsigned kinds)
{
	static const struct {
		unsigned kind;
		const char *word;
	} words[] = {
		{CV_FEED_NEW,        " new"       },
		{CV_FEED_GONE,       " gone"      },
		{CV_FEED_FLAGS,      " flags"     },
		{CV_FEED_CREATED,    " created"   },
		{CV_FEED_DELETED,    " deleted"   },
		{CV_FEED_RENAMED,    " renamed"   },
		{CV_FEED_SUBSCRIBED, " subscribed"},
	};
	struct cv_feed feed;
	struct cv_buf b = CV_BUF_INIT(1u << 20);

	OK(cv_feed_read(k->a, w->place, ME, kinds, &k->arena, &feed, &k->err));
	w->place = feed.place;
	cv_buf_z(&b, feed.is_cut ? "cut;" : "");
	for (size_t i = 0; i < feed.event_count + feed.box_count; i++) {
		const struct cv_feed_event *e = &feed.events[i];
		bool is_event = i < feed.event_count;
		const struct cv_feed_box *box = &feed.boxes[i - feed.event_count];
		cv_buf_str(&b, is_event ? e->box.name : box->box.name);
		for (size_t n = 0; n < CV_COUNT(words); n++)
			if ((is_event ? (unsigned)e->kind : box->kinds) & words[n].kind)
				cv_buf_z(&b, words[n].word);
		if (is_event && e->detail.p)
			cv_buf_printf(&b, " from %.*s", CV_STR_ARGS(e->detail));
		if (is_event && !e->box.id)
			cv_buf_z(&b, " none");
		if (is_event && e->parent.name.n)
			cv_buf_printf(&b, " in %.*s", CV_STR_ARGS(e->parent.name));
		cv_buf_z(&b, ";");
	}
	const char *z = cv_arena_z(&k->arena, cv_buf_view(&b));
	cv_buf_done(&b);
	return z;
}

static void
test_feed__tells_what_happened_to_messages_once(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	struct watcher w;

	kit_append(k, m, 1); /* nobody watches */
	watch(k, &w, CV_FEED_MESSAGES);
	assert_string_equal(news(k, &w, CV_FEED_ALL), "");
	for (int i = 2; i < 9; i++)
		kit_append(k, m, i);
	assert_int_equal(w.calls, 7);
	OK(kit_store(k, m, 2, CV_STORE_ADD, CV_FLAG_DELETED));
	assert_string_equal(news(k, &w, CV_FEED_ALL), "INBOX new flags;");
	assert_string_equal(news(k, &w, CV_FEED_ALL), "");
	size_t removed;
	OK(cv_mbox_expunge(m, NULL, 0, &removed, &k->t, &k->err));
	assert_string_equal(news(k, &w, CV_FEED_NEW | CV_FEED_FLAGS), "");
	OK(kit_store(k, m, 3, CV_STORE_ADD, CV_FLAG_SEEN));
	OK(kit_store(k, m, 3, CV_STORE_ADD, CV_FLAG_SEEN)); /* as it was: no news */
	assert_string_equal(news(k, &w, CV_FEED_ALL), "INBOX flags;");
	cv_feed_want(k->a, &w.w, CV_FEED_GONE);
	unsigned before = w.calls;
	kit_append(k, m, 20);
	assert_int_equal(w.calls, before);
	cv_feed_unwatch(k->a, &w.w);
	kit_append(k, m, 21);
	assert_int_equal(w.calls, before);
	cv_mbox_close(m);
}

static void
test_feed__leaves_out_what_one_did_oneself(void **state)
{
	struct kit *k = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	struct watcher w;

	watch(k, &w, CV_FEED_ALL);
	cv_feed_as(ME);
	kit_append(k, m, 1);
	OK(cv_mbox_create(k->a, CV_STR("A"), CV_USE_NONE, NULL, &k->t, &k->err));
	assert_string_equal(news(k, &w, CV_FEED_ALL), "");
	/* another's message between one's own is not lost */
	kit_append(k, m, 2);
	cv_feed_as(OTHER);
	kit_append(k, m, 3);
	cv_feed_as(ME);
	kit_append(k, m, 4);
	kit_append(k, m, 5);
	assert_string_equal(news(k, &w, CV_FEED_ALL), "INBOX new;");
	kit_append(k, m, 6);
	assert_string_equal(news(k, &w, CV_FEED_ALL), "");
	cv_feed_as(0);
	kit_append(k, m, 7);
	cv_feed_as(ME);
	kit_append(k, m, 8);
	assert_string_equal(news(k, &w, CV_FEED_ALL), "INBOX new;");
	cv_feed_as(0);
	cv_feed_unwatch(k->a, &w.w);
	cv_mbox_close(m);
}

static void
test_feed__tells_names_in_order(void **state)
{
	struct kit *k = *state;
	struct watcher w;

	watch(k, &w, CV_FEED_NAMES);
	OK(cv_mbox_create(k->a, CV_STR("A/B/C"), CV_USE_NONE, NULL, &k->t, &k->err));
	assert_string_equal(
		news(k, &w, CV_FEED_ALL), "A created;A/B created in A;A/B/C created in A/B;");
	OK(cv_mbox_subscribe(k->a, CV_STR("A/B"), true, &k->t, &k->err));
	OK(cv_mbox_subscribe(k->a, CV_STR("A/B"), true, &k->t, &k->err));
	OK(cv_mbox_subscribe(k->a, CV_STR("Z"), true, &k->t, &k->err));
	assert_string_equal(news(k, &w, CV_FEED_ALL), "A/B subscribed;Z subscribed none;");
	OK(cv_mbox_rename(k->a, CV_STR("A/B"), CV_STR("A/D"), &k->t, &k->err));
	assert_string_equal(news(k, &w, CV_FEED_ALL), "A/D renamed from A/B;");
	OK(cv_mbox_delete(k->a, CV_STR("A/D"), &k->t, &k->err));
	assert_string_equal(news(k, &w, CV_FEED_ALL), "A/D deleted in A;");
	OK(cv_mbox_create(k->a, CV_STR("A/D"), CV_USE_NONE, NULL, &k->t, &k->err));
	OK(cv_mbox_create(k->a, CV_STR("Z"), CV_USE_NONE, NULL, &k->t, &k->err));
	assert_string_equal(news(k, &w, CV_FEED_ALL), "A/D created in A;Z created;");
	OK(cv_mbox_delete(k->a, CV_STR("A/D"), &k->t, &k->err));
	OK(cv_mbox_delete(k->a, CV_STR("A/D/C"), &k->t, &k->err));
	assert_string_equal(news(k, &w, CV_FEED_ALL),
		"A/D deleted none in A;A/D/C deleted none in A/D;A/D deleted none in A;");
	assert_string_equal(news(k, &w, CV_FEED_ALL), "");
	cv_feed_unwatch(k->a, &w.w);
}

static void
test_feed__says_when_names_were_lost(void **state)
{
	struct kit *k = *state;
	struct watcher quick, slow;

	watch(k, &quick, CV_FEED_NAMES);
	watch(k, &slow, CV_FEED_NAMES);
	for (unsigned i = 0; i <= CV_FEED_EVENTS_MAX; i++) {
		OK(cv_mbox_subscribe(k->a, CV_STR("INBOX"), i % 2, &k->t, &k->err));
		assert_string_equal(news(k, &quick, CV_FEED_ALL), "INBOX subscribed;");
	}
	assert_true(cv_str_has_prefix(cv_str_z(news(k, &slow, CV_FEED_ALL)), "cut;"));
	assert_string_equal(news(k, &slow, CV_FEED_ALL), "");
	cv_feed_unwatch(k->a, &quick.w);
	cv_feed_unwatch(k->a, &slow.w);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, kit_setup, kit_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_feed__tells_what_happened_to_messages_once),
		TEST(test_feed__leaves_out_what_one_did_oneself),
		TEST(test_feed__tells_names_in_order),
		TEST(test_feed__says_when_names_were_lost),
	};
	return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
