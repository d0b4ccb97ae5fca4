/* record.h - one SPF record, read by the grammar of RFC 7208 (section 12) and nothing looser.
 *
 * The reading decides what the evaluator gets to see: anything here that is not exactly a record is
 * a permanent error. Pure.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SPF_RECORD_H
#define SPAM_SPF_RECORD_H

#include "common/base/arena.h"
#include "common/base/err.h"

#define SPF_RECORD_BYTES_MAX 8192

enum spf_mechanism { SPF_ALL, SPF_INCLUDE, SPF_A, SPF_MX, SPF_PTR, SPF_IP4, SPF_IP6, SPF_EXISTS };

struct spf_term {
	enum spf_mechanism mechanism;
	char qualifier;        /* + - ? ~ */
	struct cv_str domain;  /* domain-spec, macros not expanded; empty: the current domain */
	unsigned cidr4, cidr6; /* 32 and 128 when not given */
	unsigned char ip[16];  /* of ip4 (4 bytes) and ip6 */
};

struct spf_record {
	struct spf_term *terms; /* the mechanisms, in order, up to and with the first `all` */
	size_t count;
	struct cv_str redirect; /* domain-spec; empty: none, or an `all` makes it void */
	struct cv_str exp;      /* domain-spec of the explanation; empty: none */
};

/* Does TEXT begin with the version "v=spf1" and a blank or its end (4.5)? */
bool spf_record_is(struct cv_str text);

/* Reads TEXT, which spf_record_is(). Slices point into TEXT, the terms are in ARENA. CV_INVALID or
 * CV_LIMIT with the reason: a permanent error either way. */
CV_MUST_CHECK enum cv_status spf_record_parse(
	struct cv_arena *arena, struct cv_str text, struct spf_record *out, struct cv_err *err);

#endif
