#include "base/utf8.h"

size_t torap_utf8_length(const uint8_t *at, const uint8_t *end)
{
	uint8_t first = *at;
	size_t length = first < 0x80                    ? 1
			: first >= 0xc2 && first < 0xe0 ? 2
			: first >= 0xe0 && first < 0xf0 ? 3
			: first >= 0xf0 && first < 0xf5 ? 4
							: 0;
	if (!length || (size_t)(end - at) < length)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if ((first == 0xe0 && at[1] < 0xa0) || (first == 0xed && at[1] > 0x9f) ||
		(first == 0xf0 && at[1] < 0x90) || (first == 0xf4 && at[1] > 0x8f))
		return 0; /* overlong, a surrogate, or beyond the last character */
	return length;
}
