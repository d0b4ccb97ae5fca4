/* dkim_test.c - what we sign verifies, what was changed does not, and odd keys earn no credit. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include <opendkim/dkim.h>
#pragma GCC diagnostic pop

#include "common/text/encode.h"
#include "spamfilter/dkim.h"
#include "spamfilter/keys.h"
#include "tests/unit/check.h"

#define DOMAIN "sign.test"

enum key_name { K_RSA, K_RSA1024, K_RSA768, K_ED, K_COUNT };
static struct {
	char *pem, *record;
} keys[K_COUNT];
static struct cv_resolver *resolver;
static struct spam_dns *dns;
static struct spam_lookups lookups;
static char folder[] = "/tmp/congvu-dkim-XXXXXX";

/* ---- keys and zone ---- */

static void
make_key(enum key_name name, unsigned bits)
{
	EVP_PKEY *key = bits ? EVP_RSA_gen(bits) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *bio = BIO_new(BIO_s_mem());
	struct cv_buf base64 = CV_BUF_INIT(8192), record = CV_BUF_INIT(8192);
	unsigned char der[4096], *p = der;
	size_t n = sizeof der;
	char *text;

	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	long length = BIO_get_mem_data(bio, &text);
	keys[name].pem = cv_strndup(text, (size_t)length);
	if (bits)
		n = (size_t)i2d_PUBKEY(key, &p);
	else
		EVP_PKEY_get_raw_public_key(key, der, &n);
	cv_base64_encode(cv_str((char *)der, n), &base64);
	cv_buf_printf(&record, "v=DKIM1; k=%s; p=%s", bits ? "rsa" : "ed25519", base64.p);
	keys[name].record = cv_buf_take(&record);
	cv_buf_done(&base64);
	BIO_free(bio);
	EVP_PKEY_free(key);
}

static void
zone_line(FILE *zone, const char *selector, const char *before, const char *record)
{
	fprintf(zone, "%s._domainkey." DOMAIN ". TXT \"%s\"", selector, before);
	for (size_t i = 0; i < strlen(record); i += 200)
		fprintf(zone, " \"%.200s\"", record + i);
	fprintf(zone, "\n");
}

static int
setup(void **state)
{
	char path[64];
	struct cv_err err;

	(void)state;
	make_key(K_RSA, 2048);
	make_key(K_RSA1024, 1024);
	make_key(K_RSA768, 768);
	make_key(K_ED, 0);
	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof path, "%s/zone", folder);
	FILE *zone = fopen(path, "w");
	if (!zone)
		return 1;
	fprintf(zone, "$TTL 300\n; fail fails._domainkey." DOMAIN "\n");
	zone_line(zone, "rsa", "", keys[K_RSA].record);
	zone_line(zone, "rsa1024", "", keys[K_RSA1024].record);
	zone_line(zone, "rsa768", "", keys[K_RSA768].record);
	zone_line(zone, "ed", "", keys[K_ED].record);
	zone_line(zone, "wrong", "", keys[K_RSA1024].record);
	zone_line(zone, "revoked", "v=DKIM1; p=", "");
	zone_line(zone, "testing", "t=y; ", keys[K_RSA].record + strlen("v=DKIM1; "));
	zone_line(zone, "twice", "", keys[K_RSA].record);
	zone_line(zone, "twice", "", keys[K_RSA1024].record);
	zone_line(zone, "sha1only", "v=DKIM1; h=sha1; ", keys[K_RSA].record + strlen("v=DKIM1; "));
	zone_line(zone, "garbage", "p=!!!", "");
	fprintf(zone, "rsa._domainkey.victim.test. TXT \"%s\"\n", keys[K_RSA1024].record);
	fclose(zone);
	struct cv_resolver_options o = {.zone_file = path};
	if (cv_resolver_new(&o, &resolver, &err) != CV_OK)
		return 1;
	dns = spam_dns_new(resolver);
	spam_lookups_start(&lookups, dns);
	return 0;
}

static int
teardown(void **state)
{
	char command[100];

	(void)state;
	spam_lookups_end(&lookups);
	spam_dns_free(dns);
	cv_resolver_free(resolver);
	for (size_t i = 0; i < K_COUNT; i++) {
		free(keys[i].pem);
		free(keys[i].record);
	}
	snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command);
}

/* ---- messages ---- */

