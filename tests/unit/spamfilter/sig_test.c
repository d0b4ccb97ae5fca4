/* sig_test.c - tag lists, signatures and key records: what is one, what is not, and why not. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "common/text/encode.h"
#include "spamfilter/sig/sig.h"
#include "tests/unit/check.h"

/* ---- key records (RFC 6376 3.6.1, RFC 8463) ---- */

#define ED_KEY "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static void
test_key_parse__says_what_a_record_is(void **state)
{
	static const struct {
		const char *text;
		enum sig_key_state want;
		/* clang-format off */
	} rows[] = {
		{"v=DKIM1; k=ed25519; p=" ED_KEY, SIG_KEY_GOOD},
		{"k=ed25519; p=" ED_KEY, SIG_KEY_GOOD},
		{"k=ed25519; p=" ED_KEY ";", SIG_KEY_GOOD},
		{" v = DKIM1 ;\tk = ed25519 ; p = " ED_KEY " ; ", SIG_KEY_GOOD},
		{"v=DKIM1; k=ed25519; n=a note; x=unknown; p=" ED_KEY, SIG_KEY_GOOD},
		{"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQH Og7hcvPapi MlrwIaaPcHURo=", SIG_KEY_GOOD},
		{"k=ed25519; h=sha1:sha256; p=" ED_KEY, SIG_KEY_GOOD},
		{"k=ed25519; h=sha256 : x; p=" ED_KEY, SIG_KEY_GOOD},
		{"k=ed25519; s=*; p=" ED_KEY, SIG_KEY_GOOD},
		{"k=ed25519; s=web:email; p=" ED_KEY, SIG_KEY_GOOD},
		{"v=DKIM1; p=", SIG_KEY_REVOKED},
		{"p=", SIG_KEY_REVOKED},
		{"v=DKIM1; k=ed25519; p= ;", SIG_KEY_REVOKED},
		{"", SIG_KEY_MALFORMED},
		{"some text", SIG_KEY_MALFORMED},
		{"v=DKIM1", SIG_KEY_MALFORMED},
		{"v=DKIM1; k=ed25519", SIG_KEY_MALFORMED},
		{"v=DKIM2; k=ed25519; p=" ED_KEY, SIG_KEY_MALFORMED},
		{"v=dkim1; k=ed25519; p=" ED_KEY, SIG_KEY_MALFORMED},
		{"k=ed25519; v=DKIM1; p=" ED_KEY, SIG_KEY_MALFORMED},
		{"v=DKIM1; k=ed25519; p=" ED_KEY "; p=" ED_KEY, SIG_KEY_MALFORMED},
		{"v=DKIM1;; k=ed25519; p=" ED_KEY, SIG_KEY_MALFORMED},
		{"v=DKIM1; =x; p=" ED_KEY, SIG_KEY_MALFORMED},
		{"v=DKIM1; 1k=x; p=" ED_KEY, SIG_KEY_MALFORMED},
		{"v=DKIM1 k=ed25519; p=" ED_KEY, SIG_KEY_MALFORMED},
		{"v=DKIM1; k=ed25519; P=" ED_KEY, SIG_KEY_MALFORMED},
		{"k=ed25519; p=\x01", SIG_KEY_MALFORMED},
		{"k=ed25519; h=sha1; p=" ED_KEY, SIG_KEY_UNFIT},
		{"k=ed25519; h=; p=" ED_KEY, SIG_KEY_UNFIT},
		{"k=ed25519; s=web; p=" ED_KEY, SIG_KEY_UNFIT},
		{"k=ed25519; s=; p=" ED_KEY, SIG_KEY_UNFIT},
		{"k=dsa; p=" ED_KEY, SIG_KEY_UNKNOWN},
		{"k=Ed25519; p=" ED_KEY, SIG_KEY_UNKNOWN},
		{"k=; p=" ED_KEY, SIG_KEY_UNKNOWN},
		{"k=ed25519; p=!!!", SIG_KEY_UNDECODABLE},
		{"k=ed25519; p=AAAA", SIG_KEY_UNDECODABLE},
		{"k=ed25519; p=" ED_KEY "AAAA", SIG_KEY_UNDECODABLE},
		{"k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo", SIG_KEY_UNDECODABLE},
		{"p=" ED_KEY, SIG_KEY_UNDECODABLE},
		{"k=rsa; p=AAAA", SIG_KEY_UNDECODABLE},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct sig_key *key = sig_key_parse(cv_str_z(rows[i].text));
		if (key->state != rows[i].want)
			print_error("%s: %s\n", rows[i].text, sig_key_words(key->state));
		CHECK(rows[i].text, key->state == rows[i].want);
		CHECK(rows[i].text, (key->state == SIG_KEY_GOOD) == !sig_key_words(key->state)[0]);
		sig_key_free(key);
	}
	CHECK_END();
}

