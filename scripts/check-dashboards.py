#!/usr/bin/env python3
"""Checks Grafana's dashboards without a Grafana: their JSON, and their queries against a Prometheus.

    python3 scripts/check-dashboards.py config/stack/grafana
    python3 scripts/check-dashboards.py config/stack/grafana --prometheus http://127.0.0.1:9090 --must-have-data

The directory is laid out as the stack's: dashboards/*.json, provisioning/datasources/*.yml, and may-be-empty.txt,
which names the panels that may show nothing: the dashboard's uid, a slash, the panel's title.
All faults are told at once. Exit codes: 0 fine, 1 faults, 2 usage.
"""

import argparse
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

# schemaVersion of Grafana 11.0, the oldest that this stack is for; older dashboards are migrated as they load, and then
# are not what stands in the file.
OLDEST_SCHEMA = 39
COLUMNS = 24
# What shows no numbers.
WITHOUT_UNIT = {"text", "dashlist", "alertlist", "news"}
# Grafana fills these in by the time shown; a dashboard of a few minutes has about this.
BUILT_IN = {
    "__rate_interval": "1m",
    "__interval": "15s",
    "__interval_ms": "15000",
    "__range": "1h",
    "__range_s": "3600",
    "__range_ms": "3600000",
}
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")


class Faults:
    """What is wrong, told as it is found."""

    def __init__(self):
        self.count = 0

    def add(self, where, what):
        self.count += 1
        print(f"{where}: {what}", file=sys.stderr)


def panels_of(dashboard):
    """Every panel, those in collapsed rows too."""
    for panel in dashboard.get("panels", []):
        yield panel
        yield from panel.get("panels") or []


def sources_of(directory, faults):
    """The uids of the data sources that are provisioned."""
    uids = set()
    for file in sorted((directory / "provisioning" / "datasources").glob("*.y*ml")):
        # A YAML parser would be a package to install; a provisioned uid stands alone in its line.
        uids.update(re.findall(r"(?m)^[ -]+uid:\s*[\"']?([\w-]+)[\"']?\s*$", file.read_text("utf-8")))
    if not uids:
        faults.add(directory / "provisioning" / "datasources", "no data source with a uid is provisioned")
    return uids


def allowed_of(directory, titles, faults):
    """The panels that may show nothing, as uid/title."""
    file = directory / "may-be-empty.txt"
    if not file.exists():
        return set()
    lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    allowed = {line for line in lines if line and not line.startswith("#")}
    for line in sorted(allowed - titles):
        faults.add(file, f"there is no panel {line}")
    return allowed


def overlap(one, other):
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def check_place(where, panel, placed, faults):
    place = panel.get("gridPos")
    whole = isinstance(place, dict) and all(isinstance(place.get(side), int) for side in "xywh")
    if not whole:
        faults.add(where, "gridPos must have x, y, w and h")
        return
    if place["w"] < 1 or place["h"] < 1 or place["x"] < 0 or place["y"] < 0 or place["x"] + place["w"] > COLUMNS:
        faults.add(where, f"gridPos {place} is not within {COLUMNS} columns")
    for title, other in placed:
        if overlap(place, other):
            faults.add(where, f"lies over {title}")
    placed.append((panel.get("title"), place))


def check_source(where, holder, uids, faults):
    source = holder.get("datasource")
    if not isinstance(source, dict) or not source.get("uid"):
        faults.add(where, "names no data source by uid")
    elif source["uid"] not in uids:
        faults.add(where, f"data source {source['uid']} is not provisioned")


def check_panel(where, panel, uids, faults):
    if not panel.get("description"):
        faults.add(where, "has no description")
    unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
    if panel.get("type") not in WITHOUT_UNIT and not unit:
        faults.add(where, "has no unit")
    check_source(where, panel, uids, faults)
    targets = panel.get("targets") or []
    if not targets and panel.get("type") not in WITHOUT_UNIT:
        faults.add(where, "asks for nothing")
    names = [target.get("refId") for target in targets]
    if len(set(names)) != len(names) or None in names:
        faults.add(where, f"the targets' refIds {names} are not one each")
    for target in targets:
        check_source(where, target, uids, faults)
        if not target.get("expr"):
            faults.add(where, f"target {target.get('refId')} has no expr")


