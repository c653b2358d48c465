#include "broker/session.h"

#include <stdio.h>
#include <sys/stat.h>

#include "broker/broker.h"
#include "broker/door.h"
#include "link/message.h"
#include "loop/app.h"
#include "wire/envelope.h"

struct broker_wire broker_wire(int fd)
{
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0)
		return (struct broker_wire){ .fd = -1 };
	return (struct broker_wire){ .fd = fd, .inode = st.st_ino };
}

static bool is_same(struct broker_wire wire)
{
	struct stat st;
	return wire.fd >= 0 && fstat(wire.fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == wire.inode;
}

void broker_wire_cut(struct broker_wire wire)
{
	if (is_same(wire))
		torap_zsocket_drop(wire.fd);
}

bool broker_wire_traffic(struct broker_wire wire, struct torap_ztraffic *out)
{
	return is_same(wire) && torap_ztraffic_read(out, wire.fd);
}

bool broker_session_send_frames(struct broker_session *s, struct torap_buffer *const *frames, size_t count)
{
	if (s->ended)
		return false;
	if (broker_door_send(s->door, s->peer, s->peer_size, frames, count)) {
		torap_pulse_sent(&s->pulse, torap_app_mono());
		return true;
	}
	s->broker->counts.gone++;
	broker_session_end(s, "gone", 0, NULL);
	return false;
}

bool broker_session_send(struct broker_session *s, uint32_t type, struct torap_buffer *take_body)
{
	struct torap_buffer *frames[2] = { torap_envelope_plain(type), take_body };
	bool bodiless = type == TORAP__MESSAGE_TYPE__MESSAGE_HEARTBEAT;
	bool sent = false;
	if (!frames[0] || (!take_body && !bodiless))
		broker_session_end(s, "out of memory", 0, NULL);
	else
		sent = broker_session_send_frames(s, frames, bodiless ? 1 : 2);
	torap_buffer_unref(frames[0]);
	torap_buffer_unref(take_body);
	return sent;
}

void broker_session_end(struct broker_session *s, const char *why, int code, const char *reason)
{
	if (s->ended)
		return;
	if (code)
		broker_door_refuse(s->door, s->peer, s->peer_size, code, reason, NULL);
	s->ended = s->broker->burials = true;
	s->cut_later = code != 0;
	s->why = why;
}