static void
test_key_parse__knows_flags(void **state)
{
	static const struct {
		const char *text;
		bool test, strict;
	} rows[] = {
		{"k=ed25519; p=" ED_KEY,               false, false},
		{"k=ed25519; t=y; p=" ED_KEY,          true,  false},
		{"k=ed25519; t=s; p=" ED_KEY,          false, true },
		{"k=ed25519; t=y:s; p=" ED_KEY,        true,  true },
		{"k=ed25519; t= s : x : y; p=" ED_KEY, true,  true },
		{"k=ed25519; t=ys; p=" ED_KEY,         false, false},
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct sig_key *key = sig_key_parse(cv_str_z(rows[i].text));
		CHECK(rows[i].text,
			key->is_test == rows[i].test && key->is_strict == rows[i].strict);
		sig_key_free(key);
	}
	CHECK_END();
}

/* The record of an RSA key: a SubjectPublicKeyInfo or, BARE, the RSAPublicKey of RFC 6376. */
static char *
rsa_record(EVP_PKEY *key, bool bare)
{
	struct cv_buf record = CV_BUF_INIT(8192);
	unsigned char der[2048], *p = der;
	int n = bare ? i2d_PublicKey(key, &p) : i2d_PUBKEY(key, &p);

	cv_buf_z(&record, "v=DKIM1; p=");
	cv_base64_encode(cv_str((const char *)der, (size_t)n), &record);
	return cv_buf_take(&record);
}

static void
test_key_parse__bounds_rsa(void **state)
{
	static const struct {
		unsigned bits;
		enum sig_key_state want;
	} rows[] = {
		{512,  SIG_KEY_SMALL},
		{1023, SIG_KEY_SMALL},
		{1024, SIG_KEY_GOOD },
		{2048, SIG_KEY_GOOD }
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		EVP_PKEY *key = EVP_RSA_gen(rows[i].bits);
		for (unsigned bare = 0; key && bare < 2; bare++) {
			char *text = rsa_record(key, bare);
			struct sig_key *read = sig_key_parse(cv_str_z(text));
			if (read->state != rows[i].want)
				print_error("%u bits, bare %u: %s\n", rows[i].bits, bare,
					sig_key_words(read->state));
			CHECK("state", read->state == rows[i].want);
			sig_key_free(read);
			free(text);
		}
		EVP_PKEY_free(key);
	}
	CHECK_END();
}

