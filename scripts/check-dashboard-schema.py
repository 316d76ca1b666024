#!/usr/bin/env python3
"""Checks Grafana's dashboards against the types that Grafana publishes (npm: @grafana/schema), by TypeScript's compiler.

    python3 scripts/check-dashboard-schema.py config/stack/grafana/dashboards

scripts/setup-test-peers.sh installs both. What a panel asks Prometheus is not in the published types;
scripts/check-dashboards.py looks at that. Exit codes: 0 fine, 1 faults, 2 usage.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

MODULES = Path(__file__).resolve().parent.parent / "target/test-peers/grafana-schema/node_modules"
RAW = "@grafana/schema/dist/types/raw"
# A plugin of another kind has to be added here, so that none goes unchecked.
PLUGINS = ("stat", "timeseries")
FLAGS = "--noEmit --strict --skipLibCheck --target es2022 --module esnext --moduleResolution bundler".split()


def typed(dashboard):
    """The parts of a dashboard that have a type each: a name for people, the type, the part."""
    panels = dashboard.pop("panels", [])
    yield "the dashboard", "Omit<Dashboard, 'panels'>", dashboard
    for panel in panels:
        name = panel.get("title") or panel.get("id")
        kind = panel.get("type")
        if kind == "row":
            yield name, "RowPanel", panel
        elif kind not in PLUGINS:
            raise ValueError(f"{name}: no types are known here for {kind}")
        else:
            panel.pop("targets", None)
            yield f"{name}: options", f"{kind}.Options", panel.pop("options", None)
            custom = panel.get("fieldConfig", {}).get("defaults", {}).pop("custom", None)
            if kind == "timeseries":
                yield f"{name}: custom", f"{kind}.FieldConfig", custom
            yield name, "Panel", panel


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dashboards", type=Path, help="the directory with the *.json")
    parser.add_argument("--modules", type=Path, default=MODULES, help="the node_modules with the types and the compiler")
    asks = parser.parse_args()
    files = sorted(asks.dashboards.glob("*.json"))
    if not files:
        parser.error(f"there are no dashboards in {asks.dashboards}")
    if not (asks.modules / RAW / "dashboard").is_dir() or not (asks.modules / ".bin/tsc").exists():
        parser.error(f"{asks.modules} lacks @grafana/schema or typescript; scripts/setup-test-peers.sh installs them")

    modules = asks.modules.resolve()
    lines = [f"import type {{ Dashboard, Panel, RowPanel }} from {json.dumps(f'{modules}/{RAW}/dashboard/x/types.gen')};"]
    for kind in PLUGINS:
        path = f"{modules}/{RAW}/composable/{kind}/panelcfg/x/types.gen"
        lines.append(f"import type * as {kind} from {json.dumps(path)};")
    # A file's words are strings, never members of an enum, so enums count as their strings.
    lines.append(
        "type Json<T> = T extends string ? `${T}` : T extends (infer U)[] ? Json<U>[]"
        " : T extends object ? { [K in keyof T]: Json<T[K]> } : T;"
    )
    names = {}
    for file in files:
        try:
            for name, kind, part in typed(json.loads(file.read_text("utf-8"))):
                lines.append(f"export const _{len(lines)}: Json<{kind}> = {json.dumps(part)};")
                names[len(lines)] = f"{file}: {name}"
        except ValueError as error:
            print(f"{file}: {error}", file=sys.stderr)
            return 1

    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "dashboards.ts"
        source.write_text("\n".join(lines) + "\n", "utf-8")
        checked = subprocess.run(
            [modules / ".bin/tsc", *FLAGS, source], capture_output=True, text=True, check=False
        )
    # A fault of the first lines, or one that has no line, is told as the compiler tells it.
    for line in checked.stdout.splitlines():
        found = re.search(r"dashboards\.ts\((\d+),\d+\): (.*)", line)
        where = names.get(int(found[1])) if found else None
        print(f"{where}: {found[2]}" if where else line, file=sys.stderr)
    print(checked.stderr, end="", file=sys.stderr)
    if checked.returncode == 0:
        print(f"{len(files)} dashboards are as Grafana's types want them")
    return 1 if checked.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
