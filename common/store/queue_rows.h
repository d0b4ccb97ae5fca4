/* queue_rows.h - how messages, recipients and due times of the queue are written as rows.
 *
 * Q<id> message, R<id><number> recipient, T<due><id><number> -> destination and priority; numbers
 * big-endian. Rows of the format before this one are read, never written.
 * Encoders and decoders only, no I/O. Decoders refuse what encoders do not write: CV_CORRUPT.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_QUEUE_ROWS_H
#define CV_QUEUE_ROWS_H

#include "common/store/queue.h"

#define CV_QUEUE_REPLY_MAX 500u /* of last_reply */

void cv_queue_key_msg(struct cv_buf *out, uint64_t id);
void cv_queue_key_rcpt(struct cv_buf *out, uint64_t id, uint32_t number);
/* The value of a T row. */
void cv_queue_due_encode(uint32_t dest, int8_t priority, struct cv_buf *out);
bool cv_queue_due_decode(struct cv_str value, struct cv_queue_due *out);
void cv_queue_key_due(struct cv_buf *out, int64_t due_secs, uint64_t id, uint32_t number);
bool cv_queue_key_msg_read(struct cv_str key, uint64_t *id_out);
bool cv_queue_key_rcpt_read(struct cv_str key, uint64_t *id_out, uint32_t *number_out);
bool cv_queue_key_due_read(struct cv_str key, struct cv_queue_due *out);

/* LEFT is how many recipients are not done. Texts of decoded rows are slices of ROW. */
void cv_queue_msg_encode(const struct cv_queue_msg *msg, uint32_t left, struct cv_buf *out);
CV_MUST_CHECK enum cv_status cv_queue_msg_decode(struct cv_str row, struct cv_queue_msg *out,
                                                 uint32_t *left_out, struct cv_err *err);
void cv_queue_rcpt_encode(const struct cv_queue_rcpt *rcpt, struct cv_buf *out);
CV_MUST_CHECK enum cv_status cv_queue_rcpt_decode(struct cv_str row, struct cv_queue_rcpt *out,
                                                  struct cv_err *err);

#endif
