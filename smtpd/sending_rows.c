/* sending_rows.c - see sending_rows.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/sending_rows.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#define FORMAT 1

/* ---- counts ---- */

void
smtpd_sending_counts_encode(const struct smtpd_sending_counts *c, struct cv_buf *out)
{
	const uint32_t numbers[] = {c->day, c->messages, c->rcpts, c->outside, c->first_time,
		c->refused, c->width_secs};

	cv_buf_c(out, FORMAT);
	for (size_t i = 0; i < CV_COUNT(numbers); i++)
		cv_buf_varint(out, numbers[i]);
	cv_buf_varint(out, (uint64_t)c->newest);
	for (size_t i = 0; i < SMTPD_SENDING_SLOTS; i++) {
		cv_buf_varint(out, c->burst[i]);
		cv_buf_varint(out, c->burst_refused[i]);
	}
}

static uint32_t
read_u32(struct cv_rd *r)
{
	uint64_t n = cv_rd_varint(r);

	r->bad |= n > UINT32_MAX;
	return (uint32_t)n;
}

enum cv_status
smtpd_sending_counts_decode(struct cv_str row, struct smtpd_sending_counts *out)
{
	struct cv_rd r = cv_rd(row);
	uint8_t format = cv_rd_u8(&r);

	*out = (struct smtpd_sending_counts){0};
	uint32_t *const numbers[] = {&out->day, &out->messages, &out->rcpts, &out->outside,
		&out->first_time, &out->refused, &out->width_secs};
	for (size_t i = 0; i < CV_COUNT(numbers); i++)
		*numbers[i] = read_u32(&r);
	uint64_t newest = cv_rd_varint(&r);
	for (size_t i = 0; i < SMTPD_SENDING_SLOTS; i++) {
		out->burst[i] = read_u32(&r);
		out->burst_refused[i] = read_u32(&r);
	}
	out->newest = (int64_t)newest;
	if (!r.bad && !cv_rd_left(&r) && format == FORMAT && newest <= INT64_MAX)
		return CV_OK;
	*out = (struct smtpd_sending_counts){0};
	return CV_CORRUPT;
}

void
smtpd_sending_window_move(struct smtpd_sending_counts *c, int64_t now_secs, uint32_t window_secs)
{
	uint32_t width = (window_secs + SMTPD_SENDING_SLOTS - 1) / SMTPD_SENDING_SLOTS;
	int64_t now;

	width = CV_MAX(width, 1u);
	now = CV_MAX(now_secs, (int64_t)0) / width;
	/* A window of another width counted otherwise; a clock that went far back is believed. */
	if (c->width_secs != width || now + SMTPD_SENDING_SLOTS < c->newest ||
		now >= c->newest + SMTPD_SENDING_SLOTS) {
		memset(c->burst, 0, sizeof c->burst);
		memset(c->burst_refused, 0, sizeof c->burst_refused);
		c->width_secs = width;
		c->newest = now;
	}
	while (c->newest < now) {
		c->newest++;
		c->burst[c->newest % SMTPD_SENDING_SLOTS] = 0;
		c->burst_refused[c->newest % SMTPD_SENDING_SLOTS] = 0;
	}
}

void
smtpd_sending_window_add(struct smtpd_sending_counts *c, uint32_t outside, uint32_t refused)
{
	c->burst[c->newest % SMTPD_SENDING_SLOTS] += outside;
	c->burst_refused[c->newest % SMTPD_SENDING_SLOTS] += refused;
}

void
smtpd_sending_window_sum(
	const struct smtpd_sending_counts *c, uint64_t *outside_out, uint64_t *refused_out)
{
	*outside_out = *refused_out = 0;
	for (size_t i = 0; i < SMTPD_SENDING_SLOTS; i++) {
		*outside_out += c->burst[i];
		*refused_out += c->burst_refused[i];
	}
}

/* ---- freeze ---- */

void
smtpd_freeze_encode(const struct smtpd_freeze *f, struct cv_buf *out)
{
	cv_buf_c(out, FORMAT);
	cv_buf_varint(out, (uint64_t)f->since_secs);
	cv_buf_bytes(out, cv_str_z(f->by));
	cv_buf_bytes(out, cv_str_z(f->reason));
	cv_buf_c(out, f->is_told ? 1 : 0);
}

