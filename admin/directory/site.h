/* site.h - the files of the published directory, in memory, from what directory.h allows.
 *
 *   index.html                     all agencies with their official addresses
 *   donvi/<code>.html .csv .json .vcf -outlook.vcf   one agency
 *   danhba.csv .xlsx .json .vcf .ldif  everybody;  donvi.csv  all agencies
 *   kiemtra.html, chinhthuc.json   is an address official? (DIR-08)
 *   nhung/<code>.html .inc         an agency's list for its own portal; huong-dan.html how
 *   thaydoi.json, schema.json      what changed when, and what the JSON looks like (DIR-07)
 *   style.css, tim.js, kiemtra.js, robots.txt, sitemap.xml
 *   khoa.pem, manifest.json.sig    when there is a key to sign with
 *   manifest.json                  every file with its sum: written last
 *
 * The same directory gives the same bytes. Paths are ASCII and never change (DIR-07).
 */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_DIRECTORY_SITE_H
#define ADMIN_DIRECTORY_SITE_H

#include <jansson.h>

#include "admin/directory/directory.h"
#include "common/base/buf.h"

#define ADMIN_SITE_FILE_MAX  (64u << 20)
#define ADMIN_SITE_PATH_MAX  80
#define ADMIN_SITE_MANIFEST  "manifest.json"
#define ADMIN_SITE_SIGNATURE "manifest.json.sig"
#define ADMIN_SITE_KEY       "khoa.pem"
#define ADMIN_SITE_XLSX      "danhba.xlsx"
#define ADMIN_SITE_GONE_DAYS 90 /* for so long the feed tells of units that are no more */

struct admin_site_file {
	char path[ADMIN_SITE_PATH_MAX];
	char *bytes;
	size_t n;
	char sha256[65];
};
struct admin_site {
	struct admin_site_file *files; /* by path; then the signature, the manifest last */
	size_t count, cap;
	bool is_full; /* a file would have been larger than the limit */
};

/* Sets every unit's digest, and keeps the day of the last change of those that OLD_MANIFEST (may be
 * NULL) lists with the same digest. */
void admin_site_date(struct admin_directory *d, const json_t *old_manifest);
/* KEY_PEM: a private ed25519 key, or empty: not signed. CV_INVALID when it is none. OUT is to be
 * freed in any case. */
CV_MUST_CHECK enum cv_status admin_site_build(const struct admin_directory *d,
	const json_t *old_manifest, struct cv_str key_pem, struct admin_site *out,
	struct cv_err *err);
void admin_site_done(struct admin_site *s);
/* NULL when there is none such. */
const struct admin_site_file *admin_site_find(const struct admin_site *s, const char *path);
/* A path that may stand in a manifest: relative, [a-z0-9._/-], no "..", not too long. */
bool admin_site_path_is_sound(const char *path);
/* The manifest and its signature, which no manifest lists. */
bool admin_site_is_record(const char *path);
/* A JSON text that is a manifest of ours; NULL otherwise. */
json_t *admin_site_manifest(struct cv_str text);

/* ---- parts, for admin_site_build() and for tests ---- */
void admin_html_index(const struct admin_directory *d, struct cv_buf *out);
void admin_html_unit(
	const struct admin_directory *d, const struct admin_unit *u, struct cv_buf *out);
/* For portals: a page of its own for an iframe, and the bare list for server-side includes. */
void admin_html_embedded(
	const struct admin_directory *d, const struct admin_unit *u, struct cv_buf *out);
void admin_html_fragment(
	const struct admin_directory *d, const struct admin_unit *u, struct cv_buf *out);
void admin_html_embedding(const struct admin_directory *d, struct cv_buf *out);
void admin_html_check(const struct admin_directory *d, struct cv_buf *out);
/* PATH: of the file they go into, for its trap. */
void admin_csv_people(const struct admin_directory *d, const struct admin_unit *only,
	const char *path, struct cv_buf *out);
void admin_csv_units(const struct admin_directory *d, struct cv_buf *out);
json_t *admin_json_unit(const struct admin_directory *d, const struct admin_unit *u);
json_t *admin_json_all(const struct admin_directory *d);
json_t *admin_json_official(const struct admin_directory *d);
/* VERSION 4 (RFC 6350), or 3 (RFC 2426), which Outlook reads. */
void admin_vcard(const struct admin_directory *d, const struct admin_unit *only, unsigned version,
	struct cv_buf *out);
CV_MUST_CHECK enum cv_status admin_xlsx(
	const struct admin_directory *d, struct cv_buf *out, struct cv_err *err);
/* For an empty OpenLDAP (DIR-10), see conf/ldap/. */
void admin_ldif(const struct admin_directory *d, struct cv_buf *out);
/* What turns the book of OLD (an LDIF as above) into that of NEW, as change records. CV_INVALID
 * when OLD is not one of ours. */
CV_MUST_CHECK enum cv_status admin_ldif_changes(
	struct cv_str old, struct cv_str new, struct cv_buf *out, struct cv_err *err);
/* The address in the file PATH that nobody has (DIR-06). */
void admin_trap_address(const struct admin_directory *d, const char *path, struct cv_buf *out);

#define ADMIN_OFFICIAL_PREFIX "congvu-chinhthuc:"
#define ADMIN_OFFICIAL_DIGITS 20
/* How ADDRESS stands in chinhthuc.json. */
void admin_official_digest(struct cv_str address, char hex_out[65]);

/* ---- sign.c ---- */
#define ADMIN_SIGNATURE_BYTES 64
/* CV_INVALID when KEY_PEM is no private ed25519 key. */
CV_MUST_CHECK enum cv_status admin_sign(struct cv_str key_pem, struct cv_str bytes,
	unsigned char signature_out[ADMIN_SIGNATURE_BYTES], struct cv_err *err);
/* The public half in PEM. */
CV_MUST_CHECK enum cv_status admin_sign_public(
	struct cv_str key_pem, struct cv_buf *pem_out, struct cv_err *err);
/* Whether SIGNATURE is one of BYTES by the key in PEM (public, or private). */
CV_MUST_CHECK enum cv_status admin_sign_check(
	struct cv_str key_pem, struct cv_str bytes, struct cv_str signature, struct cv_err *err);

#endif
