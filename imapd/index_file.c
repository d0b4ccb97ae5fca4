/* index_file.c - see index_file.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/index_file.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/text/fold.h"
#include "imapd/signature.h"

#define MAGIC         0x314745534F564E43u /* its bytes in another order: another machine's file */
#define ROWS_A_LOOK   64u                 /* rows checked between two looks at the clock */
#define IMAGE_MAX     ((size_t)4 << 30)

struct head {
	uint64_t magic;
	uint32_t signatures, folding; /* versions */
	uint64_t acct, mbox;
	uint32_t uidvalidity, zero;
	uint64_t texts, unused;
	uint64_t check; /* of all before */
};
_Static_assert(sizeof(struct head) == IMAPD_INDEX_HEAD_BYTES, "the head has no holes");

struct row_head {
	uint32_t uid, words;
	uint64_t check; /* of both and the signature */
};
_Static_assert(sizeof(struct row_head) == IMAPD_INDEX_ROW_BYTES, "a row has no holes");

/* ---- checks: against torn writes and bad disks, not against people ---- */

static uint64_t
mix(uint64_t h, uint64_t w)
{
	h = (h ^ w) * 0x9FB21C651E98DF25u;
	return h ^ h >> 29;
}

/* Four sums side by side, as one multiplication waits for the one before. */
static uint64_t
check_of(uint64_t seed, const uint64_t *words, size_t count)
{
	uint64_t h[4] = {seed, seed + 1, seed + 2, seed + 3};
	size_t i = 0;

	for (; i + 4 <= count; i += 4)
		for (size_t k = 0; k < 4; k++)
			h[k] = mix(h[k], words[i + k]);
	for (; i < count; i++)
		h[0] = mix(h[0], words[i]);
	return mix(mix(mix(mix(count, h[0]), h[1]), h[2]), h[3]);
}

static uint64_t
check_of_head(const struct head *head)
{
	uint64_t words[sizeof *head / 8];
	memcpy(words, head, sizeof words);
	return check_of(MAGIC, words, CV_COUNT(words) - 1);
}

static uint64_t
check_of_row(uint32_t uid, uint32_t words, const uint64_t *signature)
{
	return check_of((uint64_t)uid << 32 | words, signature, words);
}

/* ---- writing ---- */

void
imapd_index_write_head(struct cv_buf *out, const struct imapd_index_key *key, uint32_t uidvalidity)
{
	struct head head = {
		.magic = MAGIC,
		.signatures = IMAPD_SIGNATURE_VERSION,
		.folding = CV_FOLD_VERSION,
		.acct = key->acct,
		.mbox = key->mbox,
		.texts = key->texts,
		.uidvalidity = uidvalidity,
	};
	head.check = check_of_head(&head);
	cv_buf_add(out, &head, sizeof head);
}

void
imapd_index_write_row(
	struct cv_buf *out, uint32_t uid, const uint64_t *signature, uint32_t words)
{
	struct row_head row = {uid, words, check_of_row(uid, words, signature)};
	cv_buf_add(out, &row, sizeof row);
	cv_buf_add(out, signature, words * sizeof *signature);
}

/* ---- images ---- */

struct imapd_index_image *
imapd_index_image_new(
	const uint64_t *words, size_t bytes, const struct imapd_index_key *key)
{
	struct head head;

	if (bytes < sizeof head)
		return NULL;
	memcpy(&head, words, sizeof head);
	if (head.magic != MAGIC || head.signatures != IMAPD_SIGNATURE_VERSION ||
		head.folding != CV_FOLD_VERSION || head.acct != key->acct ||
		head.mbox != key->mbox || head.texts != key->texts ||
		head.check != check_of_head(&head))
		return NULL;
	struct imapd_index_image *image = cv_calloc(1, sizeof *image);
	atomic_init(&image->refs, 1);
	image->uidvalidity = head.uidvalidity;
	image->words = words;
	image->bytes = bytes;
	image->checked = sizeof head;
	return image;
}

struct imapd_index_image *
imapd_index_image_map(const char *path, const struct imapd_index_key *key)
{
	struct imapd_index_image *image = NULL;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0 &&
		(uint64_t)st.st_size <= IMAGE_MAX) {
		size_t bytes = (size_t)st.st_size;
		void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
		if (map != MAP_FAILED) {
			image = imapd_index_image_new(map, bytes, key);
			if (image)
				image->is_mapped = true;
			else
				munmap(map, bytes);
		}
	}
	close(fd);
	return image;
}

