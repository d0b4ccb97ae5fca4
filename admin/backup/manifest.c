/* manifest.c - see manifest.h. Bytes only. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/backup/manifest.h"

#include <inttypes.h>
#include <jansson.h>
#include <time.h>

#include "common/base/rng.h"

#define MAGIC        "CVMFST1\n"
#define MAGIC_BYTES  8u
#define HEAD_MAX     (512u << 20)
#define TABLES_MAGIC "CVTBL1"

void
backup_manifest_done(struct backup_manifest *m)
{
	for (uint32_t i = 0; i < m->file_count; i++) {
		free(m->files[i].path);
		free(m->files[i].chunks);
	}
	free(m->files);
	free(m->chunks);
	free(m->packs);
	*m = (struct backup_manifest){0};
}

/* ---- names ---- */

static bool
has_shape(struct cv_str name, const char *shape)
{
	if (name.n != strlen(shape))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool is_hex = cv_is_digit((unsigned char)c) || (c >= 'a' && c <= 'f');
		if (shape[i] == 'd'       ? !cv_is_digit((unsigned char)c)
			: shape[i] == 'h' ? !is_hex
					  : c != shape[i])
			return false;
	}
	return true;
}

bool
backup_is_pack_name(struct cv_str name)
{
	return has_shape(name, "dddddddd/hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh");
}

bool
backup_is_manifest_name(struct cv_str name)
{
	return has_shape(name, "ddddddddTddddddZ-hhhhhhhh");
}

bool
backup_is_path(struct cv_str path)
{
	struct cv_str part;
	if (!path.n || path.n > BACKUP_PATH_MAX || path.p[path.n - 1] == '/')
		return false;
	for (size_t i = 0; i < path.n; i++)
		if ((unsigned char)path.p[i] < 0x20 || path.p[i] == 0x7f)
			return false;
	while (path.n) {
		cv_str_split(&path, '/', &part);
		if (!part.n || cv_str_eq_z(part, ".") || cv_str_eq_z(part, ".."))
			return false;
	}
	return true;
}

void
backup_manifest_name(struct backup_manifest *m)
{
	struct tm tm;
	time_t t = (time_t)m->time_secs;
	uint8_t random[4];
	char hex[9];
	gmtime_r(&t, &tm);
	cv_random(random, sizeof random);
	backup_hex(random, sizeof random, hex);
	size_t n = strftime(m->name, sizeof m->name, "%Y%m%dT%H%M%SZ-", &tm);
	snprintf(m->name + n, sizeof m->name - n, "%s", hex);
}

/* ---- tables ---- */

void
backup_tables_print(const struct backup_manifest *m, struct cv_buf *out)
{
	cv_buf_z(out, TABLES_MAGIC);
	cv_buf_varint(out, m->chunk_count);
	for (uint32_t i = 0; i < m->chunk_count; i++) {
		const struct backup_chunk *c = &m->chunks[i];
		cv_buf_add(out, c->sha256, sizeof c->sha256);
		cv_buf_varint(out, c->pack);
		cv_buf_varint(out, c->offset);
		cv_buf_varint(out, c->stored);
		cv_buf_varint(out, c->size);
	}
	cv_buf_varint(out, m->file_count);
	for (uint32_t i = 0; i < m->file_count; i++) {
		const struct backup_file *f = &m->files[i];
		cv_buf_bytes(out, cv_str_z(f->path));
		cv_buf_varint(out, f->mode);
		cv_buf_varint(out, (uint64_t)f->mtime_secs);
		cv_buf_varint(out, f->size);
		cv_buf_varint(out, f->count);
		for (uint32_t j = 0; j < f->count; j++)
			cv_buf_varint(out, f->chunks[j]);
	}
}

