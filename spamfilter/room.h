/* room.h - how many messages are looked into at once, so that memory has a bound.
 *
 * Sessions are many and mostly wait for their MTA or for DNS; looking into a message takes up to
 * SPAM_MESSAGE_BYTES_MAX. Threads: all calls from any thread.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_ROOM_H
#define SPAM_ROOM_H

#include <pthread.h>
#include <stdint.h>

#include "common/base/base.h"

#define SPAM_MESSAGE_BYTES_MAX (64u << 20) /* what examiners take for one message, at most */

struct spam_room {
	pthread_mutex_t lock;
	pthread_cond_t given; /* on CLOCK_MONOTONIC */
	unsigned taken, waiting;
};

void spam_room_init(struct spam_room *r);
void spam_room_done(struct spam_room *r);
/* Waits until fewer than MAX have room, at most until DEADLINE_MS (cv_mono_ms()). False: no room;
 * nothing is to be given back then. */
CV_MUST_CHECK bool spam_room_take(struct spam_room *r, unsigned max, int64_t deadline_ms);
void spam_room_give(struct spam_room *r);
/* How many have room now. */
unsigned spam_room_taken(struct spam_room *r);

#endif
