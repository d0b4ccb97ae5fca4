/* conf.c - reads the configuration file against the tables of options.
 *
 * One pass over lines; each says "[section]", "name = value", "include FILE" or nothing. Values go
 * straight into the sections' structs, which were filled with defaults before, so a conf that was
 * loaded is whole. Paths are resolved last, when base_dir is known. Limits: 1 MB a file, 64 files,
 * includes 8 deep.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/options/value.h"

#define FILE_BYTES_MAX (1u << 20)
#define FILES_MAX 64
#define INCLUDE_DEPTH_MAX 8
#define NAME_MAX_BYTES 64

struct set {
	const struct cv_section *section;
	void *values;
	const char **where; /* "file:line" that set the option, or NULL */
};
struct cv_conf {
	struct cv_arena arena;
	struct set *sets;
	size_t count;
	unsigned files;
};
struct parser {
	struct cv_conf *conf;
	const char *name;   /* of the file, for messages */
	const char *dir;    /* of the file, for include; "" is the working directory */
	unsigned line, depth;
	struct set *set;    /* the section under way, or NULL */
};

static enum cv_status parse_text(struct parser *p, struct cv_str text, struct cv_err *err);

/* Puts file and line before the sentence in ERR. */
static enum cv_status
blame(const struct parser *p, enum cv_status status, struct cv_err *err)
{
	if (!err)
		return status;
	char text[CV_ERR_TEXT_MAX];
	memcpy(text, err->text, sizeof text);
	return cv_fail(err, status, "%s:%u: %s", p->name, p->line, text);
}

/* Levenshtein's distance of short words, cut off at NAME_MAX_BYTES. */
static size_t
distance(struct cv_str a, struct cv_str b)
{
	size_t row[NAME_MAX_BYTES + 1];
	if (a.n > NAME_MAX_BYTES || b.n > NAME_MAX_BYTES)
		return SIZE_MAX;
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t up = row[j];
			size_t swap = diagonal + (a.p[i - 1] != b.p[j - 1]);
			row[j] = CV_MIN(swap, CV_MIN(up, row[j - 1]) + 1);
			diagonal = up;
		}
	}
	return row[b.n];
}

static enum cv_status
unknown_option(const struct cv_section *s, struct cv_str name, struct cv_err *err)
{
	const char *nearest = NULL;
	size_t best = 4;
	for (size_t i = 0; i < s->count; i++) {
		size_t d = distance(name, cv_str_z(s->options[i].name));
		if (d < best) {
			best = d;
			nearest = s->options[i].name;
		}
	}
	if (nearest)
		return cv_fail(err, CV_INVALID, "no option '%.*s' in [%s]; did you mean '%s'?",
			CV_STR_ARGS(name), s->name, nearest);
	return cv_fail(err, CV_INVALID, "no option '%.*s' in [%s]", CV_STR_ARGS(name), s->name);
}

static enum cv_status
parse_section(struct parser *p, struct cv_str line, struct cv_err *err)
{
	if (line.p[line.n - 1] != ']')
		return cv_fail(err, CV_INVALID, "']' is missing after the section's name");
	struct cv_str name = cv_str_trim(cv_str_sub(line, 1, line.n - 1));
	for (size_t i = 0; i < p->conf->count; i++) {
		if (cv_str_eq_z(name, p->conf->sets[i].section->name)) {
			p->set = &p->conf->sets[i];
			return CV_OK;
		}
	}
	return cv_fail(err, CV_INVALID, "no section [%.*s]", CV_STR_ARGS(name));
}

/* A "#" behind a blank begins a comment. */
static struct cv_str
without_comment(struct cv_str value)
{
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] == '#' && (!i || value.p[i - 1] == ' ' || value.p[i - 1] == '\t'))
			return cv_str_trim(cv_str_sub(value, 0, i));
	return value;
}