struct field {
	const char *name, *value;
};
static const struct field letter[] = {
	{"From",       " Nguyen Van Hoa <nvhoa.stp@" DOMAIN ">"                          },
	{"To",         " a@example.test,\n\tb@example.test"                              },
	{"Subject",    " =?UTF-8?Q?Gi=E1=BA=A5y_m=E1=BB=9Di?=\n =?UTF-8?Q?_h=E1=BB=8Dp?="},
	{"Date",       " Mon, 23 Nov 2026 08:00:00 +0700"                                },
	{"Message-ID", " <1@" DOMAIN ">"						 },
	{NULL,         NULL							      },
};
#define BODY "Line  one \r\n\r\nLine two\r\n\r\n\r\n"

static void
feed(struct spam_dkim_stream *s, const struct field *fields, const char *signature,
	const char *more_name, const char *more_value, const char *body, size_t piece)
{
	struct cv_str rest = cv_str_z(body);

	if (signature)
		spam_dkim_header(s, CV_STR("DKIM-Signature"), cv_str_z(signature));
	for (size_t i = 0; fields[i].name; i++)
		spam_dkim_header(s, cv_str_z(fields[i].name), cv_str_z(fields[i].value));
	if (more_name)
		spam_dkim_header(s, cv_str_z(more_name), cv_str_z(more_value));
	spam_dkim_eoh(s);
	for (size_t at = 0; at < rest.n; at += piece)
		spam_dkim_body(s, cv_str_sub(rest, at, at + piece));
	spam_dkim_end(s);
}

/* The value of DKIM-Signature with its blank, on the heap. */
static char *
sign(enum key_name key, const char *selector, const char *body, size_t piece)
{
	struct cv_buf out = CV_BUF_INIT(8192);
	struct cv_err err;
	struct spam_dkim_key *private;

	assert_int_equal(spam_dkim_key_read(keys[key].pem,
				 key == K_ED ? SPAM_ED25519_SHA256 : SPAM_RSA_SHA256, &private,
				 &err),
		CV_OK);
	struct spam_dkim_stream *s = spam_dkim_signer(private, selector, DOMAIN);
	feed(s, letter, NULL, NULL, NULL, body, piece);
	cv_buf_c(&out, ' ');
	if (spam_dkim_signature_write(s, &out, &err) != CV_OK)
		print_error("%s\n", err.text);
	spam_dkim_stream_free(s);
	spam_dkim_key_free(private);
	return cv_buf_take(&out);
}

static struct spam_dkim_signature
verify(const char *signature, const struct field *fields, const char *more_name,
	const char *more_value, const char *body, size_t piece)
{
	struct spam_dkim_signature sigs[SPAM_DKIM_SIGNATURES_MAX] = {{.result = SPAM_DKIM_NONE}};
	struct spam_dkim_stream *s = spam_dkim_verifier(&lookups);

	feed(s, fields, signature, more_name, more_value, body, piece);
	(void)spam_dkim_signatures(s, sigs);
	spam_dkim_stream_free(s);
	return sigs[0];
}

/* ---- tests ---- */

static void
test_dkim__verifies_what_it_signed(void **state)
{
	static const struct {
		const char *name;
		enum key_name key;
		const char *selector, *signed_body, *body;
		/* clang-format off */
	} rows[] = {
		{"RSA", K_RSA, "rsa", BODY, BODY},
		{"ed25519", K_ED, "ed", BODY, BODY},
		{"RSA of 1024 bits", K_RSA1024, "rsa1024", BODY, BODY},
		{"empty body", K_RSA, "rsa", "", ""},
		{"empty body, ed25519", K_ED, "ed", "", ""},
		{"last line open", K_RSA, "rsa", "no end", "no end\r\n"},
		{"last line ends in CR", K_ED, "ed", "no end\r", "no end\r\n"},
		{"trailing blanks and lines", K_RSA, "rsa", BODY, "Line one\r\n\r\nLine two\r\n"},
	};
	/* clang-format on */
	static const size_t pieces[] = {1, 2, 7, 1u << 20};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		for (size_t k = 0; k < CV_COUNT(pieces); k++) {
			char *value =
				sign(rows[i].key, rows[i].selector, rows[i].signed_body, pieces[k]);
			struct spam_dkim_signature sig =
				verify(value, letter, NULL, NULL, rows[i].body, pieces[k]);
			if (sig.result != SPAM_DKIM_PASS)
				print_error("%s: %s\n", spam_dkim_word(sig.result), sig.why);
			CHECK(rows[i].name, sig.result == SPAM_DKIM_PASS);
			CHECK(rows[i].name, !strcmp(sig.domain, DOMAIN));
			CHECK(rows[i].name, !strcmp(sig.selector, rows[i].selector));
			CHECK(rows[i].name, strlen(sig.b) == 8);
			CHECK(rows[i].name, strstr(value, "c=relaxed/relaxed") != NULL);
			CHECK(rows[i].name, !strchr(value, '\r'));
			free(value);
		}
	}
	CHECK_END();
}

