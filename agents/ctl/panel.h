/* panel.h: `torap panel`, a simulator of alarm panels that speaks real DC-09: for demonstrations, drills and load. */
#pragma once

int ctl_panel(int argc, char **argv); /* argv[0] is "panel" */
