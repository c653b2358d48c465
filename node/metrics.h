/* metrics.h: what the node tells about itself over HTTP on loopback: /metrics for Prometheus, /status for `torap status`. */
#pragma once

struct node;
struct torap_error;
struct torap_http;

int node_metrics_open(struct torap_http **out, struct node *n, struct torap_error *err);