static bool
read_chunk(struct cv_rd *r, const struct backup_manifest *m, struct backup_chunk *c)
{
	cv_rd_copy(r, c->sha256, sizeof c->sha256);
	uint64_t pack = cv_rd_varint(r), offset = cv_rd_varint(r), stored = cv_rd_varint(r),
		 size = cv_rd_varint(r);
	if (r->bad || pack >= m->pack_count || !size || size > BACKUP_CHUNK_MAX ||
		stored > 2 * BACKUP_CHUNK_MAX || offset < BACKUP_HEAD_BYTES ||
		offset > m->packs[pack].size || stored > m->packs[pack].size - offset)
		return false;
	c->pack = (uint32_t)pack;
	c->offset = (uint32_t)offset;
	c->stored = (uint32_t)stored;
	c->size = (uint32_t)size;
	return true;
}

static bool
read_file(struct cv_rd *r, const struct backup_manifest *m, struct backup_file *f)
{
	struct cv_str path = cv_rd_bytes(r);
	uint64_t mode = cv_rd_varint(r), mtime = cv_rd_varint(r), sum = 0;
	f->size = cv_rd_varint(r);
	uint64_t count = cv_rd_varint(r);
	/* Each index takes an octet at least, so the count cannot ask for more memory than that. */
	if (r->bad || !backup_is_path(path) || mode > 07777 || mtime > INT64_MAX ||
		count > cv_rd_left(r))
		return false;
	f->path = cv_str_dup(path);
	f->mode = (uint32_t)mode;
	f->mtime_secs = (int64_t)mtime;
	f->chunks = cv_malloc((size_t)(count + 1) * sizeof *f->chunks);
	for (; f->count < count; f->count++) {
		uint64_t i = cv_rd_varint(r);
		if (r->bad || i >= m->chunk_count)
			return false;
		f->chunks[f->count] = (uint32_t)i;
		sum += m->chunks[i].size;
	}
	return sum == f->size;
}

enum cv_status
backup_tables_parse(struct cv_str plain, struct backup_manifest *m, struct cv_err *err)
{
	struct cv_rd r = cv_rd(plain);
	bool ok = cv_str_eq_z(cv_rd_take(&r, sizeof TABLES_MAGIC - 1), TABLES_MAGIC);
	uint64_t chunks = cv_rd_varint(&r);
	ok = ok && !r.bad && chunks <= BACKUP_CHUNKS_MAX && chunks <= cv_rd_left(&r) / 36;
	if (ok)
		m->chunks = cv_calloc((size_t)chunks + 1, sizeof *m->chunks);
	for (; ok && m->chunk_count < chunks; m->chunk_count += ok)
		ok = read_chunk(&r, m, &m->chunks[m->chunk_count]);
	uint64_t files = ok ? cv_rd_varint(&r) : 0;
	ok = ok && !r.bad && files <= BACKUP_FILES_MAX && files <= cv_rd_left(&r) / 5;
	if (ok)
		m->files = cv_calloc((size_t)files + 1, sizeof *m->files);
	while (ok && m->file_count < files)
		ok = read_file(&r, m, &m->files[m->file_count++]);
	if (!ok || r.bad || cv_rd_left(&r))
		return cv_fail(err, CV_CORRUPT, "the tables of a backup are damaged");
	return CV_OK;
}

/* ---- the object ---- */

/* The tables, sealed in chunks of a pack of their own. */
static void
print_body(const struct backup_manifest *m, const struct backup_public *pub, struct cv_buf *out)
{
	struct backup_cipher cipher;
	struct cv_buf tables = CV_BUF_INIT(BACKUP_MANIFEST_MAX);
	backup_tables_print(m, &tables);
	backup_pack_begin(pub, &cipher, out);
	for (size_t at = 0; at < tables.n; at += BACKUP_CHUNK_MAX)
		backup_chunk_seal(&cipher,
			cv_str_sub(cv_buf_view(&tables), at, at + BACKUP_CHUNK_MAX), true, out);
	backup_cipher_wipe(&cipher);
	cv_buf_done(&tables);
}

static json_t *
hex_text(const uint8_t sha256[32])
{
	char hex[65];
	backup_hex(sha256, 32, hex);
	return json_string(hex);
}

