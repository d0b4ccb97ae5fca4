/* standalone.c - runs a fuzz target over files and folders, so that the corpus is an ordinary
 * test. */
/* SPDX-License-Identifier: MPL-2.0 */
#include <dirent.h>
#include <stdint.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long inputs;

static int
run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return 1;
	}
	size_t cap = 16u << 20;
	uint8_t *whole = malloc(cap);
	size_t n = whole ? fread(whole, 1, cap, f) : 0;
	fclose(f);
	/* An exact-size copy, so that the sanitizer sees a read one byte past the input. */
	uint8_t *data = malloc(n ? n : 1);
	if (data) {
		memcpy(data, whole, n);
		LLVMFuzzerTestOneInput(data, n);
		inputs++;
	}
	free(data);
	free(whole);
	return 0;
}

static int
run_path(const char *path)
{
	struct stat st;
	if (stat(path, &st)) {
		perror(path);
		return 1;
	}
	if (!S_ISDIR(st.st_mode))
		return run_file(path);
	DIR *dir = opendir(path);
	if (!dir) {
		perror(path);
		return 1;
	}
	int failed = 0;
	for (struct dirent *e; (e = readdir(dir));) {
		char child[4096];
		if (e->d_name[0] == '.')
			continue;
		snprintf(child, sizeof child, "%s/%s", path, e->d_name);
		failed |= run_path(child);
	}
	closedir(dir);
	return failed;
}

int
main(int argc, char **argv)
{
	int failed = 0;
	for (int i = 1; i < argc; i++)
		failed |= run_path(argv[i]);
	printf("%lu inputs\n", inputs);
	/* A target without a corpus tests nothing, and says so. */
	return failed || inputs == 0;
}
