/* fuzz: store */
/* volume_fuzz.c - records, volume headers and refs as a broken disk may give them. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/store/volume/volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
try_record(const uint8_t *data, size_t n)
{
	struct cv_record r, again;
	uint8_t salt[16] = {0};
	if (n < CV_RECORD_HEADER || !cv_record_peek(data, &r))
		return;
	size_t head_n = cv_record_head_bytes(r.frames);
	if (head_n > n)
		return;
	struct cv_frame *frames = cv_calloc(r.frames + 1, sizeof *frames);
	unsigned char *copy = cv_malloc(head_n);
	if (!cv_record_decode(data, salt, &again, frames)) {
		/* With a check that holds, the frames still have to fit. */
		for (uint32_t i = 0; i < r.frames; i++) {
			struct cv_rd rd =
				cv_rd(cv_str((const char *)data + CV_RECORD_HEADER + i * 8, 8));
			frames[i].stored = cv_rd_be32(&rd);
			frames[i].crc = cv_rd_be32(&rd);
		}
		cv_record_encode(&r, frames, salt, copy);
		if (cv_record_decode(copy, salt, &again, frames))
			assert(again.size == r.size && again.stored <= again.size);
	}
	free(copy);
	free(frames);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct cv_blob_ref ref = {.n = (uint8_t)CV_MIN(n, sizeof ref.bytes)};
	struct cv_place place;
	uint8_t salt[16];
	bool is_compacted;
	if (n)
		memcpy(ref.bytes, data, ref.n);
	if (!cv_place_decode(&ref, &place, NULL)) {
		struct cv_blob_ref again;
		cv_place_encode(&place, &again);
		assert(again.n == ref.n && !memcmp(again.bytes, ref.bytes, ref.n));
	}
	if (n >= CV_VOLUME_HEADER)
		(void)cv_volume_header_read(data, 1, salt, &is_compacted);
	try_record(data, n);
	return 0;
}
