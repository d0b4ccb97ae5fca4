/* answer.c - how commands answer: sentences in two languages, tables, JSON, passwords asked. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "admin/admin.h"
#include "admin/errors.h"
#include "common/base/str.h"
#include "common/text/date.h"
#include "common/text/charset.h"

const char *
admin_option(const struct admin_call *call, const char *name)
{
	for (unsigned o = 0; call->command->options && call->command->options[o].name; o++)
		if (!strcmp(call->command->options[o].name, name))
			return call->values[o];
	return NULL;
}

bool
admin_has_colours(FILE *out)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(out)) && !(no && no[0]) && term && strcmp(term, "dumb") != 0;
}

bool
admin_json(const struct admin_call *call, const json_t *reply)
{
	if (!call->json)
		return false;
	json_dumpf(reply, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	return true;
}

int
admin_error(const struct admin_call *call, int exit_code, const char *en, const char *vi)
{
	char found[ADMIN_ERROR_VI_MAX];

	/* Whoever knows the English alone gives it twice. */
	if (call->vietnamese && !strcmp(en, vi) && admin_error_vietnamese(en, found, sizeof found))
		vi = found;
	if (call->json) {
		json_t *o = json_pack("{s:b, s:s}", "ok", 0, "error", admin_say(call, en, vi));
		json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
		json_decref(o);
	} else {
		bool is_red = admin_has_colours(stderr);
		fprintf(stderr, "%scongvu: %s%s%s\n", is_red ? "\033[31m" : "",
			call->vietnamese ? "lỗi: " : "", admin_say(call, en, vi),
			is_red ? "\033[0m" : "");
	}
	return exit_code;
}

size_t
admin_width(const char *text)
{
	size_t width = 0;

	/* Combining marks take no column; letters of Vietnamese take one. A C1 control is printed
	 * as one question mark. */
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if ((*p & 0xc0) == 0x80)
			continue;
		bool is_mark = (p[0] == 0xcc || (p[0] == 0xcd && p[1] >= 0x80 && p[1] < 0xb0));
		width += is_mark ? 0 : 1;
	}
	return width;
}

void
admin_put(FILE *out, const char *text)
{
	/* C0 and DEL are single octets; C1 is 0xc2 0x80 to 0xc2 0x9f in UTF-8. */
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool is_c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
		fputc(is_c1 || *p < ' ' || *p == 0x7f ? '?' : *p, out);
		p += is_c1 ? 1 : 0;
	}
}

/* A cell's text: strings as they are, numbers, yes or blank. */
static const char *
cell(const struct admin_call *call, const json_t *row, const char *key, char *room, size_t n)
{
	const json_t *v = json_object_get(row, key);

	if (json_is_string(v))
		return json_string_value(v);
	if (json_is_integer(v))
		snprintf(room, n, "%lld", (long long)json_integer_value(v));
	else
		snprintf(room, n, "%s", json_is_true(v) ? admin_say(call, "yes", "có") : "");
	return room;
}

void
admin_table(const struct admin_call *call, const json_t *rows, const struct admin_column *columns,
	size_t count)
{
	size_t widths[16] = {0}, i;
	json_t *row;
	char room[32];

	count = CV_MIN(count, CV_COUNT(widths));
	for (size_t c = 0; c < count; c++)
		widths[c] = admin_width(admin_say(call, columns[c].title, columns[c].title_vi));
	json_array_foreach(rows, i, row)
	{
		for (size_t c = 0; c < count; c++) {
			const char *text = cell(call, row, columns[c].key, room, sizeof room);
			widths[c] = CV_MAX(widths[c], admin_width(text));
		}
	}
	for (size_t c = 0; c < count; c++) {
		const char *title = admin_say(call, columns[c].title, columns[c].title_vi);
		printf("%s%*s", title,
			c + 1 < count ? (int)(widths[c] - admin_width(title) + 2) : 0, "");
	}
	putchar('\n');
	json_array_foreach(rows, i, row)
	{
		for (size_t c = 0; c < count; c++) {
			const char *text = cell(call, row, columns[c].key, room, sizeof room);
			admin_put(stdout, text);
			printf("%*s", c + 1 < count ? (int)(widths[c] - admin_width(text) + 2) : 0,
				"");
		}
		putchar('\n');
	}
}

