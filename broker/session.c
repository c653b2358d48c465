#include "broker/session.h"

#include "broker/broker.h"
#include "broker/door.h"
#include "link/message.h"
#include "loop/app.h"
#include "loop/ztraffic.h"
#include "wire/envelope.h"
#include "zmtp/listener.h"

bool broker_session_traffic(const struct broker_session *s, struct torap_ztraffic *out)
{
	return s->peer && torap_ztraffic_read(out, torap_zmtp_fd(s->peer));
}

void broker_session_gone(struct broker_session *s)
{
	s->peer = NULL;
	if (s->ended)
		return;
	s->broker->counts.gone++;
	broker_session_end(s, "gone", 0, NULL);
}

bool broker_session_send_frames(struct broker_session *s, struct torap_buffer *const *frames, size_t count)
{
	if (s->ended)
		return false;
	if (s->peer && torap_zmtp_send(s->peer, frames, count)) {
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
	s->cut_later = code && s->peer && broker_door_refuse(s->peer, code, reason, NULL);
	s->ended = s->broker->burials = true;
	s->why = why;
}

void broker_session_end_alone(struct broker_session *s, const char *why, int code, const char *reason)
{
	broker_session_end(s, why, code, reason);
	if (s->peer && torap_zmtp_mark(s->peer) == s)
		torap_zmtp_set_mark(s->peer, NULL);
	s->peer = NULL;
}
