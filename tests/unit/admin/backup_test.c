/* backup_test.c - sealed packs, manifests, tables, the index: what comes back, and what does not.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "tests/unit/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin/backup/index.h"
#include "admin/backup/s3_list.h"

#define PHRASE CV_STR("một mật khẩu dài và dễ nhớ")

struct kit {
	struct backup_secret secret;
	uint8_t sign[BACKUP_SIGN_SECRET];
	struct backup_manifest m;
	struct cv_buf pack, object;
};

static int
set_up(void **state)
{
	struct kit *k = cv_calloc(1, sizeof *k);
	backup_seal_start();
	backup_keys_make(&k->secret, k->sign);
	k->pack = CV_BUF_INIT(BACKUP_PACK_MAX);
	k->object = CV_BUF_INIT(8u << 20);
	*state = k;
	return 0;
}

static int
tear_down(void **state)
{
	struct kit *k = *state;
	backup_manifest_done(&k->m);
	cv_buf_done(&k->pack);
	cv_buf_done(&k->object);
	free(k);
	return 0;
}

/* A pack of one file in two chunks, and its manifest. */
static void
make_backup(struct kit *k)
{
	struct backup_cipher cipher;
	struct backup_manifest *m = &k->m;
	static const char *const texts[] = {"công văn số 1 ", "công văn số 2, dài hơn một chút"};
	*m = (struct backup_manifest){.time_secs = 1795392000, .took_ms = 5, .bytes = 40};
	snprintf(m->host, sizeof m->host, "mail.lamgiang.example");
	snprintf(m->version, sizeof m->version, "1");
	m->packs = cv_calloc(1, sizeof *m->packs);
	m->chunks = cv_calloc(2, sizeof *m->chunks);
	m->files = cv_calloc(1, sizeof *m->files);
	m->pack_count = 1;
	backup_pack_begin(&k->secret.pub, &cipher, &k->pack);
	m->files[0] = (struct backup_file){.path = cv_strdup("mail/rows/hot.db"), .mode = 0600};
	m->files[0].chunks = cv_calloc(2, sizeof(uint32_t));
	m->file_count = 1;
	for (uint32_t i = 0; i < 2; i++) {
		struct backup_chunk *c = &m->chunks[m->chunk_count++];
		struct cv_str text = cv_str_z(texts[i]);
		c->offset = (uint32_t)k->pack.n;
		c->size = (uint32_t)text.n;
		backup_sha256(text, c->sha256);
		c->stored = backup_chunk_seal(&cipher, text, i == 1, &k->pack);
		m->files[0].chunks[m->files[0].count++] = i;
		m->files[0].size += text.n;
	}
	snprintf(m->packs[0].name, sizeof m->packs[0].name,
		"20261123/00112233445566778899aabbccddeeff");
	m->packs[0].size = k->pack.n;
	backup_sha256(cv_buf_view(&k->pack), m->packs[0].sha256);
	backup_manifest_name(m);
	backup_manifest_print(m, &k->secret.pub, k->sign, &k->object);
}

static void
bak_01_a_manifest_comes_back_with_its_tables(void **state)
{
	struct kit *k = *state;
	struct backup_manifest got;
	struct cv_err err;
	make_backup(k);
	assert_int_equal(
		backup_manifest_parse(cv_buf_view(&k->object), &k->secret.pub, &got, &err), CV_OK);
	assert_string_equal(got.name, k->m.name);
	assert_true(backup_is_manifest_name(cv_str_z(got.name)));
	assert_memory_equal(got.sha256, k->m.sha256, 32);
	assert_int_equal(
		backup_manifest_open(cv_buf_view(&k->object), &k->secret, &got, &err), CV_OK);
	assert_int_equal(got.file_count, 1);
	assert_string_equal(got.files[0].path, "mail/rows/hot.db");
	assert_int_equal(got.files[0].size, k->m.files[0].size);
	backup_manifest_done(&got);
}

static void
bak_03_each_flipped_octet_of_a_manifest_is_found(void **state)
{
	struct kit *k = *state;
	struct backup_manifest got;
	struct cv_err err;
	make_backup(k);
	for (size_t i = 0; i < k->object.n; i++) {
		k->object.p[i] ^= 1;
		assert_int_not_equal(
			backup_manifest_parse(cv_buf_view(&k->object), &k->secret.pub, &got, &err),
			CV_OK);
		backup_manifest_done(&got);
		k->object.p[i] ^= 1;
		assert_int_not_equal(
			backup_manifest_parse(cv_str(k->object.p, i), &k->secret.pub, &got, &err),
			CV_OK);
		backup_manifest_done(&got);
	}
}

