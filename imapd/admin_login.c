/* admin_login.c - see admin_login.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/admin_login.h"

#include <pthread.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "imapd/login.h"
#include "imapd/server.h"

#define TICKET_SECS 600
#define TICKET_BYTES 100
#define DIGITS 6

/* One check that its caller waits for. */
struct waiting {
	struct cv_auth_check check;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool is_done;
};

static void
on_checked(struct cv_auth_check *check)
{
	struct waiting *w = check->arg;

	pthread_mutex_lock(&w->lock);
	w->is_done = true;
	pthread_cond_signal(&w->done);
	pthread_mutex_unlock(&w->lock);
}

/* ---- tickets: "EXPIRY.MAC" ---- */

static void
write_ticket(struct imapd *d, const char *address, uid_t uid, int64_t until,
	char out[TICKET_BYTES])
{
	uint8_t mac[32];
	char text[400];
	size_t n;

	snprintf(text, sizeof(text), "%lld %u %s", (long long)until, (unsigned)uid, address);
	cv_auth_ticket(d->auth, cv_str_z(text), mac);
	n = (size_t)snprintf(out, TICKET_BYTES, "%lld.", (long long)until);
	for (size_t i = 0; i < sizeof(mac); i++)
		n += (size_t)snprintf(out + n, TICKET_BYTES - n, "%02x", mac[i]);
}

static bool
is_ticket(struct imapd *d, const char *address, uid_t uid, const char *ticket)
{
	char want[TICKET_BYTES];
	uint64_t until = 0;
	struct cv_str text = cv_str_z(ticket ? ticket : "");
	size_t dot = cv_str_find(text, '.', 0);

	if (dot == text.n || cv_str_u64(cv_str_sub(text, 0, dot), INT64_MAX, &until) ||
		(int64_t)until < cv_wall_secs())
		return false;
	write_ticket(d, address, uid, (int64_t)until, want);
	return strlen(want) == text.n && cv_equal_secret(want, text.p, text.n);
}

json_t *
imapd_admin_ticket(
	struct imapd *d, const struct cv_ctl_call *call, const struct cv_registry_who *who)
{
	char ticket[TICKET_BYTES];

	write_ticket(d, who->name, call->peer_uid, cv_wall_secs() + TICKET_SECS, ticket);
	return json_pack("{s:s}", "ticket", ticket);
}

/* ---- the check ---- */

enum way { BY_PASSWORD, BY_CODE, BY_NOTHING /* which fails, and is counted */ };

static void
check_password(struct imapd *d, const char *address, const char *password, enum way way,
	const char *code, struct waiting *w)
{
	struct sockaddr_storage local = {.ss_family = AF_UNIX};

	*w = (struct waiting){0};
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->done, NULL);
	w->check = (struct cv_auth_check){
		.login = cv_str_z(address),
		.password = cv_str_z(password),
		.peer = &local,
		.wants_code = way == BY_CODE,
		.code = cv_str_z(code ? code : ""),
		.must_fail = way == BY_NOTHING,
		.done = on_checked,
		.arg = w,
	};
	cv_auth_verify(d->auth, &w->check);
	pthread_mutex_lock(&w->lock);
	while (!w->is_done)
		pthread_cond_wait(&w->done, &w->lock);
	pthread_mutex_unlock(&w->lock);
	pthread_cond_destroy(&w->done);
	pthread_mutex_destroy(&w->lock);
}

static enum cv_status
refuse(enum cv_auth_result result, json_t **reply_out, struct cv_err *err)
{
	static const struct {
		enum cv_status status;
		const char *en, *vi;
	} rows[] = {
		[CV_AUTH_OK] = {CV_DENIED, "an app password is for mail programs: use your own password",
			"mật khẩu ứng dụng chỉ dùng cho chương trình thư: hãy dùng mật khẩu của bạn"},
		[CV_AUTH_BAD] = {CV_DENIED, "the address or the password is wrong",
			"sai địa chỉ hoặc mật khẩu"},
		[CV_AUTH_SUSPENDED] = {CV_DENIED, "the address or the password is wrong",
			"sai địa chỉ hoặc mật khẩu"},
		[CV_AUTH_LOCKED] = {CV_DENIED, "too many failed log-ins: try again in 15 minutes",
			"nhập sai quá nhiều lần: thử lại sau 15 phút"},
		[CV_AUTH_EXPIRED] = {CV_DENIED, "the first password was not changed in time",
			"mật khẩu đầu tiên đã hết hạn vì chưa đổi"},
		[CV_AUTH_BUSY] = {CV_TEMPFAIL, "too many log-ins at the moment",
			"đang có quá nhiều lượt đăng nhập"},
		[CV_AUTH_DOWN] = {CV_TEMPFAIL, "log-ins cannot be checked at the moment",
			"hiện chưa kiểm tra đăng nhập được"},
	};

	*reply_out = json_pack("{s:s}", "error_vi", rows[result].vi);
	return cv_fail(err, rows[result].status, "%s", rows[result].en);
}

