/* key.h - public keys from DNS (RFC 6376 3.6.1, RFC 8463), and private ones from PEM.
 *
 * A public key is read once for as long as DNS's answer is kept, and shared by threads. Keys are
 * bounded: RSA of 1024 to 4096 bits with an exponent of at most 64.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef SPAM_SIG_KEY_H
#define SPAM_SIG_KEY_H

#include <openssl/evp.h>

#include "spamfilter/dns.h"

#define SIG_KEY_BITS_MIN 1024
#define SIG_KEY_BITS_MAX 4096

enum sig_alg { SIG_RSA_SHA256, SIG_ED25519_SHA256, SIG_RSA_SHA1, SIG_ALG_UNKNOWN };

enum sig_key_state {
	SIG_KEY_GOOD,
	SIG_KEY_TEMPFAIL, /* DNS could not answer */
	SIG_KEY_ABSENT,   /* no record */
	SIG_KEY_SEVERAL,  /* more than one: what they mean is undefined (3.6.2.2) */
	SIG_KEY_MALFORMED,
	SIG_KEY_REVOKED, /* p= is empty */
	SIG_KEY_UNFIT,   /* not for e-mail, or not for SHA-256 */
	SIG_KEY_UNKNOWN, /* another k= */
	SIG_KEY_UNDECODABLE,
	SIG_KEY_SMALL,
	SIG_KEY_LARGE
};
const char *sig_key_words(enum sig_key_state state); /* a short sentence; "" for GOOD */

struct sig_key {
	struct spam_parsed parsed;
	enum sig_key_state state;
	EVP_PKEY *key;     /* of a GOOD one */
	struct cv_str der; /* an RSA key as it was published, on the heap */
	bool is_ed25519;
	bool is_test;   /* t=y */
	bool is_strict; /* t=s: i= must be of d= itself */
};

/* Looks NAME ("s._domainkey.d") up and reads its record. *HOLD keeps the key: give it back with
 * spam_answer_free(). Never NULL. */
const struct sig_key *sig_key_fetch(
	struct spam_lookups *lookups, const char *name, struct spam_answer **hold);
/* Reads one record's text: pure; the state says what it is. Give back with sig_key_free(). */
struct sig_key *sig_key_parse(struct cv_str record);
void sig_key_free(struct sig_key *key);

/* Whether SIGNATURE is KEY's under HASH, the SHA-256 of what was signed. */
bool sig_key_verify(
	const struct sig_key *key, const unsigned char hash[32], struct cv_str signature);

#endif