static void
add_row(struct imapd_index_image *image, struct imapd_index_row row)
{
	if (image->count == image->room) {
		image->room = image->room ? image->room + image->room / 2 : 256;
		image->rows = cv_realloc(image->rows, image->room * sizeof *image->rows);
	}
	image->rows[image->count++] = row;
}

/* The row at `checked`; false: what is there is none. */
static bool
take_row(struct imapd_index_image *image)
{
	size_t left = image->bytes - image->checked;
	const uint64_t *at = image->words + image->checked / 8;
	struct row_head row;

	if (left < sizeof row)
		return false;
	memcpy(&row, at, sizeof row);
	if (!row.uid || !row.words || row.words > IMAPD_SIGNATURE_WORDS_MAX ||
		row.words > (left - sizeof row) / 8 ||
		row.check != check_of_row(row.uid, row.words, at + sizeof row / 8))
		return false;
	uint64_t signature_at = (image->checked + sizeof row) / 8;
	add_row(image, (struct imapd_index_row){row.uid, row.words, signature_at});
	image->checked += sizeof row + row.words * 8u;
	return true;
}

static int
by_uid_then_place(const void *a, const void *b)
{
	const struct imapd_index_row *x = a, *y = b;
	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

/* Rows are nearly always in order; of two for one message the later one counts. */
static void
sort_rows(struct imapd_index_image *image)
{
	uint32_t kept = 0;
	bool in_order = true;

	for (uint32_t i = 1; i < image->count && in_order; i++)
		in_order = image->rows[i - 1].uid < image->rows[i].uid;
	if (in_order)
		return;
	qsort(image->rows, image->count, sizeof *image->rows, by_uid_then_place);
	for (uint32_t i = 0; i < image->count; i++)
		if (i + 1 == image->count || image->rows[i].uid != image->rows[i + 1].uid)
			image->rows[kept++] = image->rows[i];
	image->count = kept;
}

bool
imapd_index_image_check(struct imapd_index_image *image, int64_t end_us)
{
	uint32_t rounds = 0;

	while (image->checked < image->bytes && !image->is_torn) {
		image->is_torn = !take_row(image);
		if (++rounds % ROWS_A_LOOK == 0 && cv_mono_us() > end_us)
			return false;
	}
	sort_rows(image);
	return true;
}

struct imapd_index_image *
imapd_index_image_grow(const struct imapd_index_image *old, int fd, size_t bytes,
	const struct imapd_index_row *rows, uint32_t count)
{
	void *map = bytes <= IMAGE_MAX ? mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0)
				       : MAP_FAILED;
	if (map == MAP_FAILED)
		return NULL;
	struct imapd_index_image *image = cv_calloc(1, sizeof *image);
	atomic_init(&image->refs, 1);
	image->is_mapped = true;
	image->uidvalidity = old->uidvalidity;
	image->words = map;
	image->bytes = image->checked = bytes;
	image->count = image->room = old->count + count;
	image->rows = cv_malloc((image->count + 1u) * sizeof *rows);
	if (old->count)
		memcpy(image->rows, old->rows, old->count * sizeof *rows);
	if (count)
		memcpy(image->rows + old->count, rows, count * sizeof *rows);
	sort_rows(image);
	return image;
}

void
imapd_index_image_ref(struct imapd_index_image *image)
{
	atomic_fetch_add_explicit(&image->refs, 1, memory_order_relaxed);
}

void
imapd_index_image_unref(struct imapd_index_image *image)
{
	if (!image || atomic_fetch_sub_explicit(&image->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (image->is_mapped)
		munmap((void *)(uintptr_t)image->words, image->bytes);
	free(image->rows);
	free(image);
}

const struct imapd_index_row *
imapd_index_image_find(const struct imapd_index_image *image, uint32_t uid, uint32_t *hint)
{
	uint32_t from = 0, to = image->count;

	for (uint32_t i = *hint; i < to && i < *hint + 4; i++) {
		if (image->rows[i].uid == uid) {
			*hint = i + 1;
			return &image->rows[i];
		}
	}
	while (from < to) {
		uint32_t middle = from + (to - from) / 2;
		if (image->rows[middle].uid < uid)
			from = middle + 1;
		else
			to = middle;
	}
	*hint = from + 1;
	return from < image->count && image->rows[from].uid == uid ? &image->rows[from] : NULL;
}
