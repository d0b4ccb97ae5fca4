/* deflate.h - raw DEFLATE (RFC 1951) on a connection, both ways, with next to no memory at rest.
 *
 * What is sent is packed a chunk at a time, each on its own and flushed to a whole octet, so one
 * packer serves any number of connections and none keeps a state of its own. What comes is one long
 * stream: its state is kept while bytes come, and at rest only the history that later bytes may
 * point back to (32 KB at most, as a rule no more than the peer has sent so far).
 *
 * Pure; an object belongs to one thread at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_DEFLATE_H
#define CV_DEFLATE_H

#include "common/base/buf.h"
#include "common/base/err.h"

#define CV_PACK_CHUNK_BYTES (64u << 10)
/* So many octets in a row that unpack to nothing are no stream of an honest peer. */
#define CV_UNPACK_BARREN_MAX (64u << 10)

struct cv_pack {
	void *stream; /* made when first needed */
};
/* Appends PLAIN, packed and flushed. A zeroed struct is ready for use. */
void cv_pack_chunk(struct cv_pack *p, struct cv_str plain, struct cv_buf *out);
void cv_pack_done(struct cv_pack *p);

struct cv_unpack {
	void *stream;   /* NULL at rest */
	char *history;  /* at rest */
	size_t history_bytes;
	size_t barren;  /* octets since some gave anything */
	bool may_have_more; /* the last call filled its room */
	bool is_aligned;    /* between two blocks, on a whole octet */
};
/* Unpacks from IN to ROOM bytes at OUT; call it again with what is left of IN, also when that is
 * nothing while `may_have_more`. CV_OK; CV_EOF when the stream has ended; CV_INVALID when it is
 * broken or yields nothing for too long. A zeroed struct is ready for use. */
CV_MUST_CHECK enum cv_status cv_unpack_bytes(struct cv_unpack *u, struct cv_str in,
                                             size_t *used_out, char *out, size_t room,
                                             size_t *got_out, struct cv_err *err);
/* Gives memory back, if the stream is at a place where it can be. */
void cv_unpack_rest(struct cv_unpack *u);
void cv_unpack_done(struct cv_unpack *u);

/* Appends IN as one gzip file (RFC 1952), packed as small as it gets. CV_LIMIT when OUT has no room
 * for it. */
CV_MUST_CHECK enum cv_status cv_gzip(struct cv_str in, struct cv_buf *out, struct cv_err *err);

#endif
