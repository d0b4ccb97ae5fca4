/* print.c - the tables of options as a commented configuration file and as a manual page. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/options/value.h"

static void
print_limits(FILE *out, const struct cv_option *row)
{
	if (cv_opt_is_text(row->kind) || row->kind == CV_OPT_flag)
		return;
	fprintf(out, ", %s to %s", row->min && *row->min ? row->min : "0",
		row->max && *row->max ? row->max : "no limit");
}

void
cv_conf_print_default(FILE *out, const struct cv_section *const *sections, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fprintf(out, "%s[%s]\n", i ? "\n" : "", sections[i]->name);
		for (size_t j = 0; j < sections[i]->count; j++) {
			const struct cv_option *row = &sections[i]->options[j];
			fprintf(out, "\n# %s\n# %s\n# (%s", row->help, row->help_vi,
			        cv_opt_kind_hint(row->kind));
			print_limits(out, row);
			fprintf(out, ")\n#%s =%s%s\n", row->name, *row->dflt ? " " : "", row->dflt);
		}
	}
}

/* Text of roff: backslashes doubled, nothing that begins a request. */
static void
print_roff(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else
			fputc(*text, out);
	}
}

static void
print_option(FILE *out, const struct cv_option *row)
{
	fprintf(out, ".TP\n.B %s\n", row->name);
	print_roff(out, row->help);
	fputs(".\n.br\n", out);
	print_roff(out, row->help_vi);
	fputs(".\n.br\nValue: ", out);
	print_roff(out, cv_opt_kind_hint(row->kind));
	print_limits(out, row);
	fputs("; default: ", out);
	print_roff(out, *row->dflt ? row->dflt : "empty");
	fputs(".\n", out);
}

void
cv_conf_print_manual(FILE *out, const struct cv_section *const *sections, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fprintf(out, ".SS [%s]\n", sections[i]->name);
		for (size_t j = 0; j < sections[i]->count; j++)
			print_option(out, &sections[i]->options[j]);
	}
}
