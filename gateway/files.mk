# SPDX-License-Identifier: Apache-2.0
# The gateway: ports of services and the protocols on them, a part of jiffyd.
# What speaks the protocols; its unit tests bring their own backend.h.
GATEWAY_PROTO_SRCS += gateway/cert_make.c
GATEWAY_PROTO_SRCS += gateway/certs.c
GATEWAY_PROTO_SRCS += gateway/exchange.c
GATEWAY_PROTO_SRCS += gateway/gateway.c
GATEWAY_PROTO_SRCS += gateway/h2.c
GATEWAY_PROTO_SRCS += gateway/held.c
GATEWAY_PROTO_SRCS += gateway/http.c
GATEWAY_PROTO_SRCS += gateway/http1.c
GATEWAY_PROTO_SRCS += gateway/http_text.c
GATEWAY_PROTO_SRCS += gateway/limits.c
GATEWAY_PROTO_SRCS += gateway/pg.c
GATEWAY_PROTO_SRCS += gateway/pg_keys.c
GATEWAY_PROTO_SRCS += gateway/pg_wire.c
GATEWAY_PROTO_SRCS += gateway/pool.c
GATEWAY_PROTO_SRCS += gateway/reach.c
GATEWAY_PROTO_SRCS += gateway/stream.c
GATEWAY_PROTO_SRCS += gateway/tls.c
GATEWAY_PROTO_SRCS += gateway/tls_port.c
GATEWAY_PROTO_SRCS += gateway/tunnel.c
GATEWAY_SRCS += $(GATEWAY_PROTO_SRCS)
GATEWAY_SRCS += gateway/protocols.c
# What is behind them.
GATEWAY_SRCS += gateway/balance.c
GATEWAY_SRCS += gateway/link.c
GATEWAY_SRCS += gateway/listen.c
GATEWAY_SRCS += gateway/preface.c
GATEWAY_SRCS += gateway/proxy.c
GATEWAY_SRCS += gateway/route.c
GATEWAY_SRCS += gateway/service.c
GATEWAY_SRCS += gateway/status.c
GATEWAY_LIBS := -lnghttp2 -lssl -lcrypto