/* Numbers that no key generator makes: too large a modulus, exponents that cost or mean nothing. */
static void
test_key_parse__refuses_costly_numbers(void **state)
{
	static const struct {
		const char *name;
		size_t modulus_bytes;
		unsigned char exponent[16];
		size_t exponent_bytes;
		enum sig_key_state want;
	} rows[] = {
		{"2048 bits",           256,  {1, 0, 1},                   3, SIG_KEY_GOOD       },
		{"4096 bits",           512,  {1, 0, 1},                   3, SIG_KEY_GOOD       },
		{"4104 bits",           513,  {1, 0, 1},                   3, SIG_KEY_LARGE      },
		{"16384 bits",          2048, {1, 0, 1},                   3, SIG_KEY_LARGE      },
		{"exponent 1",          256,  {1},                         1, SIG_KEY_UNDECODABLE},
		{"exponent 3",          256,  {3},                         1, SIG_KEY_GOOD       },
		{"even exponent",       256,  {1, 0, 0},                   3, SIG_KEY_UNDECODABLE},
		{"72 bits of exponent", 256,  {1, 0, 0, 0, 0, 0, 0, 0, 1}, 9, SIG_KEY_UNDECODABLE},
	};
	static unsigned char der[4096];

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_buf record = CV_BUF_INIT(16384);
		size_t n = rows[i].modulus_bytes + 1, e = rows[i].exponent_bytes, at = 0;
		size_t inside = 4 + n + 2 + e;
		const unsigned char head[] = {0x30, 0x82, (unsigned char)(inside >> 8),
			(unsigned char)inside, 0x02, 0x82, (unsigned char)(n >> 8),
			(unsigned char)n};
		memcpy(der, head, sizeof head);
		at = sizeof head;
		der[at++] = 0;
		memset(der + at, 0xc5, n - 1);
		at += n - 1;
		der[at++] = 0x02;
		der[at++] = (unsigned char)e;
		memcpy(der + at, rows[i].exponent, e);
		cv_buf_z(&record, "p=");
		cv_base64_encode(cv_str((const char *)der, at + e), &record);
		struct sig_key *key = sig_key_parse(cv_buf_view(&record));
		if (key->state != rows[i].want)
			print_error("%s: %s\n", rows[i].name, sig_key_words(key->state));
		CHECK(rows[i].name, key->state == rows[i].want);
		sig_key_free(key);
		cv_buf_done(&record);
	}
	CHECK_END();
}

/* ---- signatures (RFC 6376 3.5) ---- */

#define BH  "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define SIG "v=1; a=rsa-sha256; d=a.test; s=s; h=from; " BH "; b=AAAA"

