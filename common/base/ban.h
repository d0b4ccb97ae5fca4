/* ban.h - sharp tools that do not compile here. Forced into every file by the build. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef CV_BAN_H
#define CV_BAN_H

#if !defined(__cplusplus)
/* The system headers that declare them come first, so only our own uses are caught. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
/* And a library whose header uses them in macros, for the one file that includes it. */
#ifdef CV_BAN_BEHIND
#include CV_BAN_BEHIND
#endif
#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat gets strtok atoi atol atoll
#pragma GCC poison gmtime localtime ctime asctime tmpnam mktemp
#endif

#endif
