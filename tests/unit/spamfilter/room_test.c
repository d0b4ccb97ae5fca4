/* room_test.c - no more at once than there is room for; waiting ends. */
/* labels: tsan */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdatomic.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "spamfilter/room.h"
#include "tests/unit/check.h"

static struct spam_room room;
static atomic_uint inside, most, served;

static void *
work(void *arg)
{
	for (int i = 0; i < 20; i++) {
		if (!spam_room_take(&room, 3, cv_mono_ms() + 60000))
			continue;
		unsigned now = atomic_fetch_add(&inside, 1) + 1, before = atomic_load(&most);
		while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
			continue;
		usleep(500);
		atomic_fetch_add(&served, 1);
		atomic_fetch_sub(&inside, 1);
		spam_room_give(&room);
	}
	return arg;
}

static void
test_room__is_never_taken_by_more_than_there_is(void **state)
{
	pthread_t threads[10];

	(void)state;
	spam_room_init(&room);
	for (size_t i = 0; i < CV_COUNT(threads); i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (size_t i = 0; i < CV_COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	CHECK("all are served", atomic_load(&served) == 200);
	CHECK("three at most at once", atomic_load(&most) <= 3);
	CHECK("and all is given back", spam_room_taken(&room) == 0);
	spam_room_done(&room);
	CHECK_END();
}

static void
test_room__is_not_waited_for_longer_than_allowed(void **state)
{
	int64_t began_ms = cv_mono_ms();

	(void)state;
	spam_room_init(&room);
	CHECK("the first has it", spam_room_take(&room, 1, began_ms));
	CHECK("a deadline that is past", !spam_room_take(&room, 1, began_ms - 1));
	CHECK("or comes", !spam_room_take(&room, 1, cv_mono_ms() + 50));
	CHECK("not before", cv_mono_ms() - began_ms >= 50);
	CHECK("more room by a reload", spam_room_take(&room, 2, began_ms));
	spam_room_give(&room);
	spam_room_give(&room);
	CHECK("room again", spam_room_take(&room, 1, began_ms - 1));
	spam_room_give(&room);
	spam_room_done(&room);
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room__is_never_taken_by_more_than_there_is),
		cmocka_unit_test(test_room__is_not_waited_for_longer_than_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