static void
bak_03_each_flipped_octet_of_a_chunk_is_found(void **state)
{
	struct kit *k = *state;
	struct backup_cipher cipher;
	struct cv_buf plain = CV_BUF_INIT(BACKUP_CHUNK_MAX);
	struct cv_err err;
	make_backup(k);
	assert_int_equal(backup_pack_open(&k->secret, cv_buf_view(&k->pack), &cipher, &err), CV_OK);
	const struct backup_chunk *c = &k->m.chunks[1];
	struct cv_str stored = cv_str_sub(cv_buf_view(&k->pack), c->offset, c->offset + c->stored);
	assert_int_equal(backup_chunk_open(&cipher, c->offset, stored, &plain, &err), CV_OK);
	assert_int_equal(plain.n, c->size);
	/* At another place of the pack it is no chunk. */
	assert_int_not_equal(
		backup_chunk_open(&cipher, c->offset + 1, stored, &plain, &err), CV_OK);
	for (size_t i = 0; i < stored.n; i++) {
		k->pack.p[c->offset + i] ^= 0x40;
		assert_int_not_equal(
			backup_chunk_open(&cipher, c->offset, stored, &plain, &err), CV_OK);
		k->pack.p[c->offset + i] ^= 0x40;
	}
	cv_buf_done(&plain);
}

static void
bak_01_only_the_operators_key_opens_a_pack(void **state)
{
	struct kit *k = *state;
	struct backup_secret other, got;
	struct backup_cipher cipher;
	struct cv_buf text = CV_BUF_INIT(8192);
	uint8_t sign[BACKUP_SIGN_SECRET];
	struct cv_err err;
	make_backup(k);
	backup_keys_make(&other, sign);
	assert_int_equal(backup_pack_open(&other, cv_buf_view(&k->pack), &cipher, &err), CV_DENIED);
	backup_secret_print(&k->secret, PHRASE, &text);
	assert_int_equal(
		backup_secret_parse(cv_buf_view(&text), CV_STR("khác"), &got, &err), CV_DENIED);
	assert_int_equal(backup_secret_parse(cv_buf_view(&text), PHRASE, &got, &err), CV_OK);
	assert_int_equal(backup_pack_open(&got, cv_buf_view(&k->pack), &cipher, &err), CV_OK);
	cv_buf_done(&text);
}

static void
names_of_a_target_have_one_shape(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool pack, manifest, path;
	} rows[] = {
		{"20261123/00112233445566778899aabbccddeeff", true,  false, true },
		{"20261123/00112233445566778899AABBCCDDEEFF", false, false, true },
		{"20261123/../233445566778899aabbccddeeff00", false, false, false},
		{"20261123T020000Z-1a2b3c4d",                 false, true,  true },
		{"20261123T020000Z-1a2b3c4d/",                false, false, false},
		{"/etc/passwd",                               false, false, false},
		{"mail//x",				   false, false, false},
		{"mail/./x",				  false, false, false},
		{"mail/x\n",				  false, false, false},
		{"",					  false, false, false},
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_str s = cv_str_z(rows[i].text);
		assert_int_equal(backup_is_pack_name(s), rows[i].pack);
		assert_int_equal(backup_is_manifest_name(s), rows[i].manifest);
		assert_int_equal(backup_is_path(s), rows[i].path);
	}
}

static void
an_index_goes_on_behind_a_torn_record(void **state)
{
	struct kit *k = *state;
	char path[] = "/tmp/congvu-test-index-XXXXXX";
	struct backup_index x;
	struct cv_err err;
	int fd = mkstemp(path);
	make_backup(k);
	assert_true(fd >= 0);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(backup_index_open(path, &k->secret.pub, &x, &err), CV_OK);
		assert_int_equal(x.pack_count, round);
		/* What the target does not list is not there. */
		assert_int_equal(backup_index_find(&x, k->m.chunks[0].sha256), UINT32_MAX);
		for (uint32_t i = 0; i < x.pack_count; i++)
			backup_index_saw(&x, cv_str_z(x.packs[i].name), x.packs[i].size);
		if (round)
			assert_int_not_equal(
				backup_index_find(&x, k->m.chunks[0].sha256), UINT32_MAX);
		uint32_t first = x.chunk_count, pack = backup_index_begin(&x, k->m.packs[0].name);
		x.packs[pack].size = k->m.packs[0].size;
		for (uint32_t i = 0; i < 2; i++) {
			struct backup_chunk c = k->m.chunks[i];
			c.pack = pack;
			backup_index_add(&x, &c);
		}
		assert_int_equal(backup_index_keep(&x, pack, first, &err), CV_OK);
		backup_index_close(&x);
		assert_int_equal(lseek(fd, 0, SEEK_END) > 0, 1);
		assert_int_equal(write(fd, "\0\0\0\x40torn", 8), 8); /* a death in the middle */
	}
	close(fd);
	unlink(path);
}

struct listed {
	char names[256];
	uint64_t sum;
};

