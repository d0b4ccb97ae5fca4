/* clients.h - what mail programs are told, so that people type no servers and ports: Thunderbird's
 * autoconfig, Outlook's autodiscover, Apple's profiles, sheets of paper with a QR code.
 *
 * Everything follows from the configuration and the register. No password stands in any of it.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_CLIENTS_H
#define ADMIN_CLIENTS_H

#include "admin/admin.h"
#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/register/register.h"

/* A service that is offered; port 0: it is not. */
struct admin_service_port {
	unsigned port;
	bool is_tls; /* from the first octet; else STARTTLS */
};
struct admin_clients {
	struct cv_arena arena;
	struct cv_str province, hostname, domain;
	struct cv_str *domains; /* ours, and those that are aliases */
	size_t domain_count;
	struct admin_service_port imap, pop3, smtp; /* the best of each: TLS before STARTTLS */
	struct admin_service_port imap_plain, smtp_plain; /* with STARTTLS beside them; port 0 */
};
/* A person who is to be set up; empty texts in files for everybody. */
struct admin_client_user {
	struct cv_str name, address;
};

/* From the configuration and snapshot S. C is to be done with in any case. */
void admin_clients_init(
	struct admin_call *call, const struct cv_snapshot *s, struct admin_clients *c);
void admin_clients_done(struct admin_clients *c);

/* config-v1.1.xml of Mozilla's autoconfig. */
void admin_clients_autoconfig(const struct admin_clients *c, struct cv_buf *out);
/* The answer to Outlook's POX autodiscover; the program fills in the address itself. */
void admin_clients_autodiscover(const struct admin_clients *c, struct cv_buf *out);
/* A configuration profile of iOS and macOS; with empty USER the telephone asks who it is for. */
void admin_clients_profile(const struct admin_clients *c, const struct admin_client_user *user,
	struct cv_buf *out);
/* PROFILE signed with the server's own certificate (CMS, DER), so that "verified" is shown. */
CV_MUST_CHECK enum cv_status admin_clients_sign(
	struct admin_call *call, struct cv_str profile, struct cv_buf *out, struct cv_err *err);
/* What Thunderbird for Android and K-9 read from a QR code. */
void admin_clients_qr_text(const struct admin_clients *c, const struct admin_client_user *user,
	struct cv_buf *out);
/* A page to print, one sheet of A4 for each of USERS. */
CV_MUST_CHECK enum cv_status admin_clients_sheets(const struct admin_clients *c,
	const struct admin_client_user *users, size_t count, struct cv_buf *out,
	struct cv_err *err);

#endif
