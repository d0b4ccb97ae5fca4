/* device.c - see device.h. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/device.h"

#include "common/base/rng.h"
#include "common/register/password.h"

#define ROW_VERSION 1

/* ---- the list of an account ---- */

struct reg_device *
reg_devices_find(const struct reg_devices *l, uint32_t number)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->items[i].number == number)
			return &l->items[i];
	return NULL;
}

void
reg_devices_put(struct reg_devices *l, const struct reg_device *d)
{
	struct reg_device *old = reg_devices_find(l, d->number);
	if (old) {
		*old = *d;
		return;
	}
	size_t at = l->n;
	while (at && l->items[at - 1].number > d->number)
		at--;
	l->items = cv_realloc(l->items, (l->n + 1) * sizeof *l->items);
	memmove(&l->items[at + 1], &l->items[at], (l->n - at) * sizeof *l->items);
	l->items[at] = *d;
	l->n++;
}

bool
reg_devices_del(struct reg_devices *l, uint32_t number)
{
	struct reg_device *d = reg_devices_find(l, number);
	if (!d)
		return false;
	size_t at = (size_t)(d - l->items);
	memmove(d, d + 1, (l->n - at - 1) * sizeof *d);
	l->n--;
	cv_wipe(&l->items[l->n], sizeof *d);
	return true;
}

struct reg_devices
reg_devices_copy(const struct reg_devices *l)
{
	struct reg_devices copy = { .n = l->n };
	if (l->n) {
		copy.items = cv_malloc(l->n * sizeof *l->items);
		memcpy(copy.items, l->items, l->n * sizeof *l->items);
	}
	return copy;
}

void
reg_devices_done(struct reg_devices *l)
{
	if (l->items)
		cv_wipe(l->items, l->n * sizeof *l->items);
	free(l->items);
	*l = (struct reg_devices){0};
}

/* ---- rows ---- */

void
reg_device_encode(const struct reg_device *d, struct cv_buf *out)
{
	cv_buf_c(out, ROW_VERSION);
	cv_buf_c(out, (char)d->type);
	cv_buf_c(out, (char)d->scope);
	cv_buf_be64(out, (uint64_t)d->created_secs);
	cv_buf_add(out, d->check, sizeof d->check);
	cv_buf_add(out, d->stored_key, sizeof d->stored_key);
	cv_buf_add(out, d->server_key, sizeof d->server_key);
	cv_buf_bytes(out, cv_str_z(d->name));
}

enum cv_status
reg_device_decode(struct cv_str row, struct reg_device *d)
{
	struct cv_rd r = cv_rd(row);
	if (cv_rd_u8(&r) != ROW_VERSION)
		return CV_CORRUPT;
	unsigned type = cv_rd_u8(&r), scope = cv_rd_u8(&r);
	d->created_secs = (int64_t)cv_rd_be64(&r);
	cv_rd_copy(&r, d->check, sizeof d->check);
	cv_rd_copy(&r, d->stored_key, sizeof d->stored_key);
	cv_rd_copy(&r, d->server_key, sizeof d->server_key);
	struct cv_str name = cv_rd_bytes(&r);
	if (r.bad || type < REG_APP_PASSWORD || type > REG_CERTIFICATE || !scope ||
	    scope > REG_MAY_BOTH || name.n > REG_DEVICE_NAME_MAX)
		return CV_CORRUPT;
	d->type = (enum reg_device_type)type;
	d->scope = (uint8_t)scope;
	memset(d->name, 0, sizeof d->name);
	if (name.n)
		memcpy(d->name, name.p, name.n);
	return CV_OK;
}

/* ---- words and passwords ---- */

static const char *const scopes[] = {
	[REG_MAY_SEND] = "send", [REG_MAY_READ] = "read", [REG_MAY_BOTH] = "both",
};

bool
reg_scope_parse(struct cv_str word, uint8_t *out)
{
	for (uint8_t i = REG_MAY_SEND; i <= REG_MAY_BOTH; i++) {
		if (cv_str_eq_z(word, scopes[i])) {
			*out = i;
			return true;
		}
	}
	return false;
}

const char *
reg_scope_word(uint8_t scope)
{
	return scope >= REG_MAY_SEND && scope <= REG_MAY_BOTH ? scopes[scope] : "none";
}

void
reg_app_password_make(char out[REG_APP_PASSWORD_BYTES])
{
	password_make(out);
}

void
reg_app_password_check(const uint8_t salt[16], struct cv_str password, uint8_t out[32])
{
	uint8_t key[32] = {0};
	memcpy(key, salt, 16);
	scram_hmac(key, password, out);
	cv_wipe(key, sizeof key);
}
