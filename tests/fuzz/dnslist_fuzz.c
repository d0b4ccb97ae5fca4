/* fuzz: net */
/* dnslist_fuzz.c - entries of DNS lists: read or refused, and names that fit DNS. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "common/net/dnslist.h"

#include <netinet/in.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_dnslists lists = {.n = 0};
	struct sockaddr_storage peer = {.ss_family = AF_INET6};
	struct cv_err err;
	char name[300], *text = cv_str_dup(cv_str((const char *)data, size));

	if (cv_dnslists_add(&lists, text, false, &err) == CV_OK)
		for (size_t i = 0; i < lists.n; i++) {
			assert(lists.rows[i].weight > 0 && lists.rows[i].weight <= 100);
			assert(cv_dnslist_name(&lists.rows[i], &peer, name, sizeof name));
		}
	free(text);
	return 0;
}
