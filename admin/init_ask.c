/* init_ask.c - the five questions of `congvu init`, see init.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <pwd.h>
#include <unistd.h>

#include "admin/files.h"
#include "admin/init.h"
#include "common/net/addr.h"
#include "common/text/charset.h"
#include "common/text/domain.h"

#define ANSWER_MAX 1000u

/* clang-format off */
static const struct question {
	const char *option;
	const char *text, *text_vi;
	const char *hint, *hint_vi;
} questions[INIT_ITEMS] = {
	[INIT_DOMAIN] = { "domain", "Mail domain of the province", "Tên miền thư của tỉnh",
		"what stands behind the @, such as lamgiang.example",
		"phần sau chữ @, ví dụ lamgiang.example" },
	[INIT_PROVINCE] = { "province", "Name of the province", "Tên tỉnh",
		"as people read it, such as Tỉnh Lam Giang", "ví dụ Tỉnh Lam Giang" },
	[INIT_HOSTNAME] = { "hostname", "Name of this server in DNS", "Tên máy chủ này trong DNS",
		"other servers see it", "các máy chủ khác nhìn thấy tên này" },
	[INIT_INSIDE] = { "inside", "The province's own networks", "Mạng nội bộ của tỉnh",
		"such as 10.20.0.0/16 10.30.0.0/16; from elsewhere staff need app passwords; empty: "
		"this machine alone",
		"ví dụ 10.20.0.0/16 10.30.0.0/16; từ nơi khác cán bộ cần mật khẩu ứng dụng; để trống: "
		"chỉ máy này" },
	[INIT_USER] = { "user", "Unix user the daemons run as", "Người dùng hệ thống chạy dịch vụ",
		"it owns the data; empty: you", "sở hữu dữ liệu; để trống: chính bạn" },
};
/* clang-format on */

const char *
admin_init_option(enum admin_init_item item)
{
	return questions[item].option;
}

/* ---- checks ---- */

static enum cv_status
check_domain(const char *word, struct cv_err *err)
{
	struct cv_buf ascii = CV_BUF_INIT(255);
	enum cv_status status = cv_domain_to_ascii(cv_str_z(word), &ascii, err);

	if (status == CV_OK && !cv_domain_is_full(cv_buf_view(&ascii)))
		status = cv_fail(err, CV_INVALID, "'%.200s' is not a whole domain name", word);
	cv_buf_done(&ascii);
	return status;
}

static enum cv_status
check_province(const char *name, struct cv_err *err)
{
	struct cv_str s = cv_str_z(name);

	if (!s.n || s.n > 200 || !cv_utf8_is_valid(s))
		return cv_fail(err, CV_INVALID,
			"the name of the province must be 1 to 200 octets of UTF-8");
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == '#')
			return cv_fail(err, CV_INVALID,
				"the name of the province has a sign that cannot stand "
				"in a configuration file");
	return CV_OK;
}

static enum cv_status
check_networks(const char *networks, struct cv_err *err)
{
	struct cv_netset *set = NULL;
	enum cv_status status = strlen(networks) > ANSWER_MAX
					? cv_fail(err, CV_LIMIT, "--inside is too long")
					: cv_netset_parse(cv_str_z(networks), &set, err);

	cv_netset_free(set);
	return status;
}

static enum cv_status
check_user(const char *name, struct cv_err *err)
{
	struct admin_owner owner;

	return admin_owner_find(name, &owner, err);
}

enum cv_status
admin_init_check(enum admin_init_item item, const char *word, struct cv_err *err)
{
	static enum cv_status (*const checks[INIT_ITEMS])(const char *word, struct cv_err *err) = {
		check_domain, check_province, check_domain, check_networks, check_user};

	return checks[item](word, err);
}

/* ---- asking ---- */

/* What an empty line means; "" when there is nothing to propose. */
static void
propose(enum admin_init_item item, const char *domain, char out[ANSWER_MAX + 1])
{
	out[0] = '\0';
	if (item == INIT_HOSTNAME)
		snprintf(out, ANSWER_MAX + 1, "mail.%.250s", domain);
	if (item == INIT_USER && geteuid() == 0 && getpwnam("congvu"))
		snprintf(out, ANSWER_MAX + 1, "congvu");
}

/* One line, without its end and outer blanks; NULL at the end of input. */
static char *
read_answer(const char *proposal)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n = getline(&line, &cap, stdin);

	if (n < 0 || (size_t)n > ANSWER_MAX) {
		free(line);
		return NULL;
	}
	struct cv_str text = cv_str_trim(cv_str(line, (size_t)n));
	char *answer = text.n ? cv_str_dup(text) : cv_strdup(proposal);
	free(line);
	return answer;
}

static char *
ask(struct admin_call *call, enum admin_init_item item, const char *proposal)
{
	const struct question *q = &questions[item];
	struct cv_err err = {0};

	for (;;) {
		fprintf(stderr, "%d/%d  %s (%s)%s%s%s: ", (int)item + 1, (int)INIT_ITEMS,
			admin_say(call, q->text, q->text_vi), admin_say(call, q->hint, q->hint_vi),
			proposal[0] ? " [" : "", proposal, proposal[0] ? "]" : "");
		char *answer = read_answer(proposal);
		if (!answer || admin_init_check(item, answer, &err) == CV_OK)
			return answer;
		fprintf(stderr, "     %s\n", err.text);
		free(answer);
	}
}

bool
admin_init_ask(struct admin_call *call, struct admin_init_answers *out)
{
	const char *domain = admin_option(call, "domain");

	for (enum admin_init_item i = 0; i < INIT_ITEMS; i++) {
		char proposal[ANSWER_MAX + 1];
		if (admin_option(call, questions[i].option))
			continue;
		propose(i, domain ? domain : "", proposal);
		out->text[i] = ask(call, i, proposal);
		if (!out->text[i])
			return false;
		if (i == INIT_DOMAIN)
			domain = out->text[i];
	}
	return true;
}
