/* trap.c - see trap.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/trap.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "common/base/buf.h"

#define PREFIX "tiepnhan-"
#define DIGITS 10

void
cv_trap_local(struct cv_str domain, struct cv_str path, char out[CV_TRAP_LOCAL_SIZE])
{
	struct cv_buf text = CV_BUF_INIT(1000);
	unsigned char digest[32] = {0};

	cv_buf_printf(&text, "congvu-trap %.*s ", CV_STR_ARGS(domain));
	for (size_t i = 0; i < text.n; i++)
		text.p[i] = (char)cv_lower((unsigned char)text.p[i]);
	cv_buf_str(&text, path);
	if (!EVP_Digest(text.p, text.n, digest, NULL, EVP_sha256(), NULL))
		cv_die("SHA-256 is not available");
	snprintf(out, CV_TRAP_LOCAL_SIZE, PREFIX "%02x%02x%02x%02x%02x", digest[0], digest[1],
	         digest[2], digest[3], digest[4]);
	cv_buf_done(&text);
}

static bool
is_trap_of(struct cv_str local, struct cv_str domain, const char *path)
{
	char trap[CV_TRAP_LOCAL_SIZE];

	cv_trap_local(domain, cv_str_z(path), trap);
	return cv_str_ieq_z(local, trap);
}

bool
cv_trap_find(const struct cv_snapshot *s, struct cv_str local, struct cv_str domain,
             char path_out[CV_TRAP_PATH_SIZE])
{
	static const char *const whole[] = { "index.html", "danhba.csv", "danhba.json" };
	static const char *const endings[] = { "html", "csv", "json" };
	struct cv_reg_agency agency;

	/* Anything else costs nothing. */
	if (local.n != sizeof PREFIX - 1 + DIGITS || !cv_str_has_iprefix(local, PREFIX) ||
	    !cv_snapshot_has_domain(s, domain))
		return false;
	for (size_t i = 0; i < CV_COUNT(whole); i++) {
		snprintf(path_out, CV_TRAP_PATH_SIZE, "%s", whole[i]);
		if (is_trap_of(local, domain, path_out))
			return true;
	}
	for (size_t n = cv_snapshot_agencies(s); n--;)
		for (size_t i = 0; cv_snapshot_nth_agency(s, n, &agency) && i < CV_COUNT(endings);
		     i++) {
			snprintf(path_out, CV_TRAP_PATH_SIZE, "donvi/%.*s.%s",
			         CV_STR_ARGS(agency.code), endings[i]);
			if (is_trap_of(local, domain, path_out))
				return true;
		}
	path_out[0] = '\0';
	return false;
}
