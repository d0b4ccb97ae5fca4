/* prune.c - `congvu backup prune`: what retention lets go (BAK-01, BAK-03).
 *
 * Kept are all backups of today and yesterday, the last backup of each of the last
 * backup_keep_daily days that have one, and of each of the last backup_keep_monthly months that
 * have one; the newest is kept whatever these say. A pack goes when no kept manifest names it and
 * its day is past the day before: what a backup that broke off put there is found again by the next
 * one (index.h) and goes when that did not happen. Manifests go before their packs: dying between
 * leaves packs, never a backup without its packs. When any manifest cannot be read, no pack is
 * removed: it may name them all.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <time.h>

#include "admin/backup/backup.h"
#include "admin/backup/commands.h"
#include "common/base/clock.h"
#include "common/base/kill.h"
#include "common/base/map.h"

struct pack_list {
	char (*names)[BACKUP_NAME_MAX];
	uint64_t *sizes;
	size_t count, room;
};

/* Marks in KEPT, from the newest back, the last of each of MAX periods; a name's first N letters
 * are its period (8: a day, 6: a month). */
static void
keep_periods(const struct backup_names *n, size_t letters, uint64_t max, bool *kept)
{
	uint64_t periods = 0;
	for (size_t i = n->count; i-- > 0 && periods < max;) {
		bool is_last =
			i + 1 == n->count || strncmp(n->names[i], n->names[i + 1], letters) != 0;
		kept[i] |= is_last;
		periods += is_last;
	}
}

/* "20261121": names of yesterday and today are not below it. */
static void
day_before(char out[16])
{
	struct tm tm;
	time_t safe = (time_t)(cv_wall_secs() - 86400);
	gmtime_r(&safe, &tm);
	strftime(out, 16, "%Y%m%d", &tm);
}

static void
keep_young(const struct backup_names *n, bool *kept)
{
	char day[16];
	day_before(day);
	for (size_t i = 0; i < n->count; i++)
		kept[i] |= strncmp(n->names[i], day, 8) >= 0 || i + 1 == n->count;
}

static bool
add_pack(void *arg, struct cv_str name, uint64_t size)
{
	struct pack_list *l = arg;
	if (!backup_is_pack_name(name))
		return true;
	if (l->count == l->room) {
		l->room = l->room ? l->room * 2 : 256;
		l->names = cv_realloc(l->names, l->room * sizeof *l->names);
		l->sizes = cv_realloc(l->sizes, l->room * sizeof *l->sizes);
	}
	memset(l->names[l->count], 0, sizeof l->names[0]);
	memcpy(l->names[l->count], name.p, name.n);
	l->sizes[l->count++] = size;
	return true;
}

static enum cv_status
note_packs(struct backup *b, struct backup_target *t, const struct backup_names *n,
	const bool *kept, struct cv_map *used, struct cv_err *err)
{
	enum cv_status status = CV_OK;
	for (size_t i = 0; !status && i < n->count; i++) {
		struct backup_manifest m;
		if (!kept[i])
			continue;
		status = backup_manifest_get(b, t, n->names[i], &m, NULL, err);
		for (uint32_t j = 0; !status && j < m.pack_count; j++)
			(void)cv_map_put(used, cv_str_z(m.packs[j].name), used);
		backup_manifest_done(&m);
	}
	return status;
}

static enum cv_status
remove_packs(struct backup_target *t, const struct pack_list *l, const struct cv_map *used,
	bool dry_run, uint64_t *packs_out, uint64_t *bytes_out, struct cv_err *err)
{
	char day[16], path[128];
	enum cv_status status = CV_OK;
	day_before(day);
	for (size_t i = 0; !status && i < l->count; i++) {
		if (cv_map_get(used, cv_str_z(l->names[i])) || strncmp(l->names[i], day, 8) >= 0)
			continue;
		snprintf(path, sizeof path, "packs/%s", l->names[i]);
		if (!dry_run)
			status = backup_target_remove(t, path, err);
		*packs_out += !status;
		*bytes_out += status ? 0 : l->sizes[i];
	}
	return status;
}

