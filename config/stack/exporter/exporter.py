#!/usr/bin/env python3
"""A stand-in for the procurement team's risk-engine, with whose metrics an incident can be played.

It counts as if lots were analysed all day. `POST /play/METRIC` lets a metric go bad, and good again, so
that the way of an alert from here to the phone can be seen. It needs Python alone, no packages.
"""

import argparse
import json
import math
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# No order to play is longer; what says that it is gets 413 unread.
LONGEST_BODY = 64 * 1024


class Refusal(Exception):
    """What a request asks for can't be done; `status` is the HTTP status, the text says why."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Gauge:
    """A number that is what it was last set to."""

    kind = "gauge"

    def __init__(self, name, help_text, good, bad):
        self.name = name
        self.help_text = help_text
        self.good = good
        self.bad = bad
        self.value = good

    def play(self, order, _now):
        """Takes `{"state": "good" | "bad"}`, and `value` for another one than the usual bad value."""
        state = state_of(order, {"value"})
        if state == "good" and "value" in order:
            raise Refusal(400, 'value belongs to the state "bad": a good metric has its own')
        self.value = number(order, "value", self.bad) if state == "bad" else self.good

    def samples(self, _now):
        yield {}, self.value

    def told(self, _now):
        return {"state": "good" if self.value == self.good else "bad", "value": self.value}


class Counter:
    """Series of one label, each of which grows evenly at a pace that can be changed.

    No thread counts: a value is computed when it is asked for. So scrapes cost nothing in
    between, and tests need not wait.
    """

    kind = "counter"

    def __init__(self, name, help_text, label, good, bad, now):
        self.name = name
        self.help_text = help_text
        self.label = label
        self.good = good
        self.bad = bad
        self.paces = dict(good)
        self.counts = dict.fromkeys(good, 0.0)
        self.since = now

    def play(self, order, now):
        """Takes `{"state": "good" | "bad"}`, and for one series alone its label and `per_minute`."""
        state = state_of(order, {self.label, "per_minute"})
        value = order.get(self.label)
        if value is None and "per_minute" in order:
            raise Refusal(400, f"per_minute needs {self.label}, one of {words(self.good)}")
        if value is not None and (not isinstance(value, str) or value not in self.good):
            raise Refusal(400, f"{self.label} is {json.dumps(value)}; it can be {words(self.good)}")
        if state == "good" and "per_minute" in order:
            raise Refusal(400, 'per_minute belongs to the state "bad": a good metric has its own')
        usual = {"good": self.good, "bad": self.bad}[state]
        paces = dict(usual)
        if value is not None:
            # Of the others nothing was said, so they stay as they are.
            paces = {**self.paces, value: number(order, "per_minute", usual[value])}
        self.settle(now)
        self.paces = paces

    def settle(self, now):
        """Counts until now at the former pace."""
        for value, pace in self.paces.items():
            self.counts[value] += pace / 60 * max(0.0, now - self.since)
        self.since = now

    def samples(self, now):
        self.settle(now)
        for value, count in self.counts.items():
            # Things are counted whole.
            yield {self.label: value}, math.floor(count)

    def told(self, _now):
        state = "good" if self.paces == self.good else "bad"
        return {"state": state, "label": self.label, "per_minute": self.paces}


def state_of(order, more):
    """The state that an order asks for; bad, if it says none."""
    for key in order:
        if key not in {"state"} | more:
            raise Refusal(400, f"there is no {json.dumps(key)}; known are {words({'state'} | more)}")
    state = order.get("state", "bad")
    if state not in ("good", "bad"):
        raise Refusal(400, f'state is {json.dumps(state)}; it can be "good" or "bad"')
    return state


def number(order, key, default):
    """A finite number that is not negative, as every metric here is."""
    value = order.get(key, default)
    # To Python, true is a number.
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    # A whole number may be too large for a float, which would stop the scrapes.
    if not known or not 0 <= value <= 1e15:
        raise Refusal(400, f"{key} must be a number from 0 to 1e15")
    return value


def words(names):
    return ", ".join(sorted(names))


class RiskEngine:
    """The metrics, and the one lock around them."""

    def __init__(self, clock=time.monotonic):
        self.clock = clock
        self.lock = threading.Lock()
        now = clock()
        metrics = [
            Gauge(
                "anti_dumping_ratio",
                "Violations of the anti-dumping rules per 100 analysed lots.",
                good=4,
                bad=23,
            ),
            Counter(
                "goszakup_errors_total",
                "Calls of the goszakup API that failed, by kind of error.",
                "error_type",
                good={"timeout": 0.2, "http_5xx": 0.1, "rate_limited": 0, "auth": 0, "bad_response": 0},
                bad={"timeout": 60, "http_5xx": 20, "rate_limited": 0, "auth": 0, "bad_response": 0},
                now=now,
            ),
            Counter(
                "risk_assessments_total",
                "Risk assessments of lots, by the level they ended with.",
                "risk_level",
                good={"low": 60, "medium": 25, "high": 5},
                bad={"low": 30, "medium": 20, "high": 50},
                now=now,
            ),
            Counter(
                "rnu_validations_total",
                "Suppliers looked up in the register of unreliable suppliers (RNU), by result.",
                "result",
                good={"clean": 30, "listed": 1, "failed": 0.1},
                bad={"clean": 10, "listed": 1, "failed": 20},
                now=now,
            ),
            Counter(
                "http_requests_total",
                "HTTP requests that were answered, by status code.",
                "code",
                good={"200": 240, "404": 4, "500": 0.2, "503": 0},
                bad={"200": 120, "404": 4, "500": 60, "503": 30},
                now=now,
            ),
        ]
        self.metrics = {metric.name: metric for metric in metrics}

    def exposition(self):
        """Prometheus' text format, version 0.0.4."""
        lines = []
        with self.lock:
            now = self.clock()
            for metric in self.metrics.values():
                lines.append(f"# HELP {metric.name} {metric.help_text}")
                lines.append(f"# TYPE {metric.name} {metric.kind}")
                for labels, value in metric.samples(now):
                    # Labels are words from this file: there is nothing in them to escape.
                    inner = ",".join(f'{name}="{label}"' for name, label in labels.items())
                    lines.append(f"{metric.name}{'{' + inner + '}' if inner else ''} {value}")
        return "\n".join(lines) + "\n"

    def told(self):
        """How every metric is being played."""
        with self.lock:
            return {name: metric.told(self.clock()) for name, metric in self.metrics.items()}

    def play(self, name, order):
        """Changes one metric, or with the name `all` each of them."""
        if name != "all" and name not in self.metrics:
            raise Refusal(404, f"there is no metric {json.dumps(name)}; known are all, {words(self.metrics)}")
        if name == "all":
            state_of(order, set())
        with self.lock:
            now = self.clock()
            for metric in self.metrics.values() if name == "all" else [self.metrics[name]]:
                metric.play(order, now)


