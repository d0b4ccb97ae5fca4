/* canon.h - the canonical forms of headers and bodies (RFC 6376, section 3.4), for DKIM and ARC.
 *
 * Line ends of a body are CRLF; a CR or LF alone is an octet like others. A body's hash belongs to
 * one thread at a time.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SIG_CANON_H
#define SPAM_SIG_CANON_H

#include <openssl/evp.h>

#include "common/base/buf.h"

#define SIG_HASH_BYTES 32 /* SHA-256 */

/* A field as a message has it: VALUE with its leading blank, folds as CRLF or lone LF. */
struct sig_field {
	struct cv_str name, value;
};

/* Appends FIELD without a line end. [CUT_FROM, CUT_TO) of the value counts as absent: where b=
 * stands. Simple: folds become CRLF. */
void sig_canon_field(const struct sig_field *field, bool relaxed, size_t cut_from, size_t cut_to,
	struct cv_buf *out);

struct sig_body {
	EVP_MD_CTX *md;
	bool relaxed;
	uint64_t limit;       /* canonical octets hashed, l=; UINT64_MAX for all */
	uint64_t total;       /* canonical octets so far */
	uint64_t empty_lines; /* not yet known to be inside the body */
	bool has_blank, has_cr, in_line, has_content;
	size_t held_bytes;
	unsigned char held[2048];
};

void sig_body_init(struct sig_body *b, bool relaxed, uint64_t limit);
void sig_body_add(struct sig_body *b, struct cv_str bytes);
/* Completes the last line, writes the hash. Once. */
void sig_body_end(struct sig_body *b, unsigned char hash[SIG_HASH_BYTES]);
void sig_body_done(struct sig_body *b);

/* SHA-256, fetched once for the process. */
const EVP_MD *sig_sha256(void);

#endif
