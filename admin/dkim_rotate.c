/* dkim_rotate.c - `congvu dkim rotate`: the next key is made, waits until DNS has it, then signs.
 *
 * One step a call and domain, so that a job may call it each day: (1) the pair in use is old: make
 * the next one and say what to publish; (2) DNS has both records of a newer pair: sign with it;
 * (3) else nothing. Old keys stay: mail under way is checked with their records.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/commands.h"
#include "admin/dkim_keys.h"
#include "admin/dns_ask.h"
#include "common/base/clock.h"
#include "common/text/domain.h"

#define AFTER_DFLT  180 /* days */
#define AFTER_MAX   3660
#define DOMAINS_MAX 64

struct rotation {
	struct admin_call *call;
	struct cv_resolver *resolver; /* made when it is needed */
	const char *keys_dir;
	int64_t after_secs;
	bool dry_run;
	json_t *rows;
	bool waits; /* somebody has to publish records */
};

/* ---- keys ---- */

/* When the pair was made, by its file. */
static int64_t
made_at(const struct rotation *r, const char *domain, const char *selector)
{
	char path[1800];
	struct stat st;

	snprintf(path, sizeof path, "%.1000s/dkim/%.255s/%s.pem", r->keys_dir, domain, selector);
	return stat(path, &st) ? 0 : st.st_mtime;
}

static bool
is_second_key(const char *selector)
{
	return cv_str_has_suffix(cv_str_z(selector), "-ed");
}

/* The newest pair that signs and the newest one that does not yet; "" for none. */
static void
look(const struct rotation *r, const char *domain, const struct admin_dkim_record *records,
	size_t count, const char **current, const char **next)
{
	int64_t current_at = -1, next_at = -1;

	*current = *next = "";
	for (size_t i = 0; i < count; i++) {
		int64_t at = made_at(r, domain, records[i].selector);
		if (is_second_key(records[i].selector))
			continue;
		if (records[i].is_current && at > current_at) {
			current_at = at;
			*current = records[i].selector;
		} else if (!records[i].is_current && at > next_at) {
			next_at = at;
			*next = records[i].selector;
		}
	}
	if (next_at < current_at)
		*next = "";
}

/* ---- DNS ---- */

static bool
has_resolver(struct rotation *r)
{
	const struct congvu_options *m = admin_main_options(r->call);
	struct cv_resolver_options o = {
		.zone_file = m->dns_zone_file[0] ? m->dns_zone_file : NULL,
		.forwarders = m->dns_forwarders[0] ? m->dns_forwarders : NULL,
		.trust_anchor = m->dns_trust_anchor[0] ? m->dns_trust_anchor : NULL,
	};
	struct cv_err err = { 0 };

	if (!r->resolver && cv_resolver_new(&o, &r->resolver, &err) != CV_OK)
		admin_error(r->call, EXIT_FAILED, err.text, err.text);
	return r->resolver != NULL;
}

/* Whether DNS has both keys of the pair, as they are. */
static bool
is_published(struct rotation *r, const char *domain, const char *pair,
	const struct admin_dkim_record *records, size_t count)
{
	struct admin_dns_record wanted[2];
	char names[2][400];
	size_t n = 0, well = 0;

	for (size_t i = 0; i < count && n < 2; i++) {
		size_t length = strlen(pair);
		const char *selector = records[i].selector;
		if (strncmp(selector, pair, length) ||
			(selector[length] && strcmp(selector + length, "-ed")))
			continue;
		snprintf(names[n], sizeof names[n], "%s._domainkey.%s", selector, domain);
		wanted[n] = (struct admin_dns_record){ .kind = ADMIN_DNS_DKIM,
			.type = CV_DNS_TXT, .name = names[n], .value = records[i].value };
		n++;
	}
	if (n != 2 || !has_resolver(r))
		return false;
	struct admin_dns_set set = { .records = wanted, .count = n };
	struct admin_dns_found found[2];
	admin_dns_compare(r->resolver, &set, found);
	for (size_t i = 0; i < n; i++)
		well += found[i].state == ADMIN_DNS_OK;
	admin_dns_found_done(found, n);
	return well == n;
}

/* ---- one domain ---- */

static void
add_row(struct rotation *r, const char *domain, const char *state, const char *selector)
{
	/* clang-format off */
	static const struct { const char *state, *en, *vi; } words[] = {
		{ "fresh", "the key in use is young enough", "khóa đang dùng còn mới" },
		{ "made", "the next key is made: publish its records (congvu dkim show)", "đã tạo khóa mới: hãy đưa bản ghi vào DNS (congvu dkim show)" },
		{ "waits", "DNS does not have the next key yet (congvu dkim show)", "DNS chưa có khóa mới (congvu dkim show)" },
		{ "activated", "signs with the next key from now on; leave the old records for a month", "từ bây giờ ký bằng khóa mới; giữ bản ghi cũ thêm một tháng" },
		{ "none", "no key is in use (congvu dkim keygen)", "chưa có khóa (congvu dkim keygen)" },
	};
	/* clang-format on */
	const char *said = state;

	for (size_t i = 0; i < CV_COUNT(words); i++)
		if (!strcmp(words[i].state, state))
			said = admin_say(r->call, words[i].en, words[i].vi);
	r->waits = r->waits || !strcmp(state, "made") || !strcmp(state, "waits");
	json_array_append_new(r->rows, json_pack("{s:s, s:s, s:s, s:s}", "domain", domain, "state",
					      state, "selector", selector, "what", said));
}

