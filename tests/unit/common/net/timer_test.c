/* timer_test.c - the heap of deadlines against a plain list of them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/common/net/net_kit.h"

#include "common/base/rng.h"
#include "common/net/private.h"

#define TIMERS 500

struct model {
	struct cv_timer timers[TIMERS];
	int64_t deadline_ms[TIMERS]; /* what the list says; 0: none */
	int64_t now_ms;
	unsigned fired;
};

static void
on_fire(struct cv_timer *t, void *arg)
{
	struct model *m = arg;
	size_t i = (size_t)(t - m->timers);
	assert_true(m->deadline_ms[i] > 0 && m->deadline_ms[i] <= m->now_ms);
	m->deadline_ms[i] = 0;
	atomic_store(&t->deadline_ms, 0);
	m->fired++;
}

static void
test_timers__fire_when_due_and_only_then(void **state)
{
	struct model *m = cv_calloc(1, sizeof(*m));
	struct cv_timers ts;
	(void)state;
	cv_timers_init(&ts);
	m->now_ms = 1;
	for (int step = 0; step < 3000; step++) {
		for (int k = 0; k < 5; k++) {
			size_t i = cv_random_below(TIMERS);
			uint64_t kind = cv_random_below(10);
			m->deadline_ms[i] = kind ? m->now_ms + 1 + (int64_t)cv_random_below(200)
			                         : 0;
			if (kind == 1) {
				cv_timer_remove(&ts, &m->timers[i]);
				m->deadline_ms[i] = 0;
			} else {
				cv_timer_set(&ts, &m->timers[i], m->deadline_ms[i]);
			}
		}
		m->now_ms += (int64_t)cv_random_below(20);
		int64_t next_ms = cv_timers_fire(&ts, m->now_ms, on_fire, m);
		for (size_t i = 0; i < TIMERS; i++) {
			if (!m->deadline_ms[i])
				continue;
			assert_true(m->deadline_ms[i] > m->now_ms); /* else it was missed */
			assert_true(next_ms > m->now_ms && next_ms <= m->deadline_ms[i]);
		}
	}
	assert_true(m->fired > 1000);
	cv_timers_done(&ts);
	free(m);
}

static void
test_set__tells_when_the_poller_sleeps_too_long(void **state)
{
	struct model *m = cv_calloc(1, sizeof(*m));
	struct cv_timers ts;
	(void)state;
	cv_timers_init(&ts);
	assert_int_equal(cv_timers_fire(&ts, 1, on_fire, m), -1);
	assert_true(cv_timer_set(&ts, &m->timers[0], 1000));   /* it would sleep for ever */
	assert_false(cv_timer_set(&ts, &m->timers[1], 2000));
	assert_true(cv_timer_set(&ts, &m->timers[2], 500));
	assert_false(cv_timer_set(&ts, &m->timers[2], 700));   /* later: the entry stays */
	assert_int_equal(cv_timers_fire(&ts, 600, on_fire, m), 700);
	assert_int_equal(m->fired, 0);
	cv_timers_done(&ts);
	free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers__fire_when_due_and_only_then),
		cmocka_unit_test(test_set__tells_when_the_poller_sleeps_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