static char *
print_head(const struct backup_manifest *m, const uint8_t body_sha256[32])
{
	json_t *packs = json_array();
	for (uint32_t i = 0; i < m->pack_count; i++) {
		char hex[65], line[160];
		backup_hex(m->packs[i].sha256, 32, hex);
		snprintf(line, sizeof line, "%s %" PRIu64 " %s", m->packs[i].name, m->packs[i].size,
			hex);
		json_array_append_new(packs, json_string(line));
	}
	json_t *head = json_pack(
		"{s:i, s:s, s:I, s:I, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:o, s:o}", "format", 1,
		"name", m->name, "time", (json_int_t)m->time_secs, "took_ms",
		(json_int_t)m->took_ms, "host", m->host, "version", m->version, "previous",
		m->previous, "previous_sha256", hex_text(m->previous_sha256), "files",
		(json_int_t)m->file_count, "bytes", (json_int_t)m->bytes, "new_bytes",
		(json_int_t)m->new_bytes, "body_sha256", hex_text(body_sha256), "packs", packs);
	char *text = head ? json_dumps(head, JSON_COMPACT) : NULL;
	json_decref(head);
	if (!text)
		cv_die("a manifest cannot be written as JSON");
	return text;
}

void
backup_manifest_print(struct backup_manifest *m, const struct backup_public *pub,
	const uint8_t sign_secret[BACKUP_SIGN_SECRET], struct cv_buf *out)
{
	struct cv_buf body = CV_BUF_INIT(BACKUP_MANIFEST_MAX);
	uint8_t sha256[32], signature[BACKUP_SIGNATURE];
	print_body(m, pub, &body);
	backup_sha256(cv_buf_view(&body), sha256);
	char *head = print_head(m, sha256);
	cv_buf_add(out, MAGIC, MAGIC_BYTES);
	cv_buf_be32(out, (uint32_t)strlen(head));
	cv_buf_z(out, head);
	free(head);
	backup_sign(sign_secret, cv_buf_view(out), signature);
	cv_buf_add(out, signature, sizeof signature);
	cv_buf_str(out, cv_buf_view(&body));
	cv_buf_done(&body);
	backup_sha256(cv_buf_view(out), m->sha256);
}

/* ---- reading it back ---- */

static bool
get_text(const json_t *head, const char *key, char *out, size_t room)
{
	const json_t *value = json_object_get(head, key);
	size_t n = json_string_length(value);
	if (!json_is_string(value) || n >= room || strlen(json_string_value(value)) != n)
		return false;
	memcpy(out, json_string_value(value), n + 1);
	return true;
}

static bool
get_number(const json_t *head, const char *key, uint64_t *out)
{
	const json_t *value = json_object_get(head, key);
	json_int_t n = json_integer_value(value);
	*out = n > 0 ? (uint64_t)n : 0;
	return json_is_integer(value) && n >= 0;
}

static bool
get_hash(const json_t *head, const char *key, uint8_t out[32])
{
	const char *text = json_string_value(json_object_get(head, key));
	return text && backup_hex_parse(cv_str_z(text), out, 32);
}

/* "20261123/<hex> <size> <sha256>" */
static bool
read_pack(const char *line, struct backup_pack *p)
{
	struct cv_str rest = cv_str_z(line), name, size;
	if (!line || !cv_str_split(&rest, ' ', &name) || !backup_is_pack_name(name) ||
		!cv_str_split(&rest, ' ', &size) || cv_str_u64(size, BACKUP_PACK_MAX, &p->size) ||
		p->size < BACKUP_HEAD_BYTES)
		return false;
	memcpy(p->name, name.p, name.n);
	return backup_hex_parse(rest, p->sha256, 32);
}

static bool
read_packs(const json_t *list, struct backup_manifest *m)
{
	size_t n = json_array_size(list);
	if (!json_is_array(list) || n > BACKUP_PACKS_MAX)
		return false;
	m->packs = cv_calloc(n + 1, sizeof *m->packs);
	for (; m->pack_count < n; m->pack_count++)
		if (!read_pack(json_string_value(json_array_get(list, m->pack_count)),
			    &m->packs[m->pack_count]))
			return false;
	return true;
}

