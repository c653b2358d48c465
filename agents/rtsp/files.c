#include "agents/rtsp/files.h"

int rtsp_files_load(struct rtsp_files *f, const char *path, struct torap_error *err)
{
	int r = rtsp_config_load(&f->config, path, err);
	if (!r && f->config.credentials)
		r = rtsp_credentials_load(&f->credentials, f->config.credentials, err);
	if (!r)
		r = rtsp_profiles_load(&f->profiles, f->config.profiles, err);
	if (!r)
		r = kit_plan_load(&f->plan, f->config.planned, err);
	if (!r && f->config.evidence.holds)
		r = rtsp_holds_load(&f->holds, f->config.evidence.holds, err);
	return r;
}

void rtsp_files_finish(struct rtsp_files *f)
{
	rtsp_config_finish(&f->config);
	rtsp_credentials_finish(&f->credentials);
	rtsp_profiles_finish(&f->profiles);
	kit_plan_finish(&f->plan);
	rtsp_holds_finish(&f->holds);
}
