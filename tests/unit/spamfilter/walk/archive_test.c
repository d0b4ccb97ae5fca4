/* archive_test.c - what is inside attachments: archives, compound files, documents (SPM-06). */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "common/text/encode.h"
#include "spamfilter/walk/archive_guard.h"
#include "spamfilter/walk/walk.h"
#include "tests/unit/check.h"

static int
prepare(void **state)
{
	struct cv_err err;

	(void)state;
	return spam_walk_prepare(NULL, NULL, &err) != CV_OK;
}

/* A message with BYTES attached as NAME. */
static struct spam_walk *
walk_file(const char *name, struct cv_str bytes, struct cv_buf *m)
{
	static const struct spam_walk_options patient = {.cpu_ms = 20000};
	struct cv_base64_writer w = {.n = 0};

	cv_buf_init(m, 64u << 20);
	cv_buf_printf(m,
		"Content-Type: application/octet-stream\r\n"
		"Content-Disposition: attachment; filename=\"%s\"\r\n"
		"Content-Transfer-Encoding: base64\r\n\r\n", name);
	cv_base64_write(&w, bytes, m);
	cv_base64_write_end(&w, m);
	return spam_walk_message(cv_buf_view(m), CV_STR_EMPTY, &patient);
}

/* ---- zips, written plainly ---- */

static void
put_le(struct cv_buf *b, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		cv_buf_c(b, (char)(i < 8 ? v >> (8 * i) & 255 : 0));
}

struct member {
	const char *name;
	struct cv_str bytes;
	unsigned flags; /* 1: encrypted, 0x800: the name is UTF-8 */
};

