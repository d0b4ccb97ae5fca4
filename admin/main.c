/* main.c - `congvu`: finds the command, splits its arguments, runs it, shows help. */
/* SPDX-License-Identifier: MPL-2.0 */
#include "admin/cli.h"

#include <signal.h>

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	return admin_cli(argc, argv);
}
