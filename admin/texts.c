/* texts.c - which words people read: the pair in the source, or a catalogue's (gettext).
 *
 * English and Vietnamese stand beside each other in the source, so the tool speaks both without
 * any file. A catalogue of the domain "congvu", looked up by the English text, changes wording or
 * adds a language: CONGVU_LOCALEDIR, else the folder of the installation. A text of a catalogue
 * whose conversions (%s, %lld) are not those of the source is not used: it would be a format string
 * from outside. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <libintl.h>
#include <locale.h>

#include "admin/admin.h"
#include "common/base/str.h"

#ifndef CV_LOCALEDIR
#define CV_LOCALEDIR "/usr/share/locale"
#endif

static bool is_ready;

/* Puts the letters of the conversion behind the % at *P into OUT (8 bytes); false at the end. */
static bool
next_conversion(const char **p, char out[8])
{
	const char *at = *p;
	size_t n = 0;

	while (*at && (at[0] != '%' || at[1] == '%'))
		at += at[0] == '%' ? 2 : 1;
	if (!*at)
		return false;
	for (at++; *at && strchr("-+ #0123456789.", *at); at++)
		;
	while (*at && strchr("*hlqjzt", *at) && n < 6)
		out[n++] = *at++;
	out[n++] = *at;
	out[n] = '\0';
	*p = at + (*at != '\0');
	return true;
}

bool
admin_same_conversions(const char *a, const char *b)
{
	char x[8], y[8];

	for (;;) {
		bool has_x = next_conversion(&a, x), has_y = next_conversion(&b, y);
		if (has_x != has_y || (has_x && strcmp(x, y) != 0))
			return false;
		if (!has_x)
			return true;
	}
}

void
admin_set_language(struct admin_call *call, const char *locale)
{
	struct cv_str word = cv_str_z(locale);
	size_t end = 0;
	char language[16];
	const char *dir = getenv("CONGVU_LOCALEDIR");

	while (end < word.n && !strchr("_.@", word.p[end]))
		end++;
	bool is_none = cv_str_eq_z(word, "C") || cv_str_has_prefix(word, "C.") ||
		       cv_str_eq_z(word, "POSIX") || !end || end >= sizeof language;
	snprintf(language, sizeof language, "%.*s", is_none ? 2 : (int)end,
		is_none ? "en" : word.p);
	call->vietnamese = !strcasecmp(language, "vi");
	/* gettext takes LANGUAGE in any locale but "C"; this one is in every C library. */
	setenv("LANGUAGE", language, 1);
	is_ready = setlocale(LC_MESSAGES, "C.UTF-8") != NULL &&
		   bindtextdomain("congvu", dir && dir[0] ? dir : CV_LOCALEDIR) != NULL &&
		   bind_textdomain_codeset("congvu", "UTF-8") != NULL;
	/* Else strerror() writes question marks for Vietnamese letters in a C locale. */
	(void)bind_textdomain_codeset("libc", "UTF-8");
}

const char *
admin_say(const struct admin_call *call, const char *en, const char *vi)
{
	const char *text = is_ready && en && en[0] ? dgettext("congvu", en) : en;

	if (text != en && admin_same_conversions(en, text))
		return text;
	return call->vietnamese ? vi : en;
}
