/* engine_export.c - an account as a byte stream, and back.
 *
 * "CVX1", account (8), version (8); then rows: 'R', key and value, each a varint length and bytes;
 * then 'E', the number of rows (8), and the SHA-256 of all before it. Numbers are big-endian. A
 * stream without its end, or changed on its way, is refused before anything is touched.
 *
 * An import is many commits, so the account is closed meanwhile: reads, scans and commits answer
 * CV_RETRY. An import that was broken off leaves it closed until it is repeated.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/evp.h>

#include "common/store/engine_impl.h"

#define MAGIC "CVX1"
#define PIECE (64u << 10)
#define HEAD_BYTES (4u + 8 + 8)
#define TAIL_BYTES (1u + 8 + 32)
#define CHUNK_ROWS 256u
#define CHUNK_BYTES (CV_BATCH_MAX / 2)

/* ---- export ---- */

struct out {
	struct cv_buf piece;
	EVP_MD_CTX *sha256;
	cv_sink_fn *sink;
	void *arg;
	struct cv_err *err;
	uint64_t rows;
	enum cv_status status;
};

static bool
send_piece(struct out *o)
{
	if (EVP_DigestUpdate(o->sha256, o->piece.p, o->piece.n) != 1)
		cv_die("SHA-256 does not work");
	o->status = o->sink(o->arg, cv_buf_view(&o->piece), o->err);
	cv_buf_reset(&o->piece);
	return !o->status;
}

static bool
send_row(void *arg, struct cv_str key, struct cv_str value)
{
	struct out *o = arg;
	cv_buf_c(&o->piece, 'R');
	cv_buf_bytes(&o->piece, key);
	cv_buf_bytes(&o->piece, value);
	o->rows++;
	return o->piece.n < PIECE || send_piece(o);
}

static void
send_end(struct out *o)
{
	unsigned char digest[32];
	cv_buf_c(&o->piece, 'E');
	cv_buf_be64(&o->piece, o->rows);
	if (EVP_DigestUpdate(o->sha256, o->piece.p, o->piece.n) != 1 ||
		EVP_DigestFinal_ex(o->sha256, digest, NULL) != 1)
		cv_die("SHA-256 does not work");
	cv_buf_add(&o->piece, digest, sizeof digest);
	o->status = o->sink(o->arg, cv_buf_view(&o->piece), o->err);
}

static enum cv_status
send_all(struct cv_engine *e, cv_acct_id acct, uint64_t version, struct out *o)
{
	uint64_t now;
	cv_buf_z(&o->piece, MAGIC);
	cv_buf_be64(&o->piece, acct);
	cv_buf_be64(&o->piece, version);
	enum cv_status status =
		cv_meta_scan(e, acct, CV_STR_EMPTY, CV_STR_EMPTY, 0, send_row, o, o->err);
	if (!status)
		status = o->status;
	if (!status)
		status = cv_meta_versions(e, &acct, 1, &now, o->err);
	if (status)
		return status;
	if (now != version)
		return cv_fail(o->err, CV_CONFLICT, "the account changed while it was exported");
	send_end(o);
	return o->status;
}

enum cv_status
cv_meta_export(struct cv_engine *e, cv_acct_id acct, uint64_t since, cv_sink_fn *sink, void *arg,
               struct cv_err *err)
{
	uint64_t version;
	enum cv_status status = cv_meta_versions(e, &acct, 1, &version, err);
	if (status || (since && version <= since))
		return status;
	struct out o = {.sink = sink, .arg = arg, .err = err, .sha256 = EVP_MD_CTX_new()};
	cv_buf_init(&o.piece, PIECE + CV_VALUE_MAX + CV_KEY_MAX + 64);
	if (!o.sha256 || EVP_DigestInit_ex(o.sha256, EVP_sha256(), NULL) != 1)
		cv_die("SHA-256 does not work");
	status = send_all(e, acct, version, &o);
	EVP_MD_CTX_free(o.sha256);
	cv_buf_done(&o.piece);
	return status;
}

/* ---- import ---- */

/* The next row of the stream; false at its end. */
static bool
next_row(struct cv_rd *r, struct cv_put *put)
{
	if (!cv_rd_left(r) || cv_rd_u8(r) != 'R')
		return false;
	put->key = cv_rd_bytes(r);
	put->value = cv_rd_bytes(r);
	if (!put->value.p)
		put->value.p = ""; /* an empty value, not a deletion */
	return !r->bad;
}

