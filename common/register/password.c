/* password.c - rules, random passwords, argon2id and the keys of SCRAM. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/password.h"

#include <argon2.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "common/base/rng.h"
#include "common/text/charset.h"
#include "common/text/fold.h"

#define ARGON_PASSES 2
#define ARGON_KIB 19456
#define ARGON_LANES 1
#define ARGON_HASH_BYTES 32
#define FULL_CHARS 14
#define FORCED_CHARS 8

/* Looked for inside the folded password: the bases that guessers and people start from. */
static const char *const banned[] = {
	"password", "passw0rd", "p@ssw0rd", "p@ssword", "matkhau", "mat khau", "123456", "12345678",
	"654321", "111111", "000000", "abc123", "abc@123", "a@123", "qwerty", "asdfgh", "1q2w3e",
	"qazwsx", "admin@", "admin123", "administrator", "iloveyou", "congvu123", "vietnam1",
	"welcome1", "letmein", "changeme",
};

/* ---- rules ---- */

static unsigned
classes(struct cv_str s)
{
	unsigned seen = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c >= 'a' && c <= 'z')
			seen |= 1;
		else if (c >= 'A' && c <= 'Z')
			seen |= 2;
		else if (cv_is_digit(c))
			seen |= 4;
		else
			seen |= 8;
	}
	return (unsigned)__builtin_popcount(seen);
}

static size_t
characters(struct cv_str s)
{
	size_t pos = 0, count = 0;
	while (pos < s.n) {
		cv_utf8_next(s, &pos);
		count++;
	}
	return count;
}

static bool
is_banned(struct cv_str password)
{
	struct cv_buf folded = CV_BUF_INIT(4096);
	bool found = cv_fold(password, &folded) != CV_OK;
	for (size_t i = 0; !found && i < CV_COUNT(banned); i++)
		found = cv_str_search(cv_buf_view(&folded), cv_str_z(banned[i])) < folded.n;
	cv_wipe(folded.p, folded.n);
	cv_buf_done(&folded);
	return found;
}

/* The local part of ADDRESS up to its first dot, when long enough to mean something. */
static bool
holds_name(struct cv_str password, struct cv_str address)
{
	size_t n = CV_MIN(cv_str_find(address, '.', 0), cv_str_find(address, '@', 0));
	return n >= 4 && cv_str_isearch(password, cv_str_sub(address, 0, n)) < password.n;
}

struct fault {
	enum cv_status status;
	const char *en, *vi;
};

static bool
has_control(struct cv_str password)
{
	for (size_t i = 0; i < password.n; i++)
		if ((unsigned char)password.p[i] < 0x20 || password.p[i] == 0x7f)
			return true;
	return false;
}

/* What no password may be, whatever the rule. */
static const struct fault *
find_text_fault(struct cv_str password)
{
	/* clang-format off */
	static const struct fault empty = { CV_INVALID, "an empty password", "mật khẩu trống" },
		too_long = { CV_LIMIT, "a password longer than 255 bytes",
			"mật khẩu dài quá 255 byte" },
		no_utf8 = { CV_INVALID, "a password that is not valid UTF-8 text",
			"mật khẩu không phải văn bản UTF-8 hợp lệ" },
		control = { CV_INVALID, "a control character in the password",
			"mật khẩu có ký tự điều khiển" };
	/* clang-format on */
	if (!password.n)
		return &empty;
	if (password.n > PASSWORD_MAX)
		return &too_long;
	if (!cv_utf8_is_valid(password) || memchr(password.p, 0, password.n))
		return &no_utf8;
	return has_control(password) ? &control : NULL;
}

static const struct fault *
find_fault(struct cv_str password, enum password_rule rule, struct cv_str address)
{
	/* clang-format off */
	static const struct fault guessed = { CV_INVALID,
			"a password that guessers try first; choose another",
			"mật khẩu nằm trong danh sách bị cấm vì dễ đoán; hãy chọn mật khẩu khác" },
		short_full = { CV_INVALID, "a password shorter than 14 characters",
			"mật khẩu ngắn hơn 14 ký tự" },
		short_second = { CV_INVALID, "a password shorter than 8 characters",
			"mật khẩu ngắn hơn 8 ký tự" },
		few_classes = { CV_INVALID,
			"a password needs small and capital letters, digits and other characters",
			"mật khẩu phải có chữ thường, chữ hoa, chữ số và ký tự khác" },
		own_name = { CV_INVALID, "the password holds the account's own name",
			"mật khẩu chứa tên của chính tài khoản" };
	/* clang-format on */
	const struct fault *fault = find_text_fault(password);
	if (fault || rule == PASSWORD_WEAK)
		return fault;
	if (is_banned(password))
		return &guessed;
	size_t count = characters(password);
	if (rule == PASSWORD_FULL && count < FULL_CHARS)
		return &short_full;
	if (count < FORCED_CHARS)
		return &short_second;
	if (rule == PASSWORD_FORCED)
		return NULL;
	if (classes(password) < 4)
		return &few_classes;
	return holds_name(password, address) ? &own_name : NULL;
}

