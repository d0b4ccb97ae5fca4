/* model_route.c - where mail goes beside the box: routes, targets, and the bytes of their rows. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/register/model.h"

#define ROW_VERSION 1

const char *const reg_post_words[] = {
	[CV_POST_STAFF] = "staff", [CV_POST_ANYONE] = "anyone", [CV_POST_OFFICIAL] = "official",
	[CV_POST_MEMBERS] = "members", [CV_POST_NAMED] = "named", [CV_POST_NOBODY] = "nobody", NULL,
};

struct reg_route *
reg_route_of(struct reg_account *a)
{
	if (!a->route) {
		a->route = cv_calloc(1, sizeof *a->route);
		for (size_t i = 0; i < RT_COUNT; i++)
			a->route->text[i] = cv_strdup("");
	}
	return a->route;
}

void
reg_route_set(struct reg_route *route, enum reg_route_text which, struct cv_str text)
{
	char *copy = cv_str_dup(text);
	free(route->text[which]);
	route->text[which] = copy;
}

bool
reg_route_is_default(const struct reg_route *route)
{
	bool is_default = !route || route->post == CV_POST_STAFF;
	for (size_t i = 0; route && i < RT_COUNT; i++)
		is_default &= !*route->text[i];
	for (size_t i = 0; route && i < RM_COUNT; i++)
		is_default &= !route->secs[i];
	return is_default;
}

void
reg_route_free(struct reg_route *route)
{
	for (size_t i = 0; route && i < RT_COUNT; i++)
		free(route->text[i]);
	free(route);
}

struct reg_target *
reg_target_find(const struct reg_account *a, enum cv_reg_target_kind kind, struct cv_str address)
{
	for (size_t i = 0; i < a->target_count; i++)
		if (a->targets[i].kind == kind && cv_str_eq_z(address, a->targets[i].address))
			return &a->targets[i];
	return NULL;
}

static struct reg_target
target_copy(const struct reg_target *t)
{
	struct reg_target copy = *t;
	copy.address = cv_strdup(t->address);
	copy.reason = cv_strdup(t->reason ? t->reason : "");
	return copy;
}

void
reg_target_put(struct reg_account *a, const struct reg_target *t)
{
	struct reg_target *old = reg_target_find(a, t->kind, cv_str_z(t->address));
	struct reg_target copy = target_copy(t);
	if (old) {
		free(old->address);
		free(old->reason);
		*old = copy;
		return;
	}
	a->targets = cv_realloc(a->targets, (a->target_count + 1) * sizeof *a->targets);
	a->targets[a->target_count++] = copy;
}

bool
reg_target_del(struct reg_account *a, enum cv_reg_target_kind kind, struct cv_str address)
{
	struct reg_target *t = reg_target_find(a, kind, address);
	if (!t)
		return false;
	free(t->address);
	free(t->reason);
	size_t behind = a->target_count - (size_t)(t - a->targets) - 1;
	memmove(t, t + 1, behind * sizeof *t);
	a->target_count--;
	return true;
}

void
reg_routing_copy(struct reg_account *copy, const struct reg_account *a)
{
	copy->route = NULL;
	copy->targets = NULL;
	copy->target_count = 0;
	if (a->route) {
		struct reg_route *route = reg_route_of(copy);
		for (size_t i = 0; i < RT_COUNT; i++)
			reg_route_set(route, (enum reg_route_text)i, cv_str_z(a->route->text[i]));
		memcpy(route->secs, a->route->secs, sizeof route->secs);
		route->post = a->route->post;
	}
	for (size_t i = 0; i < a->target_count; i++)
		reg_target_put(copy, &a->targets[i]);
}

void
reg_routing_free(struct reg_account *a)
{
	reg_route_free(a->route);
	for (size_t i = 0; i < a->target_count; i++) {
		free(a->targets[i].address);
		free(a->targets[i].reason);
	}
	free(a->targets);
}

/* ---- rows ---- */

void
reg_route_encode(const struct reg_route *route, struct cv_buf *out)
{
	cv_buf_c(out, ROW_VERSION);
	cv_buf_c(out, (char)route->post);
	cv_buf_varint(out, RM_COUNT);
	for (size_t i = 0; i < RM_COUNT; i++)
		cv_buf_be64(out, (uint64_t)route->secs[i]);
	cv_buf_varint(out, RT_COUNT);
	for (size_t i = 0; i < RT_COUNT; i++)
		cv_buf_bytes(out, cv_str_z(route->text[i]));
}

enum cv_status
reg_route_decode(struct cv_str row, struct reg_route *route)
{
	struct cv_rd r = cv_rd(row);
	if (cv_rd_u8(&r) != ROW_VERSION)
		return CV_CORRUPT;
	unsigned post = cv_rd_u8(&r);
	if (post > CV_POST_NOBODY)
		return CV_CORRUPT;
	route->post = (enum cv_reg_post)post;
	/* Rows of a later release may hold more of both. */
	uint64_t count = cv_rd_varint(&r);
	for (uint64_t i = 0; i < count && !r.bad; i++) {
		int64_t secs = (int64_t)cv_rd_be64(&r);
		if (i < RM_COUNT)
			route->secs[i] = secs;
	}
	count = cv_rd_varint(&r);
	for (uint64_t i = 0; i < count && !r.bad; i++) {
		struct cv_str text = cv_rd_bytes(&r);
		if (i < RT_COUNT)
			reg_route_set(route, (enum reg_route_text)i, text);
	}
	return r.bad ? CV_CORRUPT : CV_OK;
}

void
reg_target_encode(const struct reg_target *t, struct cv_buf *out)
{
	cv_buf_c(out, ROW_VERSION);
	cv_buf_c(out, t->keep);
	cv_buf_be64(out, (uint64_t)t->since_secs);
	cv_buf_be64(out, (uint64_t)t->until_secs);
	cv_buf_bytes(out, cv_str_z(t->reason ? t->reason : ""));
}

enum cv_status
reg_target_decode(struct cv_str row, struct reg_target *t)
{
	struct cv_rd r = cv_rd(row);
	if (cv_rd_u8(&r) != ROW_VERSION)
		return CV_CORRUPT;
	t->keep = cv_rd_u8(&r) != 0;
	t->since_secs = (int64_t)cv_rd_be64(&r);
	t->until_secs = (int64_t)cv_rd_be64(&r);
	struct cv_str reason = cv_rd_bytes(&r);
	if (r.bad)
		return CV_CORRUPT;
	t->reason = cv_str_dup(reason);
	return CV_OK;
}