static void
test_dkim__fails_what_was_changed(void **state)
{
	static const struct {
		const char *name;
		const char *field, *value; /* changed; or, with MORE, added */
		bool more;
		const char *body;
		enum spam_dkim_result want;
		/* clang-format off */
	} rows[] = {
		{"nothing changed", NULL, NULL, false, BODY, SPAM_DKIM_PASS},
		{"a field folded anew", "To", " a@example.test, b@example.test", false, BODY,
		 SPAM_DKIM_PASS},
		{"a field nobody signed", "X-Other", " x", true, BODY, SPAM_DKIM_PASS},
		{"body changed", NULL, NULL, false, "Line one\r\n\r\nLine 2\r\n", SPAM_DKIM_FAIL},
		{"body longer", NULL, NULL, false, BODY "more\r\n", SPAM_DKIM_FAIL},
		{"body gone", NULL, NULL, false, "", SPAM_DKIM_FAIL},
		{"subject changed", "Subject", " other", false, BODY, SPAM_DKIM_FAIL},
		{"author changed", "From", " x@" DOMAIN, false, BODY, SPAM_DKIM_FAIL},
		{"a second author", "From", " x@other.test", true, BODY, SPAM_DKIM_FAIL},
		{"a second subject", "Subject", " other", true, BODY, SPAM_DKIM_FAIL},
		{"a reply address added", "Reply-To", " x@other.test", true, BODY, SPAM_DKIM_FAIL},
		{"a type added", "Content-Type", " text/html", true, BODY, SPAM_DKIM_FAIL},
	};
	/* clang-format on */
	char *values[] = {sign(K_RSA, "rsa", BODY, 100), sign(K_ED, "ed", BODY, 100)};

	(void)state;
	for (size_t k = 0; k < CV_COUNT(values); k++) {
		for (size_t i = 0; i < CV_COUNT(rows); i++) {
			struct field fields[CV_COUNT(letter)];
			memcpy(fields, letter, sizeof fields);
			for (size_t f = 0; rows[i].field && !rows[i].more && fields[f].name; f++)
				if (!strcmp(fields[f].name, rows[i].field))
					fields[f].value = rows[i].value;
			struct spam_dkim_signature sig =
				verify(values[k], fields, rows[i].more ? rows[i].field : NULL,
					rows[i].value, rows[i].body, 3);
			if (sig.result != rows[i].want)
				print_error("%s: %s\n", spam_dkim_word(sig.result), sig.why);
			CHECK(rows[i].name, sig.result == rows[i].want);
			CHECK(rows[i].name, (sig.result == SPAM_DKIM_PASS) == !sig.why[0]);
		}
		free(values[k]);
	}
	CHECK_END();
}

static void
test_dkim__gives_no_credit_to_odd_keys(void **state)
{
	static const struct {
		const char *name;
		enum key_name key;
		const char *selector;
		enum spam_dkim_result want;
		/* clang-format off */
	} rows[] = {
		{"no such key", K_RSA, "absent", SPAM_DKIM_PERMERROR},
		{"DNS fails", K_RSA, "fails", SPAM_DKIM_TEMPERROR},
		{"revoked", K_RSA, "revoked", SPAM_DKIM_PERMERROR},
		{"another key", K_RSA, "wrong", SPAM_DKIM_FAIL},
		{"an RSA key for ed25519", K_ED, "rsa", SPAM_DKIM_PERMERROR},
		{"an ed25519 key for RSA", K_RSA, "ed", SPAM_DKIM_PERMERROR},
		{"a test key", K_RSA, "testing", SPAM_DKIM_NEUTRAL},
		{"two records", K_RSA, "twice", SPAM_DKIM_PERMERROR},
		{"a key for sha1 alone", K_RSA, "sha1only", SPAM_DKIM_PERMERROR},
		{"a key of rubbish", K_RSA, "garbage", SPAM_DKIM_PERMERROR},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char *value = sign(rows[i].key, rows[i].selector, BODY, 100);
		struct spam_dkim_signature sig = verify(value, letter, NULL, NULL, BODY, 100);
		if (sig.result != rows[i].want)
			print_error(
				"%s: %s, %s\n", rows[i].name, spam_dkim_word(sig.result), sig.why);
		CHECK(rows[i].name, sig.result == rows[i].want && sig.why[0]);
		free(value);
	}
	CHECK_END();
}

