#include "agents/ctl/panel_phone.h"

#include <string.h>

#include "loop/app.h"

static void send_message(struct ctl_panel_phone *p);

void ctl_panel_phone_init(
	struct ctl_panel_phone *p, const struct ctl_panel_line *line, const char *account, uint64_t random)
{
	memset(p, 0, sizeof *p);
	p->line = line;
	p->random = random;
	p->message.sequence = (unsigned)(random % 9999) + 1; /* a panel that restarts begins anywhere */
	p->next_number = 1;
	memcpy(p->message.account, account, strlen(account));
}

static void on_closed(uv_handle_t *handle)
{
	struct ctl_panel_phone *p = handle->data;
	p->open = p->connected = p->closing = false;
	p->heard_size = 0;
}

static void hang_up(struct ctl_panel_phone *p, const char *trouble)
{
	p->trouble = trouble;
	if (!p->open || p->closing)
		return;
	p->closing = true;
	uv_close(&p->handle.any, on_closed);
}

static void finish(struct ctl_panel_phone *p, enum ctl_panel_answer answer)
{
	p->waiting = false;
	p->took_us = torap_app_mono().us - p->asked.us;
	p->line->on_done(p->line->hint, p, answer);
}

/* Our clock was wrong, says the receiver: the same event with the right time. */
static void on_nak(struct ctl_panel_phone *p, struct torap_wall time)
{
	p->clock_offset_us = time.us - torap_app_wall().us;
	p->message.time.us = time.us;
	if (p->tried < p->line->tries)
		send_message(p);
	else
		finish(p, CTL_PANEL_NAK);
}

static void hear(struct ctl_panel_phone *p, const char *bytes, size_t size)
{
	if (size > sizeof p->heard - p->heard_size) {
		p->heard_size = 0; /* No answer is so long. */
		return;
	}
	memcpy(p->heard + p->heard_size, bytes, size);
	p->heard_size += size;
	size_t used = 1;
	while (p->heard_size && used) {
		struct torap_wall time;
		enum ctl_panel_answer answer = ctl_panel_read_answer(
			p->heard, p->heard_size, &used, &p->message, &p->line->key, &time);
		p->heard_size -= used;
		memmove(p->heard, p->heard + used, p->heard_size);
		if (!p->waiting || answer == CTL_PANEL_NOTHING || answer == CTL_PANEL_STRANGE)
			continue;
		if (answer == CTL_PANEL_NAK)
			on_nak(p, time);
		else
			finish(p, answer);
	}
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct ctl_panel_phone *p = handle->data;
	(void)suggested;
	*buffer = uv_buf_init(p->read_into, sizeof p->read_into);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct ctl_panel_phone *p = stream->data;
	if (size > 0)
		hear(p, buffer->base, (size_t)size);
	else if (size < 0)
		hang_up(p, "the receiver closed the connection");
}

static void on_datagram(
	uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer, const struct sockaddr *from, unsigned flags)
{
	struct ctl_panel_phone *p = socket->data;
	(void)flags;
	if (size < 0)
		p->trouble = uv_strerror((int)size);
	if (size <= 0 || !from)
		return;
	p->heard_size = 0;
	hear(p, buffer->base, (size_t)size);
}

static void write_frame(struct ctl_panel_phone *p)
{
	uint8_t frame[CTL_PANEL_FRAME_MAX];
	p->random = p->random * 6364136223846793005u + 1442695040888963407u;
	size_t size = ctl_panel_encode(frame, &p->message, &p->line->key, p->random);
	if (!size) {
		p->trouble = "the message cannot be encrypted";
		return;
	}
	uv_buf_t buffer = uv_buf_init((char *)frame, (unsigned)size);
	int sent = p->line->udp ? uv_udp_try_send(
					  &p->handle.udp, &buffer, 1, (const struct sockaddr *)&p->line->to)
				: uv_try_write((uv_stream_t *)&p->handle.tcp, &buffer, 1);
	if (sent < 0)
		hang_up(p, uv_strerror(sent));
	else if ((size_t)sent < size)
		hang_up(p, "the connection takes no more");
}

static void on_connected(uv_connect_t *request, int status)
{
	struct ctl_panel_phone *p = request->data;
	if (status == UV_ECANCELED)
		return;
	if (status) {
		hang_up(p, uv_strerror(status));
		return;
	}
	p->connected = true;
	p->trouble = NULL;
	uv_read_start((uv_stream_t *)&p->handle.tcp, on_allocate, on_read);
	if (p->waiting)
		write_frame(p);
}

static void open_tcp(struct ctl_panel_phone *p)
{
	p->connecting.data = p;
	int r = uv_tcp_connect(
		&p->connecting, &p->handle.tcp, (const struct sockaddr *)&p->line->to, on_connected);
	if (r)
		hang_up(p, uv_strerror(r));
}

static void open_line(struct ctl_panel_phone *p)
{
	int r = p->line->udp ? uv_udp_init(p->line->loop, &p->handle.udp)
			     : uv_tcp_init(p->line->loop, &p->handle.tcp);
	if (r) {
		p->trouble = uv_strerror(r);
		return;
	}
	p->open = true;
	p->handle.any.data = p;
	if (!p->line->udp) {
		open_tcp(p);
		return;
	}
	struct sockaddr_in any4;
	struct sockaddr_in6 any6;
	uv_ip4_addr("0.0.0.0", 0, &any4);
	uv_ip6_addr("::", 0, &any6);
	const struct sockaddr *any = p->line->to.ss_family == AF_INET6 ? (const struct sockaddr *)&any6
								       : (const struct sockaddr *)&any4;
	r = uv_udp_bind(&p->handle.udp, any, 0);
	r = r ? r : uv_udp_recv_start(&p->handle.udp, on_allocate, on_datagram);
	p->connected = r == 0;
	if (r)
		hang_up(p, uv_strerror(r));
}

/* A try; also one that finds no line, for a panel that cannot reach anybody gives up in the end, too. */
static void send_message(struct ctl_panel_phone *p)
{
	p->tried++;
	p->repeats += p->tried > 1;
	p->next_try = (struct torap_mono){ torap_app_mono().us + p->line->timeout_us };
	if (p->closing)
		return; /* The tick after the close tries again. */
	if (!p->open)
		open_line(p);
	if (p->connected && !p->closing)
		write_frame(p);
}

void ctl_panel_phone_tell(struct ctl_panel_phone *p, const struct ctl_panel_message *message)
{
	char account[sizeof p->message.account];
	unsigned sequence = p->message.sequence % 9999 + 1;
	memcpy(account, p->message.account, sizeof account);
	p->message = *message;
	p->message.sequence = sequence;
	memcpy(p->message.account, account, sizeof account);
	p->message.time = (struct torap_wall){ torap_app_wall().us + p->clock_offset_us };
	p->waiting = true;
	p->tried = 0;
	p->repeats = 0;
	p->asked = torap_app_mono();
	send_message(p);
}

void ctl_panel_phone_tick(struct ctl_panel_phone *p, struct torap_mono now)
{
	if (!p->waiting)
		return;
	bool due = torap_mono_reached(p->next_try, now);
	if (due && p->tried >= p->line->tries) {
		if (!p->line->udp)
			hang_up(p, p->trouble); /* An answer that comes now must not be taken for the next. */
		finish(p, CTL_PANEL_NOTHING);
	} else if (due) {
		send_message(p);
	}
}

void ctl_panel_phone_close(struct ctl_panel_phone *p)
{
	hang_up(p, NULL);
}
