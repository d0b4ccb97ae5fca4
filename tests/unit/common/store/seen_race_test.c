/* seen_race_test.c - three people see, file and look in one mailbox while mail comes and goes; what
 * each is told adds up all the time. Run it under ThreadSanitizer too. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/store/mailbox_kit.h"

#include <stdatomic.h>

#include "common/base/rng.h"

#define PEOPLE 3
#define EACH   150

static struct kit *kit;
static atomic_bool stop;

static struct cv_viewer
viewer(unsigned person)
{
	return (struct cv_viewer){.person = KIT_USER(20 + person), .marks_common = person < 2};
}

/* A person's view never says of a message anything but what that person last did. */
static void
read_some(struct kit *k, struct cv_mbox *m, unsigned person)
{
	struct cv_viewer v = viewer(person);
	struct cv_flag_change change = {.flags = CV_FLAG_SEEN};
	const struct cv_view *view, *after;
	struct cv_err err;
	uint32_t failed[1];
	size_t failed_count;
	uint64_t modseq;
	cv_ticket t;
	OK(cv_mbox_view_as(m, &v, &view, &err));
	if (view->exists) {
		uint32_t seq = 1 + (uint32_t)cv_random_below(view->exists);
		uint32_t uid = cv_view_seq(view, seq)->uid;
		bool on = cv_random_below(2);
		OK(cv_mbox_store_as(m, &v, &uid, 1, on ? CV_STORE_ADD : CV_STORE_REMOVE, &change,
			UINT64_MAX, failed, &failed_count, &modseq, &t, &err));
		OK(cv_mbox_view_as(m, &v, &after, &err));
		const struct cv_entry *e = cv_view_uid(after, uid);
		assert_true(!e || !!(e->flags & CV_FLAG_SEEN) == on);
		cv_view_unref(after);
	}
	cv_view_unref(view);
}

static void *
read_all(void *arg)
{
	struct kit *k = kit;
	unsigned person = *(unsigned *)arg;
	struct cv_viewer v = viewer(person);
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	uint32_t first, next;
	struct cv_err err;
	cv_ticket t;
	OK(cv_mbox_enter_as(m, &v, true, &first, &next, &t, &err));
	for (int i = 0; i < EACH; i++) {
		read_some(k, m, person);
		if (i % 10 == 9)
			cv_mbox_view_done(m, &v);
	}
	cv_mbox_close(m);
	return NULL;
}

static void *
come_and_go(void *arg)
{
	struct kit *k = kit;
	struct cv_mbox *m = kit_mbox(k, "INBOX"), *to = kit_mbox(k, "Lưu trữ");
	struct cv_viewer v = viewer(0);
	(void)arg;
	for (int i = 0; !atomic_load(&stop); i++) {
		const struct cv_view *view;
		struct cv_err err;
		uint32_t from[1], there[1];
		size_t done;
		cv_ticket t;
		if (i < 400)
			kit_append(k, m, i);
		OK(cv_mbox_view(m, &view, &err));
		uint32_t uid = view->exists > 20 ? cv_view_seq(view, 1)->uid : 0;
		cv_view_unref(view);
		if (uid && i % 2)
			OK(cv_mbox_copy_as(
				m, &v, &uid, 1, to, &v, true, from, there, &done, &t, &err));
		else if (uid)
			OK(cv_mbox_remove(m, &uid, 1, &done, &t, &err));
	}
	cv_mbox_close(to);
	cv_mbox_close(m);
	return NULL;
}

static void
check_counts(struct kit *k, const char *name)
{
	struct cv_mbox *m = kit_mbox(k, name);
	for (unsigned person = 0; person < PEOPLE; person++) {
		struct cv_viewer v = viewer(person);
		const struct cv_view *view;
		struct cv_mbox_info info;
		uint32_t unseen = 0;
		OK(cv_mbox_view_as(m, &v, &view, &k->err));
		for (uint32_t seq = 1; seq <= view->exists; seq++)
			unseen += !(cv_view_seq(view, seq)->flags & CV_FLAG_SEEN);
		OK(cv_mbox_info_as(k->a, &v, cv_str_z(name), &k->arena, &info, &k->err));
		assert_int_equal(info.unseen, unseen);
		cv_view_unref(view);
	}
	cv_mbox_close(m);
}

static void
test_people_do_not_see_with_each_others_eyes(void **state)
{
	struct kit *k = kit = *state;
	pthread_t readers[PEOPLE], mover;
	unsigned numbers[PEOPLE];
	pthread_create(&mover, NULL, come_and_go, NULL);
	for (unsigned i = 0; i < PEOPLE; i++) {
		numbers[i] = i;
		pthread_create(&readers[i], NULL, read_all, &numbers[i]);
	}
	for (unsigned i = 0; i < PEOPLE; i++)
		pthread_join(readers[i], NULL);
	atomic_store(&stop, true);
	pthread_join(mover, NULL);
	check_counts(k, "INBOX");
	check_counts(k, "Lưu trữ");
	kit_check_sound(k);
	kit_close(k);
	kit_open(k);
	check_counts(k, "INBOX");
	check_counts(k, "Lưu trữ");
}

/* A session of a person: it looks and goes, and with the last of them goes what it saw. */
static void *
look_and_go(void *arg)
{
	struct kit *k = kit;
	struct cv_mbox *m = arg;
	struct cv_viewer v = viewer(0);
	while (!atomic_load(&stop)) {
		const struct cv_view *view;
		struct cv_err err;
		OK(cv_mbox_view_as(m, &v, &view, &err));
		cv_view_unref(view);
		cv_mbox_view_done(m, &v);
	}
	return NULL;
}

static void
test_a_session_goes_while_another_of_the_person_comes(void **state)
{
	struct kit *k = kit = *state;
	struct cv_mbox *m = kit_mbox(k, "INBOX");
	struct cv_viewer v = viewer(0);
	pthread_t sessions[2];
	uint32_t uids[1024], from[1024], to[1024], first, next;
	size_t done;
	atomic_store(&stop, false);
	for (uint32_t i = 0; i < 64; i++)
		kit_append(k, m, (int)i);
	for (uint32_t i = 0; i < CV_COUNT(uids); i++)
		uids[i] = i + 1;
	for (size_t n = 64; n < CV_COUNT(uids); n *= 2)
		OK(cv_mbox_copy(m, uids, n, m, false, from, to, &done, &k->t, &k->err));
	OK(cv_mbox_enter_as(m, &v, true, &first, &next, &k->t, &k->err));
	for (size_t i = 0; i < CV_COUNT(sessions); i++)
		pthread_create(&sessions[i], NULL, look_and_go, m);
	for (uint32_t i = 0; i < 4096; i++)
		OK(kit_store(k, m, 1 + i % 1024, i / 1024 % 2 ? CV_STORE_REMOVE : CV_STORE_ADD,
			CV_FLAG_FLAGGED));
	atomic_store(&stop, true);
	for (size_t i = 0; i < CV_COUNT(sessions); i++)
		pthread_join(sessions[i], NULL);
	cv_mbox_close(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_a_session_goes_while_another_of_the_person_comes, kit_setup,
			kit_teardown),
		cmocka_unit_test_setup_teardown(
			test_people_do_not_see_with_each_others_eyes, kit_setup, kit_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