static bool
read_head(const json_t *head, struct backup_manifest *m, uint8_t body_sha256[32])
{
	uint64_t format, time_secs, took;
	if (!get_number(head, "format", &format) || format != 1 ||
		!get_text(head, "name", m->name, sizeof m->name) ||
		!backup_is_manifest_name(cv_str_z(m->name)) ||
		!get_number(head, "time", &time_secs) || !get_number(head, "took_ms", &took) ||
		!get_text(head, "host", m->host, sizeof m->host) ||
		!get_text(head, "version", m->version, sizeof m->version) ||
		!get_text(head, "previous", m->previous, sizeof m->previous) ||
		(m->previous[0] && !backup_is_manifest_name(cv_str_z(m->previous))) ||
		!get_hash(head, "previous_sha256", m->previous_sha256) ||
		!get_number(head, "files", &m->file_count_said) ||
		!get_number(head, "bytes", &m->bytes) ||
		!get_number(head, "new_bytes", &m->new_bytes) ||
		!get_hash(head, "body_sha256", body_sha256))
		return false;
	m->time_secs = (int64_t)time_secs;
	m->took_ms = (int64_t)took;
	return read_packs(json_object_get(head, "packs"), m);
}

struct parts {
	struct cv_str head, sealed; /* the JSON; all that is signed */
	const uint8_t *signature;
	struct cv_str body;
};

static bool
split(struct cv_str object, struct parts *out)
{
	struct cv_rd r = cv_rd(object);
	if (!cv_str_eq_z(cv_rd_take(&r, MAGIC_BYTES), MAGIC))
		return false;
	uint32_t n = cv_rd_be32(&r);
	if (n > HEAD_MAX)
		return false;
	out->head = cv_rd_take(&r, n);
	out->sealed = cv_str_sub(object, 0, MAGIC_BYTES + 4 + n);
	out->signature = (const uint8_t *)cv_rd_take(&r, BACKUP_SIGNATURE).p;
	out->body = cv_rd_take(&r, cv_rd_left(&r));
	return !r.bad;
}

enum cv_status
backup_manifest_parse(struct cv_str object, const struct backup_public *pub,
	struct backup_manifest *m, struct cv_err *err)
{
	struct parts p;
	uint8_t want[32], is[32];
	*m = (struct backup_manifest){0};
	if (!split(object, &p))
		return cv_fail(err, CV_CORRUPT, "not the manifest of a backup");
	if (pub && !backup_sign_check(pub, p.sealed, p.signature))
		return cv_fail(err, CV_DENIED,
			"the manifest is not signed by this server: it is damaged or another's");
	json_t *head = json_loadb(p.head.p, p.head.n, 0, NULL);
	bool ok = json_is_object(head) && read_head(head, m, want);
	json_decref(head);
	if (!ok)
		return cv_fail(err, CV_CORRUPT, "the head of the manifest is damaged");
	backup_sha256(p.body, is);
	if (memcmp(want, is, sizeof is) != 0)
		return cv_fail(err, CV_CORRUPT, "the body of the manifest is damaged");
	backup_sha256(object, m->sha256);
	return CV_OK;
}

enum cv_status
backup_manifest_open(struct cv_str object, const struct backup_secret *secret,
	struct backup_manifest *m, struct cv_err *err)
{
	struct parts p;
	struct backup_cipher cipher;
	struct cv_buf tables = CV_BUF_INIT(BACKUP_MANIFEST_MAX);
	if (!split(object, &p))
		return cv_fail(err, CV_CORRUPT, "not the manifest of a backup");
	enum cv_status status = backup_pack_open(secret, p.body, &cipher, err);
	struct cv_str rest = cv_str_sub(p.body, BACKUP_HEAD_BYTES, p.body.n);
	while (!status && rest.n) {
		struct cv_rd r = cv_rd(rest);
		size_t n = (size_t)cv_rd_be32(&r) + 4;
		status = backup_chunk_open(&cipher, (uint64_t)(rest.p - p.body.p),
			cv_str_sub(rest, 0, n), &tables, err);
		rest = cv_str_sub(rest, n, rest.n);
	}
	if (!status)
		status = backup_tables_parse(cv_buf_view(&tables), m, err);
	backup_cipher_wipe(&cipher);
	cv_buf_done(&tables);
	return status;
}