static enum cv_status
remove_manifests(struct backup_target *t, const struct backup_names *n, const bool *kept,
	bool dry_run, uint64_t *count_out, struct cv_err *err)
{
	char path[128];
	enum cv_status status = CV_OK;
	for (size_t i = 0; !status && i < n->count; i++) {
		if (kept[i])
			continue;
		snprintf(path, sizeof path, "manifests/%s", n->names[i]);
		if (!dry_run)
			status = backup_target_remove(t, path, err);
		*count_out += !status;
		CV_KILL_POINT("backup.pruned");
	}
	return status;
}

enum cv_status
backup_prune_target(struct backup *b, struct backup_target *t, bool dry_run,
	uint64_t *manifests_out, uint64_t *packs_out, uint64_t *bytes_out, struct cv_err *err)
{
	struct backup_names n;
	struct pack_list l = {0};
	struct cv_map used;
	*manifests_out = *packs_out = *bytes_out = 0;
	if (t->place.append_only)
		return cv_fail(err, CV_DENIED,
			"target %s is append-only: what it keeps is for its own rules to remove",
			t->place.name);
	cv_map_init(&used);
	enum cv_status status = backup_manifests(t, &n, err);
	bool *kept = cv_calloc(n.count + 1, sizeof *kept);
	keep_young(&n, kept);
	keep_periods(&n, 8, CV_MAX(b->opt->backup_keep_daily, (uint64_t)1), kept);
	keep_periods(&n, 6, b->opt->backup_keep_monthly, kept);
	/* The packs are listed before the manifests are read again: one that a kept manifest names
	 * cannot be missed. */
	if (!status)
		status = backup_target_list(t, "packs/", add_pack, &l, err);
	if (!status)
		status = note_packs(b, t, &n, kept, &used, err);
	if (!status)
		status = remove_manifests(t, &n, kept, dry_run, manifests_out, err);
	if (!status)
		status = remove_packs(t, &l, &used, dry_run, packs_out, bytes_out, err);
	free(kept);
	free(l.names);
	free(l.sizes);
	cv_map_done(&used);
	backup_names_done(&n);
	return status;
}

static int
run_prune(struct admin_call *call)
{
	struct backup b;
	struct backup_target *t;
	struct cv_err err = {0};
	int exit_code;
	uint64_t manifests = 0, packs = 0, bytes = 0;
	if (!backup_begin(call, BACKUP_WRITES, &b, &exit_code))
		return exit_code;
	bool dry_run = admin_option(call, "dry-run") != NULL;
	const struct backup_place *place = backup_choose(&b);
	enum cv_status status = place ? backup_open_target(&b, place, false, &t, &err) : CV_INVALID;
	if (place && !status) {
		status = backup_prune_target(&b, t, dry_run, &manifests, &packs, &bytes, &err);
		backup_target_close(t);
	}
	if (status)
		exit_code = place ? backup_fail(&b, &err) : EXIT_FAILED;
	else {
		json_t *reply = json_pack("{s:b, s:s, s:I, s:I, s:I, s:b}", "ok", 1, "target",
			place->name, "backups", (json_int_t)manifests, "packs", (json_int_t)packs,
			"bytes", (json_int_t)bytes, "dry_run", dry_run);
		if (!admin_json(call, reply))
			printf(admin_say(call, "%s: %llu backups, %llu packs, %llu MB %s\n",
				       "%s: %llu bản sao lưu, %llu gói, %llu MB %s\n"),
				place->name, (unsigned long long)manifests,
				(unsigned long long)packs, (unsigned long long)(bytes >> 20),
				dry_run ? admin_say(call, "would be removed", "sẽ được xóa")
					: admin_say(call, "removed", "đã xóa"));
		json_decref(reply);
	}
	backup_end(&b);
	return exit_code;
}

/* clang-format off */
static const struct admin_option options[] = {
	{ "target", "NAME", "which of backup_targets", "nơi lưu nào" },
	ADMIN_DRY_RUN,
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_backup_prune = {
	.noun = "backup",
	.verb = "prune",
	.words = "",
	.help = "remove backups that retention no longer asks for",
	.help_vi = "xóa các bản sao lưu quá thời hạn lưu giữ",
	.options = options,
	.examples = "  congvu backup prune --target disk --dry-run",
	.run = run_prune,
};
