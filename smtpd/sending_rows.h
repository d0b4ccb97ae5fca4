/* sending_rows.h - what the ledger of sending writes: counts, freeze, own limits, known addresses.
 *
 * Rows of the account's own number in class STATS of the queue's environment:
 *   D  counts of the day and the sliding window       F  freeze       L  own limits
 *   K<page>  64 pages of at most 64 known correspondents, newest first
 * A correspondent is six bytes of a keyed hash of account and address: nobody can read from the
 * rows who writes to whom, and one account's rows say nothing of another's. An account takes at
 * most 64 * 64 * 6 bytes; the longest unused fall out.
 * Encoders and decoders only, no I/O. Pure; thread-safe.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SMTPD_SENDING_ROWS_H
#define SMTPD_SENDING_ROWS_H

#include "common/store/engine.h"
#include "smtpd/sending_limits.h"

#define SMTPD_SENDING_SLOTS      20u /* of the sliding window */
#define SMTPD_SENDING_PAGES      64u
#define SMTPD_SENDING_PAGE_ITEMS 64u
#define SMTPD_SENDING_ITEM_BYTES 6u
#define SMTPD_SENDING_KEY_BYTES  32u
#define SMTPD_SENDING_REASON_MAX 200u

struct smtpd_sending_counts {
	uint32_t day;               /* 20261122; counts of another day are none */
	uint32_t messages, rcpts, outside, first_time, refused;
	/* the window: slot i holds what fell into time i * width, i modulo SLOTS */
	uint32_t width_secs;
	int64_t newest;             /* the time of the newest slot, in widths */
	uint32_t burst[SMTPD_SENDING_SLOTS], burst_refused[SMTPD_SENDING_SLOTS];
};
void smtpd_sending_counts_encode(const struct smtpd_sending_counts *c, struct cv_buf *out);
CV_MUST_CHECK enum cv_status smtpd_sending_counts_decode(struct cv_str row,
                                                         struct smtpd_sending_counts *out);
/* Moves the window to NOW_SECS, emptying what fell out of WINDOW_SECS. */
void smtpd_sending_window_move(struct smtpd_sending_counts *c, int64_t now_secs,
                               uint32_t window_secs);
void smtpd_sending_window_add(struct smtpd_sending_counts *c, uint32_t outside, uint32_t refused);
void smtpd_sending_window_sum(const struct smtpd_sending_counts *c, uint64_t *outside_out,
                              uint64_t *refused_out);

struct smtpd_freeze {
	int64_t since_secs;         /* 0: not frozen */
	char by[40];                /* "burst", "refused", "admin" */
	char reason[SMTPD_SENDING_REASON_MAX + 1];
	bool is_told;               /* the notices are out */
};
void smtpd_freeze_encode(const struct smtpd_freeze *f, struct cv_buf *out);
CV_MUST_CHECK enum cv_status smtpd_freeze_decode(struct cv_str row, struct smtpd_freeze *out);

void smtpd_limits_encode(const struct smtpd_limits *l, struct cv_buf *out);
CV_MUST_CHECK enum cv_status smtpd_limits_decode(struct cv_str row, struct smtpd_limits *out);

/* The hash of ADDRESS for ACCT; its page and its item are taken from it. */
uint64_t smtpd_known_hash(const uint8_t key[SMTPD_SENDING_KEY_BYTES], uint64_t acct,
                          struct cv_str address);
unsigned smtpd_known_page(uint64_t hash);
/* PAGE is a row as read (empty: none). */
bool smtpd_known_has(struct cv_str page, uint64_t hash);
/* Appends PAGE with HASH in it to OUT. False: nothing worth writing changed, OUT is as it was. */
bool smtpd_known_add(struct cv_str page, uint64_t hash, struct cv_buf *out);

#endif
