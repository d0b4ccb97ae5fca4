/* fuzz: store */
/* Frames of the delivery socket: the same frames whole and byte by byte, every payload read. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_payload(const struct cv_wire_frame *f)
{
	struct cv_arena arena = CV_ARENA_INIT;
	struct cv_delivery d = {0};
	struct cv_probe probe;
	enum cv_status status;
	uint64_t message_bytes;
	struct cv_deliver_rcpt rcpts[3] = {0};
	switch (f->type) {
	case CV_WIRE_HELLO:
		(void)!cv_wire_read_hello(f->payload);
		break;
	case CV_WIRE_DELIVER:
		if (!cv_wire_read_deliver(f->payload, &arena, &d, &message_bytes)) {
			assert(d.rcpt_count && d.rcpt_count <= CV_DELIVER_RCPTS_MAX && d.id.n);
			for (size_t i = 0; i < d.rcpt_count; i++)
				assert(d.rcpts[i].acct >> CV_ACCT_CLASS_SHIFT == CV_CLASS_USER);
		}
		break;
	case CV_WIRE_PROBE:
		(void)!cv_wire_read_probe(f->payload, &probe);
		break;
	case CV_WIRE_RESULT:
		d.rcpts = rcpts;
		d.rcpt_count = 3;
		if (!cv_wire_read_result(f->payload, &d))
			assert(rcpts[2].result <= CV_CORRUPT);
		break;
	case CV_WIRE_PROBED:
		(void)!cv_wire_read_probed(f->payload, &status);
		break;
	default:
		break;
	}
	cv_arena_done(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_str in = cv_str((const char *)data, size);
	struct cv_wire_frame f, slow;
	size_t used, used_slow, frames = 0;
	while (!cv_wire_next(in, &f, &used) && frames++ < 100) {
		read_payload(&f);
		for (size_t n = 0; n < used && n < 300; n++)
			assert(cv_wire_next(cv_str_sub(in, 0, n), &slow, &used_slow) == CV_AGAIN);
		assert(!cv_wire_next(cv_str_sub(in, 0, used), &slow, &used_slow) &&
			used == used_slow);
		in = cv_str_sub(in, used, in.n);
	}
	return 0;
}