static bool
add_listed(void *arg, struct cv_str name, uint64_t size)
{
	struct listed *l = arg;
	size_t n = strlen(l->names);
	snprintf(l->names + n, sizeof l->names - n, "%.*s ", (int)name.n, name.p);
	l->sum += size;
	return true;
}

static void
a_list_of_s3_is_read_or_refused_whole(void **state)
{
	(void)state;
	static const struct {
		const char *xml, *names, *token;
		bool ok;
	} rows[] = {
		/* clang-format off */
		{ "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a/b/x</Key>"
			"<Size>7</Size></Contents><Contents><Key>a/b/y</Key><Size>3</Size>"
			"</Contents></ListBucketResult>", "x y ", "", true },
		{ "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>"
			"a&amp;b=</NextContinuationToken></ListBucketResult>", "", "a&b=", true },
		{ "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", "", "",
			false },
		{ "<ListBucketResult><Contents><Key>a/b/x</Key><Size>-1</Size></Contents>", "", "",
			false },
		{ "<html>no</html>", "", "", false },
		/* clang-format on */
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct backup_s3_page page = {.above = 4};
		struct cv_buf token = CV_BUF_INIT(100);
		struct listed l = {.names = ""};
		assert_int_equal(
			backup_s3_list(cv_str_z(rows[i].xml), &page, &token, add_listed, &l),
			rows[i].ok);
		assert_string_equal(l.names, rows[i].names);
		assert_true(cv_str_eq_z(cv_buf_view(&token), rows[i].token));
		cv_buf_done(&token);
	}
}

static bool
count_them(void *arg, struct cv_str name, uint64_t size)
{
	(void)name;
	*(uint64_t *)arg += size;
	return true;
}

/* Storage whose list never ends: each page has N octets of another token, and no object. */
struct endless {
	unsigned asked, fill;
	bool same_token;
};

static enum cv_status
fetch_endless(void *arg, struct cv_str token, struct cv_buf *page, struct cv_err *err)
{
	struct endless *e = arg;
	(void)token;
	(void)err;
	e->asked++;
	cv_buf_printf(page,
		"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>%u"
		"</NextContinuationToken><Contents><Key>a/x</Key><Size>1</Size></Contents>"
		"</ListBucketResult>",
		e->same_token ? 7 : e->asked);
	for (unsigned i = 0; i < e->fill && !page->full; i++)
		cv_buf_z(page, "            ");
	return CV_OK;
}

static void
bak_03_a_list_that_does_not_end_is_an_error_and_not_a_whole_one(void **state)
{
	(void)state;
	static const struct {
		struct endless e;
		enum cv_status status;
		unsigned asked;
	} rows[] = {
		{{0},                   CV_LIMIT,   BACKUP_S3_PAGES},
		{{.same_token = true},  CV_CORRUPT, 2              },
		{{.fill = 1000u << 10}, CV_LIMIT,   1              },
	};
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct endless e = rows[i].e;
		struct cv_err err;
		uint64_t count = 0;
		assert_int_equal(backup_s3_walk(2, fetch_endless, &e, count_them, &count, &err),
			rows[i].status);
		assert_int_equal(e.asked, rows[i].asked);
	}
}

static uint64_t there; /* objects of the target below */

static enum cv_status
list_many(struct backup_target *t, const char *prefix, backup_list_fn *fn, void *arg,
	struct cv_err *err)
{
	(void)t;
	(void)prefix;
	(void)err;
	for (uint64_t i = 0; i < there; i++)
		if (!fn(arg, CV_STR("x"), 1))
			return CV_OK;
	return CV_OK;
}

static void
bak_03_a_list_of_too_many_names_is_an_error_and_not_a_whole_one(void **state)
{
	(void)state;
	static const struct backup_target_ops many = {.list = list_many};
	struct backup_target t = {.ops = &many, .place = {.name = "many"}};
	struct cv_err err;
	uint64_t count = 0;
	there = BACKUP_NAMES_MAX;
	assert_int_equal(backup_target_list(&t, "packs/", count_them, &count, &err), CV_OK);
	assert_true(count == BACKUP_NAMES_MAX);
	there++;
	count = 0;
	assert_int_equal(backup_target_list(&t, "packs/", count_them, &count, &err), CV_LIMIT);
	assert_true(count == BACKUP_NAMES_MAX);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(bak_01_a_manifest_comes_back_with_its_tables),
		T(bak_03_each_flipped_octet_of_a_manifest_is_found),
		T(bak_03_each_flipped_octet_of_a_chunk_is_found),
		T(bak_01_only_the_operators_key_opens_a_pack),
		T(names_of_a_target_have_one_shape),
		T(an_index_goes_on_behind_a_torn_record),
		T(a_list_of_s3_is_read_or_refused_whole),
		T(bak_03_a_list_that_does_not_end_is_an_error_and_not_a_whole_one),
		T(bak_03_a_list_of_too_many_names_is_an_error_and_not_a_whole_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
