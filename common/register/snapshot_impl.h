/* snapshot_impl.h - a mapped snapshot, for the files that look things up in it. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_SNAPSHOT_IMPL_H
#define CV_SNAPSHOT_IMPL_H

#include <stdatomic.h>

#include "common/register/snapshot_format.h"

struct snap_reverse;
struct cv_snapshot {
	_Atomic uint32_t refs;
	void *map, *secret_map;        /* NULL when the bytes belong to somebody else */
	size_t map_bytes, secret_map_bytes;
	const struct snap_header *h;   /* NULL: empty */
	const char *texts;
	const struct snap_domain *domains;
	const struct snap_agency *agencies;
	const struct snap_account *accounts;
	const struct snap_address *addresses;
	const struct snap_route *routes;
	const struct snap_target *targets;
	const uint32_t *slots, *links;
	size_t n_domains, n_agencies, n_accounts, n_addresses, n_slots, n_routes;
	const struct snap_secret_header *sh;
	const struct snap_secret *secrets;
	size_t n_secrets;
	const struct snap_device *devices;
	const struct snap_certificate *certificates;
	size_t n_devices, n_certificates;
	/* Made when somebody first asks (snapshot_links.c). */
	_Atomic(struct snap_reverse *) reverse;
};

/* NULL when there is none. */
const struct snap_account *snap_find_account(const struct cv_snapshot *s, cv_acct_no acct);
void snap_reverse_free(struct snap_reverse *r);

#endif
