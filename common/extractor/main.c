/* main.c - congvu-extract: started by daemons; by people only to ask what it can read. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "common/extractor/extractor.h"

static int
usage(FILE *out)
{
	fputs("usage: congvu-extract --check | --version\n"
	      "Reads the text of documents for the daemons of congvu, which start it "
	      "themselves.\n\n"
	      "  --check    print what it can read\n"
	      "  --version  print the version\n",
		out);
	return out == stdout ? 0 : 64;
}

static int
serve(char **argv)
{
	uint64_t workers, niceness;

	if (cv_str_u64(cv_str_z(argv[0]), 64, &workers) ||
		cv_str_u64(cv_str_z(argv[1]), 19, &niceness))
		return usage(stderr);
	if (niceness && nice((int)niceness) == -1) {
		/* It works all the same. */
	}
	_exit(extractor_keep((unsigned)workers));
}

int
main(int argc, char **argv)
{
	char ability[CV_EXTRACT_ABILITY_MAX];

	if (argc == 4 && !strcmp(argv[1], "--serve"))
		return serve(argv + 2);
	if (argc == 2 && !strcmp(argv[1], "--check")) {
		extractor_ability(ability, sizeof ability);
		puts(ability);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts("congvu-extract " CV_VERSION);
		return 0;
	}
	return usage(argc == 2 && !strcmp(argv[1], "--help") ? stdout : stderr);
}
