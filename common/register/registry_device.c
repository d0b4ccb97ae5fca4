/* registry_device.c - device.add, list, revoke: app passwords and client certificates (ACC-05). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/base/clock.h"
#include "common/base/rng.h"
#include "common/register/registry_people.h"
#include "common/text/encode.h"

static const char *
type_word(enum reg_device_type type)
{
	return type == REG_CERTIFICATE ? "certificate" : "password";
}

/* ---- adding ---- */

/* SHA-256 in hexadecimal, with or without colons as openssl prints it. */
static bool
read_fingerprint(struct cv_str text, uint8_t out[32])
{
	size_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		int digit = cv_hex_digit((unsigned char)text.p[i]);
		if (text.p[i] == ':')
			continue;
		if (digit < 0 || n >= 64)
			return false;
		out[n / 2] = (uint8_t)(n % 2 ? out[n / 2] << 4 | digit : digit);
		n++;
	}
	return n == 64;
}

static bool
has_certificate(const struct reg_model *m, const uint8_t sha256[32])
{
	for (size_t i = 0; i < m->count; i++) {
		const struct reg_devices *l = &m->accounts[i]->devices;
		for (size_t j = 0; j < l->n; j++)
			if (l->items[j].type == REG_CERTIFICATE &&
			    !memcmp(l->items[j].check, sha256, 32))
				return true;
	}
	return false;
}

static enum cv_status
take_certificate(struct reg_call *c, struct reg_device *d, struct cv_err *err)
{
	struct cv_str text;
	enum cv_status status = reg_field(c, c->request, "fingerprint", 200, &text, err);
	if (status)
		return status;
	if (!read_fingerprint(text, d->check))
		return cv_fail(err, CV_INVALID,
			"field 'fingerprint' must be a SHA-256 of 64 hexadecimal digits");
	if (has_certificate(&c->r->model, d->check))
		return cv_fail(err, CV_EXISTS, "that certificate is registered already");
	return CV_OK;
}

/* An account that never had a password gets a salt, and no password. */
static void
need_salt(struct reg_call *c, struct reg_account *a)
{
	if (a->secret.version)
		return;
	cv_random(a->secret.salt, sizeof a->secret.salt);
	cv_random(a->secret.stored_key, sizeof a->secret.stored_key);
	a->secret.iterations = SCRAM_ITERATIONS;
	a->secret.version = 1;
	a->secret.changed_secs = cv_wall_secs();
	reg_save_secret(c, a);
}

static enum cv_status
make_password(struct reg_call *c, struct reg_account *a, struct reg_device *d,
              char made[REG_APP_PASSWORD_BYTES], struct cv_err *err)
{
	need_salt(c, a);
	reg_app_password_make(made);
	reg_app_password_check(a->secret.salt, cv_str_z(made), d->check);
	if (!scram_keys(cv_str_z(made), a->secret.salt, sizeof a->secret.salt,
			a->secret.iterations, d->stored_key, d->server_key))
		return cv_fail(err, CV_TEMPFAIL, "the password could not be hashed");
	return CV_OK;
}

static uint32_t
last_number(const struct reg_account *a)
{
	return a->devices.n ? a->devices.items[a->devices.n - 1].number : 0;
}

static enum cv_status
describe(struct reg_call *c, const struct reg_account *a, struct reg_device *d, struct cv_err *err)
{
	struct cv_str type, name, scope;
	enum cv_status status = reg_field(c, c->request, "type", 20, &type, err);
	if (!status)
		status = reg_field(c, c->request, "name", REG_DEVICE_NAME_MAX, &name, err);
	if (!status)
		status = reg_field(c, c->request, "scope", 10, &scope, err);
	if (status)
		return status;
	if (!name.n)
		return cv_fail(err, CV_INVALID, "field 'name' must name the device");
	d->type = cv_str_eq_z(type, "certificate") ? REG_CERTIFICATE : REG_APP_PASSWORD;
	if (type.n && !cv_str_eq_z(type, type_word(d->type)))
		return cv_fail(err, CV_INVALID, "field 'type' is password or certificate");
	if (scope.n && !reg_scope_parse(scope, &d->scope))
		return cv_fail(err, CV_INVALID, "field 'scope' is send, read or both");
	memcpy(d->name, name.p, name.n);
	for (size_t i = 0; i < a->devices.n; i++)
		if (!strcmp(a->devices.items[i].name, d->name))
			return cv_fail(err, CV_EXISTS, "%s has a device '%s' already",
				a->text[T_ADDRESS], d->name);
	d->number = CV_MAX(last_number(a), (uint32_t)reg_fact_secs(reg_fact(c, a, "devices"),
		"last")) + 1;
	d->created_secs = cv_wall_secs();
	return CV_OK;
}

static json_t *
event_detail(struct reg_call *c, const struct reg_device *d)
{
	json_t *detail = json_pack("{s:i, s:s, s:s, s:s}", "number", (int)d->number, "type",
		type_word(d->type), "device", d->name, "scope", reg_scope_word(d->scope));
	json_t *reason = json_object_get(c->request, "reason");
	if (json_is_string(reason))
		json_object_set(detail, "reason", reason);
	return detail;
}

