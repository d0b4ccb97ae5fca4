/* sasl.c - AUTHENTICATE PLAIN and SCRAM-SHA-256 (RFC 4616, 5802, 7677), as mail clients do it.
 *
 * The server's signature is not looked at: this is load, not a client.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "tests/load/load.h"

#define HASH_BYTES 32
#define NONCE "rOprNGfwEbeRWgbNEkqO"

static bool
say_base64(struct load_conn *c, const char *before, const char *data, size_t n)
{
	unsigned char text[2048];

	if (n > sizeof text / 4 * 3 - 4)
		return false;
	EVP_EncodeBlock(text, (const unsigned char *)data, (int)n);
	return load_print(c, "%s%s\r\n", before, text);
}

/* What follows "+ ", decoded, in OUT. */
static bool
read_base64(struct load_conn *c, char out[1024])
{
	char *line = load_line(c);
	size_t n = line ? strlen(line) : 0;

	if (n < 3 || line[0] != '+' || n > 1024)
		return false;
	int got = EVP_DecodeBlock((unsigned char *)out, (unsigned char *)line + 2, (int)n - 2);
	for (size_t i = n; i-- > 2 && line[i] == '=' && got > 0;)
		got--;
	if (got < 0)
		return false;
	out[got] = 0;
	return true;
}

static bool
log_in_plain(struct load_conn *c, const char *user, const char *password)
{
	char plain[512];
	int n = snprintf(plain, sizeof plain, "%c%s%c%s", 0, user, 0, password);

	return n > 0 && (size_t)n < sizeof plain &&
		say_base64(c, "l AUTHENTICATE PLAIN ", plain, (size_t)n);
}

static void
hmac(const unsigned char *key, const char *text, unsigned char out[HASH_BYTES])
{
	HMAC(EVP_sha256(), key, HASH_BYTES, (const unsigned char *)text, strlen(text), out, NULL);
}

/* FIRST is the server's message "r=...,s=...,i=...", which is taken apart. */
static bool
prove(char *first, const char *bare, const char *password, char out[1024])
{
	unsigned char salt[256], salted[HASH_BYTES], key[HASH_BYTES], stored[HASH_BYTES],
		signature[HASH_BYTES], proof[64];
	char auth[2048], final[512];
	char *s = strstr(first, ",s="), *i = strstr(first, ",i=");

	if (strncmp(first, "r=", 2) || !s || !i || i < s || i - s - 3 > 256)
		return false;
	snprintf(final, sizeof final, "c=biws,r=%.*s", (int)(s - first - 2), first + 2);
	snprintf(auth, sizeof auth, "%s,%s,%s", bare, first, final);
	int rounds = (int)strtol(i + 3, NULL, 10);
	int salt_n = EVP_DecodeBlock(salt, (unsigned char *)s + 3, (int)(i - s - 3));
	for (char *end = i; end[-1] == '=' && salt_n > 0; end--)
		salt_n--;
	if (salt_n < 0 ||
		PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt, salt_n, rounds,
			EVP_sha256(), HASH_BYTES, salted) != 1)
		return false;
	hmac(salted, "Client Key", key);
	if (EVP_Digest(key, HASH_BYTES, stored, NULL, EVP_sha256(), NULL) != 1)
		return false;
	hmac(stored, auth, signature);
	for (size_t k = 0; k < HASH_BYTES; k++)
		key[k] ^= signature[k];
	EVP_EncodeBlock(proof, key, HASH_BYTES);
	return snprintf(out, 1024, "%s,p=%s", final, proof) < 1024;
}

static bool
log_in_scram(struct load_conn *c, const char *user, const char *password)
{
	char bare[512], first[600], server[1024], final[1024];

	snprintf(bare, sizeof bare, "n=%s,r=" NONCE, user);
	int n = snprintf(first, sizeof first, "n,,%s", bare);
	return say_base64(c, "l AUTHENTICATE SCRAM-SHA-256 ", first, (size_t)n) &&
		read_base64(c, server) && prove(server, bare, password, final) &&
		say_base64(c, "", final, strlen(final)) && read_base64(c, server) &&
		load_print(c, "\r\n");
}

bool
load_imap_sasl(struct load_conn *c, const char *mechanism, const char *user, const char *password)
{
	bool ok = !strcmp(mechanism, "scram") ? log_in_scram(c, user, password)
	                                      : log_in_plain(c, user, password);
	return ok && load_imap_answer(c, "l");
}