/* FROM's tags in another's name. */
static char *
rename_tag(const char *from, const char *old, const char *new)
{
	const char *at = strstr(from, old);
	struct cv_buf out = CV_BUF_INIT(8192);

	assert_non_null(at);
	cv_buf_printf(&out, "%.*s%s%s", (int)(at - from), from, new, at + strlen(old));
	return cv_buf_take(&out);
}

/* The b=, h= and a= of a good signature in a field that names another domain, or another key, earn
 * that one nothing: neither above nor below the good one (RFC 6376 6.1.3). */
static void
test_dkim__gives_no_credit_to_a_copied_signature(void **state)
{
	static const struct {
		const char *name, *old, *new;
	} rows[] = {
		{"another domain",   "d=" DOMAIN, "d=victim.test"},
		{"another selector", "s=rsa;",    "s=rsa1024;"   },
	};
	char *good = sign(K_RSA, "rsa", BODY, 100);

	(void)state;
	for (size_t i = 0; i < 2 * CV_COUNT(rows); i++) {
		char *forged = rename_tag(good, rows[i / 2].old, rows[i / 2].new);
		struct spam_dkim_signature sigs[SPAM_DKIM_SIGNATURES_MAX];
		struct spam_dkim_stream *s = spam_dkim_verifier(&lookups);
		bool above = i % 2;
		feed(s, letter, above ? forged : good, "DKIM-Signature", above ? good : forged,
			BODY, 100);
		assert_int_equal(spam_dkim_signatures(s, sigs), 2);
		CHECK(rows[i / 2].name, sigs[above].result == SPAM_DKIM_PASS);
		CHECK(rows[i / 2].name, sigs[!above].result == SPAM_DKIM_FAIL);
		spam_dkim_stream_free(s);
		free(forged);
	}
	free(good);
	CHECK_END();
}

/* Signatures that we never write. */
static char *
sign_oddly(enum key_name key, const char *selector, dkim_alg_t alg, ssize_t length)
{
	DKIM_LIB *lib = dkim_init(NULL, NULL);
	unsigned bits = 512;
	DKIM_STAT status;
	u_char *text;
	size_t n;
	struct cv_buf out = CV_BUF_INIT(8192);
	DKIM *d = dkim_sign(lib, (const u_char *)"t", NULL, (dkim_sigkey_t)keys[key].pem,
		(const u_char *)selector, (const u_char *)DOMAIN, DKIM_CANON_RELAXED,
		DKIM_CANON_RELAXED, alg, length, &status);

	assert_non_null(d);
	(void)dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits, sizeof bits);
	for (size_t i = 0; letter[i].name; i++) {
		struct cv_buf field = CV_BUF_INIT(1000);
		cv_buf_printf(&field, "%s:", letter[i].name);
		for (const char *c = letter[i].value; *c; c++)
			cv_buf_z(&field, *c == '\n' ? "\r\n" : (char[]){*c, 0});
		assert_int_equal(dkim_header(d, (u_char *)field.p, field.n), DKIM_STAT_OK);
		cv_buf_done(&field);
	}
	assert_int_equal(dkim_eoh(d), DKIM_STAT_OK);
	assert_int_equal(dkim_body(d, (u_char *)(uintptr_t)BODY, strlen(BODY)), DKIM_STAT_OK);
	assert_int_equal(dkim_eom(d, NULL), DKIM_STAT_OK);
	assert_int_equal(dkim_getsighdr_d(d, 16, &text, &n), DKIM_STAT_OK);
	cv_buf_printf(&out, " %s", (char *)text);
	dkim_free(d);
	dkim_close(lib);
	return cv_buf_take(&out);
}