static enum cv_status
parse_option(struct parser *p, struct cv_str line, size_t equals, struct cv_err *err)
{
	struct cv_str name = cv_str_trim(cv_str_sub(line, 0, equals));
	struct cv_str value = without_comment(cv_str_trim(cv_str_sub(line, equals + 1, line.n)));
	if (!p->set)
		return cv_fail(err, CV_INVALID, "'%.*s' stands before any [section]",
		               CV_STR_ARGS(name));
	const struct cv_section *s = p->set->section;
	for (size_t i = 0; i < s->count; i++) {
		if (!cv_str_eq_z(name, s->options[i].name))
			continue;
		if (p->set->where[i])
			return cv_fail(err, CV_INVALID, "'%s' was given before, at %s",
			               s->options[i].name, p->set->where[i]);
		p->set->where[i] = cv_arena_printf(&p->conf->arena, "%s:%u", p->name, p->line).p;
		return cv_opt_store(&s->options[i], value, p->set->values, &p->conf->arena, err);
	}
	return unknown_option(s, name, err);
}

static enum cv_status
read_whole(const char *path, struct cv_arena *arena, struct cv_str *text_out, struct cv_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return cv_fail_errno(err, errno == ENOENT ? CV_NOT_FOUND : CV_TEMPFAIL, errno,
			"cannot read the configuration %s", path);
	enum cv_status status = CV_OK;
	struct stat st;
	struct cv_buf text = CV_BUF_INIT(FILE_BYTES_MAX + 1);
	if (fstat(fd, &st) || S_ISDIR(st.st_mode)) {
		status = cv_fail(err, CV_INVALID, "the configuration %s is not a file", path);
		goto out;
	}
	for (;;) {
		char piece[8192];
		ssize_t n = read(fd, piece, sizeof piece);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			status = cv_fail_errno(err, CV_TEMPFAIL, errno,
			                       "cannot read the configuration %s", path);
		if (n <= 0)
			break;
		cv_buf_add(&text, piece, (size_t)n);
		if (text.full || text.n > FILE_BYTES_MAX) {
			status = cv_fail(err, CV_LIMIT,
			                 "the configuration %s is larger than %u bytes", path,
			                 FILE_BYTES_MAX);
			break;
		}
	}
	*text_out = cv_arena_str(arena, cv_buf_view(&text));
out:
	cv_buf_done(&text);
	close(fd);
	return status;
}

/* The folder of PATH with its last slash, or "". */
static const char *
dir_of(struct cv_arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? cv_arena_z(arena, cv_str(path, (size_t)(slash - path) + 1)) : "";
}

static enum cv_status
parse_file(struct cv_conf *c, const char *path, unsigned depth, struct cv_err *err)
{
	if (++c->files > FILES_MAX)
		return cv_fail(err, CV_LIMIT, "more than %u configuration files", FILES_MAX);
	struct cv_str text = CV_STR_EMPTY;
	enum cv_status status = read_whole(path, &c->arena, &text, err);
	if (status)
		return status;
	struct parser p = {
		.conf = c, .name = path, .dir = dir_of(&c->arena, path), .depth = depth
	};
	return parse_text(&p, text, err);
}

static enum cv_status
parse_include(struct parser *p, struct cv_str file, struct cv_err *err)
{
	file = without_comment(cv_str_trim(file));
	if (!file.n || memchr(file.p, 0, file.n))
		return blame(p, cv_fail(err, CV_INVALID, "include needs the name of a file"), err);
	if (p->depth + 1 > INCLUDE_DEPTH_MAX)
		return blame(p,
		             cv_fail(err, CV_LIMIT, "includes deeper than %u", INCLUDE_DEPTH_MAX),
		             err);
	struct cv_str path = cv_arena_printf(&p->conf->arena, "%s%.*s",
	                                     file.p[0] == '/' ? "" : p->dir, CV_STR_ARGS(file));
	/* An error inside names the inner file; one about the file itself names our line. */
	enum cv_status status = parse_file(p->conf, path.p, p->depth + 1, err);
	if (status == CV_NOT_FOUND || status == CV_TEMPFAIL)
		return blame(p, status, err);
	return status;
}

