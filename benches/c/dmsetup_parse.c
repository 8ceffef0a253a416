/*
 * What dmsetup does with each line of a table, by REFERENCE.md and its manual: start, length and type
 * by sscanf, the rest of the line is the target's.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Lines parsed, or -1 at the first bad one; *sum adds up what was read. The text is NUL-terminated. */
long dmsetup_parse(const char *text, uint64_t *sum)
{
	long lines = 0;

	while (*text) {
		unsigned long long start, length;
		char type[32];
		int used = 0;

		if (sscanf(text, "%llu %llu %31s %n", &start, &length, type, &used) < 3)
			return -1;
		*sum += start + length;
		lines++;
		text += used;
		while (*text && *text != '\n')
			text++;
		if (*text)
			text++;
	}
	return lines;
}