static uint32_t
crc32_of(struct cv_str s)
{
	uint32_t crc = 0xFFFFFFFF;

	for (size_t i = 0; i < s.n; i++) {
		crc ^= (unsigned char)s.p[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
	}
	return ~crc;
}

static void
put_common(struct cv_buf *b, const struct member *m)
{
	put_le(b, m->flags, 2);
	put_le(b, 0, 6); /* stored, no time */
	put_le(b, crc32_of(m->bytes), 4);
	put_le(b, m->bytes.n, 4);
	put_le(b, m->bytes.n, 4);
	put_le(b, strlen(m->name), 2);
	put_le(b, 0, 2);
}

/* A stored zip; only the first LISTED members stand in its directory. */
static void
write_zip(const struct member *members, size_t n, size_t listed, struct cv_buf *out)
{
	struct cv_buf central = CV_BUF_INIT(1u << 20);

	cv_buf_init(out, 16u << 20);
	for (size_t i = 0; i < n; i++) {
		if (i < listed) {
			cv_buf_add(&central, "PK\1\2\24\0\24\0", 8);
			put_common(&central, &members[i]);
			put_le(&central, 0, 10);
			put_le(&central, out->n, 4);
			cv_buf_z(&central, members[i].name);
		}
		cv_buf_add(out, "PK\3\4\24\0", 6);
		put_common(out, &members[i]);
		cv_buf_z(out, members[i].name);
		cv_buf_str(out, members[i].bytes);
	}
	size_t at = out->n;
	cv_buf_str(out, cv_buf_view(&central));
	cv_buf_add(out, "PK\5\6\0\0\0\0", 8);
	put_le(out, listed, 2);
	put_le(out, listed, 2);
	put_le(out, central.n, 4);
	put_le(out, at, 4);
	put_le(out, 0, 2);
	cv_buf_done(&central);
}

static void
test_SPM_06__walk_finds_a_program_in_a_zip_in_a_zip(void **state)
{
	struct member inner = {"hoso.pdf.exe", CV_STR("MZ..."), 0}, middle, outer;
	struct cv_buf a, b, c, m;
	const struct spam_file *files;

	(void)state;
	write_zip(&inner, 1, 1, &a);
	middle = (struct member){"trong.zip", cv_buf_view(&a), 0};
	write_zip(&middle, 1, 1, &b);
	outer = (struct member){"ho so \xC4\x91\xE1\xBA\xA5t.zip", cv_buf_view(&b), 0x800};
	write_zip(&outer, 1, 1, &c);
	struct spam_walk *w = walk_file("goi.zip", cv_buf_view(&c), &m);
	assert_int_equal(spam_walk_files(w, &files), 4);
	assert_true(cv_str_eq_z(files[1].name, "ho so đất.zip"));
	assert_int_equal(files[3].level, 3);
	assert_int_equal(files[3].container, 2);
	assert_true(cv_str_eq_z(files[3].name, "hoso.pdf.exe"));
	assert_int_equal(files[3].flags, SPAM_FILE_DANGEROUS | SPAM_FILE_DOUBLE);
	assert_int_equal(files[3].kind, SPAM_FILE_PROGRAM);
	spam_walk_free(w);
	struct cv_buf *all[] = {&a, &b, &c, &m};
	for (size_t i = 0; i < CV_COUNT(all); i++)
		cv_buf_done(all[i]);
}

/* A file is looked into by its head, and then whole. */
static void
test_walk__looks_into_large_files(void **state)
{
	struct cv_buf filler = CV_BUF_INIT(4u << 20), zip, m;
	const struct spam_file *files;

	(void)state;
	while (filler.n < (3u << 20))
		cv_buf_z(&filler, "anh va van ban ");
	struct member members[] = {
		{"anh.txt", cv_buf_view(&filler), 0}, {"hoso.pdf.exe", CV_STR("MZ"), 0}};
	write_zip(members, 2, 2, &zip);
	struct spam_walk *w = walk_file("goi.zip", cv_buf_view(&zip), &m);
	assert_int_equal(spam_walk_files(w, &files), 3);
	assert_int_equal(files[0].size_bytes, zip.n);
	assert_int_equal(files[2].flags, SPAM_FILE_DANGEROUS | SPAM_FILE_DOUBLE);
	spam_walk_free(w);
	cv_buf_done(&filler);
	cv_buf_done(&zip);
	cv_buf_done(&m);
}

static void
test_walk__tells_what_zips_hide(void **state)
{
	static const struct {
		const char *name;
		struct member members[3];
		size_t n, listed;
		unsigned flags;
		enum spam_file_kind kind;
	} rows[] = {
		{"plain", {{"a.txt", {"x", 1}, 0}}, 1, 1, 0, SPAM_FILE_ZIP},
		{"encrypted", {{"a.txt", {"xxxxxxxxxxxxxxx", 15}, 1}}, 1, 1, SPAM_FILE_ENCRYPTED, SPAM_FILE_ZIP},
		{"not in its directory", {{"a.txt", {"x", 1}, 0}, {"b.exe", {"MZ", 2}, 0}}, 2, 1, SPAM_FILE_CONTRADICTS, SPAM_FILE_ZIP},
		{"office", {{"[Content_Types].xml", {"<x/>", 4}, 0}, {"word/document.xml", {"x", 1}, 0}}, 2, 2, 0, SPAM_FILE_OOXML},
		{"macros", {{"[Content_Types].xml", {"<x/>", 4}, 0}, {"word/vbaProject.bin", {"x", 1}, 0}}, 2, 2, SPAM_FILE_MACRO | SPAM_FILE_BROKEN, SPAM_FILE_OOXML},
		{"sheet of macros", {{"[Content_Types].xml", {"<x/>", 4}, 0}, {"xl/macrosheets/sheet1.xml", {"x", 1}, 0}}, 2, 2, SPAM_FILE_MACRO, SPAM_FILE_OOXML},
		{"remote template", {{"[Content_Types].xml", {"<x/>", 4}, 0}, {"word/_rels/settings.xml.rels", {"<Relationship Type=\"x/attachedTemplate\" Target=\"http://evil.example/t.dotm\" TargetMode=\"External\"/>", 99}, 0}}, 2, 2, SPAM_FILE_REMOTE, SPAM_FILE_OOXML},
		{"a link is no template", {{"[Content_Types].xml", {"<x/>", 4}, 0}, {"word/_rels/document.xml.rels", {"<Relationship Type=\"x/hyperlink\" Target=\"http://a.example/\" TargetMode=\"External\"/>", 83}, 0}}, 2, 2, 0, SPAM_FILE_OOXML},
		{"macros of OpenDocument", {{"META-INF/manifest.xml", {"<x/>", 4}, 0}, {"Basic/Standard/Module1.xml", {"x", 1}, 0}}, 2, 2, SPAM_FILE_MACRO, SPAM_FILE_ODF},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf zip, m;
		const struct spam_file *files;
		write_zip(rows[i].members, rows[i].n, rows[i].listed, &zip);
		struct spam_walk *w = walk_file("a.zip", cv_buf_view(&zip), &m);
		assert_true(spam_walk_files(w, &files) >= 1);
		CHECK(rows[i].name, files[0].flags == rows[i].flags);
		CHECK(rows[i].name, files[0].kind == rows[i].kind);
		if (files[0].flags != rows[i].flags)
			print_error("  %x\n", files[0].flags);
		spam_walk_free(w);
		cv_buf_done(&zip);
		cv_buf_done(&m);
	}
	CHECK_END();
}

static void
test_guard__stops_counts_that_cost_memory(void **state)
{
	/* A 7z header that claims a hundred million files: 0xF0 and four octets of it. */
	static const char claim[] = "7z\xbc\xaf\x27\x1c\0\4\0\0\0\0"
		"\0\0\0\0\0\0\0\0" "\x07\0\0\0\0\0\0\0" "\0\0\0\0"
		"\x01\x05\xE0\x00\xE1\xF5\x05";
	struct spam_guard guard;
	struct cv_buf zip = CV_BUF_INIT(1u << 20);

	(void)state;
	spam_guard_7z(cv_str(claim, sizeof claim - 1), &guard);
	assert_true(guard.is_large && !guard.is_safe);
	for (size_t n = 0; n < sizeof claim - 1; n++) {
		spam_guard_7z(cv_str(claim, n), &guard);
		assert_false(guard.is_safe);
	}
	for (int i = 0; i < SPAM_GUARD_ENTRIES_MAX + 10; i++) {
		cv_buf_add(&zip, "PK\1\2", 4);
		put_le(&zip, 0, 42 - 28 + 28);
	}
	size_t size = zip.n;
	cv_buf_add(&zip, "PK\5\6\0\0\0\0", 8);
	put_le(&zip, 1, 2);
	put_le(&zip, 1, 2);
	put_le(&zip, size, 4);
	put_le(&zip, 0, 4);
	put_le(&zip, 0, 2);
	spam_guard_zip(cv_buf_view(&zip), &guard);
	assert_true(guard.is_large && !guard.is_safe);
	cv_buf_done(&zip);
}

/* ---- compound files ---- */

static void
put_entry(struct cv_buf *b, const char *name, unsigned type, uint32_t start, uint32_t size)
{
	size_t from = b->n, n = strlen(name);

	for (size_t i = 0; i < 32; i++) {
		cv_buf_c(b, i < n ? name[i] : '\0');
		cv_buf_c(b, '\0');
	}
	put_le(b, (n + 1) * 2, 2);
	put_le(b, type, 1);
	while (b->n < from + 116)
		cv_buf_c(b, '\0');
	put_le(b, start, 4);
	put_le(b, size, 4);
	put_le(b, 0, 4);
}

/* Sector 0: the table; 1 and 2: the directory; from 3 on: STREAM, called NAME. */
static void
write_ole(const char *storage, const char *name, struct cv_str stream, struct cv_buf *out)
{
	static const char magic[] = "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
	size_t sectors = (stream.n + 511) / 512;

	cv_buf_init(out, 1u << 20);
	cv_buf_add(out, magic, 8);
	put_le(out, 0, 8);
	put_le(out, 0, 8);
	put_le(out, 0x3E, 2);
	put_le(out, 3, 2);
	put_le(out, 0xFFFE, 2);
	put_le(out, 9, 2);
	put_le(out, 6, 2);
	put_le(out, 0, 10);
	put_le(out, 1, 4);          /* sectors of the table: 44 */
	put_le(out, 1, 4);          /* the directory: 48 */
	put_le(out, 0, 4);
	put_le(out, 4096, 4);
	put_le(out, 0xFFFFFFFE, 4); /* no mini table: 60 */
	put_le(out, 0, 4);
	put_le(out, 0xFFFFFFFE, 4);
	put_le(out, 0, 4);
	put_le(out, 0, 4); /* the table is sector 0 */
	while (out->n < 512)
		cv_buf_c(out, '\xff');
	put_le(out, 0xFFFFFFFD, 4);
	put_le(out, 2, 4);
	put_le(out, 0xFFFFFFFE, 4);
	for (size_t i = 0; i < sectors; i++)
		put_le(out, i + 1 < sectors ? 4 + i : 0xFFFFFFFE, 4);
	while (out->n < 1024)
		cv_buf_c(out, '\xff');
	put_entry(out, "Root Entry", 5, 0xFFFFFFFE, 0);
	put_entry(out, storage, 1, 0, 0);
	put_entry(out, name, 2, 3, (uint32_t)stream.n);
	while (out->n < 2048)
		cv_buf_c(out, '\0');
	cv_buf_str(out, stream);
	while (out->n % 512)
		cv_buf_c(out, '\0');
}

/* Text as one chunk of literals ([MS-OVBA] 2.4.1), padded to a stream that is no small one. */
static void
put_module(const char *source, struct cv_buf *out)
{
	struct cv_buf chunk = CV_BUF_INIT(4096);
	size_t n = strlen(source);

	for (size_t i = 0; i < n; i++) {
		if (i % 8 == 0)
			cv_buf_c(&chunk, '\0');
		cv_buf_c(&chunk, source[i]);
	}
	cv_buf_init(out, 16384);
	cv_buf_z(out, "compiled code ");
	cv_buf_c(out, '\1');
	put_le(out, 0xB000 | (chunk.n - 1), 2);
	cv_buf_str(out, cv_buf_view(&chunk));
	while (out->n < 5000)
		cv_buf_c(out, '\0');
	cv_buf_done(&chunk);
}

static void
test_walk__reads_macros_of_compound_files(void **state)
{
	static const struct {
		const char *name, *storage, *stream, *source;
		unsigned flags;
	} rows[] = {
		{"no macros", "x", "WordDocument", "Attribute", 0},
		{"macros", "Macros", "Module1", "Attribute VB_Name\r\nSub A()\r\nEnd Sub", SPAM_FILE_MACRO},
		{"run alone", "VBA", "ThisDocument", "Attribute VB_Name\r\nSub Document_Open()\r\n", SPAM_FILE_MACRO | SPAM_FILE_AUTORUN},
		{"run alone in Excel", "_VBA_PROJECT_CUR", "m", "Attribute VB_Name\r\nSub AUTO_OPEN()", SPAM_FILE_MACRO | SPAM_FILE_AUTORUN},
		{"locked", "x", "EncryptedPackage", "", SPAM_FILE_ENCRYPTED},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf module, ole, m;
		const struct spam_file *files;
		put_module(rows[i].source, &module);
		write_ole(rows[i].storage, rows[i].stream, cv_buf_view(&module), &ole);
		struct spam_walk *w = walk_file("a.doc", cv_buf_view(&ole), &m);
		assert_int_equal(spam_walk_files(w, &files), 1);
		CHECK(rows[i].name, files[0].kind == SPAM_FILE_OLE);
		CHECK(rows[i].name, files[0].flags == rows[i].flags);
		if (files[0].flags != rows[i].flags)
			print_error("  %x\n", files[0].flags);
		spam_walk_free(w);
		cv_buf_done(&module);
		cv_buf_done(&ole);
		cv_buf_done(&m);
	}
	CHECK_END();
}

static void
test_walk__names_files_inside_compound_files(void **state)
{
	struct cv_buf stream = CV_BUF_INIT(8192), ole, m;
	const struct spam_file *files;

	(void)state;
	put_le(&stream, 5000, 4);
	put_le(&stream, 2, 2);
	cv_buf_add(&stream, "hoa don.exe\0C:\\x\\hoa don.exe\0", 30);
	while (stream.n < 5000)
		cv_buf_c(&stream, '\0');
	write_ole("ObjectPool", "\1Ole10Native", cv_buf_view(&stream), &ole);
	struct spam_walk *w = walk_file("a.doc", cv_buf_view(&ole), &m);
	assert_int_equal(spam_walk_files(w, &files), 2);
	assert_true(cv_str_eq_z(files[1].name, "hoa don.exe"));
	assert_true(files[1].flags & SPAM_FILE_DANGEROUS);
	assert_true(files[0].flags & SPAM_FILE_EMBEDDED);
	spam_walk_free(w);
	cv_buf_done(&stream);
	cv_buf_done(&ole);
	cv_buf_done(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_SPM_06__walk_finds_a_program_in_a_zip_in_a_zip),
		cmocka_unit_test(test_walk__looks_into_large_files),
		cmocka_unit_test(test_walk__tells_what_zips_hide),
		cmocka_unit_test(test_guard__stops_counts_that_cost_memory),
		cmocka_unit_test(test_walk__reads_macros_of_compound_files),
		cmocka_unit_test(test_walk__names_files_inside_compound_files),
	};
	return cmocka_run_group_tests(tests, prepare, NULL);
}
