/* registry_second.c - account.totp.enrol, confirm, remove, status, recover: the second factor of an
 * account (TOTP, RFC 6238), with ten codes on paper for the day the telephone is lost.
 *
 * The server makes the secret, shows it once and takes it into use with its first right code. Who
 * may: the person himself, and whoever may set his password; an administrator's is his own and the
 * operators' matter, as his password is. Neither secret nor codes stand in events.
 *
 * Body of a row F: {"state": "pending" | "on", "secret": hex, "since", "codes": [SHA-256 of a
 * recovery code in hex]}. Recovery codes are random (50 bits), so their hash needs not be slow.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/base/rng.h"
#include "common/register/registry_impl.h"
#include "common/register/totp.h"
#include "common/text/encode.h"

#define CODES 10u
#define CODE_LETTERS 10u
#define ISSUER "congvu"

static const json_t *
second_of(const struct reg_call *c, const struct reg_account *a)
{
	return reg_doc_get(&c->r->model.docs, 'F', a->acct, 0);
}

const char *
reg_second_state(const struct reg_call *c, const struct reg_account *a)
{
	const json_t *body = second_of(c, a);
	const char *state = json_string_value(json_object_get(body, "state"));
	return state ? state : "none";
}

bool
reg_has_second(const struct reg_call *c, const struct reg_account *a)
{
	return !strcmp(reg_second_state(c, a), "on");
}

/* The account of the request, if the caller may see to its second factor. */
static enum cv_status
find(struct reg_call *c, bool changes, struct reg_account **out, struct cv_err *err)
{
	enum cv_status status = reg_account_field(c, "address", out, err);
	if (status || !c->who || !strcmp(c->who->name, (*out)->text[T_ADDRESS]))
		return status;
	return reg_authorise(c, c->request, changes ? REG_HELPDESK : REG_READ, "account:address",
	                     err);
}

static json_t *
event_detail(const struct reg_call *c)
{
	json_t *reason = json_object_get(c->request, "reason");
	return json_is_string(reason) ? json_pack("{s:O}", "reason", reason) : NULL;
}

static enum cv_status
finish(struct reg_call *c, const struct reg_account *a, const char *action, struct cv_err *err)
{
	json_object_set_new(c->reply, "address", json_string(a->text[T_ADDRESS]));
	json_object_set_new(c->reply, "state", json_string(reg_second_state(c, a)));
	return reg_commit(c, action, a->text[T_ADDRESS], event_detail(c), err);
}

static json_t *
hex_json(const void *p, size_t n)
{
	struct cv_buf hex = CV_BUF_INIT(200);
	cv_hex_encode(cv_str(p, n), &hex);
	json_t *text = json_stringn(hex.p, hex.n);
	cv_wipe(hex.p, hex.n);
	cv_buf_done(&hex);
	return text;
}

/* ---- enrolling ---- */

/* "secret" for typing, "uri" for a QR code (the Key URI Format of authenticator apps). */
static void
show_secret(struct reg_call *c, const struct reg_account *a, const uint8_t *secret)
{
	struct cv_buf text = CV_BUF_INIT(100), uri = CV_BUF_INIT(1000);
	totp_base32(secret, TOTP_SECRET_BYTES, &text);
	cv_buf_printf(&uri, "otpauth://totp/" ISSUER ":%s?secret=%.*s&issuer=" ISSUER
		"&algorithm=SHA1&digits=6&period=30", a->text[T_ADDRESS],
		CV_STR_ARGS(cv_buf_view(&text)));
	json_object_set_new(c->reply, "secret", json_stringn(text.p, text.n));
	json_object_set_new(c->reply, "uri", json_stringn(uri.p, uri.n));
	cv_wipe(text.p, text.n);
	cv_wipe(uri.p, uri.n);
	cv_buf_done(&text);
	cv_buf_done(&uri);
}

/* {"address"} -> {"address", "state": "pending", "secret", "uri"}: shown once. A secret that was
 * never confirmed is replaced. */
enum cv_status
reg_totp_enrol(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	uint8_t secret[TOTP_SECRET_BYTES];
	enum cv_status status = find(c, true, &a, err);
	if (status)
		return status;
	if (a->kind != CV_KIND_PERSON || a->state != CV_STATE_ACTIVE || !a->secret.version)
		return reg_refuse(c, CV_INVALID, "only a person who has a password has a second factor",
			"chỉ cá nhân đang có mật khẩu mới dùng xác thực hai lớp", err);
	if (reg_has_second(c, a))
		return reg_refuse(c, CV_EXISTS, "this account has a second factor: remove it first",
			"tài khoản đã có xác thực hai lớp: hãy gỡ trước khi đăng ký lại", err);
	cv_random(secret, sizeof secret);
	reg_save_doc(c, 'F', a->acct, 0, json_pack("{s:s, s:o, s:I, s:[]}", "state", "pending",
		"secret", hex_json(secret, sizeof secret), "since", (json_int_t)cv_wall_secs(),
		"codes"));
	status = finish(c, a, "account.totp.enrol", err);
	if (!status && !c->is_dry)
		show_secret(c, a, secret);
	cv_wipe(secret, sizeof secret);
	return status;
}

