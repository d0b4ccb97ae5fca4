/* fuzz: register */
/* client_cert_fuzz.c - any bytes as a client's certificate: the names it gives to EXTERNAL are
 * printable, whole and few, and looking them up stays inside the register. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/tls.h"
#include "common/register/snapshot_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A register with one account. */
static const struct cv_snapshot *
register_of_one(void)
{
	static struct cv_snapshot *snap;
	static struct cv_buf bytes = CV_BUF_INIT(SNAP_BYTES_MAX);
	static struct cv_buf secret = CV_BUF_INIT(SNAP_BYTES_MAX);
	static const uint8_t key[32];
	struct reg_model m;
	struct cv_err err;
	if (snap)
		return snap;
	reg_model_init(&m, "lamgiang.example");
	reg_model_put_domain(&m, CV_STR("lamgiang.example"), CV_STR(""));
	struct reg_account *a = reg_account_new();
	a->acct = 1;
	reg_account_set(a, T_ADDRESS, CV_STR("an@lamgiang.example"));
	reg_model_add(&m, a);
	reg_model_put_address(&m, CV_STR("an@lamgiang.example"),
		&(struct reg_address){ .type = REG_PRIMARY, .acct = 1 });
	snap_build(&m, 1, key, &bytes, &secret);
	reg_model_done(&m);
	if (snap_open_bytes(cv_buf_view(&bytes), cv_buf_view(&secret), true, &snap, &err))
		cv_die("%s", err.text);
	return snap;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_tls_cert cert;
	struct cv_reg_hit hit;
	if (!cv_tls_cert_read(cv_str((const char *)data, size), &cert))
		return 0;
	assert(cert.name_count <= CV_TLS_CERT_NAMES);
	for (unsigned i = 0; i < cert.name_count; i++) {
		size_t n = strnlen(cert.names[i], sizeof cert.names[i]);
		assert(n && n < sizeof cert.names[i]);
		for (size_t j = 0; j < n; j++)
			assert(cert.names[i][j] > ' ' && cert.names[i][j] < 0x7f);
		cv_snapshot_find_address(register_of_one(), cv_str_z(cert.names[i]), &hit);
	}
	(void)cv_snapshot_certificate(register_of_one(), cert.sha256);
	return 0;
}
