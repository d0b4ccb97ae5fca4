/* directory_site.h - the files of the published directory, in memory, from what directory.h allows.
 *
 *   index.html            all agencies with their official addresses
 *   donvi/<code>.html     one agency: .csv and .json beside it
 *   danhba.csv, .json     everybody;  donvi.csv  all agencies
 *   style.css, manifest.json
 *
 * The same directory gives the same bytes. Paths are ASCII and never change (DIR-07).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_DIRECTORY_SITE_H
#define ADMIN_DIRECTORY_SITE_H

#include <jansson.h>

#include "admin/directory.h"
#include "common/base/buf.h"

#define ADMIN_SITE_FILE_MAX (64u << 20)
#define ADMIN_SITE_PATH_MAX 80
#define ADMIN_SITE_MANIFEST "manifest.json"

struct admin_site_file {
	char path[ADMIN_SITE_PATH_MAX];
	char *bytes;
	size_t n;
	char sha256[65];
};
struct admin_site {
	struct admin_site_file *files; /* by path; the manifest last */
	size_t count, cap;
	bool is_full; /* a file would have been larger than the limit */
};

/* Sets every unit's digest, and keeps the day of the last change of those that OLD_MANIFEST (may be
 * NULL) lists with the same digest. */
void admin_site_date(struct admin_directory *d, const json_t *old_manifest);
/* URL: where the public finds it, ending in "/", or "". */
void admin_site_build(const struct admin_directory *d, const char *url, struct admin_site *out);
void admin_site_done(struct admin_site *s);
/* A path that may stand in a manifest: relative, [a-z0-9._/-], no "..", not too long. */
bool admin_site_path_is_sound(const char *path);

/* ---- parts, for admin_site_build() and for tests ---- */
void admin_html_index(const struct admin_directory *d, const char *url, struct cv_buf *out);
void admin_html_unit(const struct admin_directory *d, const struct admin_unit *u, const char *url,
	struct cv_buf *out);
void admin_html_style(struct cv_buf *out);
void admin_csv_people(
	const struct admin_directory *d, const struct admin_unit *only, struct cv_buf *out);
void admin_csv_units(const struct admin_directory *d, struct cv_buf *out);
json_t *admin_json_unit(const struct admin_directory *d, const struct admin_unit *u);
json_t *admin_json_all(const struct admin_directory *d);

#endif
