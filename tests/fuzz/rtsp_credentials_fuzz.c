/* A file of users and passwords: it is taken or refused with its name and a reason, and what is taken is found by its name. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents/rtsp/credentials.h"
#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct rtsp_credentials *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct rtsp_credential *one = &c->list[i];
		assert(rtsp_credentials_find(c, one->name) == one);
		assert(*one->name && *one->user && !strpbrk(one->user, "\"\\ "));
		assert(strlen(one->user) <= RTSP_USER_MAX && strlen(one->password) <= RTSP_PASSWORD_MAX);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	struct rtsp_credentials c = { 0 };
	struct torap_error err = { "" };
	int fd = memfd_create("credentials", MFD_CLOEXEC);
	assert(fd >= 0);
	int r = fchmod(fd, 0600);
	assert(r == 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	r = rtsp_credentials_load(&c, path, &err);
	assert(r == 0 || (c.count == 0 && strncmp(err.text, path, strlen(path)) == 0));
	if (r == 0)
		check(&c);
	rtsp_credentials_finish(&c);
	close(fd);
	return 0;
}