static char *
read_line(FILE *from)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n = getline(&line, &room, from);

	if (n < 0) {
		free(line);
		return NULL;
	}
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		line[--n] = '\0';
	return line;
}

static void
drop_secret(char *secret)
{
	if (secret)
		cv_wipe(secret, strlen(secret));
	free(secret);
}

char *
admin_read_password(const struct admin_call *call)
{
	struct termios old, quiet;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &old))
		return read_line(stdin);
	quiet = old;
	quiet.c_lflag &= (tcflag_t)~ECHO;
	fprintf(stderr, "%s", admin_say(call, "Password: ", "Mật khẩu: "));
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	char *first = read_line(stdin);
	fprintf(stderr, "\n%s", admin_say(call, "Again: ", "Nhập lại: "));
	char *second = read_line(stdin);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	fputc('\n', stderr);
	bool same = first && second && !strcmp(first, second);
	drop_secret(second);
	if (!same) {
		drop_secret(first);
		admin_error(call, EXIT_FAILED, "the two passwords differ",
			"hai lần nhập không giống nhau");
		return NULL;
	}
	return first;
}

static char *
read_descriptor(const char *number)
{
	uint64_t fd;
	FILE *f = cv_str_u64(cv_str_z(number), 1023, &fd) ? NULL : fdopen((int)fd, "r");
	char *line = f ? read_line(f) : NULL;

	if (f)
		fclose(f);
	return line;
}

static char *
ask_hidden(const char *prompt)
{
	struct termios old, quiet;

	if (tcgetattr(STDIN_FILENO, &old))
		return NULL;
	quiet = old;
	quiet.c_lflag &= (tcflag_t)~ECHO;
	fprintf(stderr, "%s", prompt);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	char *line = read_line(stdin);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	fputc('\n', stderr);
	return line;
}

const char *
admin_as_password(struct admin_call *call)
{
	const char *number = getenv("CONGVU_PASSWORD_FD");

	if (call->password)
		return call->password;
	if (number && number[0])
		call->password = read_descriptor(number);
	else if (call->password_stdin)
		call->password = read_line(stdin);
	else if (isatty(STDIN_FILENO))
		call->password = ask_hidden(admin_say(call, "Password: ", "Mật khẩu: "));
	if (!call->password)
		admin_error(call, EXIT_USAGE,
			"--as needs a password: at the terminal, with --as-password-stdin, or from "
			"the descriptor in CONGVU_PASSWORD_FD",
			"--as cần mật khẩu: gõ ở màn hình, dùng --as-password-stdin, hoặc "
			"CONGVU_PASSWORD_FD");
	return call->password;
}

const char *
admin_as_code(struct admin_call *call)
{
	const char *prompt = admin_say(
		call, "Code of the second factor: ", "Mã xác thực hai lớp: ");

	if (!call->code && call->password_stdin)
		call->code = read_line(stdin);
	else if (!call->code && isatty(STDIN_FILENO))
		call->code = ask_hidden(prompt);
	return call->code;
}

void
admin_forget_password(struct admin_call *call)
{
	drop_secret(call->code);
	drop_secret(call->ticket);
	call->code = call->ticket = NULL;
	drop_secret(call->password);
	call->password = NULL;
}

const char *
admin_str(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

json_int_t
admin_number(const json_t *reply, const char *key)
{
	return json_integer_value(json_object_get(reply, key));
}

void
admin_set_number(json_t *row, const char *key, json_int_t n)
{
	char text[32];

	snprintf(text, sizeof text, "%lld", (long long)n);
	json_object_set_new(row, key, json_string(text));
}

json_t *
admin_day(int64_t secs)
{
	struct cv_buf text = CV_BUF_INIT(40);

	if (secs > 0)
		cv_date_write_vn(&text, cv_date_at(secs, CV_ZONE_VIETNAM));
	json_t *day = json_stringn(text.n ? text.p : "", text.n);
	cv_buf_done(&text);
	return day;
}

json_t *
admin_moment(int64_t secs)
{
	time_t t = (time_t)secs;
	struct tm tm;
	char text[32];

	if (secs <= 0 || !localtime_r(&t, &tm) ||
		!strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm))
		return json_string("-");
	return json_string(text);
}
