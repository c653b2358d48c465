#include "loop/ztraffic.h"

#include <linux/sockios.h>
#include <linux/tcp.h> /* the C library's tcp_info is older and shorter */
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

bool torap_ztraffic_read(struct torap_ztraffic *out, int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof info;
	int queued;
	if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ||
		size < offsetof(struct tcp_info, tcpi_data_segs_in) || ioctl(fd, SIOCOUTQ, &queued) < 0)
		return false;
	*out = (struct torap_ztraffic){ .quiet_ms = info.tcpi_last_data_recv,
		.delivered = info.tcpi_bytes_acked,
		.queued = queued,
		.rtt_us = info.tcpi_min_rtt };
	return true;
}

void torap_ztraffic_buffer(int fd, size_t size)
{
	int bytes = (int)(size / 2); /* The kernel doubles it, for its own needs. */
	/* The connection may have ended by itself meanwhile. */
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}