def check_shape(file, dashboard, uids, faults):
    for key in ("uid", "title"):
        if not dashboard.get(key):
            faults.add(file, f"has no {key}")
    if dashboard.get("id") is not None:
        faults.add(file, "has an id: that is of one Grafana's database")
    schema = dashboard.get("schemaVersion")
    if not isinstance(schema, int) or schema < OLDEST_SCHEMA:
        faults.add(file, f"schemaVersion {schema} is older than {OLDEST_SCHEMA}")
    if re.search(r"https?://", json.dumps(dashboard)):
        faults.add(file, "leads to another host")
    ids, titles, placed = set(), set(), []
    for panel in panels_of(dashboard):
        where = f"{file}: {panel.get('title') or panel.get('id')}"
        if not panel.get("title"):
            faults.add(where, "has no title")
        if not isinstance(panel.get("id"), int) or panel["id"] in ids:
            faults.add(where, f"id {panel.get('id')} is no number of its own")
        ids.add(panel.get("id"))
        if panel.get("type") != "row":
            if panel.get("title") in titles:
                faults.add(where, "has the title of another panel")
            titles.add(panel.get("title"))
            check_panel(where, panel, uids, faults)
        check_place(where, panel, placed, faults)
    if not titles:
        faults.add(file, "has no panels")


def values_of(dashboard):
    """What Grafana would put for the variables when all is chosen."""
    values = dict(BUILT_IN)
    for variable in dashboard.get("templating", {}).get("list", []):
        if variable.get("includeAll"):
            values[variable["name"]] = variable.get("allValue") or ".*"
        else:
            current = variable.get("current", {}).get("value") or ".*"
            values[variable["name"]] = "|".join(current) if isinstance(current, list) else current
    return values


def filled(expr, values, where, faults):
    """The query as Prometheus gets it."""

    def value(found):
        name = found[1] or found[2]
        if name not in values:
            faults.add(where, f"there is no variable ${name}")
            return ".*"
        return values[name]

    return VARIABLE.sub(value, expr)


class Unreachable(Exception):
    """Prometheus did not answer, so no further query is worth a try."""


def asked(prometheus, query):
    """The series that a query gives, or its error as text."""
    body = urllib.parse.urlencode({"query": query}).encode()
    request = urllib.request.Request(prometheus.rstrip("/") + "/api/v1/query", body)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        # Prometheus says in the body what it does not like.
        text = error.read()
        if error.code not in (400, 422):
            raise Unreachable(f"{prometheus} answers {error.code}") from error
    except (OSError, ValueError) as error:
        raise Unreachable(f"{prometheus} can't be asked: {error}") from error
    try:
        answer = json.loads(text)
    except ValueError as error:
        raise Unreachable(f"{prometheus} does not answer as Prometheus") from error
    if answer.get("status") != "success":
        return None, answer.get("error", "no error is named")
    result = answer["data"]["result"]
    return (result if isinstance(result, list) else [result]), None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="with dashboards/ and provisioning/ in it")
    parser.add_argument("--prometheus", metavar="URL", help="run every query there, too")
    parser.add_argument("--must-have-data", action="store_true", help="a query without data is a fault")
    asks = parser.parse_args()
    if asks.must_have_data and not asks.prometheus:
        parser.error("--must-have-data needs --prometheus")
    files = sorted((asks.directory / "dashboards").glob("*.json"))
    if not files:
        parser.error(f"there are no dashboards in {asks.directory / 'dashboards'}")

    faults = Faults()
    uids = sources_of(asks.directory, faults)
    queries, titles, boards = [], set(), {}
    for file in files:
        try:
            dashboard = json.loads(file.read_text("utf-8"))
        except ValueError as error:
            faults.add(file, f"is no JSON: {error}")
            continue
        check_shape(file, dashboard, uids, faults)
        uid = dashboard.get("uid")
        if uid in boards:
            faults.add(file, f"has the uid of {boards[uid]}")
        boards[uid] = file
        values = values_of(dashboard)
        for panel in panels_of(dashboard):
            name = f"{uid}/{panel.get('title')}"
            titles.add(name)
            for target in panel.get("targets") or []:
                query = filled(target.get("expr") or "", values, f"{file}: {panel.get('title')}", faults)
                queries.append((file, name, query))
    allowed = allowed_of(asks.directory, titles, faults)

    empty = 0
    for file, name, query in queries if asks.prometheus else []:
        try:
            series, error = asked(asks.prometheus, query)
        except Unreachable as unreachable:
            print(unreachable, file=sys.stderr)
            return 1
        if error:
            faults.add(f"{file}: {name}", f"{error}\n    {query}")
        elif not series:
            empty += 1
            if asks.must_have_data and name not in allowed:
                faults.add(f"{file}: {name}", f"shows nothing\n    {query}")

    ran = f", {empty} of them without data" if asks.prometheus else ", none of them run"
    print(f"{len(files)} dashboards, {len(queries)} queries{ran}; {faults.count} faults")
    return 1 if faults.count else 0


if __name__ == "__main__":
    sys.exit(main())