enum cv_status
password_judge(struct cv_str password, enum password_rule rule, struct cv_str address,
               struct cv_err *err)
{
	const struct fault *fault = find_fault(password, rule, address);
	return fault ? cv_fail(err, fault->status, "%s", fault->en) : CV_OK;
}

const char *
password_fault_vi(struct cv_str password, enum password_rule rule, struct cv_str address)
{
	const struct fault *fault = find_fault(password, rule, address);
	return fault ? fault->vi : "";
}

void
password_make(char out[24])
{
	/* No letters that look like others on paper. */
	static const char letters[] = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
	do {
		for (size_t i = 0; i < 19; i++)
			out[i] = i % 5 == 4 ? '-' : letters[cv_random_below(sizeof letters - 1)];
		out[19] = 0;
	} while (password_judge(cv_str_z(out), PASSWORD_FULL, CV_STR_EMPTY, NULL));
}

/* ---- hashes ---- */

void
password_normal(struct cv_str password, struct cv_buf *out)
{
	if (!cv_utf8_is_valid(password) || cv_utf8_nfc(password, out) != CV_OK)
		cv_buf_str(out, password);
	cv_buf_add(out, "", 0);
}

void
scram_hmac(const uint8_t key[32], struct cv_str text, uint8_t out[32])
{
	unsigned n = 32;
	if (!HMAC(EVP_sha256(), key, 32, (const unsigned char *)text.p, text.n, out, &n))
		cv_die("HMAC-SHA-256 is not to be had");
}

void
scram_hash(const uint8_t *p, size_t n, uint8_t out[32])
{
	SHA256(p, n, out);
}

bool
scram_keys(struct cv_str password, const uint8_t *salt, size_t salt_n, uint32_t iterations,
           uint8_t stored_key[32], uint8_t server_key[32])
{
	uint8_t salted[32], client_key[32];
	if (!PKCS5_PBKDF2_HMAC(password.p, (int)password.n, salt, (int)salt_n, (int)iterations,
			EVP_sha256(), sizeof salted, salted))
		return false;
	scram_hmac(salted, CV_STR("Client Key"), client_key);
	scram_hash(client_key, sizeof client_key, stored_key);
	scram_hmac(salted, CV_STR("Server Key"), server_key);
	cv_wipe(salted, sizeof salted);
	cv_wipe(client_key, sizeof client_key);
	return true;
}

enum cv_status
password_hash(struct cv_str password, bool keep_salt, struct reg_secret *s, struct cv_err *err)
{
	uint8_t salt[16];
	struct cv_buf normal = CV_BUF_INIT(PASSWORD_MAX * 4);
	password_normal(password, &normal);
	cv_random(salt, sizeof salt);
	if (!keep_salt) {
		cv_random(s->salt, sizeof s->salt);
		s->iterations = SCRAM_ITERATIONS;
	}
	int bad = argon2id_hash_encoded(ARGON_PASSES, ARGON_KIB, ARGON_LANES, normal.p, normal.n,
	                                salt, sizeof salt, ARGON_HASH_BYTES, s->argon,
	                                sizeof s->argon);
	bool ok = !bad && scram_keys(cv_buf_view(&normal), s->salt, sizeof s->salt, s->iterations,
		s->stored_key, s->server_key);
	cv_wipe(normal.p, normal.n);
	cv_buf_done(&normal);
	if (!ok)
		return cv_fail(err, CV_TEMPFAIL, "the password could not be hashed: %s",
			bad ? argon2_error_message(bad) : "PBKDF2 failed");
	return CV_OK;
}

bool
password_check(const char *encoded, struct cv_str password)
{
	struct cv_buf normal = CV_BUF_INIT(PASSWORD_MAX * 4);
	password_normal(password, &normal);
	bool ok = argon2id_verify(encoded, normal.p, normal.n) == ARGON2_OK;
	cv_wipe(normal.p, normal.n);
	cv_buf_done(&normal);
	return ok;
}

bool
password_check_dummy(struct cv_str password)
{
	uint8_t salt[16] = {0}, hash[ARGON_HASH_BYTES];
	struct cv_buf normal = CV_BUF_INIT(PASSWORD_MAX * 4);
	password_normal(password, &normal);
	int bad = argon2id_hash_raw(ARGON_PASSES, ARGON_KIB, ARGON_LANES, normal.p, normal.n, salt,
		sizeof salt, hash, sizeof hash);
	cv_wipe(normal.p, normal.n);
	cv_buf_done(&normal);
	(void)bad; /* the answer is no whatever came out */
	return false;
}
