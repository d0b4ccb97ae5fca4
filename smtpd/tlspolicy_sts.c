/* tlspolicy_sts.c - see tlspolicy_sts.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "smtpd/tlspolicy_sts.h"

#include "common/text/domain.h"

/* ---- the record ---- */

static bool
is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

static struct cv_str
skip_wsp(struct cv_str s)
{
	while (s.n && is_wsp(s.p[0]))
		s = cv_str_sub(s, 1, s.n);
	while (s.n && is_wsp(s.p[s.n - 1]))
		s.n--;
	return s;
}

static bool
is_id(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!cv_is_alpha((unsigned char)s.p[i]) && !cv_is_digit((unsigned char)s.p[i]))
			return false;
	return s.n > 0 && s.n <= SMTPD_STS_ID_MAX;
}

/* 1*32 of letters, digits, "_", "-", ".", the first a letter or digit. */
static bool
is_field_name(struct cv_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (!cv_is_alpha(c) && !cv_is_digit(c) && (!i || !strchr("_-.", c) || !c))
			return false;
	}
	return s.n > 0 && s.n <= 32;
}

bool
smtpd_sts_record(struct cv_str txt, char id[SMTPD_STS_ID_MAX + 1], bool *is_sts_out)
{
	struct cv_str field, rest = cv_str_sub(txt, 7, txt.n), value = CV_STR_EMPTY;

	*is_sts_out = false;
	if (txt.n < 8 || memcmp(txt.p, "v=STSv1", 7) != 0)
		return false;
	rest = skip_wsp(rest);
	if (!rest.n || rest.p[0] != ';')
		return false;
	*is_sts_out = true;
	rest = cv_str_sub(rest, 1, rest.n);
	while (cv_str_split(&rest, ';', &field)) {
		field = skip_wsp(field);
		size_t equals = cv_str_find(field, '=', 0);
		if (!field.n && !skip_wsp(rest).n)
			break; /* the last ";" */
		if (equals >= field.n || !is_field_name(cv_str_sub(field, 0, equals)))
			return false;
		if (equals == 2 && !memcmp(field.p, "id", 2) && !value.n)
			value = cv_str_sub(field, 3, field.n);
	}
	if (!is_id(value))
		return false;
	memcpy(id, value.p, value.n);
	id[value.n] = '\0';
	return true;
}

/* ---- the policy ---- */

struct seen {
	bool version, mode, max_age;
	size_t mx;
};

static enum cv_status
bad(struct cv_err *err, const char *what)
{
	return cv_fail(err, CV_INVALID, "the MTA-STS policy has %s", what);
}

static enum cv_status
take_version(struct smtpd_sts_policy *p, struct seen *seen, struct cv_str value,
	struct cv_err *err)
{
	(void)p;
	seen->version = true;
	return cv_str_eq_z(value, "STSv1") ? CV_OK : bad(err, "a version other than STSv1");
}

static enum cv_status
take_mode(struct smtpd_sts_policy *p, struct seen *seen, struct cv_str value, struct cv_err *err)
{
	static const struct {
		const char *word;
		enum smtpd_sts_mode mode;
	} words[] = { { "none", SMTPD_STS_NONE }, { "testing", SMTPD_STS_TESTING },
		{ "enforce", SMTPD_STS_ENFORCE } };

	seen->mode = true;
	for (size_t i = 0; i < CV_COUNT(words); i++)
		if (cv_str_eq_z(value, words[i].word))
			p->mode = words[i].mode;
	return p->mode != SMTPD_STS_ABSENT ? CV_OK : bad(err, "an unknown mode");
}

static enum cv_status
take_max_age(struct smtpd_sts_policy *p, struct seen *seen, struct cv_str value,
	struct cv_err *err)
{
	uint64_t secs;

	seen->max_age = true;
	if (value.n > 10 || cv_str_u64(value, UINT64_MAX, &secs) != CV_OK)
		return bad(err, "a max_age that is no number");
	p->max_age_secs = (uint32_t)CV_MIN(secs, (uint64_t)SMTPD_STS_AGE_MAX);
	return CV_OK;
}

