/* html_entities.h - the named characters of HTML, sorted by name. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_HTML_ENTITIES_H
#define CV_HTML_ENTITIES_H

#include "common/base/base.h"

#define CV_HTML_ENTITY_NAME_MAX 32
#define CV_HTML_ENTITY_BARE_MAX 6 /* the longest that may stand without its semicolon */

struct cv_html_entity {
	const char *name;   /* with its semicolon; the old ones also without */
	uint32_t points[2]; /* the second is 0 for most */
};
extern const struct cv_html_entity cv_html_entities[];
extern const size_t cv_html_entities_count;

#endif
