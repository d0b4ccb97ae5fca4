/* registry_issue.c - password.issue: first passwords for many people at once (ACC-03).
 *
 * A hash takes 18 ms and a snapshot of a province some 50: so the hashes are made on a few threads
 * before the lock is taken, and all people of a request share one snapshot. Each change is a commit
 * and an audit event of its own, as account.passwd makes it. The asking side chooses the passwords,
 * so that they can be on paper before they are in force.
 */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/register/registry_people.h"

#define PEOPLE_MAX  64u
#define THREADS_MAX 4u

struct hashing {
	const json_t *list;
	struct reg_secret *out;
	size_t count;
	_Atomic size_t next;
	_Atomic bool failed;
};

static struct cv_str
password_of(const json_t *row)
{
	const json_t *field = json_object_get(row, "password");
	return cv_str(json_string_value(field), json_string_length(field));
}

static void *
hash_some(void *arg)
{
	struct hashing *h = arg;
	struct cv_err err;
	size_t i;
	while ((i = atomic_fetch_add(&h->next, 1)) < h->count)
		if (password_hash(password_of(json_array_get(h->list, i)), false, &h->out[i], &err))
			atomic_store(&h->failed, true);
	return NULL;
}

/* The caller's thread works too: a machine without room for more only takes longer. */
static enum cv_status
hash_all(struct hashing *h, struct cv_err *err)
{
	pthread_t threads[THREADS_MAX];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t n = 0, wanted = CV_MIN((size_t)CV_MAX(cpus, 1), (size_t)THREADS_MAX) - 1;
	while (n < wanted && !pthread_create(&threads[n], NULL, hash_some, h))
		n++;
	hash_some(h);
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	return h->failed ? cv_fail(err, CV_TEMPFAIL, "the passwords could not be hashed") : CV_OK;
}

enum cv_status
reg_issue_prepare(struct reg_call *c, struct cv_err *err)
{
	const char *what = json_string_value(json_object_get(c->request, "do"));
	const json_t *list = json_object_get(c->request, "accounts"), *row;
	size_t i, n = json_array_size(list);
	/* What is refused below the lock needs no hash. */
	if (!what || strcmp(what, "password.issue") || !n || n > PEOPLE_MAX || c->is_dry ||
	    !((unsigned)c->who->role & REG_HELPDESK))
		return CV_OK;
	json_array_foreach(list, i, row) {
		struct cv_str password = password_of(row);
		if (!password.n || password.n > PASSWORD_MAX)
			return CV_OK;
	}
	c->issued = cv_calloc(n, sizeof *c->issued);
	c->issued_count = n;
	struct hashing h = { .list = list, .out = c->issued, .count = n };
	return hash_all(&h, err);
}

void
reg_issue_done(struct reg_call *c)
{
	if (c->issued)
		cv_wipe(c->issued, c->issued_count * sizeof *c->issued);
	free(c->issued);
	c->issued = NULL;
	c->issued_count = 0;
}

/* ---- under the lock ---- */

/* Nobody's password changes when one of them may not be changed. */
static enum cv_status
check_one(struct reg_call *c, json_t *row, struct cv_err *err)
{
	struct reg_account *a;
	struct cv_str address, password = password_of(row);
	enum cv_status status = reg_field(c, row, "address", 320, &address, err);
	if (!status && (!address.n || !password.n || password.n > PASSWORD_MAX))
		status = cv_fail(err, CV_INVALID, "a row of 'accounts' is address and password");
	json_t *about = json_pack("{s:s, s:O?}", "do", "account.passwd", "address",
		json_object_get(row, "address"));
	if (!status)
		status = reg_authorise(c, about, REG_HELPDESK, "account:address", err);
	json_decref(about);
	if (!status)
		status = reg_account_of(c, address, &a, err);
	if (!status && (!reg_may_log_in(a) || a->state != CV_STATE_ACTIVE))
		status = cv_fail(err, CV_DENIED, "%s is no active person's or application's box",
			a->text[T_ADDRESS]);
	if (!status)
		status = reg_check_resets(c, a, err);
	if (!status)
		status = password_judge(password, PASSWORD_FULL, cv_str_z(a->text[T_ADDRESS]),
			err);
	return status;
}

static enum cv_status
issue_one(struct reg_call *c, const json_t *row, const struct reg_secret *hashed,
          struct cv_err *err)
{
	struct reg_call inner;
	json_t *request = json_pack("{s:s, s:O, s:O, s:b}", "do", "account.passwd", "address",
		json_object_get(row, "address"), "password", json_object_get(row, "password"),
		"must_change", 1);
	json_t *hours = json_object_get(c->request, "expires_hours");
	if (hours)
		json_object_set(request, "expires_hours", hours);
	reg_call_begin(&inner, c, c->actor, request);
	inner.hashed = hashed;
	enum cv_status status = reg_run(&inner, err);
	c->was_committed |= inner.was_committed;
	c->was_changed |= inner.was_changed;
	json_t *vi = status ? json_object_get(inner.reply, "error_vi") : NULL;
	if (vi)
		json_object_set(c->reply, "error_vi", vi);
	reg_call_end(&inner);
	json_decref(request);
	return status;
}

/* {"accounts": [{"address", "password"}, ...] (64 at most), "expires_hours"?} -> {"issued"}: first
 * passwords, which must be changed. All are judged before the first is set. */
enum cv_status
reg_password_issue(struct reg_call *c, struct cv_err *err)
{
	json_t *list = json_object_get(c->request, "accounts"), *row;
	size_t i, n = json_array_size(list);
	enum cv_status status = CV_OK;
	if (!n || n > PEOPLE_MAX)
		return cv_fail(err, CV_INVALID, "field 'accounts' is a list of 1 to %u",
			PEOPLE_MAX);
	for (i = 0; i < n && !status; i++)
		status = check_one(c, json_array_get(list, i), err);
	json_array_foreach(list, i, row)
		if (!status && !c->is_dry)
			status = issue_one(c, row, i < c->issued_count ? &c->issued[i] : NULL, err);
	if (!status)
		json_object_set_new(c->reply, "issued", json_integer((json_int_t)n));
	return status;
}
