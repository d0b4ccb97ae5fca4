/* edition.c - see publish.h: the register's snapshot and the options, made into a directory. Works
 * without any daemon, since the snapshot is a file. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "admin/directory/publish.h"
#include "common/base/clock.h"

void
admin_edition_day(struct admin_call *call, char out[11])
{
	time_t now = (time_t)cv_wall_secs();
	struct tm tm;

	setenv("TZ", admin_main_options(call)->time_zone, 1);
	tzset();
	localtime_r(&now, &tm);
	strftime(out, 11, "%Y-%m-%d", &tm);
}

enum cv_status
admin_edition_open(struct admin_call *call, struct admin_edition *e, struct cv_err *err)
{
	const char *dir = admin_main_options(call)->register_dir;

	*e = (struct admin_edition){.reg = NULL};
	enum cv_status status = cv_register_open(dir, false, &e->reg, err);
	if (status != CV_OK)
		return status;
	e->snapshot = cv_register_get(e->reg);
	if (!cv_snapshot_generation(e->snapshot))
		return cv_fail(err, CV_NOT_FOUND, "there is no register below %s yet", dir);
	return CV_OK;
}

/* The words of the list option, parted by one blank. */
enum cv_status
admin_edition_build(
	struct admin_call *call, const char *agency, struct admin_edition *e, struct cv_err *err)
{
	const struct congvu_options *m = admin_main_options(call);
	const struct admin_options *o = cv_conf_get(call->conf, &admin_section);
	char day[11];

	admin_edition_day(call, day);
	const struct admin_directory_wish wish = {
		.province = cv_str_z(m->province),
		.domain = cv_snapshot_default_domain(e->snapshot),
		.agency = cv_str_z(agency),
		.hidden = cv_str_z(o->directory_hidden),
		.day = day,
		.url = agency ? "" : o->directory_url,
		.english = o->directory_english,
		.coded = o->directory_coded,
		.traps = o->directory_traps,
	};
	return admin_directory_build(e->snapshot, &wish, &e->d, err);
}

void
admin_edition_close(struct admin_edition *e)
{
	admin_directory_done(&e->d);
	if (e->snapshot)
		cv_snapshot_unref(e->snapshot);
	if (e->reg)
		cv_register_close(e->reg);
}

void
admin_edition_key_path(struct admin_call *call, char out[1200])
{
	snprintf(out, 1200, "%.1100s/directory.key", admin_main_options(call)->keys_dir);
}

enum cv_status
admin_edition_key(struct admin_call *call, struct cv_str *pem_out, struct cv_err *err)
{
	char path[1200];

	admin_edition_key_path(call, path);
	*pem_out = CV_STR_EMPTY;
	enum cv_status status = admin_file_read(path, 1u << 16, pem_out, err);
	return status == CV_NOT_FOUND ? CV_OK : status;
}

void
admin_edition_key_done(struct cv_str *pem)
{
	if (pem->n)
		cv_wipe((char *)pem->p, pem->n);
	free((char *)pem->p);
	*pem = CV_STR_EMPTY;
}

void
admin_edition_remote(struct admin_call *call, const char *url, struct admin_remote_options *out)
{
	const struct admin_options *o = cv_conf_get(call->conf, &admin_section);

	*out = (struct admin_remote_options){.url = url,
		.auth_file = o->directory_push_auth,
		.ca_file = o->directory_push_ca,
		.key_file = o->directory_push_key,
		.known_hosts = o->directory_push_known_hosts,
		.allow_plain_http = o->directory_push_plain};
}