/* ---- recovery codes ---- */

/* Of AAAAA-AAAAA as people type it: blanks, dashes and case do not matter. */
static json_t *
code_hash(struct cv_str code)
{
	char plain[64];
	uint8_t hash[32];
	size_t n = 0;
	for (size_t i = 0; i < code.n && n < sizeof plain; i++)
		if (code.p[i] != '-' && code.p[i] != ' ')
			plain[n++] = (char)(code.p[i] >= 'a' && code.p[i] <= 'z' ? code.p[i] - 32
				: code.p[i]);
	scram_hash((const uint8_t *)plain, n, hash);
	cv_wipe(plain, sizeof plain);
	return hex_json(hash, sizeof hash);
}

/* Ten new codes: their hashes, and in SHOWN the codes. */
static json_t *
make_codes(json_t *shown)
{
	static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
	json_t *hashes = json_array();
	for (unsigned i = 0; i < CODES; i++) {
		char code[CODE_LETTERS + 2];
		for (unsigned j = 0; j < sizeof code - 1; j++)
			code[j] = j == CODE_LETTERS / 2 ? '-'
				: letters[cv_random_below(sizeof letters - 1)];
		code[sizeof code - 1] = 0;
		json_array_append_new(hashes, code_hash(cv_str_z(code)));
		json_array_append_new(shown, json_string(code));
		cv_wipe(code, sizeof code);
	}
	return hashes;
}

static bool
secret_of(const json_t *body, uint8_t out[TOTP_SECRET_BYTES])
{
	const char *hex = json_string_value(json_object_get(body, "secret"));
	struct cv_buf bytes = CV_BUF_INIT(64);
	bool ok = hex && !cv_hex_decode(cv_str_z(hex), &bytes) && bytes.n == TOTP_SECRET_BYTES;
	if (ok)
		memcpy(out, bytes.p, TOTP_SECRET_BYTES);
	cv_wipe(bytes.p, bytes.n);
	cv_buf_done(&bytes);
	return ok;
}

bool
reg_second_secret(const struct reg_docs *docs, uint64_t acct, uint8_t out[TOTP_SECRET_BYTES])
{
	const json_t *body = reg_doc_get(docs, 'F', acct, 0);
	const char *state = json_string_value(json_object_get(body, "state"));
	return state && !strcmp(state, "on") && secret_of(body, out);
}

/* {"address", "code"} -> {"address", "state": "on", "codes": [ten recovery codes]}: shown once */
enum cv_status
reg_totp_confirm(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	struct cv_str code;
	uint8_t secret[TOTP_SECRET_BYTES];
	uint64_t step;
	enum cv_status status = find(c, true, &a, err);
	if (!status)
		status = reg_field(c, c->request, "code", 40, &code, err);
	if (status)
		return status;
	const json_t *body = second_of(c, a);
	if (strcmp(reg_second_state(c, a), "pending") || !secret_of(body, secret))
		return reg_refuse(c, CV_INVALID, "no second factor waits for its first code: enrol first",
			"chưa có mã bí mật chờ xác nhận: hãy đăng ký trước", err);
	bool is_right = totp_match(secret, code, cv_wall_secs(), &step);
	cv_wipe(secret, sizeof secret);
	if (!is_right)
		return reg_refuse(c, CV_DENIED,
			"the code is wrong: look at the clock of the telephone and try the next one",
			"mã không đúng: kiểm tra giờ của điện thoại rồi nhập mã tiếp theo", err);
	json_t *copy = json_deep_copy(body), *shown = json_array();
	json_object_set_new(copy, "state", json_string("on"));
	json_object_set_new(copy, "since", json_integer((json_int_t)cv_wall_secs()));
	json_object_set_new(copy, "codes", make_codes(shown));
	reg_save_doc(c, 'F', a->acct, 0, copy);
	status = finish(c, a, "account.totp.confirm", err);
	if (!status && !c->is_dry)
		json_object_set(c->reply, "codes", shown);
	json_decref(shown);
	return status;
}

/* {"address", "reason"?} -> {"address", "state": "none"} */
enum cv_status
reg_totp_remove(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	enum cv_status status = find(c, true, &a, err);
	if (status)
		return status;
	if (!second_of(c, a))
		return reg_refuse(c, CV_NOT_FOUND, "this account has no second factor",
			"tài khoản này chưa có xác thực hai lớp", err);
	reg_save_doc(c, 'F', a->acct, 0, NULL);
	return finish(c, a, "account.totp.remove", err);
}

