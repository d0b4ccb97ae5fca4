/* wire.h - the frames between a delivering process and the owner of the store.
 *
 *   frame    length (be32, of what follows) | type (1) | tag (be64) | payload
 *   HELLO    both ways, first: version (1)
 *   DELIVER  id, prefix (length, bytes), size, count, then for each recipient: account (be64),
 *            flags, folder (length, bytes)
 *   BODY     a piece of the message of the DELIVER before; several until its size is reached
 *   END      the message is complete: now it may be delivered
 *   PROBE    account (be64), size
 *   SENT     account (be64), count, hashes of message ids (16 octets each); no answer
 *   RESULT   count, then for each recipient a byte: status << 1 | duplicate
 *   PROBED   status (1)
 *
 * Lengths, sizes, counts and flags are varints where nothing else is said. Pure; thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_WIRE_H
#define CV_WIRE_H

#include "common/base/arena.h"
#include "common/store/deliver.h"

#define CV_WIRE_VERSION      1
#define CV_WIRE_HEADER_BYTES 13u
#define CV_WIRE_BODY_MAX     (64u << 10)
#define CV_WIRE_PREFIX_MAX   (64u << 10)
#define CV_WIRE_PAYLOAD_MAX  (1280u << 10) /* 1,000 recipients with the longest folder names */

enum cv_wire_type {
	CV_WIRE_HELLO = 1,
	CV_WIRE_DELIVER,
	CV_WIRE_BODY,
	CV_WIRE_END,
	CV_WIRE_PROBE,
	CV_WIRE_RESULT,
	CV_WIRE_PROBED,
	CV_WIRE_SENT
};

struct cv_wire_frame {
	enum cv_wire_type type;
	uint64_t tag;
	struct cv_str payload; /* in the input */
};

/* Takes the first frame of IN; *used_out is its length. CV_AGAIN: not whole yet; CV_INVALID: no
 * frame of ours, the connection is of no use any more. */
CV_MUST_CHECK enum cv_status cv_wire_next(
	struct cv_str in, struct cv_wire_frame *out, size_t *used_out);
/* Gives every whole frame at the start of IN to FN and drops them. False when FN is, or when no
 * frame of ours follows: the connection is of no use any more. */
typedef bool cv_wire_fn(void *arg, const struct cv_wire_frame *f);
bool cv_wire_each(struct cv_buf *in, cv_wire_fn *fn, void *arg);
/* A header for PAYLOAD_BYTES that follow. */
void cv_wire_header(unsigned char header[CV_WIRE_HEADER_BYTES], enum cv_wire_type type,
	uint64_t tag, size_t payload_bytes);

void cv_wire_put_hello(struct cv_buf *out);
CV_MUST_CHECK enum cv_status cv_wire_read_hello(struct cv_str payload);
/* CV_LIMIT when it would be too large to send. */
CV_MUST_CHECK enum cv_status cv_wire_put_deliver(
	struct cv_buf *out, uint64_t tag, const struct cv_delivery *d);
/* Fills id, prefix, rcpts and rcpt_count; slices point into PAYLOAD, the array is in ARENA. */
CV_MUST_CHECK enum cv_status cv_wire_read_deliver(
	struct cv_str payload, struct cv_arena *arena, struct cv_delivery *d, uint64_t *size_out);
void cv_wire_put_probe(struct cv_buf *out, uint64_t tag, const struct cv_probe *probe);
CV_MUST_CHECK enum cv_status cv_wire_read_probe(struct cv_str payload, struct cv_probe *probe);
void cv_wire_put_result(struct cv_buf *out, uint64_t tag, const struct cv_delivery *d);
/* D has as many recipients as the answer must have. */
CV_MUST_CHECK enum cv_status cv_wire_read_result(struct cv_str payload, struct cv_delivery *d);
void cv_wire_put_probed(struct cv_buf *out, uint64_t tag, enum cv_status result);
CV_MUST_CHECK enum cv_status cv_wire_read_probed(struct cv_str payload, enum cv_status *result);
void cv_wire_put_sent(struct cv_buf *out, uint64_t tag, const struct cv_sent_note *note);
CV_MUST_CHECK enum cv_status cv_wire_read_sent(struct cv_str payload, struct cv_sent_note *note);

#endif