def order_of(body):
    """The JSON object in a request's body; nothing at all is an empty one."""
    if not body.strip():
        return {}
    try:
        # Python would read NaN, which is no JSON.
        order = json.loads(body.decode("utf-8"), parse_constant=no_constant)
    except UnicodeDecodeError as error:
        raise Refusal(400, f"the body is no UTF-8: {error.reason} at byte {error.start}") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Refusal(400, f"the body is no JSON: {error.msg} at {where}") from error
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"the body is no JSON that can be read: {error}") from error
    if not isinstance(order, dict):
        raise Refusal(400, 'the body must be a JSON object, such as {"state": "bad"}')
    return order


def no_constant(name):
    raise ValueError(f"{name} is no number there")


class Handler(BaseHTTPRequestHandler):
    """One connection. `server.engine` is what it is about."""

    protocol_version = "HTTP/1.1"
    # A peer that says nothing must not hold its thread for ever.
    timeout = 30
    # Until a request has said one; a connection may time out before.
    command = None

    def do_GET(self):
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self.answer(200, "text/plain; version=0.0.4; charset=utf-8", self.server.engine.exposition())
        elif path == "/play":
            self.answer_json(200, self.server.engine.told())
        elif path == "/-/healthy":
            self.answer(200, "text/plain; charset=utf-8", "fine\n")
        elif path == "/":
            self.answer(200, "text/plain; charset=utf-8", INDEX)
        elif path.startswith("/play/"):
            self.refuse(Refusal(405, "use POST to play a metric"), {"Allow": "POST"})
        else:
            self.refuse(Refusal(404, "there are /metrics, /play and /-/healthy"))

    # A health check may ask for the head alone.
    do_HEAD = do_GET

    def do_POST(self):
        try:
            body = self.body()
            path = self.path.partition("?")[0]
            if not path.startswith("/play/"):
                raise Refusal(404, f"POST goes to /play/METRIC; known are all, {words(self.server.engine.metrics)}")
            self.server.engine.play(path.removeprefix("/play/"), order_of(body))
        except Refusal as refusal:
            self.refuse(refusal)
        else:
            self.answer_json(200, self.server.engine.told())

    def body(self):
        length = self.headers.get("Content-Length")
        if "Transfer-Encoding" in self.headers or (length is not None and not length.isdecimal()):
            # Where the body ends is not known, so nothing behind it can be read.
            self.close_connection = True
            raise Refusal(411, "say the body's length in Content-Length")
        if int(length or 0) > LONGEST_BODY:
            self.close_connection = True
            raise Refusal(413, f"the body is longer than {LONGEST_BODY} bytes")
        body = self.rfile.read(int(length or 0))
        if len(body) < int(length or 0):
            # Nothing at all would count as an order.
            self.close_connection = True
            raise Refusal(400, f"the body ended after {len(body)} of {length} bytes")
        return body

    def refuse(self, refusal, headers=None):
        self.answer(refusal.status, "application/json", json.dumps({"error": str(refusal)}) + "\n", headers)

    def answer_json(self, status, data):
        self.answer(status, "application/json", json.dumps(data, indent=2) + "\n")

    def answer(self, status, kind, text, headers=None):
        body = text.encode("utf-8")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format, *arguments):
        # Scrapes would fill the log; what was played is worth a line.
        if self.command == "POST":
            sys.stderr.write("exporter: " + format % arguments + "\n")