static void
test_sig_parse__says_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *fault;
		/* clang-format off */
	} rows[] = {
		{SIG, NULL},
		{" " SIG ";\r\n\t", NULL},
		{SIG "; x=1; t=0", NULL},
		{SIG "; unknown=anything; z=From:a|To:b", NULL},
		{SIG "; c=relaxed", NULL},
		{SIG "; c=simple/relaxed", NULL},
		{SIG "; i=@a.test", NULL},
		{SIG "; i=joe+x@sub.A.test", NULL},
		{SIG "; q=dns/txt:x", NULL},
		{SIG "; l=0", NULL},
		{"v=1; a=RSA-SHA256; d=A.Test; s=S; h=FROM : subject; " BH "; b=AA\r\n AA", NULL},
		{"v=1; a=ed25519-sha256; d=a.test; s=s.t; h=from; " BH "; b=AAAA", NULL},
		{"v=1; a=rsa-sha1; d=a.test; s=s; h=from; bh=2jmj7l5rSw0yVb/vlWAYkK/YBwk=; b=AAAA", NULL},
		{"v=1; a=rsa-sha256; d=tỉnh.test; s=s; h=from; " BH "; b=AAAA", NULL},
		{"", "no list of tags"},
		{"garbage", "no list of tags"},
		{SIG "; d=a.test", "no list of tags"},
		{SIG ";; x=1", "no list of tags"},
		{SIG "; no value", "no list of tags"},
		{SIG "; a b=c", "no list of tags"},
		{"a=rsa-sha256; d=a.test; s=s; h=from; " BH "; b=AAAA", "v= is not 1"},
		{"v=2; a=rsa-sha256; d=a.test; s=s; h=from; " BH "; b=AAAA", "v= is not 1"},
		{"v=1.0; a=rsa-sha256; d=a.test; s=s; h=from; " BH "; b=AAAA", "v= is not 1"},
		{"v=1; d=a.test; s=s; h=from; " BH "; b=AAAA", "a= is missing"},
		{"v=1; a=rsa-md5; d=a.test; s=s; h=from; " BH "; b=AAAA", "unknown algorithm"},
		{"v=1; a=rsa-sha256; s=s; h=from; " BH "; b=AAAA", "d= is no domain"},
		{"v=1; a=rsa-sha256; d=; s=s; h=from; " BH "; b=AAAA", "d= is no domain"},
		{"v=1; a=rsa-sha256; d=a..test; s=s; h=from; " BH "; b=AAAA", "d= is no domain"},
		{"v=1; a=rsa-sha256; d=a b.test; s=s; h=from; " BH "; b=AAAA", "d= is no domain"},
		{"v=1; a=rsa-sha256; d=a.test; h=from; " BH "; b=AAAA", "s= is no selector"},
		{"v=1; a=rsa-sha256; d=a.test; s=; h=from; " BH "; b=AAAA", "s= is no selector"},
		{"v=1; a=rsa-sha256; d=a.test; s=s; " BH "; b=AAAA", "h= is missing"},
		{"v=1; a=rsa-sha256; d=a.test; s=s; h=; " BH "; b=AAAA", "h= is missing"},
		{"v=1; a=rsa-sha256; d=a.test; s=s; h=subject:fromm; " BH "; b=AAAA", "From is not signed"},
		{SIG "; c=nofws", "c= names no canonical form"},
		{SIG "; c=relaxed/", "c= names no canonical form"},
		{SIG "; c=/relaxed", "c= names no canonical form"},
		{SIG "; c=", "c= names no canonical form"},
		{"v=1; a=rsa-sha256; d=a.test; s=s; h=from; b=AAAA", "bh= is missing"},
		{"v=1; a=rsa-sha256; d=a.test; s=s; h=from; bh=; b=AAAA", "bh= is no hash"},
		{"v=1; a=rsa-sha256; d=a.test; s=s; h=from; bh=AAAA; b=AAAA", "bh= is no hash"},
		{"v=1; a=rsa-sha256; d=a.test; s=s; h=from; bh=!; b=AAAA", "bh= is no hash"},
		{SIG "; l=-1", "l= is no number"},
		{SIG "; l=", "l= is no number"},
		{SIG "; l=99999999999999999999", "l= is no number"},
		{SIG "; q=http", "q= names no way to the key"},
		{SIG "; t=soon", "t= is no time"},
		{SIG "; t=9999999999999", "t= is no time"},
		{SIG "; x=later", "x= is no time after t="},
		{SIG "; t=100; x=100", "x= is no time after t="},
		{SIG "; t=100; x=99", "x= is no time after t="},
		{SIG "; i=a.test", "i= is no address"},
		{SIG "; i=joe@", "i= is no address"},
		{SIG "; i=joe@b.test", "i= is not of d="},
		{SIG "; i=joe@xa.test", "i= is not of d="},
		{SIG "; i=joe@test", "i= is not of d="},
		{"v=1; a=rsa-sha256; d=a.test; s=s; h=from; " BH, "b= is missing"},
		{"v=1; a=rsa-sha256; d=a.test; s=s; h=from; " BH "; b=", "b= is no base64"},
		{"v=1; a=rsa-sha256; d=a.test; s=s; h=from; " BH "; b=?", "b= is no base64"},
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct sig sig;
		sig_parse(&arena, cv_str_z(rows[i].text), SIG_DKIM, &sig);
		bool good =
			rows[i].fault ? sig.fault && !strcmp(sig.fault, rows[i].fault) : !sig.fault;
		if (!good)
			print_error("%s: %s\n", rows[i].text, sig.fault ? sig.fault : "-");
		CHECK(rows[i].text, good);
		cv_arena_done(&arena);
	}
	CHECK_END();
}

static void
test_seal_parse__says_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *fault;
	} rows[] = {
		{"i=1; a=rsa-sha256; cv=none; d=a.test; s=s; b=AAAA",         NULL                       },
		{"i=2; a=rsa-sha256; t=1; cv=PASS; d=a.test; s=s; b=AAAA",    NULL                       },
		{"i=1; a=rsa-sha256; d=a.test; s=s; b=AAAA",                  "cv= is missing or unknown"},
		{"i=1; a=rsa-sha256; cv=ok; d=a.test; s=s; b=AAAA",           "cv= is missing or unknown"},
		{"i=1; a=rsa-sha256; cv=none; h=from; d=a.test; s=s; b=AAAA", "h= in a seal"             },
		{"i=1; a=rsa-sha256; cv=none; d=a.test; s=s",                 "b= is missing"            },
		{"i=1; cv=none; d=a.test; s=s; b=AAAA",                       "a= is missing"            },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_arena arena = CV_ARENA_INIT;
		struct sig sig;
		sig_parse(&arena, cv_str_z(rows[i].text), SIG_ARC_SEAL, &sig);
		CHECK(rows[i].text, rows[i].fault ? sig.fault && !strcmp(sig.fault, rows[i].fault)
						  : !sig.fault);
		cv_arena_done(&arena);
	}
	CHECK_END();
}

