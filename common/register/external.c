/* external.c - EXTERNAL (RFC 4422 appendix A): the account of a client certificate that TLS has
 * verified.
 *
 * A certificate registered for an account is that account's and nobody else's; any other speaks for
 * the accounts whose addresses stand in its subjectAltName as rfc822Name. Boxes that nobody logs in
 * to are not reached. Threads: any.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/auth_impl.h"

#define CANDIDATES_MAX CV_TLS_CERT_NAMES

struct candidates {
	struct cv_reg_account account[CANDIDATES_MAX];
	size_t count;
	const struct snap_device *device; /* of a registered certificate */
};

static void
add(struct candidates *l, const struct cv_reg_account *account)
{
	if (!auth_may_log_in(account))
		return;
	for (size_t i = 0; i < l->count; i++)
		if (l->account[i].acct == account->acct)
			return;
	if (l->count < CANDIDATES_MAX)
		l->account[l->count++] = *account;
}

static void
collect(const struct cv_snapshot *s, const struct cv_tls_cert *cert, enum cv_auth_use use,
        struct candidates *l)
{
	*l = (struct candidates){ .device = cv_snapshot_certificate(s, cert->sha256) };
	struct cv_reg_account account;
	if (l->device) {
		if (auth_device_may(l->device, use) &&
		    cv_snapshot_account(s, l->device->acct, &account))
			add(l, &account);
		return;
	}
	for (unsigned i = 0; i < cert->name_count && i < CV_TLS_CERT_NAMES; i++) {
		struct cv_reg_hit hit;
		cv_snapshot_find_address(s, cv_str_z(cert->names[i]), &hit);
		if (hit.found == CV_REG_ACCOUNT)
			add(l, &hit.account);
	}
}

bool
external_has_account(struct cv_auth *a, const struct cv_tls_cert *cert, enum cv_auth_use use)
{
	struct auth_subject s;
	struct candidates l;
	bool found = false;
	auth_subject_find(a, CV_STR_EMPTY, NULL, &s); /* for its snapshot */
	collect(s.snap, cert, use, &l);
	for (size_t i = 0; i < l.count && !found; i++)
		found = l.account[i].state == CV_STATE_ACTIVE;
	auth_subject_done(&s);
	return found;
}

void
external_check(struct cv_auth *a, const struct cv_tls_cert *cert, struct cv_str authzid,
               struct cv_auth_check *c)
{
	struct auth_subject s;
	struct candidates l;
	const struct cv_reg_account *chosen = NULL;
	auth_subject_find(a, authzid, NULL, &s);
	collect(s.snap, cert, c->use, &l);
	if (!authzid.n && l.count == 1)
		chosen = &l.account[0];
	struct cv_reg_hit hit;
	auth_find_name(s.snap, authzid, &hit);
	for (size_t i = 0; i < l.count && hit.found == CV_REG_ACCOUNT; i++)
		if (l.account[i].acct == hit.account.acct)
			chosen = &l.account[i];
	c->result = !chosen ? CV_AUTH_BAD
		: chosen->state == CV_STATE_ACTIVE ? CV_AUTH_OK : CV_AUTH_SUSPENDED;
	c->acct = chosen ? chosen->acct : 0;
	snprintf(c->address, sizeof c->address, "%.*s",
	         CV_STR_ARGS(chosen ? chosen->address : CV_STR_EMPTY));
	snprintf(c->device, sizeof c->device, "%s", l.device ? l.device->name : "certificate");
	auth_subject_done(&s);
}
