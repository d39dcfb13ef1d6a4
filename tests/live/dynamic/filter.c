// A filter in Envoy's ABI of dynamic modules (https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/advanced/dynamic_modules).
// It writes its configuration into the header x-dynamic of requests, and of responses. Without one it cannot be configured.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct buffer {
  const char *start;
  size_t length;
};
enum { CONTINUE = 0, REQUEST_HEADERS = 0, RESPONSE_HEADERS = 2 };

extern bool envoy_dynamic_module_callback_http_set_header(void *stream, int map, struct buffer name,
                                                          struct buffer value);

const char *envoy_dynamic_module_on_program_init(void) { return "v0.1.0"; }

const void *envoy_dynamic_module_on_http_filter_config_new(void *envoy, struct buffer name, struct buffer config) {
  if (config.length == 0) return NULL;
  struct buffer *made = malloc(sizeof *made + config.length);
  made->start = memcpy((char *)(made + 1), config.start, config.length);
  made->length = config.length;
  return made;
}

void envoy_dynamic_module_on_http_filter_config_destroy(void *config) { free(config); }

const void *envoy_dynamic_module_on_http_filter_new(void *config, void *stream) { return config; }

static void mark(void *stream, const struct buffer *config, int map) {
  struct buffer name = {"x-dynamic", 9};
  envoy_dynamic_module_callback_http_set_header(stream, map, name, *config);
}

int envoy_dynamic_module_on_http_filter_request_headers(void *stream, void *filter, bool end) {
  mark(stream, filter, REQUEST_HEADERS);
  return CONTINUE;
}

int envoy_dynamic_module_on_http_filter_response_headers(void *stream, void *filter, bool end) {
  mark(stream, filter, RESPONSE_HEADERS);
  return CONTINUE;
}

int envoy_dynamic_module_on_http_filter_request_body(void *stream, void *filter, bool end) { return CONTINUE; }
int envoy_dynamic_module_on_http_filter_request_trailers(void *stream, void *filter) { return CONTINUE; }
int envoy_dynamic_module_on_http_filter_response_body(void *stream, void *filter, bool end) { return CONTINUE; }
int envoy_dynamic_module_on_http_filter_response_trailers(void *stream, void *filter) { return CONTINUE; }

#define NOTHING(name) \
  void envoy_dynamic_module_on_http_filter_##name(void *stream, void *filter) {}

NOTHING(destroy)
NOTHING(stream_complete)
NOTHING(scheduled)
NOTHING(http_callout_done)
NOTHING(http_stream_headers)
NOTHING(http_stream_data)
NOTHING(http_stream_trailers)
NOTHING(http_stream_complete)
NOTHING(http_stream_reset)
NOTHING(downstream_above_write_buffer_high_watermark)
NOTHING(downstream_below_write_buffer_low_watermark)

int envoy_dynamic_module_on_http_filter_local_reply(void *stream, void *filter) { return CONTINUE; }