/* {"address", "name", "type"?: "password" | "certificate", "scope"?: "both" | "send" | "read",
 *  "fingerprint" (of a certificate), "reason"?} -> {"number", "password"?}
 * The password is made here and returned once. */
enum cv_status
reg_device_add(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	struct reg_device d = { .scope = REG_MAY_BOTH };
	char made[REG_APP_PASSWORD_BYTES] = "";
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (status)
		return status;
	if (!reg_may_log_in(a) || a->state == CV_STATE_RETIRED)
		return cv_fail(err, CV_DENIED, "%s is not a box that somebody logs in to",
			a->text[T_ADDRESS]);
	if (a->devices.n >= REG_DEVICES_MAX)
		return cv_fail(err, CV_LIMIT, "%s has %d devices already; revoke one first",
			a->text[T_ADDRESS], REG_DEVICES_MAX);
	status = describe(c, a, &d, err);
	if (!status)
		status = d.type == REG_CERTIFICATE ? take_certificate(c, &d, err)
			: make_password(c, a, &d, made, err);
	if (!status) {
		reg_devices_put(&a->devices, &d);
		reg_save_device(c, a, d.number);
		status = reg_commit(c, "device.add", a->text[T_ADDRESS], event_detail(c, &d), err);
	}
	if (!status) {
		json_object_set_new(c->reply, "address", json_string(a->text[T_ADDRESS]));
		json_object_set_new(c->reply, "number", json_integer(d.number));
		if (*made)
			json_object_set_new(c->reply, "password", json_string(made));
	}
	cv_wipe(made, sizeof made);
	cv_wipe(&d, sizeof d);
	return status;
}

/* ---- listing ---- */

static json_t *
device_json(const struct reg_device *d)
{
	json_t *o = json_pack("{s:i, s:s, s:s, s:s, s:I}", "number", (int)d->number, "type",
		type_word(d->type), "name", d->name, "scope", reg_scope_word(d->scope), "created",
		(json_int_t)d->created_secs);
	if (d->type != REG_CERTIFICATE)
		return o;
	char hex[65];
	for (size_t i = 0; i < sizeof d->check; i++)
		snprintf(hex + 2 * i, 3, "%02x", d->check[i]);
	json_object_set_new(o, "fingerprint", json_string(hex));
	return o;
}

/* {"address"} -> {"devices": [{"number", "type", "name", "scope", "created", "fingerprint"?}]} */
enum cv_status
reg_device_list(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (status)
		return status;
	json_t *list = json_array();
	for (size_t i = 0; i < a->devices.n; i++)
		json_array_append_new(list, device_json(&a->devices.items[i]));
	json_object_set_new(c->reply, "address", json_string(a->text[T_ADDRESS]));
	json_object_set_new(c->reply, "devices", list);
	return CV_OK;
}

/* ---- revoking ---- */

/* {"address", "number" | "all": true, "reason"?} -> {"revoked": how many} */
enum cv_status
reg_device_revoke(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	uint64_t number = 0;
	bool given = false, all = reg_flag(c->request, "all", false);
	json_int_t revoked = 0;
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (!status)
		status = reg_number(c->request, "number", UINT32_MAX, &number, &given, err);
	if (status)
		return status;
	if (!all && !reg_devices_find(&a->devices, (uint32_t)number))
		return cv_fail(err, CV_NOT_FOUND, "%s has no device %llu", a->text[T_ADDRESS],
			(unsigned long long)number);
	json_t *names = json_array();
	uint32_t last = last_number(a);
	for (size_t i = a->devices.n; i--;) {
		const struct reg_device *d = &a->devices.items[i];
		uint32_t gone = d->number;
		if (!all && gone != number)
			continue;
		json_array_append_new(names, json_string(d->name));
		reg_devices_del(&a->devices, gone);
		reg_save_device(c, a, gone);
		revoked++;
	}
	/* A number in the trail means one device, and no other one after it. */
	if (last_number(a) < last && reg_fact_secs(reg_fact(c, a, "devices"), "last") < last)
		reg_set_fact(c, a, "devices", json_pack("{s:I}", "last", (json_int_t)last));
	json_object_set_new(c->reply, "revoked", json_integer(revoked));
	json_t *detail = json_pack("{s:o}", "devices", names);
	if (json_is_string(json_object_get(c->request, "reason")))
		json_object_set(detail, "reason", json_object_get(c->request, "reason"));
	if (revoked)
		return reg_commit(c, "device.revoke", a->text[T_ADDRESS], detail, err);
	json_decref(detail);
	return CV_OK;
}

/* {"address", "reason"?} -> {"address"}: an audit row. The daemons forget the failed log-ins. */
enum cv_status
reg_account_unlock(struct reg_call *c, struct cv_err *err)
{
	struct reg_account *a;
	enum cv_status status = reg_account_field(c, "address", &a, err);
	if (status)
		return status;
	json_object_set_new(c->reply, "address", json_string(a->text[T_ADDRESS]));
	json_t *reason = json_object_get(c->request, "reason");
	json_t *detail = json_object();
	if (json_is_string(reason))
		json_object_set(detail, "reason", reason);
	reg_save_account(c, a); /* an audit row stands beside a change */
	return reg_commit(c, "account.unlock", a->text[T_ADDRESS], detail, err);
}