enum cv_status
smtpd_freeze_decode(struct cv_str row, struct smtpd_freeze *out)
{
	struct cv_rd r = cv_rd(row);
	uint8_t format = cv_rd_u8(&r);

	*out = (struct smtpd_freeze){.since_secs = (int64_t)(cv_rd_varint(&r) & INT64_MAX)};
	struct cv_str by = cv_rd_bytes(&r), reason = cv_rd_bytes(&r);
	out->is_told = cv_rd_u8(&r) != 0;
	if (r.bad || cv_rd_left(&r) || format != FORMAT || by.n >= sizeof out->by ||
		reason.n >= sizeof out->reason) {
		*out = (struct smtpd_freeze){0};
		return CV_CORRUPT;
	}
	snprintf(out->by, sizeof out->by, "%.*s", CV_STR_ARGS(by));
	snprintf(out->reason, sizeof out->reason, "%.*s", CV_STR_ARGS(reason));
	return CV_OK;
}

/* ---- own limits ---- */

void
smtpd_limits_encode(const struct smtpd_limits *l, struct cv_buf *out)
{
	cv_buf_c(out, FORMAT);
	for (size_t i = 0; i < SMTPD_LIMIT_COUNT; i++)
		cv_buf_be32(out, l->n[i]);
}

enum cv_status
smtpd_limits_decode(struct cv_str row, struct smtpd_limits *out)
{
	struct cv_rd r = cv_rd(row);
	uint8_t format = cv_rd_u8(&r);

	for (size_t i = 0; i < SMTPD_LIMIT_COUNT; i++)
		out->n[i] = cv_rd_be32(&r);
	if (!r.bad && !cv_rd_left(&r) && format == FORMAT)
		return CV_OK;
	smtpd_limits_clear(out);
	return CV_CORRUPT;
}

/* ---- known correspondents ---- */

uint64_t
smtpd_known_hash(
	const uint8_t key[SMTPD_SENDING_KEY_BYTES], uint64_t acct, struct cv_str address)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	struct cv_buf text = CV_BUF_INIT(4096);
	uint64_t hash = 0;

	cv_buf_be64(&text, acct);
	cv_buf_str(&text, address);
	if (!HMAC(EVP_sha256(), key, SMTPD_SENDING_KEY_BYTES, (const unsigned char *)text.p, text.n,
		    mac, &n))
		cv_die("HMAC-SHA-256 is not to be had");
	cv_buf_done(&text);
	for (size_t i = 0; i < 8; i++)
		hash = hash << 8 | mac[i];
	return hash;
}

unsigned
smtpd_known_page(uint64_t hash)
{
	return (unsigned)(hash >> 48) % SMTPD_SENDING_PAGES;
}

static void
item_of(uint64_t hash, unsigned char item[SMTPD_SENDING_ITEM_BYTES])
{
	for (size_t i = 0; i < SMTPD_SENDING_ITEM_BYTES; i++)
		item[i] = (unsigned char)(hash >> (40 - 8 * i));
}

/* The place of HASH in PAGE, or how many there are. */
static size_t
place_of(struct cv_str page, uint64_t hash)
{
	unsigned char item[SMTPD_SENDING_ITEM_BYTES];
	size_t count = page.n / SMTPD_SENDING_ITEM_BYTES, i = 0;

	item_of(hash, item);
	while (i < count &&
		memcmp(page.p + i * SMTPD_SENDING_ITEM_BYTES, item, sizeof item) != 0)
		i++;
	return i;
}

bool
smtpd_known_has(struct cv_str page, uint64_t hash)
{
	return place_of(page, hash) < page.n / SMTPD_SENDING_ITEM_BYTES;
}

bool
smtpd_known_add(struct cv_str page, uint64_t hash, struct cv_buf *out)
{
	unsigned char item[SMTPD_SENDING_ITEM_BYTES];
	size_t count = CV_MIN(
		page.n / SMTPD_SENDING_ITEM_BYTES, (size_t)SMTPD_SENDING_PAGE_ITEMS);
	size_t at = place_of(page, hash);

	/* Who is far from falling out stays where it is: one write less. */
	if (at < count && at < SMTPD_SENDING_PAGE_ITEMS / 2)
		return false;
	item_of(hash, item);
	cv_buf_add(out, item, sizeof item);
	for (size_t i = 0, kept = 1; i < count && kept < SMTPD_SENDING_PAGE_ITEMS; i++) {
		if (i == at)
			continue;
		cv_buf_add(out, page.p + i * SMTPD_SENDING_ITEM_BYTES, SMTPD_SENDING_ITEM_BYTES);
		kept++;
	}
	return true;
}
