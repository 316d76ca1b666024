//! The flags' twins in the environment, as people and Compose files write them.

use std::ffi::OsStr;

use clap::builder::{BoolishValueParser, Resettable, TypedValueParser as _};
use clap::{Arg, ArgAction, Command};

/// The command, with its subcommands, without the twins that say nothing: an empty variable, as
/// `${NAME:-}` in a Compose file makes it, is no variable. A switch is turned on by `1`, `yes`,
/// `true` or `on`, and left alone by their opposites.
pub(super) fn settled(command: Command) -> Command {
    command.mut_args(settle).mut_subcommands(settled)
}

fn settle(arg: Arg) -> Arg {
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
    let arg = if is_switch { arg.value_parser(BoolishValueParser::new()) } else { arg };
    let value = arg.get_env().and_then(std::env::var_os);
    let says_nothing = |value: &OsStr| value.is_empty() || (is_switch && is_off(value));
    if value.as_deref().is_some_and(says_nothing) { arg.env(Resettable::Reset) } else { arg }
}

fn is_off(value: &OsStr) -> bool {
    BoolishValueParser::new().parse_ref(&Command::default(), None, value).is_ok_and(|on| !on)
}