static enum cv_status
take_mx(struct smtpd_sts_policy *p, struct seen *seen, struct cv_str value, struct cv_err *err)
{
	bool any = value.n > 2 && value.p[0] == '*' && value.p[1] == '.';

	if (!cv_domain_is_valid(cv_str_sub(value, any ? 2 : 0, value.n), false))
		return bad(err, "an mx that is no name");
	if (seen->mx++ == SMTPD_STS_MX_MAX)
		return bad(err, "too many names");
	for (size_t i = 0; i < value.n; i++)
		cv_buf_c(&p->mx, (char)cv_lower((unsigned char)value.p[i]));
	cv_buf_c(&p->mx, '\n');
	return p->mx.full ? bad(err, "too many names") : CV_OK;
}

static enum cv_status
take_field(struct smtpd_sts_policy *p, struct seen *seen, struct cv_str name, struct cv_str value,
	struct cv_err *err)
{
	if (cv_str_eq_z(name, "mx"))
		return take_mx(p, seen, value, err);
	if (cv_str_eq_z(name, "version") && !seen->version)
		return take_version(p, seen, value, err);
	if (cv_str_eq_z(name, "mode") && !seen->mode)
		return take_mode(p, seen, value, err);
	if (cv_str_eq_z(name, "max_age") && !seen->max_age)
		return take_max_age(p, seen, value, err);
	return CV_OK;
}

/* Bytes that a line may have: no control but the tab. */
static bool
is_clean(struct cv_str line)
{
	for (size_t i = 0; i < line.n; i++)
		if (((unsigned char)line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] == 127)
			return false;
	return true;
}

static enum cv_status
take_line(struct smtpd_sts_policy *p, struct seen *seen, struct cv_str line, struct cv_err *err)
{
	size_t colon = cv_str_find(line, ':', 0);
	struct cv_str name = cv_str_sub(line, 0, colon);

	if (colon >= line.n || !is_field_name(name) || !is_clean(line))
		return bad(err, "a line that is no field");
	struct cv_str value = skip_wsp(cv_str_sub(line, colon + 1, line.n));
	return value.n ? take_field(p, seen, name, value, err) : bad(err, "an empty field");
}

enum cv_status
smtpd_sts_parse(struct cv_str text, struct smtpd_sts_policy *out, struct cv_err *err)
{
	struct seen seen = { .mx = 0 };
	struct cv_str line;

	cv_buf_reset(&out->mx);
	out->mode = SMTPD_STS_ABSENT;
	out->max_age_secs = 0;
	if (text.n > SMTPD_STS_BYTES_MAX)
		return bad(err, "too many bytes");
	while (cv_str_split(&text, '\n', &line)) {
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (!line.n && !text.n)
			break;
		enum cv_status status = take_line(out, &seen, line, err);
		if (status != CV_OK)
			return status;
	}
	if (!seen.version || !seen.mode || !seen.max_age)
		return bad(err, "no version, mode or max_age");
	if (out->mode != SMTPD_STS_NONE && !seen.mx)
		return bad(err, "no mx");
	return CV_OK;
}

void
smtpd_sts_policy_done(struct smtpd_sts_policy *p)
{
	cv_buf_done(&p->mx);
}

static bool
name_fits(struct cv_str name, struct cv_str host)
{
	if (name.n < 2 || name.p[0] != '*')
		return cv_str_ieq(name, host);
	/* Exactly one label in front. */
	return cv_str_ieq(cv_str_sub(name, 2, name.n), cv_domain_parent(host))
		&& cv_str_find(host, '.', 0) > 0;
}

bool
smtpd_sts_has_host(const struct smtpd_sts_policy *p, const char *host)
{
	struct cv_str rest = cv_buf_view(&p->mx), name;

	while (cv_str_split(&rest, '\n', &name))
		if (name.n && name_fits(name, cv_str_z(host)))
			return true;
	return false;
}