static enum cv_status
parse_line(struct parser *p, struct cv_str line, struct cv_err *err)
{
	line = cv_str_trim(line);
	if (!line.n || line.p[0] == '#')
		return CV_OK;
	if (line.p[0] == '[')
		return parse_section(p, without_comment(line), err);
	size_t equals = cv_str_find(line, '=', 0);
	if (equals == line.n)
		return cv_fail(err, CV_INVALID, "'%.*s' is neither 'name = value' nor '[section]'",
			CV_STR_ARGS(cv_str_sub(line, 0, 40)));
	return parse_option(p, line, equals, err);
}

static bool
is_include(struct cv_str line, struct cv_str *file_out)
{
	line = cv_str_trim(line);
	if (!cv_str_has_prefix(line, "include ") && !cv_str_has_prefix(line, "include\t"))
		return false;
	*file_out = cv_str_sub(line, 8, line.n);
	return !cv_str_has_prefix(cv_str_trim(*file_out), "=");
}

static enum cv_status
parse_text(struct parser *p, struct cv_str text, struct cv_err *err)
{
	if (cv_str_has_prefix(text, "\xef\xbb\xbf"))
		text = cv_str_sub(text, 3, text.n);
	struct cv_str line, file;
	while (cv_str_split(&text, '\n', &line)) {
		p->line++;
		enum cv_status status;
		if (is_include(line, &file)) {
			status = parse_include(p, file, err);
			if (status)
				return status;
			continue;
		}
		status = parse_line(p, line, err);
		if (status)
			return blame(p, status, err);
	}
	return CV_OK;
}

/* ---- filling in ---- */

static enum cv_status
conf_new(const struct cv_section *const *sections, size_t count, struct cv_conf **out,
         struct cv_err *err)
{
	struct cv_conf *c = cv_calloc(1, sizeof *c);
	c->sets = CV_ARENA_ARRAY(&c->arena, struct set, count);
	c->count = count;
	*out = c;
	for (size_t i = 0; i < count; i++) {
		struct set *set = &c->sets[i];
		set->section = sections[i];
		set->values = cv_arena_alloc(&c->arena, sections[i]->struct_bytes);
		set->where = CV_ARENA_ARRAY(&c->arena, const char *, sections[i]->count);
		for (size_t j = 0; j < sections[i]->count; j++) {
			const struct cv_option *row = &sections[i]->options[j];
			enum cv_status status = cv_opt_store(row, cv_str_z(row->dflt), set->values,
			                                     &c->arena, err);
			if (status)
				return status;
		}
	}
	return CV_OK;
}

static const char **
path_field(struct set *set, const struct cv_option *row)
{
	return (const char **)(void *)((char *)set->values + row->offset);
}

static const char *
joined(struct cv_arena *arena, const char *dir, const char *path)
{
	if (!*path || *path == '/' || !*dir)
		return path;
	bool slash = dir[strlen(dir) - 1] == '/';
	return cv_arena_printf(arena, "%s%s%s", dir, slash ? "" : "/", path).p;
}

static const char *
base_dir(const struct cv_conf *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct cv_section *s = c->sets[i].section;
		for (size_t j = 0; !strcmp(s->name, "congvu") && j < s->count; j++)
			if (s->options[j].kind == CV_OPT_path &&
			    !strcmp(s->options[j].name, "base_dir"))
				return *path_field(&c->sets[i], &s->options[j]);
	}
	return "";
}

/* base_dir itself, when relative, starts at the folder of the configuration. */
static void
resolve_paths(struct cv_conf *c, const char *conf_dir)
{
	const char *written = base_dir(c);
	const char *base = joined(&c->arena, conf_dir, written);
	for (size_t i = 0; i < c->count; i++) {
		struct set *set = &c->sets[i];
		for (size_t j = 0; j < set->section->count; j++) {
			const struct cv_option *row = &set->section->options[j];
			if (row->kind != CV_OPT_path)
				continue;
			const char **field = path_field(set, row);
			*field = *field == written ? base : joined(&c->arena, base, *field);
		}
	}
}