/* ---- canonical forms (RFC 6376 3.4): the examples of 3.4.5 and the edges ---- */

static void
test_canon_field__follows_both_forms(void **state)
{
	static const struct {
		const char *name, *value, *relaxed, *simple;
	} rows[] = {
		{"A",       " X",            "a:X",         "A: X"            },
		{"B ",      " Y\t\r\n\tZ  ", "b:Y Z",       "B : Y\t\r\n\tZ  "},
		{"Subject", " a\n b",        "subject:a b", "Subject: a\r\n b"},
		{"S",       "",              "s:",          "S:"              },
		{"S",       "   ",           "s:",          "S:   "           },
		{"S",       "\r\n x",        "s:x",         "S:\r\n x"        },
		{"S",       "a\t \t b",      "s:a b",       "S:a\t \t b"      },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct sig_field f = {cv_str_z(rows[i].name), cv_str_z(rows[i].value)};
		for (unsigned relaxed = 0; relaxed < 2; relaxed++) {
			struct cv_buf out = CV_BUF_INIT(1000);
			sig_canon_field(&f, relaxed, SIZE_MAX, SIZE_MAX, &out);
			CHECK(rows[i].value, cv_str_eq_z(cv_buf_view(&out),
						     relaxed ? rows[i].relaxed : rows[i].simple));
			cv_buf_done(&out);
		}
	}
	CHECK_END();
}

static void
test_canon_body__follows_both_forms(void **state)
{
	static const struct {
		const char *body, *relaxed, *simple;
	} rows[] = {
		{" C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n",  " C \r\nD \t E\r\n"},
		{"",			  "",               "\r\n"             },
		{"\r\n",                      "",               "\r\n"             },
		{"\r\n\r\n",                  "",               "\r\n"             },
		{" \t\r\n",                   "",               " \t\r\n"          },
		{"a",			 "a\r\n",          "a\r\n"            },
		{"a ",			"a\r\n",          "a \r\n"           },
		{"a\r\n\r\nb\r\n",            "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"   },
		{"a\r\n \r\nb\r\n",           "a\r\n\r\nb\r\n", "a\r\n \r\nb\r\n"  },
		{"a\r\n \r\n",                "a\r\n",          "a\r\n \r\n"       },
		{"a\rb\r\n",                  "a\rb\r\n",       "a\rb\r\n"         },
		{"a\nb\r\n",                  "a\nb\r\n",       "a\nb\r\n"         },
		{"a\r\r\n",                   "a\r\r\n",        "a\r\r\n"          },
		{"  a\t\tb  \r\n",            " a b\r\n",       "  a\t\tb  \r\n"   },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		for (unsigned k = 0; k < 4; k++) {
			bool relaxed = k & 1u;
			size_t piece = k & 2u ? 1 : 1000;
			const char *want = relaxed ? rows[i].relaxed : rows[i].simple;
			unsigned char got[SIG_HASH_BYTES], right[SIG_HASH_BYTES];
			struct cv_str body = cv_str_z(rows[i].body);
			struct sig_body b;
			sig_body_init(&b, relaxed, UINT64_MAX);
			for (size_t at = 0; at < body.n; at += piece)
				sig_body_add(&b, cv_str_sub(body, at, at + piece));
			sig_body_end(&b, got);
			CHECK(rows[i].body, b.total == strlen(want));
			EVP_Digest(want, strlen(want), right, NULL, EVP_sha256(), NULL);
			CHECK(rows[i].body, !memcmp(got, right, sizeof got));
			sig_body_done(&b);
		}
	}
	CHECK_END();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_parse__says_what_a_record_is),
		cmocka_unit_test(test_key_parse__knows_flags),
		cmocka_unit_test(test_key_parse__bounds_rsa),
		cmocka_unit_test(test_key_parse__refuses_costly_numbers),
		cmocka_unit_test(test_sig_parse__says_what_is_wrong),
		cmocka_unit_test(test_seal_parse__says_what_is_wrong),
		cmocka_unit_test(test_canon_field__follows_both_forms),
		cmocka_unit_test(test_canon_body__follows_both_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
