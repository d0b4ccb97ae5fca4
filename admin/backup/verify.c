/* verify.c - `congvu backup verify`: reads every octet of the backups of a target again (BAK-03).
 *
 * Without the operator's key: the mark, each manifest's signature and body, the chain from one to
 * the next, every pack's length and SHA-256. So the server that cannot read its backups can tell
 * that they are whole. With the key also each chunk's seal and the SHA-256 of its plain bytes.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/backup/backup.h"
#include "admin/backup/commands.h"
#include "admin/progress.h"
#include "common/base/clock.h"
#include "common/base/map.h"

struct check {
	struct backup *b;
	struct backup_target *t;
	struct cv_map packs; /* looked at already, by any manifest */
	json_t *faults;
	uint64_t manifests, pack_count, bytes;
	bool is_away; /* the target does not answer: that is no fault of a backup */
};

static void
fault(struct check *c, const char *where, const struct cv_err *err)
{
	char text[600];
	c->is_away |= err->code == CV_TEMPFAIL;
	snprintf(text, sizeof text, "%s: %s", where, err->text);
	json_array_append_new(c->faults, json_string(text));
}

static void
check_packs(struct check *c, const struct backup_manifest *m)
{
	struct backup_reader *r;
	struct cv_err err;
	if (backup_reader_open(c->b, c->t, m, &r, &err))
		return;
	for (uint32_t i = 0; i < m->pack_count && !c->is_away; i++) {
		admin_progress(c->b->call, json_pack("{s:I, s:I}", "done", (json_int_t)i + 1,
						   "total", (json_int_t)m->pack_count));
		/* With the key a pack is looked at for each manifest: their tables differ. */
		if (!c->b->has_secret && cv_map_put(&c->packs, cv_str_z(m->packs[i].name), c))
			continue;
		c->pack_count++;
		c->bytes += m->packs[i].size;
		if (backup_check_pack(r, i, &err))
			fault(c, m->name, &err);
	}
	admin_progress_end(c->b->call);
	backup_reader_close(r);
}

static void
check_manifest(struct check *c, const struct backup_names *n, size_t i, bool with_packs)
{
	struct backup_manifest m, before;
	struct cv_buf object = CV_BUF_INIT(BACKUP_MANIFEST_MAX);
	struct cv_err err = {0}, ignored;
	enum cv_status status = backup_manifest_get(c->b, c->t, n->names[i], &m, &object, &err);
	if (!status && c->b->has_secret)
		status = backup_manifest_open(cv_buf_view(&object), &c->b->secret, &m, &err);
	cv_buf_done(&object);
	c->manifests++;
	if (status)
		fault(c, n->names[i], &err);
	/* The one before may have been pruned; if it is there it must be the one that was. */
	else if (m.previous[0] &&
		 !backup_manifest_get(c->b, c->t, m.previous, &before, NULL, &ignored)) {
		if (memcmp(before.sha256, m.previous_sha256, 32) != 0) {
			(void)cv_fail(
				&err, CV_CORRUPT, "the chain is broken: %s is another", m.previous);
			fault(c, m.name, &err);
		}
		backup_manifest_done(&before);
	}
	if (!status && with_packs)
		check_packs(c, &m);
	backup_manifest_done(&m);
}

/* The newest backup that this server made must still be there: nobody took it away. */
static void
check_newest(struct check *c, const struct backup_names *n, const json_t *row)
{
	const char *newest = json_string_value(json_object_get(row, "manifest"));
	struct cv_err err;
	if (!newest || !newest[0] || (n->count && strcmp(n->names[n->count - 1], newest) >= 0))
		return;
	(void)cv_fail(&err, CV_CORRUPT, "the newest backup, %s, is gone", newest);
	fault(c, c->t->place.name, &err);
}

static void
check_all(struct check *c, const char *only, const json_t *row)
{
	struct backup_names n;
	struct cv_err err = {0};
	if (backup_manifests(c->t, &n, &err))
		fault(c, c->t->place.name, &err);
	for (size_t i = 0; i < n.count && !c->is_away; i++)
		check_manifest(c, &n, i,
			!only || !strncmp(n.names[i], only, strlen(only)) ||
				(!strcmp(only, "latest") && i + 1 == n.count));
	if (!c->is_away)
		check_newest(c, &n, row);
	backup_names_done(&n);
}

