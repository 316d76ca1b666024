#!/usr/bin/env bash
# Everything that must hold before a change is merged. The last lines are cargo test's summary.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash scripts/setup-test-peers.sh

cargo fmt --all --check
cargo clippy --all-targets --locked -- -D warnings
# Not `advisories`: its database is fetched from GitHub, which a build machine may not reach.
target/test-peers/cargo-deny/bin/cargo-deny check bans licenses sources
# The same cases of property tests everywhere; without it, each run draws new ones.
export PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-1}"
cargo test --locked
