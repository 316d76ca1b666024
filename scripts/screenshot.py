#!/usr/bin/env python3
"""Takes the documents' pictures: the demo's chat page as a phone shows it.

    cargo run -- demo &                          # and 11 seconds of its story
    python3 scripts/screenshot.py 'http://127.0.0.1:9088/#-1001000000001' docs/images/demo.png

A third argument is the height of the phone, in its own pixels.
Needs chromium and chromedriver (scripts/setup-test-peers.sh installs them).
"""
import base64
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

WIDTH, SCALE = 420, 1.5

url, picture, *height = sys.argv[1:]
height = int(height[0]) if height else 910
with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, subprocess.Popen(
    ["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True
) as driver:
    try:
        for line in driver.stdout:
            if found := re.search(r"started successfully on port (\d+)", line):
                break
        address = f"http://127.0.0.1:{found[1]}/session"

        def command(path, body):
            request = urllib.request.Request(address + path, json.dumps(body).encode())
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["value"]

        options = {
            "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                f"--user-data-dir={profile}",
            ],
        }
        session = command("", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}})
        address += "/" + session["sessionId"]

        def cdp(name, **params):
            return command("/goog/cdp/execute", {"cmd": name, "params": params})

        cdp("Emulation.setDeviceMetricsOverride",
            width=WIDTH, height=height, deviceScaleFactor=SCALE, mobile=True)
        command("/url", {"url": url})
        seen = {"script": "return document.querySelectorAll('.bubble').length", "args": []}
        deadline = time.monotonic() + 20
        while not command("/execute/sync", seen):
            if time.monotonic() > deadline:
                sys.exit(f"no message is shown at {url}")
            time.sleep(0.1)
        time.sleep(0.5)  # the page's own animations
        shot = cdp("Page.captureScreenshot", format="png")
        with open(picture, "wb") as file:
            file.write(base64.b64decode(shot["data"]))
        urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=30)
    finally:
        driver.terminate()