static enum cv_status
check_stream(struct cv_str bytes, struct cv_str *rows_out, uint64_t *version_out,
             struct cv_err *err)
{
	unsigned char digest[32];
	unsigned n;
	struct cv_put put;
	uint64_t count = 0;
	if (bytes.n < HEAD_BYTES + TAIL_BYTES || memcmp(bytes.p, MAGIC, 4) != 0)
		return cv_fail(err, CV_CORRUPT, "this is not an exported account");
	if (EVP_Digest(bytes.p, bytes.n - sizeof digest, digest, &n, EVP_sha256(), NULL) != 1 ||
		memcmp(digest, bytes.p + bytes.n - sizeof digest, sizeof digest) != 0)
		return cv_fail(err, CV_CORRUPT, "the exported account was cut or changed");
	struct cv_rd r = cv_rd(cv_str_sub(bytes, 12, HEAD_BYTES));
	*version_out = cv_rd_be64(&r);
	*rows_out = cv_str_sub(bytes, HEAD_BYTES, bytes.n - TAIL_BYTES);
	for (r = cv_rd(*rows_out); next_row(&r, &put); count++)
		if (!put.key.n || put.key.n > CV_KEY_MAX || put.value.n > CV_VALUE_MAX)
			return cv_fail(err, CV_LIMIT, "a row of the exported account is too large");
	bool is_all = !r.bad && !cv_rd_left(&r);
	r = cv_rd(cv_str_sub(bytes, bytes.n - TAIL_BYTES, bytes.n));
	if (!is_all || cv_rd_u8(&r) != 'E' || cv_rd_be64(&r) != count)
		return cv_fail(err, CV_CORRUPT, "the exported account does not hold what it says");
	return CV_OK;
}

static enum cv_status
commit_chunk(struct cv_engine *e, cv_acct_id acct, const struct cv_put *puts, size_t count,
             struct cv_err *err)
{
	struct cv_batch b = {.acct = acct, .expect = CV_VERSION_ANY, .puts = puts, .count = count};
	cv_ticket ticket;
	enum cv_status status = cv_engine_commit(e, &b, 1, true, &ticket, err);
	if (!status && b.result)
		status = cv_fail(err, b.result, "the account could not be imported");
	return status;
}

struct keys {
	struct cv_buf bytes;
	size_t ends[CHUNK_ROWS], count;
};

static bool
note_key(void *arg, struct cv_str key, struct cv_str value)
{
	struct keys *k = arg;
	(void)value;
	cv_buf_str(&k->bytes, key);
	k->ends[k->count++] = k->bytes.n;
	return k->count < CHUNK_ROWS;
}

static enum cv_status
delete_all(struct cv_engine *e, cv_acct_id acct, struct cv_err *err)
{
	struct cv_meta *m = cv_engine_meta(e);
	struct keys k = {.bytes = CV_BUF_INIT(CHUNK_ROWS * CV_KEY_MAX)};
	enum cv_status status;
	do {
		struct cv_put puts[CHUNK_ROWS];
		cv_buf_reset(&k.bytes);
		k.count = 0;
		status = m->ops->scan(m, acct, CV_STR_EMPTY, CV_STR_EMPTY, CHUNK_ROWS, true,
		                      note_key, &k, err);
		for (size_t i = 0, at = 0; i < k.count; at = k.ends[i++])
			puts[i] = (struct cv_put){cv_str(k.bytes.p + at, k.ends[i] - at),
				CV_STR_EMPTY};
		if (!status && k.count)
			status = commit_chunk(e, acct, puts, k.count, err);
	} while (!status && k.count);
	cv_buf_done(&k.bytes);
	return status;
}

static enum cv_status
insert_all(struct cv_engine *e, cv_acct_id acct, struct cv_str rows, struct cv_err *err)
{
	struct cv_rd r = cv_rd(rows);
	struct cv_put puts[CHUNK_ROWS];
	enum cv_status status = CV_OK;
	bool more = true;
	while (!status && more) {
		size_t count = 0, bytes = 0;
		while (count < CHUNK_ROWS && bytes < CHUNK_BYTES &&
			(more = next_row(&r, &puts[count]))) {
			bytes += puts[count].key.n + puts[count].value.n;
			count++;
		}
		if (count)
			status = commit_chunk(e, acct, puts, count, err);
	}
	return status;
}

enum cv_status
cv_meta_import(struct cv_engine *e, cv_acct_id acct, struct cv_str bytes, cv_ticket *ticket_out,
               struct cv_err *err)
{
	struct cv_meta *m = cv_engine_meta(e);
	struct cv_str rows;
	uint64_t theirs = 0, ours = 0;
	enum cv_status status = check_stream(bytes, &rows, &theirs, err);
	if (!status)
		status = cv_meta_versions(e, &acct, 1, &ours, err);
	if (!status)
		status = m->ops->mark(m, acct, CV_MAX(theirs, ours) + 1, true, err);
	if (!status)
		status = delete_all(e, acct, err);
	if (!status)
		status = insert_all(e, acct, rows, err);
	if (!status)
		status = cv_meta_versions(e, &acct, 1, &ours, err);
	if (!status)
		status = m->ops->mark(m, acct, ours + 1, false, err);
	if (!status)
		*ticket_out = cv_engine_ticket(e);
	return status;
}
