"""What the exporter promises. Run it with `python3 -B -m unittest discover config/stack/exporter`."""

import contextlib
import http.client
import io
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import exporter  # noqa: E402

PROGRAM = Path(__file__).with_name("exporter.py")


class Clock:
    """Time that goes on when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Case(unittest.TestCase):
    def setUp(self):
        self.clock = Clock()
        self.engine = exporter.RiskEngine(self.clock)
        self.server = exporter.Server(("127.0.0.1", 0), self.engine)
        self.addCleanup(self.server.server_close)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.addCleanup(self.server.shutdown)
        log = exporter.Handler.log_message
        exporter.Handler.log_message = lambda *_: None
        self.addCleanup(setattr, exporter.Handler, "log_message", log)

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(*self.server.server_address, timeout=10)
        self.addCleanup(connection.close)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def play(self, metric, order):
        return self.ask("POST", f"/play/{metric}", json.dumps(order))

    def samples(self):
        status, text = self.ask("GET", "/metrics")
        self.assertEqual(status, 200)
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in lines}


class Metrics(Case):
    def test_every_series_exists_from_the_start_with_help_and_type(self):
        _, text = self.ask("GET", "/metrics")
        found = re.findall(r"^# HELP (\w+) \S.*\n# TYPE (\w+) (\w+)$", text, re.MULTILINE)
        self.assertEqual(
            found,
            [
                ("anti_dumping_ratio", "anti_dumping_ratio", "gauge"),
                ("goszakup_errors_total", "goszakup_errors_total", "counter"),
                ("risk_assessments_total", "risk_assessments_total", "counter"),
                ("rnu_validations_total", "rnu_validations_total", "counter"),
                ("http_requests_total", "http_requests_total", "counter"),
            ],
        )
        samples = self.samples()
        self.assertEqual(samples.pop("anti_dumping_ratio"), 4)
        for series in (
            'goszakup_errors_total{error_type="auth"}',
            'risk_assessments_total{risk_level="high"}',
            'rnu_validations_total{result="failed"}',
            'http_requests_total{code="500"}',
        ):
            self.assertIn(series, samples)
        self.assertEqual(set(samples.values()), {0})

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_promtool_finds_nothing_to_say(self):
        self.clock.now += 61.7
        _, text = self.ask("GET", "/metrics")
        checked = subprocess.run(
            ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30
        )
        self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, "", ""))

    def test_counters_grow_with_time_and_never_shrink(self):
        self.clock.now += 60
        before = self.samples()
        self.assertEqual(before['risk_assessments_total{risk_level="low"}'], 60)
        self.assertEqual(before['risk_assessments_total{risk_level="high"}'], 5)
        for state in ("bad", "good"):
            self.play("all", {"state": state})
            self.clock.now += 7.3
            after = self.samples()
            for name in after:
                if name != "anti_dumping_ratio":
                    self.assertGreaterEqual(after[name], before[name], name)
            before = after


class Play(Case):
    def test_the_ratio_goes_bad_and_good_again(self):
        status, text = self.ask("POST", "/play/anti_dumping_ratio")
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(text)["anti_dumping_ratio"], {"state": "bad", "value": 23})
        self.assertEqual(self.samples()["anti_dumping_ratio"], 23)
        self.play("anti_dumping_ratio", {"value": 31.5})
        self.assertEqual(self.samples()["anti_dumping_ratio"], 31.5)
        self.play("anti_dumping_ratio", {"state": "good"})
        self.assertEqual(self.samples()["anti_dumping_ratio"], 4)

    def test_a_counter_keeps_what_it_counted_when_its_pace_changes(self):
        self.clock.now += 60
        self.play("goszakup_errors_total", {"state": "bad"})
        self.clock.now += 30
        self.play("goszakup_errors_total", {"state": "good"})
        self.clock.now += 300
        # 0.2 + 60 / 2 + 5 * 0.2
        self.assertEqual(self.samples()['goszakup_errors_total{error_type="timeout"}'], 31)

    def test_one_series_alone_goes_bad(self):
        status, text = self.play("goszakup_errors_total", {"error_type": "auth", "per_minute": 90})
        self.assertEqual(status, 200, text)
        self.clock.now += 60
        samples = self.samples()
        self.assertEqual(samples['goszakup_errors_total{error_type="auth"}'], 90)
        self.assertEqual(samples['goszakup_errors_total{error_type="timeout"}'], 0)
        self.play("goszakup_errors_total", {"error_type": "auth", "state": "good"})
        _, text = self.ask("GET", "/play")
        self.assertEqual(json.loads(text)["goszakup_errors_total"]["state"], "good")

    def test_all_go_bad_and_good_together(self):
        for state in ("bad", "good"):
            status, text = self.play("all", {"state": state})
            self.assertEqual(status, 200)
            told = json.loads(text)
            self.assertEqual(len(told), 5)
            self.assertEqual({metric["state"] for metric in told.values()}, {state})


class BadInput(Case):
    def refused(self, status, said, answer):
        self.assertEqual(answer[0], status, answer[1])
        self.assertIn(said, json.loads(answer[1])["error"])

    def test_what_is_no_order_is_refused_and_changes_nothing(self):
        before = self.samples()
        ratio, errors = "/play/anti_dumping_ratio", "goszakup_errors_total"
        self.refused(400, "line 2, column", self.ask("POST", ratio, '{"state":\n bad}'))
        self.refused(400, "no UTF-8", self.ask("POST", ratio, b"\xff"))
        self.refused(400, "JSON object", self.ask("POST", ratio, "[1]"))
        self.refused(400, "no number", self.ask("POST", ratio, '{"value": NaN}'))
        self.refused(400, "no JSON", self.ask("POST", ratio, '{"value":' * 5000))
        self.refused(400, "from 0 to", self.play("anti_dumping_ratio", {"value": "23"}))
        self.refused(400, "from 0 to", self.play("anti_dumping_ratio", {"value": True}))
        self.refused(400, "from 0 to", self.play("anti_dumping_ratio", {"value": -1}))
        self.refused(400, "from 0 to", self.ask("POST", ratio, '{"value": 1e400}'))
        self.refused(400, "from 0 to", self.play("anti_dumping_ratio", {"value": 10**400}))
        self.refused(400, "known are state, value", self.play("anti_dumping_ratio", {"valeu": 1}))
        self.refused(400, '"good" or "bad"', self.play("anti_dumping_ratio", {"state": "worse"}))
        self.refused(400, '"good" or "bad"', self.play("anti_dumping_ratio", {"state": []}))
        self.refused(400, "belongs to", self.play("anti_dumping_ratio", {"state": "good", "value": 1}))
        self.refused(400, "timeout", self.play(errors, {"error_type": "tiemout"}))
        self.refused(400, "timeout", self.play(errors, {"error_type": {}}))
        self.refused(400, "needs error_type", self.play(errors, {"per_minute": 5}))
        self.refused(400, "known are state", self.play("all", {"state": "bad", "value": 5}))
        self.refused(404, "anti_dumping_ratio", self.play("anti_dumping", {}))
        self.refused(404, "/play/METRIC", self.ask("POST", "/metrics"))
        self.refused(404, "/metrics", self.ask("GET", "/metric"))
        self.refused(405, "POST", self.ask("GET", ratio))
        self.assertEqual(self.samples(), before)

    def test_a_body_without_a_length_or_too_long_is_not_read(self):
        path = "/play/anti_dumping_ratio"
        chunked = self.ask("POST", path, iter([b"{}"]), {"Transfer-Encoding": "chunked"})
        self.refused(411, "Content-Length", chunked)
        self.refused(413, "65536", self.ask("POST", path, headers={"Content-Length": "65537"}))
        self.refused(411, "Content-Length", self.ask("POST", path, headers={"Content-Length": "-1"}))


class Peers(Case):
    def test_an_order_that_was_cut_off_is_none(self):
        with socket.create_connection(self.server.server_address, timeout=10) as cut:
            cut.sendall(b"POST /play/all HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
            cut.shutdown(socket.SHUT_WR)
            answer = cut.makefile("rb").read()
        self.assertIn(b" 400 ", answer.splitlines()[0])
        self.assertIn(b"ended after 0 of 9 bytes", answer)
        self.assertEqual(self.samples()["anti_dumping_ratio"], 4)

    def test_a_connection_that_says_nothing_or_breaks_off_is_no_fault_of_ours(self):
        self.addCleanup(setattr, exporter.Handler, "timeout", exporter.Handler.timeout)
        exporter.Handler.timeout = 0.1
        with contextlib.redirect_stderr(io.StringIO()) as said:
            with socket.create_connection(self.server.server_address, timeout=10) as silent:
                self.assertEqual(silent.recv(1), b"")
            for part in (b"GET /metr", b"POST /play/all HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"):
                with socket.create_connection(self.server.server_address, timeout=10) as broken:
                    broken.sendall(part)
            self.assertEqual(self.samples()["anti_dumping_ratio"], 4)
        self.assertEqual(said.getvalue(), "")


class Program(unittest.TestCase):
    def run_program(self, *arguments):
        return subprocess.run(
            [sys.executable, PROGRAM, *arguments], capture_output=True, text=True, timeout=30
        )

    def test_sigterm_ends_it_with_0(self):
        with subprocess.Popen(
            [sys.executable, PROGRAM, "--port", "0"], stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                first = process.stderr.readline()
                self.assertRegex(first, r"^exporter: listening on http://127\.0\.0\.1:\d+$")
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(timeout=10), 0)
                self.assertEqual(process.stderr.read(), "")
            finally:
                process.kill()

    def test_a_busy_port_is_told_in_a_line(self):
        with socket.create_server(("127.0.0.1", 0)) as busy:
            number = str(busy.getsockname()[1])
            ended = self.run_program("--port", number)
        self.assertEqual(ended.returncode, 1)
        self.assertEqual(len(ended.stderr.splitlines()), 1, ended.stderr)
        self.assertIn(f"can't listen on 127.0.0.1:{number}: Address already in use", ended.stderr)

    def test_a_faulty_flag_is_a_usage_error(self):
        for arguments in (["--port", "70000"], ["--port", "x"], ["--prot", "1"]):
            self.assertEqual(self.run_program(*arguments).returncode, 2)
        ended = self.run_program("--listen", "no such host")
        self.assertEqual(ended.returncode, 1)
        self.assertEqual(len(ended.stderr.splitlines()), 1, ended.stderr)

    def test_help_shows_how_to_play(self):
        ended = self.run_program("--help")
        self.assertEqual(ended.returncode, 0)
        self.assertIn("/play/anti_dumping_ratio", ended.stdout)
        self.assertIn("--listen", ended.stdout)


if __name__ == "__main__":
    unittest.main()