static void
test_dkim__gives_no_credit_to_weak_signatures(void **state)
{
	static const struct {
		const char *name;
		dkim_alg_t alg;
		ssize_t length;
		const char *body;
		enum spam_dkim_result want;
		/* clang-format off */
	} rows[] = {
		{"rsa-sha256 over all", DKIM_SIGN_RSASHA256, -1, BODY, SPAM_DKIM_PASS},
		{"rsa-sha1", DKIM_SIGN_RSASHA1, -1, BODY, SPAM_DKIM_FAIL},
		{"l= of the first line", DKIM_SIGN_RSASHA256, 10, BODY, SPAM_DKIM_NEUTRAL},
		{"l= and more behind", DKIM_SIGN_RSASHA256, 10, BODY "buy!\r\n", SPAM_DKIM_NEUTRAL},
		{"l= of nothing", DKIM_SIGN_RSASHA256, 0, BODY, SPAM_DKIM_NEUTRAL},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char *value = sign_oddly(K_RSA, "rsa", rows[i].alg, rows[i].length);
		struct spam_dkim_signature sig =
			verify(value, letter, NULL, NULL, rows[i].body, 100);
		if (sig.result != rows[i].want)
			print_error(
				"%s: %s, %s\n", rows[i].name, spam_dkim_word(sig.result), sig.why);
		CHECK(rows[i].name, sig.result == rows[i].want);
		free(value);
	}
	char *weak = sign_oddly(K_RSA768, "rsa768", DKIM_SIGN_RSASHA256, -1);
	CHECK("768 bits", verify(weak, letter, NULL, NULL, BODY, 100).result == SPAM_DKIM_FAIL);
	free(weak);
	CHECK_END();
}

static void
test_dkim__survives_broken_signatures(void **state)
{
	static const char *const values[] = {"", " ", " v=1", " garbage", " v=1; a=rsa-sha256",
		" v=1; a=rsa-sha256; d=" DOMAIN "; s=rsa; h=from; bh=!; b=!",
		" v=2; a=rsa-sha256; d=" DOMAIN "; s=rsa; h=from; bh=AAAA; b=AAAA",
		" v=1; a=rsa-sha256; d=" DOMAIN "; s=rsa; h=subject; bh=AAAA; b=AAAA",
		" v=1; a=rsa-sha256; d=" DOMAIN
		"; s=rsa; h=from; bh=AAAA; b=AAAA; l=99999999999999",
		" v=1; a=rsa-sha256; d=" DOMAIN "; s=rsa; h=from; bh=AAAA; b=AAAA; x=1",
		" v=1; a=x-y; d=" DOMAIN "; s=rsa; h=from; bh=AAAA; b=AAAA; c=a/b"};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(values); i++) {
		struct spam_dkim_signature sig = verify(values[i], letter, NULL, NULL, BODY, 100);
		CHECK(values[i], sig.result != SPAM_DKIM_PASS);
	}
	CHECK_END();
}

static void
test_dkim__looks_at_every_signature_up_to_a_limit(void **state)
{
	struct spam_dkim_signature sigs[SPAM_DKIM_SIGNATURES_MAX];
	struct spam_dkim_stream *s = spam_dkim_verifier(&lookups);
	char *good = sign(K_ED, "ed", BODY, 100), *bad = sign(K_RSA, "absent", BODY, 100);

	(void)state;
	for (size_t i = 0; i < 30; i++)
		spam_dkim_header(s, CV_STR("DKIM-Signature"), cv_str_z(i % 2 ? good : bad));
	feed(s, letter, NULL, NULL, NULL, BODY, 100);
	CHECK("as many as allowed", spam_dkim_signatures(s, sigs) == SPAM_DKIM_SIGNATURES_MAX);
	for (size_t i = 0; i < SPAM_DKIM_SIGNATURES_MAX; i++)
		CHECK("each by itself",
			sigs[i].result == (i % 2 ? SPAM_DKIM_PASS : SPAM_DKIM_PERMERROR));
	spam_dkim_stream_free(s);
	free(good);
	free(bad);
	CHECK_END();
}

static void
test_key_read__takes_no_key_that_must_not_sign(void **state)
{
	static const char *const pems[] = {"", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n"};
	struct spam_dkim_key *key;
	struct cv_err err;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(pems); i++)
		CHECK(pems[i], spam_dkim_key_read(pems[i], SPAM_RSA_SHA256, &key, &err) ==
				       CV_INVALID);
	CHECK("of another kind",
		spam_dkim_key_read(keys[K_ED].pem, SPAM_RSA_SHA256, &key, &err) == CV_INVALID);
	CHECK("of another kind",
		spam_dkim_key_read(keys[K_RSA].pem, SPAM_ED25519_SHA256, &key, &err) == CV_INVALID);
	CHECK("too small",
		spam_dkim_key_read(keys[K_RSA768].pem, SPAM_RSA_SHA256, &key, &err) == CV_INVALID);
	CHECK_END();
}