static enum cv_status
make_or_activate(struct rotation *r, const char *domain, const char *selector,
	char chosen[ADMIN_DKIM_SELECTOR_MAX + 4], struct cv_err *err)
{
	struct admin_owner owner;

	snprintf(chosen, ADMIN_DKIM_SELECTOR_MAX + 4, "%s", selector);
	if (r->dry_run)
		return CV_OK;
	enum cv_status status =
		admin_owner_find(admin_main_options(r->call)->user, &owner, err);
	/* The job runs as the service's user already. */
	if (status == CV_OK && owner.uid == geteuid())
		owner = ADMIN_OWNER_SELF;
	return status == CV_OK ? admin_dkim_make(r->keys_dir, domain, selector, ADMIN_DKIM_BITS,
					 selector[0] != '\0', owner, chosen, err)
			       : status;
}

static enum cv_status
rotate(struct rotation *r, const char *domain, struct cv_err *err)
{
	struct admin_dkim_record *records;
	size_t count;
	const char *current, *next, *state = "fresh";
	char chosen[ADMIN_DKIM_SELECTOR_MAX + 4] = "";

	enum cv_status status = admin_dkim_records(r->keys_dir, domain, &records, &count, err);
	if (status != CV_OK)
		return status;
	look(r, domain, records, count, &current, &next);
	snprintf(chosen, sizeof chosen, "%s", next[0] ? next : current);
	if (!current[0]) {
		state = "none";
	} else if (next[0]) {
		state = "waits";
		if (is_published(r, domain, next, records, count)) {
			state = "activated";
			status = make_or_activate(r, domain, next, chosen, err);
		}
	} else if (cv_wall_secs() - made_at(r, domain, current) >= r->after_secs) {
		state = "made";
		status = make_or_activate(r, domain, "", chosen, err);
	}
	if (status == CV_OK)
		add_row(r, domain, state, chosen);
	admin_dkim_records_free(records, count);
	return status;
}

static enum cv_status
rotate_all(struct rotation *r, struct cv_err *err)
{
	char path[1200];
	enum cv_status status = CV_OK;

	snprintf(path, sizeof path, "%.1000s/dkim", r->keys_dir);
	DIR *d = opendir(path);
	if (!d)
		return errno == ENOENT ? CV_OK
				       : cv_fail_errno(err, CV_TEMPFAIL, errno, "cannot read %s",
						 path);
	size_t n = 0;
	for (struct dirent *e; status == CV_OK && n < DOMAINS_MAX && (e = readdir(d));)
		if (e->d_name[0] != '.' && cv_domain_is_full(cv_str_z(e->d_name))) {
			n++;
			status = rotate(r, e->d_name, err);
		}
	closedir(d);
	return status;
}

static int
run_rotate(struct admin_call *call)
{
	static const struct admin_column columns[] = { { "domain", "DOMAIN", "TÊN MIỀN" },
		{ "selector", "KEY", "KHÓA" }, { "what", "STATE", "TRẠNG THÁI" } };
	const char *after = admin_option(call, "after");
	uint64_t days = AFTER_DFLT;
	struct cv_err err = { 0 };

	if (after && cv_str_u64(cv_str_z(after), AFTER_MAX, &days) != CV_OK)
		return admin_error(call, EXIT_USAGE, "--after takes days, 0 to 3660",
			"--after nhận số ngày từ 0 đến 3660");
	if (!admin_conf(call))
		return EXIT_CONFIG;
	struct rotation r = { .call = call, .keys_dir = admin_main_options(call)->keys_dir,
		.after_secs = (int64_t)days * 86400, .dry_run = admin_option(call, "dry-run"),
		.rows = json_array() };
	enum cv_status status =
		call->word_count ? rotate(&r, call->words[0], &err) : rotate_all(&r, &err);
	if (r.resolver)
		cv_resolver_free(r.resolver);
	json_t *reply = json_pack("{s:b, s:o, s:b}", "ok", status == CV_OK, "domains", r.rows,
		"dry_run", r.dry_run);
	int exit_code = r.waits ? EXIT_PARTLY : EXIT_OK;
	if (status != CV_OK)
		exit_code = admin_error(call, EXIT_FAILED, err.text, err.text);
	else if (!admin_json(call, reply))
		admin_table(call, r.rows, columns, CV_COUNT(columns));
	/* The last line of errors is what the scheduler keeps. */
	if (status == CV_OK && r.waits && !call->json)
		fprintf(stderr, "%s\n",
			admin_say(call, "records of a new DKIM key are to be published",
				"cần đưa bản ghi của khóa DKIM mới vào DNS"));
	json_decref(reply);
	return exit_code;
}

/* clang-format off */
static const struct admin_option rotate_options[] = {
	{ "after", "DAYS", "how old the key in use may become, 180 unless told",
		"tuổi tối đa của khóa đang dùng, mặc định 180 ngày" },
	ADMIN_DRY_RUN,
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_dkim_rotate = {
	.noun = "dkim",
	.verb = "rotate",
	.words = "[DOMAIN]",
	.words_max = 1,
	.help = "make the next key when the one in use is old; sign with it once DNS has it",
	.help_vi = "tạo khóa mới khi khóa đang dùng đã cũ; chuyển sang ký bằng khóa đó khi DNS đã có",
	.options = rotate_options,
	.examples = "  congvu dkim rotate --dry-run\n  congvu dkim rotate lamgiang.example --after 90",
	.run = run_rotate,
};
