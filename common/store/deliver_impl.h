/* deliver_impl.h - the two ways to deliver behind deliver.h: in this process, or over a socket. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_DELIVER_IMPL_H
#define CV_DELIVER_IMPL_H

#include "common/store/deliver.h"

struct cv_deliverer_ops {
	void (*deliver)(struct cv_deliverer *d, struct cv_delivery *delivery);
	void (*probe)(struct cv_deliverer *d, struct cv_probe *probe);
	bool (*is_up)(struct cv_deliverer *d);
	void (*sent)(struct cv_deliverer *d, const struct cv_sent_note *note);
	void (*free)(struct cv_deliverer *d);
};
struct cv_deliverer {
	const struct cv_deliverer_ops *ops;
};

/* Delivers on this thread: when it returns every result is known, and durable with *TICKET_OUT
 * (0: nothing was written). */
void cv_deliver_now(struct cv_store *s, struct cv_delivery *d, cv_ticket *ticket_out);
/* Tells whoever watches the store. */
void cv_sent_now(struct cv_store *s, const struct cv_sent_note *note);
/* Sets probe->result. */
void cv_probe_now(struct cv_store *s, struct cv_probe *probe);

#endif
