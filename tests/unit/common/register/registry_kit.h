/* registry_kit.h - a registry over a real store of its own, and requests to it as JSON text.
 *
 * For one test program: everything here is static. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef REGISTRY_KIT_H
#define REGISTRY_KIT_H

#include <unistd.h>

#include "common/register/registry.h"
#include "common/store/mailbox.h"
#include "tests/unit/common/scratch.h"

static char dir[64], register_dir[80], mail_dir[80];
static struct cv_store *store;
static struct cv_audit *audit;
static struct cv_registry *registry;
static struct cv_register *reg;

static void
open_all(void)
{
	struct cv_err err = {0};
	struct cv_store_options so = { .engine = { .dir = mail_dir, .with_blobs = true } };
	if (cv_store_open(&so, &store, &err) || cv_audit_open(store, &audit, &err))
		fail_msg("%s", err.text);
	struct cv_registry_options ro = {
		.store = store,
		.audit = audit,
		.dir = register_dir,
		.default_domain = "lamgiang.example",
		.address_template = "initials",
		.reserved_local_parts = "bithu",
		.quota_default = (uint64_t)2 << 30,
		.quota_agency = (uint64_t)10 << 30,
	};
	if (cv_registry_open(&ro, &registry, &err) ||
	    cv_register_open(register_dir, true, &reg, &err))
		fail_msg("%s", err.text);
}

static void
close_all(void)
{
	cv_register_close(reg);
	cv_registry_close(registry);
	cv_audit_close(audit);
	cv_store_close(store);
}

static int
setup(void **state)
{
	(void)state;
	scratch_make("registry", dir);
	snprintf(register_dir, sizeof register_dir, "%s/register", dir);
	snprintf(mail_dir, sizeof mail_dir, "%s/mail", dir);
	open_all();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close_all();
	scratch_remove(dir);
	return 0;
}

/* Sends a request written as JSON text; the reply is the caller's. */
static enum cv_status
ask(const char *text, json_t **reply, struct cv_err *err)
{
	json_error_t error;
	json_t *request = json_loads(text, 0, &error);
	if (!request)
		fail_msg("%s: %s", text, error.text);
	*reply = NULL;
	enum cv_status status = cv_registry_do(registry, "root", request, NULL, NULL, reply, err);
	json_decref(request);
	return status;
}

static void
must(const char *text)
{
	json_t *reply;
	struct cv_err err = {0};
	if (ask(text, &reply, &err))
		fail_msg("%s: %s", text, err.text);
	json_decref(reply);
}

static void
refused(const char *text, enum cv_status want)
{
	json_t *reply;
	struct cv_err err = {0};
	enum cv_status got = ask(text, &reply, &err);
	if (got != want)
		fail_msg("%s: %s, %s", text, cv_status_name(got), err.text);
	assert_true(err.text[0] != 0);
	json_decref(reply);
}

#endif