/* ---- threads: keys, parsed once, are shared ---- */

static void *
work(void *failures)
{
	struct spam_dkim_signature sigs[SPAM_DKIM_SIGNATURES_MAX];
	struct spam_lookups mine;

	for (unsigned i = 0; i < 25; i++) {
		char *value = sign(i % 2 ? K_RSA : K_ED, i % 2 ? "rsa" : "ed", BODY, 100);
		spam_lookups_start(&mine, dns);
		struct spam_dkim_stream *s = spam_dkim_verifier(&mine);
		feed(s, letter, value, NULL, NULL, BODY, 100);
		bool good = spam_dkim_signatures(s, sigs) == 1 && sigs[0].result == SPAM_DKIM_PASS;
		spam_dkim_stream_free(s);
		spam_lookups_end(&mine);
		free(value);
		if (!good)
			atomic_fetch_add((atomic_uint *)failures, 1);
	}
	return NULL;
}

static void
test_dkim__serves_threads_at_once(void **state)
{
	pthread_t threads[4];
	atomic_uint failures = 0;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, &failures), 0);
	for (size_t i = 0; i < CV_COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&failures), 0);
}

/* ---- key files ---- */

static void
put_file(const char *name, const char *text)
{
	char path[200];

	snprintf(path, sizeof path, "%s/keys/dkim/" DOMAIN "/%s", folder, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
test_keys__follow_the_files(void **state)
{
	char path[200];
	struct spam_keys *k;
	const struct spam_key_set *set, *old;

	(void)state;
	for (const char *const *sub = (const char *const[]){"", "/dkim", "/dkim/" DOMAIN, NULL};
		*sub; sub++) {
		snprintf(path, sizeof path, "%s/keys%s", folder, *sub);
		mkdir(path, 0700);
	}
	snprintf(path, sizeof path, "%s/keys", folder);
	k = spam_keys_new(path);
	/* Whoever may submit may write any From: such domains push no real one out. */
	for (unsigned i = 0; i < 1100; i++) {
		snprintf(path, sizeof path, "made-up%u.test", i);
		CHECK("made up", !spam_keys_get(k, path));
	}
	CHECK("nothing current", !spam_keys_get(k, DOMAIN));
	CHECK("no such domain", !spam_keys_get(k, "other.test"));
	CHECK("a path is no domain", !spam_keys_get(k, "../" DOMAIN));
	put_file("s1.pem", keys[K_RSA].pem);
	put_file("s1-ed.ed25519.pem", keys[K_ED].pem);
	put_file("s2.pem", keys[K_RSA1024].pem);
	put_file("current", "s1\ns1-ed\n\n../s2\nabsent\n");
	CHECK("not looked at again at once", !spam_keys_get(k, DOMAIN));
	spam_keys_refresh(k);
	old = spam_keys_get(k, DOMAIN);
	CHECK("a pair", old && old->count == 2);
	CHECK("RSA",
		old && !strcmp(old->keys[0].selector, "s1") && old->keys[0].alg == SPAM_RSA_SHA256);
	CHECK("ed25519", old && !strcmp(old->keys[1].selector, "s1-ed") &&
				 old->keys[1].alg == SPAM_ED25519_SHA256);
	put_file("current", "s1\ns2\n");
	spam_keys_refresh(k);
	set = spam_keys_get(k, DOMAIN);
	CHECK("rotated", set && set->count == 2 && !strcmp(set->keys[1].selector, "s2"));
	CHECK("the old set is still held", !strcmp(old->keys[1].selector, "s1-ed"));
	spam_keys_unref(k, old);
	spam_keys_unref(k, set);
	spam_keys_free(k);
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dkim__verifies_what_it_signed),
		cmocka_unit_test(test_dkim__fails_what_was_changed),
		cmocka_unit_test(test_dkim__gives_no_credit_to_odd_keys),
		cmocka_unit_test(test_dkim__gives_no_credit_to_a_copied_signature),
		cmocka_unit_test(test_dkim__gives_no_credit_to_weak_signatures),
		cmocka_unit_test(test_dkim__survives_broken_signatures),
		cmocka_unit_test(test_dkim__looks_at_every_signature_up_to_a_limit),
		cmocka_unit_test(test_key_read__takes_no_key_that_must_not_sign),
		cmocka_unit_test(test_dkim__serves_threads_at_once),
		cmocka_unit_test(test_keys__follow_the_files),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
