/* engine_kit.h - what the engine tests share: a directory of their own, engines, rows, bodies. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ENGINE_KIT_H
#define ENGINE_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/rng.h"
#include "common/store/engine.h"

#define KIT_ACCT cv_acct(CV_CLASS_USER, 7)

struct kit {
	char dir[128];
	struct cv_engine *e;
	bool crashed;
	pid_t owner; /* the process that made it */
	struct cv_err err;
	struct cv_buf hold;
};

static inline int
kit_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void
kit_remove_tree(const char *dir)
{
	(void)nftw(dir, kit_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void
kit_dir(struct kit *k)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(k->dir, sizeof k->dir, "%s/congvu-engine-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(k->dir));
	cv_buf_init(&k->hold, 4u << 20);
	k->owner = getpid();
}

#define KIT_OPTIONS .cache_bytes = 8u << 20, .with_blobs = true

static inline void
kit_open_with(struct kit *k, struct cv_engine_options o)
{
	o.dir = k->dir;
	enum cv_status status = cv_engine_open(&o, &k->e, &k->crashed, &k->err);
	if (status)
		print_error("open: %s\n", k->err.text);
	assert_int_equal(status, CV_OK);
}

static inline void
kit_open(struct kit *k)
{
	kit_open_with(k, (struct cv_engine_options){KIT_OPTIONS});
}

static inline void
kit_close(struct kit *k)
{
	cv_engine_close(k->e);
	k->e = NULL;
}

static inline int
kit_setup(void **state)
{
	struct kit *k = cv_calloc(1, sizeof *k);
	kit_dir(k);
	kit_open(k);
	*state = k;
	return 0;
}

static inline int
kit_teardown(void **state)
{
	struct kit *k = *state;
	if (getpid() != k->owner)
		_exit(99); /* an assert failed in a child: it must not go on with the parent's
			    * tests */
	cv_engine_close(k->e);
	cv_buf_done(&k->hold);
	kit_remove_tree(k->dir);
	free(k);
	return 0;
}

static inline struct cv_put
kit_put(const char *key, const char *value)
{
	return (struct cv_put){cv_str_z(key), cv_str_z(value)};
}

/* One batch; answers its result. */
static inline enum cv_status
kit_commit(struct kit *k, cv_acct_id acct, uint64_t expect, const struct cv_put *puts, size_t count,
           uint64_t *version_out, cv_ticket *ticket_out)
{
	struct cv_batch b = {.acct = acct, .expect = expect, .puts = puts, .count = count};
	cv_ticket ticket = 0;
	enum cv_status status = cv_meta_commit(k->e, &b, 1, &ticket, &k->err);
	if (version_out)
		*version_out = b.version;
	if (ticket_out)
		*ticket_out = ticket;
	return status ? status : b.result;
}

static inline enum cv_status
kit_set(struct kit *k, cv_acct_id acct, const char *key, const char *value)
{
	struct cv_put put = kit_put(key, value);
	return kit_commit(k, acct, CV_VERSION_ANY, &put, 1, NULL, NULL);
}

/* The row's value in k->hold, or p NULL. */
static inline struct cv_str
kit_get(struct kit *k, cv_acct_id acct, const char *key)
{
	struct cv_str name = cv_str_z(key), value;
	assert_int_equal(cv_meta_read(k->e, acct, &name, 1, &value, &k->hold, NULL, &k->err),
	                 CV_OK);
	return value;
}

static inline uint64_t
kit_version(struct kit *k, cv_acct_id acct)
{
	uint64_t version = 0;
	assert_int_equal(cv_meta_versions(k->e, &acct, 1, &version, &k->err), CV_OK);
	return version;
}

/* N bytes that tell where they came from: a third compresses well, the rest does not. */
static inline void
kit_fill(char *p, size_t n, uint64_t seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
	for (size_t i = 0; i < n; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		p[i] = i % 3000 < 1000 ? (char)('a' + (i + seed) % 26) : (char)x;
	}
}

static inline enum cv_status
kit_body(struct kit *k, const char *id, const char *p, size_t n, size_t step,
         struct cv_blob_ref *ref_out)
{
	struct cv_blob_put *put;
	enum cv_status status = cv_blob_begin(k->e, cv_str_z(id), n, &put, &k->err);
	for (size_t at = 0; !status && at < n; at += step) {
		status = cv_blob_write(put, cv_str(p + at, CV_MIN(step, n - at)), &k->err);
		if (status) {
			cv_blob_abort(put);
			return status;
		}
	}
	return status ? status : cv_blob_finish(put, ref_out, &k->err);
}

static inline enum cv_status
kit_collect(void *arg, struct cv_str bytes, struct cv_err *err)
{
	cv_buf_str(arg, bytes);
	return ((struct cv_buf *)arg)->full ? cv_fail(err, CV_LIMIT, "too much") : CV_OK;
}

static inline enum cv_status
kit_read_body(struct kit *k, const struct cv_blob_ref *ref, uint64_t offset, uint64_t length,
              struct cv_buf *out)
{
	cv_buf_reset(out);
	return cv_blob_read(k->e, ref, offset, length, kit_collect, out, &k->err);
}

#endif
