/* auth_configure.c - the options that say who may log in from where, and with what. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/options/sections.h"
#include "common/register/auth_impl.h"
#include "common/register/oauth.h"

static enum cv_status
open_oauth(struct cv_auth *a, const struct congvu_options *m, struct cv_err *err)
{
	struct cv_oauth *oauth;
	const struct cv_oauth_options o = {
		.url = m->oauth_introspection_url, .client_file = m->oauth_client_file,
		.ca_file = m->oauth_ca, .claim = m->oauth_claim, .scope = m->oauth_scope,
	};
	enum cv_status status = cv_oauth_new(&o, &oauth, err);
	if (!status)
		cv_auth_set_oauth(a, oauth);
	return status;
}

enum cv_status
cv_auth_configure(struct cv_auth *a, const struct congvu_options *m, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	if (m->oauth_introspection_url[0] && !auth_oauth(a))
		status = open_oauth(a, m, err);
	return status ? status
	              : cv_auth_set_inside(a, m->inside_networks, m->outside_password, err);
}
