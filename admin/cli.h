/* cli.h - the command line of `congvu`: global options, noun, verb, the command's own options. */
/* SPDX-License-Identifier: MPL-2.0 */
#ifndef ADMIN_CLI_H
#define ADMIN_CLI_H

/* Runs the command that ARGV names; returns the exit code. */
int admin_cli(int argc, char **argv);

#endif
