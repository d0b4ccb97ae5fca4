/* args_esearch.c - the arguments of ESEARCH (RFC 7377). */
/* SPDX-License-Identifier: MPL-2.0 */
#include "imapd/args.h"

/* filter *(SP filter) [SP "(" scope-options ")"] ")"; no scope option is defined. */
static bool
parse_sources(struct imapd_parse *p, struct imapd_args *args, struct imapd_esearch_args *e)
{
	e->sources = CV_ARENA_ARRAY(p->arena, struct imapd_filter, IMAPD_SOURCES_MAX);
	do {
		if (imapd_peek(p) == '(')
			return imapd_fault(p, "an unknown option of the search's scope");
		if (e->count == IMAPD_SOURCES_MAX)
			return imapd_fault(p, "too many mailbox specifiers");
		if (!imapd_parse_filter(p, &e->sources[e->count], &args->is_bad_name))
			return false;
		if (e->sources[e->count].kind == IMAPD_FILTER_SELECTED_DELAYED)
			return imapd_fault(p, "SELECTED-DELAYED is for NOTIFY");
		e->count++;
	} while (imapd_take(p, ' '));
	return imapd_need(p, ')', "a parenthesis is missing") && imapd_parse_sp(p);
}

static bool
has_saved(const struct imapd_search *search)
{
	for (uint32_t i = 0; i < search->count; i++)
		if (search->nodes[i].set.is_saved)
			return true;
	return false;
}

bool
imapd_parse_esearch(struct imapd_parse *p, struct imapd_args *args)
{
	struct imapd_esearch_args *e = args->esearch =
		CV_ARENA_NEW(p->arena, struct imapd_esearch_args);

	if (imapd_take_prefix(p, "IN (") && !parse_sources(p, args, e))
		return false;
	if (!imapd_parse_search(p, &args->search))
		return false;
	e->is_selected_alone = true;
	for (size_t i = 0; i < e->count; i++)
		e->is_selected_alone &= e->sources[i].kind == IMAPD_FILTER_SELECTED;
	if (!args->search->is_extended) {
		args->search->is_extended = true;
		args->search->returns = IMAPD_RETURN_ALL;
	}
	if (e->is_selected_alone)
		return true;
	if (args->search->returns & IMAPD_RETURN_SAVE) /* RFC 7377 2.2 */
		return imapd_fault(p, "SAVE is for the selected mailbox alone");
	return !has_saved(args->search) ||
	       imapd_fault(p, "\"$\" stands for messages of the selected mailbox");
}
