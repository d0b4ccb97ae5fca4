/* totp.c - see totp.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/totp.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/register/auth.h"

/* By the number of the account: two that share a slot only spoil each other's code of a step. */
#define SLOTS 131072u

struct totp_steps {
	_Atomic uint64_t *last; /* SLOTS of them, mapped */
};

uint32_t
totp_code(const uint8_t secret[TOTP_SECRET_BYTES], uint64_t step, unsigned digits)
{
	uint8_t text[8], mac[EVP_MAX_MD_SIZE];
	unsigned n = sizeof mac;
	uint32_t modulus = 1;
	for (unsigned i = 0; i < 8; i++)
		text[i] = (uint8_t)(step >> (56 - 8 * i));
	if (!HMAC(EVP_sha1(), secret, TOTP_SECRET_BYTES, text, sizeof text, mac, &n) || n != 20)
		cv_die("HMAC-SHA-1 is not to be had");
	const uint8_t *p = mac + (mac[19] & 15);
	uint32_t value = (uint32_t)(p[0] & 0x7f) << 24 | (uint32_t)p[1] << 16 |
	                 (uint32_t)p[2] << 8 | p[3];
	cv_wipe(mac, sizeof mac);
	for (unsigned i = 0; i < digits; i++)
		modulus *= 10;
	return value % modulus;
}

bool
totp_match(const uint8_t secret[TOTP_SECRET_BYTES], struct cv_str code, int64_t now_secs,
           uint64_t *step_out)
{
	uint64_t now = (uint64_t)now_secs / TOTP_STEP_SECS, found = 0;
	char want[16];
	if (code.n != TOTP_DIGITS || now_secs < TOTP_STEP_SECS)
		return false;
	for (uint64_t step = now - 1; step <= now + 1; step++) {
		snprintf(want, sizeof want, "%06u", totp_code(secret, step, TOTP_DIGITS));
		uint64_t mask = 0 - (uint64_t)cv_equal_secret(want, code.p, TOTP_DIGITS);
		found |= mask & step;
	}
	cv_wipe(want, sizeof want);
	*step_out = found;
	return found != 0;
}

void
totp_base32(const uint8_t *p, size_t n, struct cv_buf *out)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint32_t bits = 0;
	unsigned count = 0;
	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | p[i];
		for (count += 8; count >= 5; count -= 5)
			cv_buf_c(out, letters[bits >> (count - 5) & 31]);
	}
	if (count)
		cv_buf_c(out, letters[bits << (5 - count) & 31]);
}

/* ---- which were used ---- */

static int
open_file(const char *dir)
{
	char path[1100];
	snprintf(path, sizeof path, "%s/%s", dir, TOTP_FILE);
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 ? fd : open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static void *
map_file(const char *dir)
{
	size_t bytes = SLOTS * sizeof(uint64_t);
	struct stat st;
	int fd = open_file(dir);
	if (fd < 0)
		return MAP_FAILED;
	void *map = MAP_FAILED;
	/* Only ever grown: others have it mapped. */
	if (!fstat(fd, &st) && ((size_t)st.st_size >= bytes || !ftruncate(fd, (off_t)bytes)))
		map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return map;
}

void
cv_auth_prepare(const char *dir)
{
	(void)mkdir(dir, 0750); /* what fails here fails again, with words */
	totp_steps_close(totp_steps_open(dir));
}

struct totp_steps *
totp_steps_open(const char *dir)
{
	struct totp_steps *s = cv_malloc(sizeof *s);
	void *map = map_file(dir);
	if (map == MAP_FAILED) {
		cv_log(0, CV_WARN, "register.steps", "shared=no");
		map = mmap(NULL, SLOTS * sizeof(uint64_t), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	if (map == MAP_FAILED)
		cv_die("out of memory");
	s->last = map;
	return s;
}

void
totp_steps_close(struct totp_steps *s)
{
	if (s)
		munmap((void *)s->last, SLOTS * sizeof(uint64_t));
	free(s);
}

bool
totp_steps_take(struct totp_steps *s, uint64_t acct, uint64_t step)
{
	_Atomic uint64_t *slot = &s->last[acct % SLOTS];
	uint64_t last = atomic_load(slot);
	while (last < step)
		if (atomic_compare_exchange_weak(slot, &last, step))
			return true;
	return false;
}