/* {"address"} -> {"address", "state", "since"?, "codes_left"?} */
enum cv_status
reg_totp_status(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	enum cv_status status = find(c, false, &a, err);
	if (status)
		return status;
	const json_t *body = second_of(c, a);
	json_object_set_new(c->reply, "address", json_string(a->text[T_ADDRESS]));
	json_object_set_new(c->reply, "state", json_string(reg_second_state(c, a)));
	if (body) {
		json_object_set(c->reply, "since", json_object_get(body, "since"));
		json_object_set_new(c->reply, "codes_left",
			json_integer((json_int_t)json_array_size(json_object_get(body, "codes"))));
	}
	return CV_OK;
}

/* {"address", "code"} -> {"address", "state", "codes_left"}: uses a recovery code up. For the
 * daemon that logs somebody in, after his password was right. CV_DENIED when it is none of his. */
enum cv_status
reg_totp_recover(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	struct cv_str code;
	size_t i, found = CODES;
	json_t *one;
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (!status)
		status = reg_field(c, c->request, "code", 40, &code, err);
	if (status)
		return status;
	json_t *copy = json_deep_copy(second_of(c, a)), *hash = code_hash(code);
	json_t *codes = json_object_get(copy, "codes");
	json_array_foreach(codes, i, one)
		if (json_string_length(one) == json_string_length(hash) &&
		    cv_equal_secret(json_string_value(one), json_string_value(hash),
			    json_string_length(hash)))
			found = i;
	json_decref(hash);
	if (found == CODES || !reg_has_second(c, a)) {
		json_decref(copy);
		return reg_refuse(c, CV_DENIED, "the code is wrong", "mã không đúng", err);
	}
	json_array_remove(codes, found);
	json_object_set_new(c->reply, "codes_left",
		json_integer((json_int_t)json_array_size(codes)));
	reg_save_doc(c, 'F', a->acct, 0, copy);
	return finish(c, a, "account.totp.recover", err);
}

/* ---- administrators ---- */

static bool
is_too_old(const struct cv_registry *r, const struct reg_account *a)
{
	int64_t days = ((int64_t)r->rules.admin_password_months * 61 + 1) / 2;
	return days && cv_wall_secs() - a->secret.changed_secs > days * 86400;
}

/* Is the request about A's own password or second factor? */
static bool
is_about(struct reg_call *c, const struct reg_account *a)
{
	struct cv_str address;
	struct reg_account *of;
	struct cv_err none;
	return !reg_field(c, c->request, "address", 320, &address, &none) && address.n &&
	       !reg_account_of(c, address, &of, &none) && of == a;
}

/* What is too weak is mended by himself, and nothing else is done with it. */
static enum cv_status
judge_admin(struct reg_call *c, const struct reg_account *a, struct cv_err *err)
{
	const char *what = json_string_value(json_object_get(c->request, "do"));
	bool mends = what && (!strncmp(what, "account.totp.", 13) ||
		!strcmp(what, "account.passwd"));
	bool is_free = what && (!strcmp(what, "admin.code") || !strcmp(what, "admin.whoami"));
	if (is_free || (mends && is_about(c, a)))
		return CV_OK;
	if (c->r->rules.admin_second_required && !reg_has_second(c, a))
		return reg_refuse(c, CV_DENIED,
			"administrators need a second factor here: congvu account totp enrol",
			"quản trị viên phải có xác thực hai lớp: congvu account totp enrol", err);
	if (is_too_old(c->r, a))
		return reg_refuse(c, CV_DENIED,
			"an administrator's password is changed every admin_password_months: "
			"congvu account passwd --self",
			"mật khẩu của quản trị viên đã quá hạn phải đổi (admin_password_months): "
			"congvu account passwd --self", err);
	return CV_OK;
}

enum cv_status
cv_registry_check_admin(struct cv_registry *r, const struct cv_registry_who *who,
                        const json_t *request, json_t **refusal_out, struct cv_err *err)
{
	struct reg_account *a;
	json_t *copy = json_copy((json_t *)(uintptr_t)request);
	struct reg_call c = { .r = r, .who = who, .actor = who->name, .request = copy,
		.reply = json_object() };
	enum cv_status status = CV_OK;
	*refusal_out = NULL;
	pthread_mutex_lock(&r->lock);
	if (r->is_stale)
		status = reg_reload(&c, err);
	if (!status && who->role != CV_ROLE_NONE) {
		status = reg_account_of(&c, cv_str_z(who->name), &a, err);
		if (!status)
			status = judge_admin(&c, a, err);
	}
	pthread_mutex_unlock(&r->lock);
	if (status)
		*refusal_out = json_incref(c.reply);
	reg_call_end(&c);
	json_decref(copy);
	return status;
}