static enum cv_status
finish(struct cv_conf *c, enum cv_status status, const char *conf_dir, struct cv_conf **out)
{
	if (status) {
		cv_conf_free(c);
		*out = NULL;
		return status;
	}
	resolve_paths(c, conf_dir);
	*out = c;
	return CV_OK;
}

enum cv_status
cv_conf_parse(struct cv_str text, const char *name, const struct cv_section *const *sections,
              size_t count, struct cv_conf **out, struct cv_err *err)
{
	struct cv_conf *c;
	enum cv_status status = conf_new(sections, count, &c, err);
	struct parser p = { .conf = c, .name = name, .dir = "" };
	if (!status && text.n > FILE_BYTES_MAX)
		status = cv_fail(err, CV_LIMIT, "the configuration %s is larger than %u bytes",
		                 name, FILE_BYTES_MAX);
	if (!status)
		status = parse_text(&p, text, err);
	return finish(c, status, "", out);
}

enum cv_status
cv_conf_load(const char *file, const struct cv_section *const *sections, size_t count,
             struct cv_conf **out, struct cv_err *err)
{
	struct cv_conf *c;
	enum cv_status status = conf_new(sections, count, &c, err);
	if (!status)
		status = parse_file(c, file, 0, err);
	char *real = realpath(file, NULL);
	status = finish(c, status, real ? dir_of(&c->arena, real) : "", out);
	free(real);
	return status;
}

const void *
cv_conf_get(const struct cv_conf *c, const struct cv_section *section)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->sets[i].section == section)
			return c->sets[i].values;
	cv_die("section [%s] is not part of this configuration", section->name);
}

const char *
cv_conf_text(const struct cv_conf *c, const char *section, const char *name,
             const char **where_out)
{
	for (size_t i = 0; i < c->count; i++) {
		struct set *set = &c->sets[i];
		if (strcmp(set->section->name, section) != 0)
			continue;
		for (size_t j = 0; j < set->section->count; j++) {
			const struct cv_option *row = &set->section->options[j];
			if (strcmp(row->name, name) != 0 || !cv_opt_is_text(row->kind))
				continue;
			if (where_out)
				*where_out = set->where[j];
			return *path_field(set, row);
		}
	}
	return NULL;
}

char *
cv_conf_resolve(const struct cv_conf *c, struct cv_str word)
{
	struct cv_str scheme = cv_str(word.p, cv_str_has_prefix(word, "unix:") ? 5 : 0);
	struct cv_str path = cv_str_sub(word, scheme.n, word.n);
	const char *base = base_dir(c);
	bool is_relative = path.n && path.p[0] != '/' && *base && !cv_str_has_prefix(path, "inet");
	struct cv_buf out = CV_BUF_INIT(1u << 16);
	cv_buf_str(&out, scheme);
	if (is_relative) {
		cv_buf_z(&out, base);
		cv_buf_c(&out, '/');
	}
	cv_buf_str(&out, path);
	cv_buf_z(&out, "");
	return cv_buf_take(&out);
}

char *
cv_conf_resolve_list(const struct cv_conf *c, const char *list)
{
	struct cv_buf out = CV_BUF_INIT(1u << 20);
	struct cv_str rest = cv_str_z(list), word;
	while (cv_str_split(&rest, ' ', &word)) {
		if (!word.n)
			continue;
		char *resolved = cv_conf_resolve(c, word);
		if (out.n)
			cv_buf_c(&out, ' ');
		cv_buf_z(&out, resolved);
		free(resolved);
	}
	cv_buf_z(&out, "");
	return cv_buf_take(&out);
}

void
cv_conf_free(struct cv_conf *c)
{
	if (!c)
		return;
	struct cv_arena arena = c->arena;
	free(c);
	cv_arena_done(&arena);
}
