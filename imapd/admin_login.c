/* admin_login.c - see admin_login.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/admin_login.h"

#include <pthread.h>

#include "common/base/log.h"
#include "imapd/login.h"
#include "imapd/server.h"

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

static void
check_password(struct imapd *d, const char *address, const char *password, struct waiting *w)
{
	struct sockaddr_storage local = {.ss_family = AF_UNIX};

	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->done, NULL);
	w->check = (struct cv_auth_check){
		.login = cv_str_z(address),
		.password = cv_str_z(password),
		.peer = &local,
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
log_in(struct imapd *d, const json_t *as, struct cv_registry_who *who, json_t **reply_out,
	struct cv_err *err)
{
	const char *address = json_string_value(json_object_get(as, "address"));
	const char *password = json_string_value(json_object_get(as, "password"));
	struct waiting w = {0};

	if (!address || !password)
		return cv_fail(err, CV_INVALID, "\"as\" needs \"address\" and \"password\"");
	check_password(d, address, password, &w);
	cv_wipe((char *)(uintptr_t)password, strlen(password));
	if (w.check.result == CV_AUTH_OK && !w.check.device[0]) {
		cv_registry_who_account(d->registry, w.check.address, who);
		return CV_OK;
	}
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
	enum cv_status status = log_in(d, as, who, reply_out, err);
	json_decref(as);
	return status;
}
