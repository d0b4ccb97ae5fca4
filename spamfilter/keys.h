/* keys.h - the keys that sign: <keys_dir>/dkim/<domain>/<selector>.pem, .ed25519.pem and `current`.
 *
 * `current` names the selectors that sign, one a line. Files are looked at again when they changed,
 * at most every ten seconds. Threads: all calls from any thread; a set is held by count.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_KEYS_H
#define SPAM_KEYS_H

#include "common/base/err.h"
#include "common/base/str.h"
#include "spamfilter/dkim.h"

#define SPAM_KEYS_MAX 8 /* signatures on one message */

struct spam_key {
	char selector[256];
	enum spam_dkim_alg alg;
	struct spam_dkim_key *key;
};
struct spam_key_set {
	unsigned refs;
	size_t count;
	struct spam_key keys[SPAM_KEYS_MAX];
};

struct spam_keys;
struct spam_keys *spam_keys_new(const char *keys_dir); /* NULL or "": no keys at all */
void spam_keys_free(struct spam_keys *k);
/* The keys of DOMAIN (lower-case A-labels), or NULL when it has none. Give back with
 * spam_keys_unref(). */
const struct spam_key_set *spam_keys_get(struct spam_keys *k, const char *domain);
void spam_keys_unref(struct spam_keys *k, const struct spam_key_set *set); /* NULL is fine */
/* Looks at the files at once when asked next. */
void spam_keys_refresh(struct spam_keys *k);

#endif