static enum cv_status
ask_for_code(json_t **reply_out, struct cv_err *err)
{
	*reply_out = json_pack("{s:b, s:s}", "needs_code", true, "error_vi",
		"tài khoản này dùng xác thực hai lớp: cần mã 6 chữ số");
	return cv_fail(err, CV_DENIED, "this account has a second factor: its code is needed");
}

/* Uses the recovery code up; a wrong one counts as a wrong password does. */
static void
recover(struct imapd *d, const char *address, const char *password, const char *code,
	struct waiting *w)
{
	json_t *request = json_pack("{s:s, s:s, s:s}", "do", "account.totp.recover", "address",
		w->check.address, "code", code);
	json_t *reply = NULL;
	struct cv_err none = {0};

	enum cv_status status = request ? cv_registry_do(d->registry, w->check.address, request,
						  NULL, NULL, &reply, &none)
					: CV_INVALID;
	json_decref(reply);
	json_decref(request);
	if (status)
		check_password(d, address, password, BY_NOTHING, NULL, w);
}

/* Who has a second factor is asked for it unless he holds a ticket. */
static void
check_all(struct imapd *d, const json_t *as, uid_t uid, const char *address, const char *password,
	struct waiting *w)
{
	const char *code = json_string_value(json_object_get(as, "code"));
	const char *ticket = json_string_value(json_object_get(as, "ticket"));
	bool is_recovery = code && strlen(code) > DIGITS;

	check_password(d, address, password, ticket || is_recovery ? BY_PASSWORD : BY_CODE, code,
		w);
	if (w->check.result != CV_AUTH_OK || w->check.device[0])
		return;
	if (is_recovery)
		recover(d, address, password, code, w);
	else if (ticket && !is_ticket(d, w->check.address, uid, ticket))
		check_password(d, address, password, BY_CODE, code, w);
}

static enum cv_status
log_in(struct imapd *d, const json_t *as, uid_t uid, struct cv_registry_who *who,
	json_t **reply_out, struct cv_err *err)
{
	const char *address = json_string_value(json_object_get(as, "address"));
	const char *password = json_string_value(json_object_get(as, "password"));
	struct waiting w = {0};

	if (!address || !password)
		return cv_fail(err, CV_INVALID, "\"as\" needs \"address\" and \"password\"");
	check_all(d, as, uid, address, password, &w);
	cv_wipe((char *)(uintptr_t)password, strlen(password));
	if (w.check.result == CV_AUTH_OK && !w.check.device[0]) {
		cv_registry_who_account(d->registry, w.check.address, who);
		return CV_OK;
	}
	if (w.check.lacks_code)
		return ask_for_code(reply_out, err);
	const char *why = w.check.result == CV_AUTH_OK ? "device"
						       : imapd_login_failed(d, w.check.result);
	cv_log(0, CV_INFO, "ctl.login_failed", "why=%s account=%s", why,
		w.check.tried[0] ? w.check.tried : "-");
	return refuse(w.check.result, reply_out, err);
}

enum cv_status
imapd_admin_who(struct imapd *d, struct cv_ctl_call *call, struct cv_registry_who *who,
	json_t **reply_out, struct cv_err *err)
{
	json_t *as = json_incref(json_object_get(call->request, "as"));

	if (!as) {
		cv_registry_who_unix(d->registry, call->peer_uid, who);
		return CV_OK;
	}
	json_object_del(call->request, "as");
	enum cv_status status = log_in(d, as, call->peer_uid, who, reply_out, err);
	json_decref(as);
	if (!status)
		status = cv_registry_check_admin(d->registry, who, call->request, reply_out, err);
	return status;
}
