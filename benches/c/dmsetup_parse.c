/*
 * What dmsetup does with a table, by REFERENCE.md and its manual: a line at a time into a buffer, then
 * start, length and type by sscanf; the rest of the line is the target's. (Without the buffer sscanf
 * would measure the whole rest of the text at each line.)
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Lines parsed, or -1 at the first bad one; *sum adds up what was read. The text is NUL-terminated. */
long dmsetup_parse(const char *text, uint64_t *sum)
{
	char line[4096];
	long lines = 0;

	while (*text) {
		unsigned long long start, length;
		char type[32];
		int used = 0;
		const char *end = strchr(text, '\n');
		size_t bytes = end ? (size_t)(end - text) : strlen(text);

		if (bytes >= sizeof(line))
			return -1;
		memcpy(line, text, bytes);
		line[bytes] = '\0';
		if (sscanf(line, "%llu %llu %31s %n", &start, &length, type, &used) < 3)
			return -1;
		*sum += start + length;
		lines++;
		text += bytes + (end ? 1 : 0);
	}
	return lines;
}