INDEX = """\
A stand-in for risk-engine.
GET  /metrics        for Prometheus
GET  /play           how each metric is being played
POST /play/METRIC    {"state": "bad"} or {"state": "good"}; METRIC is one of them, or all
GET  /-/healthy
"""

USAGE = """\
examples, while it runs:
  curl -X POST localhost:7002/play/anti_dumping_ratio
  curl -X POST localhost:7002/play/anti_dumping_ratio -d '{"value": 31.5}'
  curl -X POST localhost:7002/play/goszakup_errors_total -d '{"error_type": "auth", "per_minute": 90}'
  curl -X POST localhost:7002/play/all -d '{"state": "good"}'
  curl localhost:7002/play

Whoever reaches the port can play: this is for trying things out, not for production.
Exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 usage.
"""


class Server(ThreadingHTTPServer):
    # A slow peer must not hold up the stop.
    daemon_threads = True

    def __init__(self, address, engine):
        self.engine = engine
        super().__init__(address, Handler)

    def handle_error(self, request, client_address):
        # A peer that went away is no fault of ours.
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def port(text):
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port; ports go from 0 (a free one) to 65535")
    return int(text)


def arguments(argv):
    parser = argparse.ArgumentParser(
        description="A stand-in for risk-engine, with whose metrics an incident can be played.",
        epilog=USAGE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--listen", default="127.0.0.1", metavar="ADDRESS",
        help="address to listen on; 0.0.0.0 is every one (default: %(default)s)",
    )
    parser.add_argument(
        "--port", type=port, default=7002, help="port to listen on; 0 takes a free one (default: %(default)s)"
    )
    return parser.parse_args(argv)


def stop(_signal, _frame):
    raise KeyboardInterrupt


def main(argv=None):
    asked = arguments(argv)
    signal.signal(signal.SIGTERM, stop)
    try:
        server = Server((asked.listen, asked.port), RiskEngine())
    except OSError as error:
        print(
            f"exporter: can't listen on {asked.listen}:{asked.port}: {error.strerror or error}; "
            "choose another with --listen and --port",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 0
    with server:
        host, number_of_port = server.server_address[:2]
        try:
            print(f"exporter: listening on http://{host}:{number_of_port}", file=sys.stderr, flush=True)
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
