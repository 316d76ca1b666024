//! What sets the stack up (`config/stack`, and its neighbours for systemd and Kubernetes): the shell
//! scripts are tested by shell scripts, in `tests/stack`, which run alone as well.

use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a script of `tests/stack`, which says what failed.
fn passes(script: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stack").join(script);
    let output = Command::new("bash")
        .arg(&path)
        .env("NABAT", env!("CARGO_BIN_EXE_nabat"))
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    assert!(
        output.status.success(),
        "{script} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn vault_is_set_up_from_any_state_and_lets_nabat_do_nothing_more_than_it_needs() {
    passes("vault.sh");
}

#[test]
fn vault_is_set_up_as_compose_calls_the_scripts_with_and_without_a_file_of_secrets() {
    passes("vault-compose.sh");
}

#[test]
fn the_files_of_vaults_setup_stay_with_those_who_read_them() {
    passes("vault-owners.sh");
}

#[test]
fn three_vaults_of_the_production_file_are_a_cluster_that_survives_its_leader() {
    passes("cluster.sh");
}

#[test]
fn compose_helm_systemd_and_nabat_take_the_files_that_are_for_them() {
    passes("files.sh");
}

#[test]
fn an_incident_goes_through_the_whole_stack_to_the_chat_and_waits_for_a_sealed_vault() {
    passes("play.sh");
}

#[test]
fn a_debian_package_holds_what_an_administrator_needs_and_keeps_his_configuration() {
    passes("package.sh");
}

#[test]
fn the_stacks_alertmanager_beats_often_enough_and_mutes_what_another_alert_explains() {
    passes("alertmanager.sh");
}
