/* fuzz: admin */
/* What comes from a target of backups, or lies on the server's own disk between two of them:
 * manifests, their tables, packs, chunks, lists of S3, the index. The first octet says which. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/backup/index.h"
#include "admin/backup/s3_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_manifest(struct cv_str s)
{
	struct backup_manifest m;
	struct backup_secret secret = {0};
	struct cv_err err;
	if (!backup_manifest_parse(s, NULL, &m, &err))
		(void)!backup_manifest_open(s, &secret, &m, &err);
	backup_manifest_done(&m);
}

/* Tables that are taken print to tables that are taken. */
static void
try_tables(struct cv_str s)
{
	struct backup_pack packs[3] = {{.size = 1 << 20}, {.size = 200}, {.size = 104}};
	struct backup_manifest m = {.pack_count = 3}, again = {.pack_count = 3};
	struct cv_buf out = CV_BUF_INIT(16u << 20);
	struct cv_err err;
	m.packs = cv_malloc(sizeof packs);
	again.packs = cv_malloc(sizeof packs);
	memcpy(m.packs, packs, sizeof packs);
	memcpy(again.packs, packs, sizeof packs);
	if (!backup_tables_parse(s, &m, &err)) {
		backup_tables_print(&m, &out);
		if (backup_tables_parse(cv_buf_view(&out), &again, &err) ||
			again.file_count != m.file_count || again.chunk_count != m.chunk_count)
			cv_die("tables do not come back");
	}
	cv_buf_done(&out);
	backup_manifest_done(&m);
	backup_manifest_done(&again);
}

static bool
take(void *arg, struct cv_str name, uint64_t size)
{
	size_t *count = arg;
	(void)size;
	if (!name.n)
		cv_die("an object without a name");
	return ++*count < 100;
}

static void
try_list(struct cv_str s)
{
	struct backup_s3_page page = {.above = s.n % 7};
	struct cv_buf token = CV_BUF_INIT(2000);
	char word[64];
	size_t count = 0;
	if (backup_s3_list(s, &page, &token, take, &count) && page.is_cut && !token.n)
		cv_die("a cut list without a token");
	backup_s3_error(s, word, sizeof word);
	cv_buf_done(&token);
}

static void
try_index(struct cv_str s)
{
	struct backup_index x = {.fd = -1};
	uint8_t sha256[32] = {0};
	if (backup_index_load(&x, s) > s.n)
		cv_die("more is whole than there is");
	(void)backup_index_find(&x, sha256);
	backup_index_close(&x);
}

static void
try_chunk(struct cv_str s)
{
	struct backup_cipher cipher = {.key = {1}};
	struct backup_secret secret = {0};
	struct backup_public pub;
	struct backup_place place;
	struct cv_buf out = CV_BUF_INIT(BACKUP_CHUNK_MAX);
	struct cv_err err;
	(void)!backup_chunk_open(&cipher, 104, s, &out, &err);
	(void)!backup_pack_open(&secret, s, &cipher, &err);
	(void)!backup_public_parse(s, &pub, &err);
	(void)!backup_place_parse(s, &place, &err);
	cv_buf_done(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(struct cv_str s) = {
		try_manifest, try_tables, try_list, try_index, try_chunk};
	if (!size)
		return 0;
	backup_seal_start();
	tries[data[0] % CV_COUNT(tries)](cv_str((const char *)data + 1, size - 1));
	return 0;
}
