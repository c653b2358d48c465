#include "agents/follow/shelf.h"

#include "store/journal.h"
#include "store/kv.h"

void follow_shelf_init(struct follow_shelf *s, struct torap_committer *committer)
{
	*s = (struct follow_shelf){ .committer = committer };
}

bool follow_shelf_waits(const struct follow_shelf *s)
{
	return s->full;
}

bool follow_shelf_is_behind(const struct follow_shelf *s)
{
	return s->behind;
}

const struct follow_job *follow_shelf_first(const struct follow_shelf *s)
{
	return s->first;
}

static void put_aside(struct follow_shelf *s, struct follow_job *job)
{
	struct follow_job **at = &s->first;
	while (*at && (*at)->serial < job->serial)
		at = &(*at)->next;
	job->next = *at;
	*at = job;
	if (s->full && job->serial > s->last_aside)
		s->last_aside = job->serial;
}

static struct follow_job *take_first(struct follow_shelf *s)
{
	struct follow_job *job = s->first;
	s->first = job->next;
	return job;
}

static void send(struct follow_shelf *s, struct follow_job *job)
{
	s->under_way++;
	if (job->leads)
		s->leader = job;
	torap_committer_submit(s->committer, &job->job);
}

static void go_on(struct follow_shelf *s)
{
	while (s->first && !s->leader && !s->full)
		send(s, take_first(s));
}

static void drop_all(struct follow_shelf *s)
{
	while (s->first) {
		struct follow_job *job = take_first(s);
		job->drop(job);
	}
}

/* Behind one that found no room, the next of its stream leaves a gap. */
static bool wants_room(const struct follow_shelf *s, const struct follow_job *job, int result)
{
	return result == TORAP_KV_FULL ||
	       (result == TORAP_JOURNAL_GAP && s->first && s->first->serial < job->serial);
}

static void on_done(struct torap_commit_job *commit, int result)
{
	struct follow_job *job = (struct follow_job *)commit;
	struct follow_shelf *s = job->shelf;
	s->under_way--;
	if (s->leader == job)
		s->leader = NULL;
	if (wants_room(s, job, result)) {
		s->full = s->behind = true;
		put_aside(s, job);
		if (s->closing)
			drop_all(s);
		return;
	}
	/* Only a try comes back alone while nothing else is under way. */
	if (s->full && s->under_way == 0 && (!s->first || s->first->serial > job->serial))
		s->full = false;
	if (!s->full && job->serial >= s->last_aside)
		s->behind = false;
	job->done(job, result);
	go_on(s);
}

void follow_shelf_submit(struct follow_shelf *s, struct follow_job *job)
{
	job->shelf = s;
	job->serial = ++s->serial;
	job->job.done = on_done;
	if (s->full || s->first || s->leader)
		put_aside(s, job);
	else
		send(s, job);
	if (s->full && s->closing)
		drop_all(s);
}

void follow_shelf_try(struct follow_shelf *s)
{
	if (s->full && s->first && s->under_way == 0)
		send(s, take_first(s));
}

void follow_shelf_close(struct follow_shelf *s)
{
	s->closing = true;
	if (s->full)
		drop_all(s);
}
