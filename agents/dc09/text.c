#include "agents/dc09/text.h"

#include <assert.h>
#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/utf8.h"

enum { PAGES = DC09_KZ1048 + 1, UPPER = 128 };

/* What stands above ASCII, from 0x80 on, by the C library; U+FFFD where a code page has a gap. */
static uint16_t tables[PAGES][UPPER];

static int load_page(enum dc09_code_page page, const char *name, struct torap_error *err)
{
	iconv_t convert = iconv_open("UTF-16LE", name);
	if (convert == (iconv_t)-1)
		return torap_errorf(err, -ENOTSUP, "the C library does not know the code page %s: %s", name,
			strerror(errno));
	for (unsigned i = 0; i < UPPER; i++) {
		char in = (char)(0x80 + i), *from = &in, *to;
		uint8_t out[4];
		size_t in_left = 1, out_left = sizeof out;
		to = (char *)out;
		bool known = iconv(convert, &from, &in_left, &to, &out_left) != (size_t)-1 && out_left == 2;
		tables[page][i] = known ? (uint16_t)(out[0] | out[1] << 8) : 0xfffd;
	}
	iconv_close(convert);
	return 0;
}

int dc09_text_load(struct torap_error *err)
{
	int r = load_page(DC09_CP1251, "CP1251", err);
	r = r ? r : load_page(DC09_CP1252, "CP1252", err);
	return r ? r : load_page(DC09_KZ1048, "RK1048", err);
}

static const struct {
	const char *name;
	enum dc09_code_page page;
} names[] = {
	{ "utf-8", DC09_UTF_8 },
	{ "cp1251", DC09_CP1251 },
	{ "cp1252", DC09_CP1252 },
	{ "kz1048", DC09_KZ1048 },
	{ "", DC09_CODE_PAGE_GUESS },
};

bool dc09_code_page_find(enum dc09_code_page *out, const char *name)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (!strcmp(name, names[i].name)) {
			*out = names[i].page;
			return true;
		}
	}
	return false;
}

static bool utf8_valid(struct torap_bytes text)
{
	const uint8_t *at = text.data, *end = text.data + text.size;
	while (at < end) {
		size_t length = torap_utf8_length(at, end);
		if (!length)
			return false;
		at += length;
	}
	return true;
}

static size_t put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	out[0] = (char)(0xe0 | c >> 12);
	out[1] = (char)(0x80 | (c >> 6 & 0x3f));
	out[2] = (char)(0x80 | (c & 0x3f));
	return 3;
}

static size_t convert_utf8(char *out, struct torap_bytes in)
{
	const uint8_t *at = in.data, *end = in.data + in.size;
	size_t size = 0;
	while (at < end) {
		size_t length = torap_utf8_length(at, end);
		if (!length) {
			size += put_utf8(out + size, 0xfffd);
			at++;
		} else if (*at < ' ' || *at == 0x7f) {
			out[size++] = ' ';
			at++;
		} else {
			memcpy(out + size, at, length);
			size += length;
			at += length;
		}
	}
	return size;
}

size_t dc09_text_convert(char *out, struct torap_bytes in, enum dc09_code_page page)
{
	if (page == DC09_CODE_PAGE_GUESS)
		page = utf8_valid(in) ? DC09_UTF_8 : DC09_CP1252;

	size_t size = 0;
	if (page == DC09_UTF_8) {
		size = convert_utf8(out, in);
	} else {
		assert(tables[page][0]); /* dc09_text_load() was called */
		for (size_t i = 0; i < in.size; i++) {
			uint8_t c = in.data[i];
			size += put_utf8(out + size, c < ' ' || c == 0x7f ? ' '
						     : c < 0x80           ? c
									  : tables[page][c - 0x80]);
		}
	}
	out[size] = 0;
	return size;
}
