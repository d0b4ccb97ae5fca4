/* fuzz: spamfilter */
/* spam_attachment_fuzz.c - any bytes as a file: the guards, libarchive behind them, compound files,
 * PDF, RTF. The first octet chooses what it begins with, so that a magic number is no obstacle. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>

#include "spamfilter/walk/archive_guard.h"
#include "spamfilter/walk/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	const char *octets;
	size_t n;
} starts[] = {
	{"",                                   0},
	{"PK\3\4",                             4},
	{"7z\xbc\xaf\x27\x1c\0\4",             8},
	{"Rar!\x1a\7\0",                       7},
	{"Rar!\x1a\7\1\0",                     8},
	{"\x1f\x8b\x08\0",                     4},
	{"MSCF\0\0\0\0",                       8},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8},
	{"%PDF-1.7\n",                         9},
	{"{\\rtf1",                            6},
	{"\xfd" "7zXZ\0",                      6},
	{"BZh9",                               4},
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	static const struct spam_walk_options patient = {.cpu_ms = 60000};
	struct spam_guard guard;
	struct cv_err err;

	if (!ready && spam_walk_prepare(NULL, NULL, &err))
		abort();
	ready = true;
	if (!size)
		return 0;
	struct cv_buf bytes = CV_BUF_INIT(size + 64);
	size_t which = data[0] % CV_COUNT(starts);
	cv_buf_add(&bytes, starts[which].octets, starts[which].n);
	cv_buf_add(&bytes, data + 1, size - 1);
	spam_guard_zip(cv_buf_view(&bytes), &guard);
	assert(!guard.is_safe || guard.entries <= SPAM_GUARD_ENTRIES_MAX);
	spam_guard_7z(cv_buf_view(&bytes), &guard);
	assert(!guard.is_safe || guard.entries <= SPAM_GUARD_ENTRIES_MAX);
	spam_guard_rar(cv_buf_view(&bytes), &guard);
	struct cv_str header = CV_STR("Content-Type: application/octet-stream\r\n"
				      "Content-Transfer-Encoding: binary\r\n"
				      "Content-Disposition: attachment; filename=a\r\n\r\n");
	struct spam_walk *w = spam_walk_message(header, cv_buf_view(&bytes), &patient);
	const struct spam_file *files;
	assert(spam_walk_files(w, &files) <= SPAM_WALK_FILES_MAX);
	spam_walk_free(w);
	cv_buf_done(&bytes);
	return 0;
}
