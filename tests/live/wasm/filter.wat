;; A filter of Proxy-Wasm (ABI 0.2.1, https://github.com/proxy-wasm/spec). It writes its configuration into the header
;; x-wasm of requests and x-wasm-back of responses, its root id into x-root, and the environment variables that it sees
;; into x-env. A request with x-deny gets 403, one with x-trap ends the machine, and the body of one with x-hold is held
;; until it is whole.
(module
  (type $five (func (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add_header (type $five)))
  (import "env" "proxy_get_header_map_value" (func $get_header (type $five)))
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer (type $five)))
  (import "env" "proxy_send_local_response"
    (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $get_property (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "x-wasm")
  (data (i32.const 32) "x-wasm-back")
  (data (i32.const 48) "x-deny")
  (data (i32.const 64) "x-trap")
  (data (i32.const 80) "denied")
  (data (i32.const 96) "x-root")
  (data (i32.const 112) "plugin_root_id")
  (data (i32.const 128) "x-env")
  (data (i32.const 144) "x-hold")
  (global $free (mut i32) (i32.const 65536))

  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $start i32)
    (local.set $start (global.get $free))
    ;; What requests allocate is not kept: a machine of a test serves few at once.
    (global.set $free (i32.add (global.get $free) (local.get $size)))
    (if (i32.gt_u (global.get $free) (i32.const 126976)) (then (global.set $free (i32.const 69632))))
    (local.get $start))

  ;; The root context of a context, and the configuration of a root context.
  (func $root_of (param $context i32) (result i32)
    (i32.add (i32.const 8192) (i32.shl (i32.and (local.get $context) (i32.const 4095)) (i32.const 2))))
  (func $config_of (param $root i32) (result i32)
    (i32.add (i32.const 4096) (i32.shl (i32.and (local.get $root) (i32.const 255)) (i32.const 3))))

  ;; Whether the body of a context is held.
  (func $hold_of (param $context i32) (result i32)
    (i32.add (i32.const 24576) (i32.shl (i32.and (local.get $context) (i32.const 4095)) (i32.const 2))))

  (func (export "proxy_on_context_create") (param $context i32) (param $root i32)
    (if (local.get $root)
      (then (i32.store (call $root_of (local.get $context)) (local.get $root)))))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param $root i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (call $config_of (local.get $root)))
    (if (local.get $size) (then
      (drop (call $get_buffer (i32.const 7) (i32.const 0) (local.get $size)
        (local.get $at) (i32.add (local.get $at) (i32.const 4))))))
    (i32.const 1))

  (func $has (param $name i32) (param $length i32) (result i32)
    (i32.and
      (i32.eqz (call $get_header (i32.const 0) (local.get $name) (local.get $length) (i32.const 256) (i32.const 260)))
      (i32.ne (i32.load (i32.const 260)) (i32.const 0))))
  ;; Adds the texts of the environment, each of which ends with a zero; their places are at 512, and they at 1024.
  (func $tell_environment
    (local $left i32) (local $from i32) (local $length i32)
    (drop (call $environ_sizes (i32.const 504) (i32.const 508)))
    (drop (call $environ (i32.const 512) (i32.const 1024)))
    (local.set $left (i32.load (i32.const 504)))
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $left)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (local.set $from (i32.load (i32.add (i32.const 512) (i32.shl (local.get $left) (i32.const 2)))))
      (local.set $length (i32.const 0))
      (block $end (loop $more
        (br_if $end (i32.eqz (i32.load8_u (i32.add (local.get $from) (local.get $length)))))
        (local.set $length (i32.add (local.get $length) (i32.const 1)))
        (br $more)))
      (drop (call $add_header (i32.const 0) (i32.const 128) (i32.const 5) (local.get $from) (local.get $length)))
      (br $next))))
  (func $tell_root
    (if (i32.eqz (call $get_property (i32.const 112) (i32.const 14) (i32.const 256) (i32.const 260))) (then
      (if (i32.load (i32.const 260)) (then
        (drop (call $add_header (i32.const 0) (i32.const 96) (i32.const 6)
          (i32.load (i32.const 256)) (i32.load (i32.const 260)))))))))
  (func $mark (param $context i32) (param $map i32) (param $name i32) (param $length i32)
    (local $at i32)
    (local.set $at (call $config_of (i32.load (call $root_of (local.get $context)))))
    (drop (call $add_header (local.get $map) (local.get $name) (local.get $length)
      (i32.load (local.get $at)) (i32.load (i32.add (local.get $at) (i32.const 4))))))

  (func (export "proxy_on_request_headers") (param $context i32) (param i32 i32) (result i32)
    (if (call $has (i32.const 64) (i32.const 6)) (then unreachable))
    (i32.store (call $hold_of (local.get $context)) (call $has (i32.const 144) (i32.const 6)))
    (if (call $has (i32.const 48) (i32.const 6)) (then
      (drop (call $respond (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 80) (i32.const 6)
        (i32.const 0) (i32.const 0) (i32.const -1)))
      (return (i32.const 1))))
    (call $mark (local.get $context) (i32.const 0) (i32.const 16) (i32.const 6))
    (call $tell_root)
    (call $tell_environment)
    (i32.const 0))
  (func (export "proxy_on_request_body") (param $context i32) (param i32) (param $end i32) (result i32)
    (i32.and (i32.eqz (local.get $end)) (i32.load (call $hold_of (local.get $context)))))
  (func (export "proxy_on_response_headers") (param $context i32) (param i32 i32) (result i32)
    (call $mark (local.get $context) (i32.const 2) (i32.const 32) (i32.const 11))
    (i32.const 0)))