static json_t *
verify_target(
	struct backup *b, const struct backup_place *place, const char *only, unsigned *faults_out)
{
	struct check c = {.b = b, .faults = json_array()};
	struct cv_err err = {0};
	json_t *status = backup_status_load(b);
	json_t *row = backup_status_target(status, place);
	cv_map_init(&c.packs);
	if (backup_open_target(b, place, false, &c.t, &err)) {
		c.t = NULL;
		fault(&c, place->name, &err);
	} else
		check_all(&c, only, row);
	*faults_out = (unsigned)json_array_size(c.faults);
	json_object_set_new(row, "verified", json_integer((json_int_t)cv_wall_secs()));
	json_object_set_new(row, "verify_faults", json_integer(*faults_out));
	backup_status_save(b, status);
	json_decref(status);
	backup_target_close(c.t);
	cv_map_done(&c.packs);
	return json_pack("{s:I, s:I, s:I, s:o}", "backups", (json_int_t)c.manifests, "packs",
		(json_int_t)c.pack_count, "bytes", (json_int_t)c.bytes, "faults", c.faults);
}

static void
tell(struct admin_call *call, const char *name, const json_t *row)
{
	size_t i;
	json_t *text, *faults = json_object_get(row, "faults");
	printf(admin_say(call, "%s: %lld backups, %lld packs, %lld MB read: %zu faults\n",
		       "%s: %lld bản sao lưu, %lld gói, đã đọc %lld MB: %zu lỗi\n"),
		name, (long long)admin_number(row, "backups"),
		(long long)admin_number(row, "packs"),
		(long long)(admin_number(row, "bytes") >> 20), json_array_size(faults));
	json_array_foreach(faults, i, text)
	{
		printf("  ");
		admin_put(stdout, json_string_value(text));
		printf("\n");
	}
}

static int
run_verify(struct admin_call *call)
{
	struct backup b;
	int exit_code;
	unsigned sum = 0, faults;
	const char *only = admin_option(call, "target");
	unsigned needs = BACKUP_LOCKS | (admin_option(call, "key") ? (unsigned)BACKUP_OPENS : 0);
	if (!backup_begin(call, needs, &b, &exit_code))
		return exit_code;
	if (!backup_choose(&b)) {
		backup_end(&b);
		return EXIT_FAILED;
	}
	json_t *targets = json_object();
	for (unsigned i = 0; i < b.place_count; i++) {
		if (only && strcmp(only, b.places[i].name) != 0)
			continue;
		json_t *row =
			verify_target(&b, &b.places[i], admin_option(call, "backup"), &faults);
		json_object_set_new(targets, b.places[i].name, row);
		sum += faults;
		if (!call->json)
			tell(call, b.places[i].name, row);
	}
	json_t *reply =
		json_pack("{s:b, s:i, s:o}", "ok", !sum, "faults", (int)sum, "targets", targets);
	admin_json(call, reply);
	json_decref(reply);
	backup_end(&b);
	return sum ? EXIT_FAILED : EXIT_OK;
}

/* clang-format off */
static const struct admin_option options[] = {
	{ "target", "NAME", "only this one of backup_targets", "chỉ một nơi lưu" },
	{ "backup", "NAME", "packs of this backup alone, or `latest`", "chỉ các gói của bản này" },
	{ "key", "FILE", "also open every chunk with the operator's key",
		"mở từng khối bằng khóa của người vận hành" },
	{ "passphrase-file", "FILE", "its passphrase, instead of a question", "tệp chứa mật khẩu khóa" },
	{ 0 }
};
/* clang-format on */

const struct admin_command admin_backup_verify = {
	.noun = "backup",
	.verb = "verify",
	.words = "",
	.help = "read every backup again and compare every checksum and signature",
	.help_vi = "đọc lại toàn bộ bản sao lưu, đối chiếu mã kiểm tra và chữ ký",
	.options = options,
	.examples = "  congvu backup verify\n  congvu backup verify --target s3 --backup latest",
	.run = run_verify,
};
